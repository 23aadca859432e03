"""INI401: residual branches as large as their trunk, with no normalization, so that the trunk grows geometrically."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from initlint.graph.dataflow import PASSING, operands, operator, shape_of, strip
from initlint.graph.roles import role_of
from initlint.lint.doubt import PER_DECADE, between_draws, lowered
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import (
    counted,
    finding,
    module_at,
    number,
    pattern_of,
    places_of_layers,
    site_of_node,
    span_of,
    step_at,
)

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.graph.structure import Residual
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI401",
    name="unscaled-residual",
    severity=Severity.ERROR,
    summary="Residual branches without normalization or scale multiply the trunk in every block.",
    fix="unsafe",
)

# Growth of the trunk's root mean square over a chain of blocks, in decades. Calibrated on x + W·relu(V·x) with He weights:
# 16 blocks (256x) train with Adam only, 32 (7e4) lose a quarter of the accuracy, 64 (4e9) do not train.
WARN_AT = 1.5
FAIL_AT = 3.5
# A normalization after the trunk sets the output right; what is left needs a learning rate a hundred times smaller.
WARN_BEFORE_NORM = 3.0
BLOCKS = 4
GROWING = 0.04  # decades a block; 1.1x
# Decades of root mean square over one layer, 2x: beyond any gain in use (He 1.4, SELU and tanh 1.7). Such weights are the cause,
# and the sum, which would be harmless with usual ones, takes part.
OVERSIZED = 0.3


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per chain of blocks: at the weights where they are far too large, else at the addition that adds most."""
    for chain in chains(facts):
        trunks = [chain[0].trunk, *(residual.add for residual in chain[:-1])]  # a scale between two sums counts
        grown = [
            (residual, growth)
            for residual, trunk in zip(chain, trunks, strict=True)
            if (growth := _growth(facts, residual, trunk)) is not None
        ]
        growing = [(residual, growth) for residual, growth in grown if growth >= GROWING]
        total = sum(growth for _, growth in grown)
        if len(growing) < BLOCKS:
            continue
        geometric = total - max(growth for _, growth in growing)  # one large block is not a law of depth
        normalized = _normalized_after(facts, chain[-1])
        if geometric < (WARN_BEFORE_NORM if normalized else WARN_AT):
            continue
        found = _finding(facts, growing, total, normalized=normalized)
        if found is not None:
            yield found


def _finding(facts: Facts, growing: Sequence[tuple[Residual, float]], total: float, *, normalized: bool) -> Finding | None:
    rate = 10 ** (sum(growth for _, growth in growing) / len(growing))
    fails = total >= FAIL_AT and not normalized
    spread = _spread(facts, growing)
    severity = lowered(Severity.ERROR if fails else Severity.WARNING, total, spread)
    if severity is None:
        return None
    frozen = all(_is_frozen(facts, residual) for residual, _ in growing)
    layers = [facts.structure.layers[name] for residual, _ in growing for name in residual.layers]
    modules = list(dict.fromkeys(module_at(layer, facts) for layer in layers))
    shares: dict[str, float] = {}
    for residual, growth in growing:
        site = site_of_node(residual.add, facts)
        line = f"{site.path}:{site.line}" if site else ""
        shares[line] = shares.get(line, 0.0) + growth
    too_large = _oversized(facts, layers)
    by_line = {f"{site.path}:{site.line}": site for residual, _ in growing if (site := site_of_node(residual.add, facts))}
    worst = max(by_line, key=lambda line: (shares[line], line), default="")
    at = by_line.get(worst)
    others = [
        place
        for line, site in sorted(by_line.items())
        if line != worst and at is not None and span_of(site) != span_of(at)
        for place in step_at(site, "this sum takes part")
    ]
    cure = "scale each branch by 1/sqrt(number of blocks), start its last weight at zero, or normalize the branch's input"
    if too_large:
        others = [*step_at(at, "this sum adds the branch to the trunk"), *others]
        at, layer_places = places_of_layers(facts, too_large)
        others += layer_places
        excess = 10 ** (sum(gain for _, gain in too_large) / len(too_large))
        cure = f"start these weights about {number(excess)}x smaller (std near 1/sqrt(fan_in)); then {cure}"
    consequence = (
        "Weights are meant to be loaded with these statistics; without them, train the norms, too."
        if frozen
        else "A later normalization hides it, but only a learning rate far below the usual trains."
        if normalized
        else "The output starts so large that training diverges or stalls."
        if fails
        else "SGD diverges at usual rates, and more blocks make every optimizer fail."
    )
    return finding(
        RULE,
        facts,
        at=at,
        severity=Severity.INFO if frozen else severity,
        message=(
            f"the trunk grows {number(rate)}x per residual sum over {counted(len(growing), 'sum')} with branches "
            f"{pattern_of(modules)}, {number(10 ** min(total, 300))}x in all{between_draws(spread)}: {'only frozen statistics scale' if frozen else 'nothing normalizes or scales'} the branches. "
            f"{consequence}"
        ),
        help=cure,
        modules=modules,
        evidence={"decades": total, "per_block": rate, "blocks": float(len(growing)), "spread_decades": spread},
        related=others,
        rests_on=(growing[-1][0].add,),
    )


