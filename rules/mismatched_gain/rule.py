"""INI303: weights drawn with the gain of another activation than the one behind them, or with a root missing from its own."""

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
    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Site, Write
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI303",
    name="mismatched-gain",
    severity=Severity.INFO,
    summary="Weights are drawn with the gain of another activation than the one that follows them, or with one computed wrongly.",
    fix="unsafe",
)

LAYERS = 2
# Gains as torch.nn.init.calculate_gain gives them, except for SELU, which keeps unit variance with 1 (Klambauer et al. 2017)
# and not with the 3/4 of that table.
OWN = {"relu": math.sqrt(2.0), "tanh": 5.0 / 3.0, "selu": 1.0}
NAMED = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3.0, "relu": math.sqrt(2.0), "selu": 3.0 / 4.0}
OFF = 1.1  # ratio of gains
# A formula is recognized by its value: of a gain √(2/(1 + a²)) the whole without its root, or the root of the denominator alone.
EXACT = 1e-4
NORMAL = ("normal", "truncated normal")
DRAWN_WITH_GAIN = ("nn.init.orthogonal_", "nn.init.xavier_uniform_", "nn.init.xavier_normal_")


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per line that draws such weights."""
    lines: dict[tuple[str, int, str, float], tuple[Site, float, list[WeightLayer]]] = {}
    for layer in facts.structure.layers.values():
        parameter = facts.parameter(layer.weight)
        write = parameter.writes[-1] if parameter.writes else None
        site = None if write is None or write.default else site_of_call(write, facts)
        function = _activation(facts.structure.nodes[layer.node])
        own = None if function is None else _own(function)
        if layer.kind not in ("linear", "convolution") or write is None or site is None or function is None or own is None:
            continue
        gain = _foreign(write, operator(function), own) or (None if _is_squared(function) else _slip(write, layer, own))
        if gain is not None:
            lines.setdefault((site.path, site.line, operator(function), own), (site, gain, []))[2].append(layer)
    for (_, _, name, own), (site, gain, layers) in lines.items():
        members = [facts.parameter(layer.weight) for layer in layers]
        by_hand = not any("gain" in item.writes[-1].options or "mode" in item.writes[-1].options for item in members)
        if len(members) < LAYERS or (by_hand and len({layer.fan_in for layer in layers}) < LAYERS):
            continue  # one literal deviation may happen to be the root of one number
        slip = _is_slip(gain, own)
        whole = (
            f", {number((gain / own) ** len(members))}x if all lie one behind the other: SGD then needs a smaller rate"
            if slip
            else ""
        )
        yield finding(
            RULE,
            facts,
            at=site,
            message=(
                f"{counted(len(members), 'layer')} of {pattern_of(map(module_of, members))} {'is' if len(members) == 1 else 'are'} "
                f"drawn with a gain of {_shown(gain)}, but {name} follows, whose gain is {_shown(own)}"
                f"{' (the root of 2/(1 + slope²), all of it)' if slip and name == 'leaky_relu' else ''}: their standard deviation "
                f"is {number(gain / own)} of what keeps the signal, layer by layer{whole}."
            ),
            help=_help(name),
            modules=map(module_of, members),
            evidence={"gain": gain, "own": own, "layers": float(len(members))},
        )


def _shown(gain: float) -> str:
    return f"{gain:.3g}"


def _activation(node: Node) -> Node | None:
    """The function that a layer's output goes into next; None when it has several readers or is normalized first."""
    while True:
        users = list(node.users)
        if len(users) != 1:
            return None
        node = users[0]
        if operator(node) not in PASSING:
            return node


def _own(function: Node) -> float | None:
    """The gain that keeps the scale of what goes through a function."""
    name = operator(function)
    if name != "leaky_relu":
        return OWN.get(name)
    slope = function.args[1] if len(function.args) > 1 else function.kwargs.get("negative_slope", 0.01)
    return math.sqrt(2 / (1 + slope**2)) if isinstance(slope, int | float) else None


