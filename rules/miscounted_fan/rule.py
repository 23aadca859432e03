"""INI719: a fan counted without the groups of a convolution, without its kernel, or along the wrong axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import PASSING, operator
from initlint.graph.layers import groups_of
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, pattern_of, site_of_call

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Law, Parameter, Site, Write
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI719",
    name="miscounted-fan",
    severity=Severity.WARNING,
    summary="The deviation of a weight leaves out the groups or the kernel of its convolution, or reads the outputs for inputs.",
    fix="unsafe",
    explained_by=("mismatched-fan",),
)

RATIO = 4.0  # of fans: the deviation is off by its root
BOUNDS = (1.0, 3.0, 6.0)  # fan times the square of the bound: 1/√fan, LeCun's and He's
NORMAL = ("normal", "truncated normal")
RANDOM = (*NORMAL, "uniform")
SCALINGS = ("mul_", "div_")
EXACT = 1e-4  # relative; a formula is recognized by its value


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per line and kind of slip, for weights that no normalization sets right at once."""
    found: dict[tuple[str, int, str], tuple[Site, str, float, list[Parameter]]] = {}
    for layer in facts.structure.layers.values():
        parameter = facts.parameter(layer.weight)
        write = parameter.writes[-1] if parameter.writes else None
        site = None if write is None or write.default else site_of_call(write, facts)
        if write is None or site is None or write.shape != parameter.shape:
            continue
        slip = _without_groups(facts, layer, write) or _by_hand(facts, layer, parameter, write)
        if slip is None or _is_normalized(facts.structure.nodes[layer.node], facts):
            continue
        words, off = slip
        found.setdefault((site.path, site.line, words), (site, words, off, []))[3].append(parameter)
    yield from _by_outputs(facts)
    for site, words, off, members in found.values():
        axis = "number of its outputs" in words
        yield finding(
            RULE,
            facts,
            at=site,
            severity=Severity.INFO if axis else Severity.WARNING,
            message=(
                f"{pattern_of(item.name for item in members)} {'is' if len(members) == 1 else 'are'} drawn for {words}: the "
                f"standard deviation is {number(math.sqrt(max(off, 1 / off)))}x too {'small' if off > 1 else 'large'}, in every "
                "such layer, and nothing normalizes it."
            ),
            help=(
                "divide by weight.size(1), the inputs of a linear layer"
                if axis
                else "inputs per output are weight[0].numel(); outputs per input are weight.size(0) · kernel / groups"
            ),
            modules=[module_of(item) for item in members],
            evidence={"ratio": off, "layers": float(len(members))},
        )


def _by_outputs(facts: Facts) -> Iterator[Finding]:
    """Normal draws of linear layers whose variance is 1 or 2 over the number of outputs: a note per line.

    A literal deviation may happen to be the root of one number of outputs; that it is for all layers of a line, which have
    different ones, is no accident.
    """
    lines: dict[tuple[str, int], list[tuple[WeightLayer, Site]]] = {}
    makers = {layer.weight for layer in facts.structure.generated.values()}  # their outputs are weights, with fans of their own
    others: set[tuple[str, int]] = set()  # lines that draw some layer for another number: a formula that is not this one
    for layer in facts.structure.layers.values():
        usable = layer.kind == "linear" and layer.fan_in != layer.fan_out and layer.weight not in makers
        drawn = _last_draw(facts.parameter(layer.weight)) if usable else None
        site = None if drawn is None else site_of_call(drawn, facts)
        if drawn is None or site is None or len(drawn.shape) != 2 or drawn.law.family not in NORMAL or abs(drawn.law.mean) > EXACT:
            continue
        if _matches(drawn.law, layer.fan_out) and not _matches(drawn.law, layer.fan_in):
            lines.setdefault((site.path, site.line), []).append((layer, site))
        else:
            others.add((site.path, site.line))
    for drawn_here in (items for place, items in lines.items() if place not in others):
        off = [(layer, layer.fan_out / layer.fan_in) for layer, _ in drawn_here]
        small, large = ([item for item in off if wrong(item[1])] for wrong in (RATIO.__le__, (1 / RATIO).__ge__))
        if len({layer.fan_out for layer, _ in drawn_here}) < 2 or not (small or large):
            continue
        said = [
            f"{number(math.sqrt(max(max(ratio, 1 / ratio) for _, ratio in some)))}x too {word} in "
            f"{pattern_of(module_of(facts.parameter(layer.weight)) for layer, _ in some)}"
            for some, word in ((small, "small"), (large, "large"))
            if some
        ]
        yield finding(
            RULE,
            facts,
            at=drawn_here[0][1],
            severity=Severity.INFO,
            message=(
                "this deviation follows the number of outputs (weight.size(0)), but a linear layer sums over its inputs: the "
                f"weights are {' and '.join(said)}."
            ),
            help="divide by weight.size(1), the inputs of a linear layer",
            modules=[module_of(facts.parameter(layer.weight)) for layer, _ in [*small, *large]],
            evidence={"ratio": max((max(ratio, 1 / ratio) for _, ratio in off)), "layers": float(len(small) + len(large))},
        )


def _last_draw(parameter: Parameter) -> Write | None:
    """The draw of a whole weight that at most a factor followed, as for depth."""
    for write in reversed(parameter.writes):
        if write.op not in SCALINGS:
            return None if write.default or write.shape != parameter.shape else write
    return None


