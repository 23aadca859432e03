"""INI405: a learned gate that starts where its function has no slope."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import is_node, operands, operator, strip
from initlint.lint.finding import Severity
from initlint.lint.gates import gates_below
from initlint.lint.gauss import SLOPES
from initlint.lint.paths import feeding_layer
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_law, site_of_node, step_at

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.model import Parameter
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI405",
    name="closed-gate",
    severity=Severity.ERROR,
    summary="A learned gate starts where its function is flat, so that next to no gradient opens it.",
    fix="unsafe",
    explained_by=("zero-gradient",),
)

# Share of the largest slope. Plain gradient steps are smaller by as much; Adam's are not, but it has eight units to go at its
# usual rates of 1e-3 before a sigmoid opens from here.
FLAT = 2e-3
REACH = 2.0  # deviations of what a gate of data reads, which one input in forty exceeds
# Where a sigmoid of a recurrent layer has FLAT of its slope when its data add one to it, and the share of units that may start below:
# of LSTMs whose input gates start at -U(1, T) those of T = 40 (0.80 below) train with Adam, those of T = 200 (0.96) at one rate of two.
BELOW = -8.5
UNREAD = 0.9
SHUT = 1 / (1 + math.exp(-BELOW))
SHUT_BELOW = frozenset({"sigmoid", "hardsigmoid"})
# (where the slope is zero below, where it is zero above)
FLAT_BEYOND = {"relu": (0.0, math.inf), "relu6": (0.0, 6.0), "hardtanh": (-1.0, 1.0), "hardsigmoid": (-3.0, 3.0)}


def check(facts: Facts) -> Iterator[Finding]:
    """Bounded and rectifying functions of a trainable parameter that is one constant; sigmoids of data that are held at zero; recurrent
    layers that take nothing in."""
    yield from _unread(facts)
    for node in facts.structure.dependence.order:
        name = operator(node)
        if name not in SLOPES and name not in FLAT_BEYOND and not name.startswith("clamp"):
            continue
        source = next(operands(node), None)
        if source is not None and name in SHUT_BELOW and node.name in facts.structure.dependence.data:
            yield from _shut(facts, node, source)
        known = None if source is None else _known(facts, source)
        if known is None:
            continue
        parameter, reached = known
        value = parameter.law.mean
        slope = _slope(node, name, reached)
        if slope > FLAT or not _has_effect(facts, node):
            continue
        never = slope == 0.0
        yield finding(
            RULE,
            facts,
            at=site_of_law(parameter, facts),
            severity=Severity.ERROR if never else Severity.WARNING,
            message=(
                f"`{parameter.name}` starts at {number(value)}, where {name} "
                + (
                    "has no slope at all: it receives no gradient and the gate never moves."
                    if never
                    else f"has {number(slope)} of its largest slope: gradient steps are as much smaller, and the gate hardly moves."
                )
            ),
            help="start it where the function has a slope, for example at -2 for a sigmoid that is to be nearly closed",
            modules=[module_of(parameter)],
            evidence={"value": value, "slope": slope},
            related=step_at(site_of_node(node.name, facts), f"{name} of it is computed here"),
        )


def _shut(facts: Facts, node: Node, source: Node) -> Iterator[Finding]:
    """A gate of data whose inputs have so negative a mean that hardly one of them opens it, on the way to other layers.

    What holds a gate open is a choice: it passes what it is to pass.
    """
    structure, signal = facts.structure, facts.signals.get(source.name)
    layers = structure.dependence.bits(structure.layers)
    if signal is None or signal.second_moment is None or signal.mean is None or not math.isfinite(signal.second_moment):
        return
    spread = math.sqrt(max(signal.second_moment - signal.mean**2, 0.0))
    reached = signal.mean + REACH * spread
    slope = _slope(node, operator(node), min(reached, 0.0))
    if slope > FLAT or not structure.dependence.descendants[node.name] & layers or not _has_effect(facts, node):
        return
    layer = feeding_layer(facts, source)
    biases = [] if layer is None else [facts.parameter(name) for name in layer.others]
    bias = next((item for item in biases if item.law.family == "constant" and item.law.mean < signal.mean / 2), None)
    what = f"the input of {operator(node)}" if bias is None else f"`{bias.name}` starts at {number(bias.law.mean)}: the gate's input"
    yield finding(
        RULE,
        facts,
        at=site_of_node(source.name, facts) if bias is None else site_of_law(bias, facts),
        severity=Severity.WARNING,
        message=(
            f"{what} has a mean of {number(signal.mean)} and a standard deviation of {number(spread)}, where {operator(node)} has "
            f"{number(slope)} of its largest slope at best: nothing passes, and the gate hardly moves."
        ),
        help="start the gate's bias where the function has a slope, for example at -2 for one that is to be nearly closed",
        modules=[] if layer is None else [module_of(facts.parameter(layer.weight))],
        evidence={"value": signal.mean if bias is None else bias.law.mean, "slope": slope},
        related=step_at(site_of_node(node.name, facts), f"{operator(node)} of it is computed here"),
    )


def _unread(facts: Facts) -> Iterator[Finding]:
    for taken in gates_below(facts, BELOW):
        if taken.share < UNREAD:
            continue
        parameter = facts.parameter(taken.bias)
        yield finding(
            RULE,
            facts,
            at=site_of_law(parameter, facts),
            severity=Severity.WARNING,
            message=(
                f"`{parameter.name}` starts the gates that let new values into the state at numbers down to {number(taken.lowest)}: "
                f"{number(100 * taken.share)} % of the units are shut beyond {number(BELOW)}, where a sigmoid is {number(SHUT)}. Next to nothing "
                "of the input enters, and no gradient opens them."
            ),
            help="for spans drawn between 1 and T, the biases are their logarithms: log(U(1, T - 1)) to keep, and minus that to let in",
            modules=[module_of(parameter)],
            evidence={"value": taken.lowest, "share": taken.share},
        )


def _known(facts: Facts, node: Node) -> tuple[Parameter, float] | None:
    """The constant trainable parameter of which a node is a function with numbers alone, and the node's value."""
    import torch

    steps: list[Node] = []
    while (found := facts.traced.parameters.get((node := strip(node)).name)) is None:
        sources = list(operands(node))
        if len(sources) != 1 or node.op != "call_function" or torch.Tag.pointwise not in getattr(node.target, "tags", ()):
            return None
        steps.append(node)
        node = sources[0]
    if found.kind != "parameter" or not found.trainable or found.law.family != "constant":
        return None
    value = torch.tensor(found.law.mean, dtype=torch.float64)
    for step in reversed(steps):
        value = step.target(*(value if is_node(item) else item for item in step.args), **step.kwargs)  # type: ignore[operator]
    return found, float(value)


