"""INI604: a weight whose start, the same in every draw, has far fewer independent rows than it has room for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operator, shape_of
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, site_of_law

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Parameter
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI604",
    name="rank-deficient-weight",
    severity=Severity.INFO,
    summary="A trainable weight starts with repeated or zero rows, so that most of what it reads is lost.",
    fix="unsafe",
    explained_by=("symmetric-initialization",),
)

KEPT = 0.5  # share of the full rank at and below which it is told
SMALLEST = 4  # units; smaller layers have no rank to lose
LARGEST = 1 << 20  # entries whose rank is computed: some milliseconds


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per weight; the last layer of a net may be what it likes."""
    structure = facts.structure
    layers = structure.dependence.bits(structure.layers)
    seen: set[str] = set()
    for layer in structure.layers.values():
        parameter = facts.parameter(layer.weight)
        last = not structure.dependence.descendants[layer.node] & layers
        if last or layer.weight in seen or not parameter.trainable or len(layer.weights) != 1:
            continue
        seen.add(layer.weight)
        found = _rank(facts, layer, parameter)
        if found is None:
            continue
        rank, full = found
        if full >= SMALLEST and 0 < rank <= KEPT * full:
            yield _finding(facts, parameter, rank, full)


def _rank(facts: Facts, layer: WeightLayer, parameter: Parameter) -> tuple[int, int] | None:
    """(rank, the most that its inputs and outputs allow), where the values or the zero rows are known."""
    shape = parameter.shape
    inputs = layer.fan_in
    groups = 1
    if layer.kind == "convolution":
        if "transpose" in operator(facts.structure.nodes[layer.node]) or len(shape) < 3:
            return None
        source = shape_of(facts.structure.nodes[layer.source])
        channel = -(len(shape) - 2) - 1
        if len(source) < -channel or source[channel] % shape[1]:
            return None
        inputs = source[channel]
        groups = inputs // shape[1]
    elif layer.kind != "linear" or len(shape) != 2:
        return None
    full = min(shape[0], inputs)
    value = parameter.value
    if parameter.law.rank is not None and groups == 1:
        return parameter.law.rank, full
    if value is not None and value.shape == shape and value.numel() <= LARGEST and parameter.law.family != "constant":
        import torch

        blocks = value.detach().double().reshape(groups, shape[0] // groups, -1)
        return int(torch.linalg.matrix_rank(blocks).sum()), full
    empty = sum(
        (region[0][1] - region[0][0]) // max(region[0][2], 1)
        for region, law in parameter.law.parts
        if law.is_zero
        and all(start == 0 and stop == size for (start, stop, _), size in zip(region[1:], shape[1:], strict=True))
    )
    return (min(shape[0] - empty, full), full) if empty else None


def _finding(facts: Facts, parameter: Parameter, rank: int, full: int) -> Finding:
    module = module_of(parameter)
    made = next((write.site for write in parameter.writes if write.law.rank is not None), None)
    why = "its rows repeat each other or are zero" if made is None else "it is a product of thinner matrices"
    grouped = parameter.writes and parameter.writes[-1].op.endswith("dirac_")
    return finding(
        RULE,
        facts,
        at=made or site_of_law(parameter, facts),
        message=(
            f"the weight of `{module}` starts with rank {rank} of {full}: {why}, and the rest of what it reads does not pass at "
            "the start. Random layers around it tell its units apart in time; several such layers do not train."
        ),
        help=(
            "give dirac_ the number of groups (nn.init.dirac_(weight, groups=…)), or draw the weight at random"
            if grouped
            else "draw the weight at random (nn.init.orthogonal_, nn.init.kaiming_normal_)"
        ),
        modules=[module],
        evidence={"rank": float(rank), "full": float(full)},
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The number of groups that dirac_ was not told; else a draw in the place of what repeats or is zero."""
    from initlint.fixes.calls import with_argument
    from initlint.lint.cures import draw_of_finding, layers_of, restarts, unsafe
    from initlint.lint.starting import Files

    place = draw_of_finding(found, Files(facts))
    if place is not None and place[1].function == "dirac_":
        code, draw = place
        holder, _, name = code.text(draw.tensor).removesuffix(".data").rpartition(".")
        if holder and name == "weight":
            yield from unsafe("fill every group", [with_argument(code, draw, "groups", f"{holder}.groups", 1)])
    yield from restarts(facts, layers_of(found, facts))