def _without_groups(facts: Facts, layer: WeightLayer, write: Write) -> tuple[str, float] | None:
    """fan_out of torch.nn.init, which knows no groups: each input reaches only the outputs of its own group."""
    node = facts.structure.nodes[layer.node]
    if layer.kind != "convolution" or "transpose" in operator(node) or write.options.get("mode") != "fan_out":
        return None
    groups = groups_of(node)
    if not write.op.startswith("nn.init.kaiming") or groups < RATIO:
        return None
    return f"a fan_out that ignores the {groups} groups of the convolution", float(groups)


def _by_hand(facts: Facts, layer: WeightLayer, parameter: Parameter, write: Write) -> tuple[str, float] | None:
    """A deviation computed by hand: √(1/n) or √(2/n) of the channels alone, or a bound of √(1, 3 or 6 / outputs).

    The weight of a transposed convolution is laid out as (inputs, outputs, kernel), and a place of its output is reached by
    kernel/stride places of the input.
    """
    law = write.law
    if write.op.startswith("nn.init.kaiming") or write.op.startswith("nn.init.xavier") or not law.std:
        return None
    if layer.kind == "convolution" and len(parameter.shape) > 2:
        node, kernel = facts.structure.nodes[layer.node], math.prod(parameter.shape[2:])
        if "transpose" in operator(node):
            return _transposed(law, parameter.shape, kernel / _strides(node, len(parameter.shape) - 2))
        known = (layer.fan_in, layer.fan_out * kernel, (layer.fan_in + layer.fan_out * kernel) / 2)
        groups = groups_of(node)
        own = (layer.fan_in, parameter.shape[0] * kernel / groups)
        ungrouped = any(_matches(law, fan * kernel) for fan in (parameter.shape[1] * groups, parameter.shape[0]))
        if law.family in RANDOM and groups >= RATIO and ungrouped and not any(_matches(law, fan) for fan in own):
            return f"a fan that ignores the {groups} groups of the convolution", float(groups)
        counted = parameter.shape[1] if parameter.shape[1] > 1 else math.nan  # of one channel any N(0, 1) would be
        if kernel >= RATIO and _matches(law, counted) and not any(_matches(law, fan) for fan in known):
            return f"{parameter.shape[1]} input channels without the kernel of {kernel} places", 1.0 / kernel
    if layer.kind == "linear" and len(parameter.shape) == 2 and law.family == "uniform" and law.high:
        outputs, inputs = layer.fan_out, layer.fan_in
        off = outputs / inputs
        by_outputs, by_inputs = (any(math.isclose(law.high**2 * fan, square, rel_tol=EXACT) for square in BOUNDS) for fan in (outputs, inputs))
        if by_outputs and not by_inputs and not 1 / RATIO < off < RATIO:
            return f"{outputs} inputs, the number of its outputs (weight.size(0))", off
    return None


def _transposed(law: Law, shape: tuple[int, ...], reached: float) -> tuple[str, float] | None:
    """The channels without the kernel, of the inputs or of the outputs; `reached` is how many places of the input an output sums over."""
    inputs, outputs, *sizes = shape
    kernel = math.prod(sizes)
    known = (inputs * reached, outputs * reached, *(fan * kernel for fan in (inputs, outputs, (inputs + outputs) / 2)))
    for channels, words in ((inputs, "input"), (outputs, "output")):
        off = channels / (inputs * reached)
        if off <= 1 / RATIO and _matches(law, channels) and not any(_matches(law, fan) for fan in known):
            return f"{channels} {words} channels of a transposed convolution without its kernel of {kernel} places", off
    return None


def _strides(node: Node, spatial: int) -> int:
    """The product of the strides of a transposed convolution."""
    given = node.args[3] if len(node.args) > 3 else node.kwargs.get("stride", 1)
    sizes = [size for size in given if isinstance(size, int)] if isinstance(given, list | tuple) else [given]
    whole = [size for size in sizes if isinstance(size, int)] or [1]
    return math.prod(whole if len(whole) == spatial else whole[:1] * spatial)


def _matches(law: Law, fan: float) -> bool:
    """Whether the second moment is 1/fan or 2/fan."""
    return any(math.isclose(law.second_moment * fan, gain, rel_tol=EXACT) for gain in (1.0, 2.0))


def _is_normalized(node: Node, facts: Facts) -> bool:
    """Whether the only reader of a layer's output is a normalization."""
    while len(node.users) == 1:
        node = next(iter(node.users))
        if node.name in facts.structure.norms:
            return True
        if operator(node) not in PASSING:
            return False
    return False


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The fan that counts right: the inputs, which groups do not change; else the usual start for them."""
    from initlint.fixes.calls import with_argument
    from initlint.fixes.starts import Start
    from initlint.lint.cures import draw_of_finding, layers_of, parameters_drawn_at, restarts, unsafe
    from initlint.lint.starting import Files, started

    place = draw_of_finding(found, Files(facts))
    names = parameters_drawn_at(facts, found.span)
    if place is None or not names:
        return
    code, draw = place
    write = facts.parameter(names[0]).writes[-1]
    if write.options.get("mode") == "fan_out":
        mode = f"{code.quote}fan_in{code.quote}"
        yield from unsafe("draw it for its inputs", [with_argument(code, draw, "mode", mode, 1)])
    elif write.law.family == "uniform":
        start = Start(function="kaiming_uniform_", arguments=("a=math.sqrt(5)",))  # ±1/√fan_in
        yield from unsafe("draw it between ±1/sqrt(fan_in)", started(facts, dict.fromkeys(names, start)))
    yield from restarts(facts, layers_of(found, facts))