def _oversized(facts: Facts, layers: Sequence[WeightLayer]) -> list[tuple[WeightLayer, float]]:
    """The layers whose own weights make their output larger than any usual gain would, with the decades they add. A bias that is
    large beside a small input is no fault of the weights, and where draws gave one of both numbers, their ratio has the noise of those."""
    found = []
    for layer in layers:
        before, after = facts.signals.get(layer.source), facts.signals.get(layer.node)
        if before is None or after is None or not before.second_moment or not after.second_moment:
            continue
        if ("refuted" in before.flags) != ("refuted" in after.flags):
            continue
        added = sum(facts.parameter(name).law.second_moment for name in layer.others)
        weighted = after.second_moment - added
        gain = math.log10(weighted / before.second_moment) / 2 if weighted > 0 else -math.inf
        if math.isfinite(gain) and gain >= OVERSIZED:
            found.append((layer, gain))
    return found


def chains(facts: Facts) -> Iterator[tuple[Residual, ...]]:
    """Consecutive residual sums: the trunk of each is the sum before it, up to elementwise functions, not through a norm."""
    by_add = {residual.add: residual for residual in facts.structure.residuals}
    continued: set[str] = set()
    before: dict[str, str] = {}
    for residual in facts.structure.residuals:
        previous = _previous(facts, residual, by_add)
        if previous is not None and previous not in continued:
            before[residual.add] = previous
            continued.add(previous)
    for residual in facts.structure.residuals:
        if residual.add in continued:
            continue
        chain = [residual]
        while chain[-1].add in before:
            chain.append(by_add[before[chain[-1].add]])
        yield tuple(reversed(chain))


def _previous(facts: Facts, residual: Residual, by_add: dict[str, Residual]) -> str | None:
    node = facts.structure.nodes[residual.fork]
    while True:
        node = strip(node)
        if node.name in by_add:
            return node.name
        sources = [item for item in operands(node) if item.name in facts.structure.dependence.data and not _is_mask(item)]
        if len(sources) != 1 or node.name in facts.structure.norms or node.name in facts.structure.layers:
            return None
        node = sources[0]


def _is_mask(node: Node) -> bool:
    """Truth values, as numbers or not: what a trunk is multiplied by to let some of its entries through."""
    value = strip(node, PASSING | {"expand"}).meta.get("val")
    return value is not None and str(value.dtype) == "torch.bool"