def _slope(node: Node, name: str, value: float) -> float:
    """The slope at a value, relative to the largest one."""
    if name in SLOPES:
        return SLOPES[name](value) / SLOPES[name](0.0)
    low, high = FLAT_BEYOND.get(name, (-math.inf, math.inf))
    if name.startswith("clamp") or name == "hardtanh":
        given = [*node.args[1:3], None, None]
        bounds = [node.kwargs.get("min", given[0]), node.kwargs.get("max", given[1])]
        if name == "clamp_max":
            bounds = [None, given[0]]
        low = float(bounds[0]) if isinstance(bounds[0], int | float) else low
        high = float(bounds[1]) if isinstance(bounds[1], int | float) else high
    return 0.0 if value < low or value > high else 1.0


def _has_effect(facts: Facts, node: Node) -> bool:
    """Whether a product with data reads the gate: other functions of parameters are no gates."""
    dependence = facts.structure.dependence
    readers = dependence.names(dependence.descendants[node.name])
    return any(operator(facts.structure.nodes[name]) == "mul" and name in dependence.data for name in readers[:12])


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The number with which the gate is made, where the function has a slope: the nearest of a few usual ones; the logarithms of spans."""
    from initlint.fixes.expressions import number_replaced, spans_logged
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files

    code = Files(facts).code(found.span.path)
    if code is None:
        return
    value = found.evidence["value"]
    if "share" in found.evidence:
        edit = spans_logged(code, found.span.line)
        yield from unsafe("take the logarithms of the spans", () if edit is None else (edit,))
        return
    for start in sorted((-2.0, -1.0, 0.1, 0.5, 1.0), key=lambda start: abs(start - value)):
        edit = number_replaced(code, found.span.line, value, f"{start:g}" if value == 0 else f"{start}")
        yield from unsafe(f"start the gate at {start:g}", () if edit is None else (edit,))
