"""INI303: weights drawn with the gain of another activation than the one behind them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import PASSING, operator
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_of, number, pattern_of, site_of_call

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.model import Parameter, Site, Write
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI303",
    name="mismatched-gain",
    severity=Severity.INFO,
    summary="Weights are drawn with the gain of another activation than the one that follows them.",
    fix="unsafe",
)

LAYERS = 2
# Gains as torch.nn.init.calculate_gain gives them, except for SELU, which keeps unit variance with 1 (Klambauer et al. 2017)
# and not with the 3/4 of that table.
OWN = {"relu": math.sqrt(2.0), "tanh": 5.0 / 3.0, "selu": 1.0}
NAMED = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3.0, "relu": math.sqrt(2.0), "selu": 3.0 / 4.0}
OFF = 1.1  # ratio of gains


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per line that draws such weights."""
    lines: dict[tuple[str, int, str], tuple[Site, float, list[Parameter]]] = {}
    for layer in facts.structure.layers.values():
        parameter = facts.parameter(layer.weight)
        write = parameter.writes[-1] if parameter.writes else None
        site = None if write is None or write.default else site_of_call(write, facts)
        function = _activation(facts.structure.nodes[layer.node])
        if layer.kind not in ("linear", "convolution") or write is None or site is None or function not in OWN:
            continue
        gain = _foreign(write, function)
        if gain is not None:
            lines.setdefault((site.path, site.line, function), (site, gain, []))[2].append(parameter)
    for (_, _, function), (site, gain, members) in lines.items():
        if len(members) >= LAYERS:
            ratio = gain / OWN[function]
            yield finding(
                RULE,
                facts,
                at=site,
                message=(
                    f"{counted(len(members), 'layer')} of {pattern_of(map(module_of, members))} {'is' if len(members) == 1 else 'are'} "
                    f"drawn with a gain of {number(gain)}, but {function} follows, whose gain is {number(OWN[function])}: their "
                    f"standard deviation is {number(ratio)} of what keeps the signal, layer by layer."
                ),
                help=_help(function),
                modules=map(module_of, members),
                evidence={"gain": gain, "own": OWN[function], "layers": float(len(members))},
            )


def _activation(node: Node) -> str:
    """The function that a layer's output goes into next; "" when it has several readers or is normalized first."""
    while True:
        users = list(node.users)
        if len(users) != 1:
            return ""
        node = users[0]
        if operator(node) not in PASSING:
            return operator(node)


def _foreign(write: Write, function: str) -> float | None:
    """The gain of a write that names another function, or none that suits SELU."""
    options = write.options
    if write.op.startswith("nn.init.kaiming") and options.get("mode") == "fan_in":
        named, slope = str(options.get("nonlinearity")), options.get("a")
        gain = NAMED.get(named) if named != "leaky_relu" else math.sqrt(2 / (1 + float(slope) ** 2)) if slope == 0 else None
        explicit = named != "leaky_relu" or function == "selu"
    elif write.op in ("nn.init.orthogonal_", "nn.init.xavier_uniform_", "nn.init.xavier_normal_"):
        given = options.get("gain")
        gain = float(given) if isinstance(given, int | float) else None
        explicit = gain is not None and any(math.isclose(gain, value, rel_tol=1e-3) for value in NAMED.values()) and gain != 1.0
    else:
        return None
    if gain is None or not explicit or 1 / OFF < gain / OWN[function] < OFF:
        return None
    return gain


def _help(function: str) -> str:
    if function == "selu":
        return "give nonlinearity='linear' (a gain of 1) to kaiming_normal_, as self-normalizing nets need"
    return f"give nonlinearity='{function}' to kaiming initialization, or gain=nn.init.calculate_gain('{function}')"


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The gain of the function that follows."""
    from initlint.fixes.calls import with_argument
    from initlint.lint.cures import draw_of_finding, parameters_drawn_at, unsafe
    from initlint.lint.starting import Files, is_constant

    place = draw_of_finding(found, Files(facts))
    names = parameters_drawn_at(facts, found.span)
    if place is None or not names:
        return
    code, draw = place
    others = {module_of(facts.parameter(name)) for name in names} - set(found.modules)
    if others or not is_constant(code, draw):  # a call for other layers too, or one whose gain its callers choose
        return
    function = next((name for name, gain in OWN.items() if math.isclose(gain, found.evidence["own"])), "")
    if facts.parameter(names[0]).writes[-1].op.startswith("nn.init.kaiming"):
        word = "linear" if function == "selu" else function
        edit = with_argument(code, draw, "nonlinearity", f"{code.quote}{word}{code.quote}", 2)
    else:
        edit = with_argument(code, draw, "gain", {"relu": "2**0.5", "tanh": "5 / 3"}.get(function, "1.0"), 0)
    yield from unsafe(f"give the gain of {function}", [edit])