def _growth(facts: Facts, residual: Residual, trunk: str) -> float | None:
    """Decades of the typical draw's root mean square from the trunk, which is the sum before if there is one, to the sum; None for a
    branch that normalizes its own input."""
    if residual.norms:
        return None
    before, after = facts.signals.get(trunk), facts.signals.get(residual.add)
    if before is None or after is None or not before.second_moment or not after.second_moment:
        return None
    if not (math.isfinite(before.second_moment) and math.isfinite(after.second_moment)):
        return None
    return (math.log10(after.second_moment) - math.log10(before.second_moment)) / 2 + (after.lag - before.lag) / PER_DECADE


def _spread(facts: Facts, growing: Sequence[tuple[Residual, float]]) -> float:
    """Standard deviation, over draws, of the decades from the first trunk to the last sum."""
    first, last = facts.signals[growing[0][0].trunk], facts.signals[growing[-1][0].add]
    return math.sqrt(max(last.spread**2 - first.spread**2, 0.0)) / PER_DECADE


def _is_frozen(facts: Facts, residual: Residual) -> bool:
    """Whether a layer of the branch is scaled channel by channel by buffers alone: a norm with frozen statistics, meant for weights
    that are loaded. Tables of rotations are buffers, too, but vary over places and stand behind no layer."""
    structure, dependence = facts.structure, facts.structure.dependence
    kinds = {p: {name for name, item in facts.traced.parameters.items() if item.kind == p and name in dependence.index} for p in ("parameter", "buffer")}  # fmt: skip
    trained, kept = dependence.bits(kinds["parameter"]), dependence.bits(kinds["buffer"])
    for layer in residual.layers:
        for user in structure.nodes[layer].users:
            for item in operands(user) if operator(user) == "mul" else ():
                sources = dependence.ancestors[item.name] | 1 << dependence.index[item.name]
                by_channel = sum(size > 1 for size in shape_of(item)) == 1
                if item.name not in dependence.data and by_channel and sources & kept and not sources & trained:
                    return True
    return False


def _normalized_after(facts: Facts, residual: Residual) -> bool:
    """Whether every output computed from the chain passes a normalization first."""
    dependence = facts.structure.dependence
    after = dependence.descendants[residual.add]
    return bool(after & dependence.bits(facts.structure.norms))


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """Usual weights where they are far too large; the last weight of every branch at zero; else the branch divided by √L."""
    from initlint.fixes.expressions import branch_divided
    from initlint.fixes.starts import ZEROS
    from initlint.lint.cures import silenced, starts_of, unsafe
    from initlint.lint.starting import Files, merged, started

    files = Files(facts)
    roles = {role_of(module) for module in found.modules}  # what one loop makes, one loop should start
    taking_part = [
        residual
        for residual in facts.structure.residuals
        if residual.layers and {role_of(module_at(facts.structure.layers[name], facts)) for name in residual.layers} <= roles
    ]
    layers = [facts.structure.layers[name] for residual in taking_part for name in residual.layers]
    usual = {layer.weight: starts_of(facts, layer)[0] for layer in layers} if _oversized(facts, layers) else {}
    silent = {weight: ZEROS for residual in taking_part for weight in facts.structure.writers(residual)}
    if not usual:
        yield from silenced(facts, taking_part, files)
    else:
        yield from unsafe("start these weights at the usual size", started(facts, usual, files))
        inner = {name: start for name, start in usual.items() if name not in silent}
        both = (started(facts, inner, files), started(facts, silent, files, together=False))
        if both[0] is not None and both[1] is not None:
            said = "start these weights at the usual size, and the last one of each branch at zero"
            yield from unsafe(said, merged((*both[0], *both[1])))
    divided = []
    sites = {(at.path, at.line) for residual in taking_part if (at := site_of_node(residual.add, facts)) is not None}
    for path, line in sorted(sites):
        code = files.code(path)
        edit = None if code is None else branch_divided(code, line, f"{len(taking_part)}**0.5")
        divided += [] if edit is None else [edit]
    base = (started(facts, usual, files) or ()) if usual else ()
    if divided:
        yield from unsafe("divide each branch by the root of the number of blocks", merged((*base, *divided)))