def _foreign(write: Write, function: str, own: float) -> float | None:
    """The gain of a write that names another function, or none that suits SELU."""
    options = write.options
    if write.op.startswith("nn.init.kaiming") and options.get("mode") == "fan_in":
        named, slope = str(options.get("nonlinearity")), options.get("a")
        gain = NAMED.get(named) if named != "leaky_relu" else math.sqrt(2 / (1 + float(slope) ** 2)) if slope == 0 else None
        explicit = named != "leaky_relu" or function == "selu"
    elif write.op in DRAWN_WITH_GAIN:
        given = options.get("gain")
        gain = float(given) if isinstance(given, int | float) else None
        explicit = gain is not None and any(math.isclose(gain, value, rel_tol=1e-3) for value in NAMED.values()) and gain != 1.0
    else:
        return None
    if gain is None or not explicit or 1 / OFF < gain / own < OFF:
        return None
    return gain


def _is_squared(function: Node) -> bool:
    """Whether a function's value is squared at once, as of a squared rectifier: what keeps its scale is another number."""
    return any(operator(user) in ("pow", "square") for user in function.users)


def _slip(write: Write, layer: WeightLayer, own: float) -> float | None:
    """A gain that is the function's own but for a root: given to torch.nn.init, or what N(0, gain²/inputs) was drawn with."""
    law = write.law
    if write.op == "nn.init.orthogonal_" and layer.fan_out > layer.fan_in:
        return None  # its entries are those of the outputs' number, which a gain of √(outputs/inputs) undoes
    if write.op in DRAWN_WITH_GAIN:
        given = write.options.get("gain")
        gain = float(given) if isinstance(given, int | float) else 0.0
    elif law.family in NORMAL and not law.mean and not write.op.startswith("nn.init.kaiming"):
        gain = math.sqrt(law.second_moment * layer.fan_in)
    else:
        return None
    return gain if _is_slip(gain, own) else None


def _is_slip(gain: float, own: float) -> bool:
    slips = (own**2, own * math.sqrt(2.0)) if own > 1.0 else ()
    return any(math.isclose(gain, value, rel_tol=EXACT) for value in slips if value / own >= OFF)


def _help(function: str) -> str:
    if function == "leaky_relu":
        return "give gain=nn.init.calculate_gain('leaky_relu', slope)"
    if function == "selu":
        return "give nonlinearity='linear' (a gain of 1) to kaiming_normal_, as self-normalizing nets need"
    return f"give nonlinearity='{function}' to kaiming initialization, or gain=nn.init.calculate_gain('{function}')"


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The gain of the function that follows; of draws by hand the usual start."""
    from initlint.fixes.calls import with_argument
    from initlint.lint.cures import draw_of_finding, layers_of, parameters_drawn_at, restarts, unsafe
    from initlint.lint.starting import Files, is_constant

    place = draw_of_finding(found, Files(facts))
    names = parameters_drawn_at(facts, found.span)
    if place is None or not names:
        return
    code, draw = place
    others = {module_of(facts.parameter(name)) for name in names} - set(found.modules)
    written = facts.parameter(names[0]).writes[-1].op
    if not (written.startswith("nn.init.kaiming") or written in DRAWN_WITH_GAIN):
        yield from restarts(facts, layers_of(found, facts))
        return
    if others or not is_constant(code, draw):  # a call for other layers too, or one whose gain its callers choose
        return
    own = found.evidence["own"]
    function = next((name for name, gain in OWN.items() if math.isclose(gain, own)), "")
    if written.startswith("nn.init.kaiming"):
        word = "linear" if function == "selu" else function
        edit = with_argument(code, draw, "nonlinearity", f"{code.quote}{word}{code.quote}", 2)
    else:
        slope = math.sqrt(max(2 / own**2 - 1, 0.0))
        leaky = f"nn.init.calculate_gain({code.quote}leaky_relu{code.quote}, {slope:.6g})"
        texts = {"relu": "2**0.5", "tanh": "5 / 3", "selu": "1.0"}
        edit = with_argument(code, draw, "gain", texts.get(function, leaky), 0)
    yield from unsafe(f"give the gain of {function or 'leaky_relu'}", [edit])
