"""INI403: a normalization after every residual sum, and so many sums that nothing of the input is left on the trunk."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operands, operator, unscaled
from initlint.graph.roles import role_of
from initlint.lint.finding import Severity
from initlint.lint.paths import feeding_layer
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_at, number, pattern_of, site_of_node

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.graph.structure import Residual
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding
    from initlint.lint.starting import Files

RULE = Rule(
    code="INI403",
    name="deep-post-norm",
    severity=Severity.WARNING,
    fix="unsafe",
    summary="Normalization after every residual sum lets each branch replace a part of the trunk, until nothing of it is left.",
)

# What is left of the first trunk's second moment at the end. Six encoder layers with Xavier weights keep 0.06 and train with a
# warm-up (Vaswani et al. 2017); twelve keep 0.001, from where on they are reported to be unstable (xformers pull request 229).
LEFT = 1e-2
# On digits, twelve encoder layers with Xavier weights (1e-4) train with Adam at 1e-3 and no warm-up, twenty-four (1e-8) stay at
# guessing: three times as many decades as are worth a note. A few sums whose branches replace the trunk are a short plain stack.
LOST = LEFT**3
SUMS = 24
# Small branches leave the trunk as it was, but an update of all of them moves the output by their number: twenty-four encoder layers as
# PyTorch starts them keep 0.1, and stay at guessing on digits with Adam at 1e-3 (loss 1.3; at 3e-4 they train), twelve do not.
MANY = 40


def check(facts: Facts) -> Iterator[Finding]:
    """Chains in which the trunk of every sum is the normalized sum before it, by what the trunk keeps in all of them."""
    for chain in _chains(facts):
        # a branch without weights is a fixed map of the trunk, as FNet's Fourier transform: it carries the input on, too
        shares = [share for residual in chain if residual.layers and (share := _kept(facts, residual)) is not None]
        left = math.prod(shares)
        factor = _factor_of_branches(facts, chain)
        calm = left > 0.5 or _weighed_up(facts, chain)  # branches that start at next to nothing move nothing, either
        if left > LEFT and factor == 1.0 and (len(shares) < MANY or calm):
            continue
        lost = left < LOST and len(shares) > SUMS
        layers = [facts.structure.layers[name] for residual in chain for name in residual.layers]
        modules = list(dict.fromkeys(module_at(layer, facts) for layer in layers))
        yield finding(
            RULE,
            facts,
            at=site_of_node(chain[0].add, facts),
            severity=Severity.WARNING if lost or factor > 1.0 else Severity.INFO,
            message=(
                f"post-norm over {counted(len(shares), 'residual sum')} with branches {pattern_of(modules)}: every sum keeps "
                f"{number(100 * left ** (1 / len(shares)))} % of the trunk, all of them together {number(left)}. Updates of early "
                "branches are amplified by those above; such a stack "
                + (
                    "learns nothing at usual rates."
                    if lost
                    else "needs a warm-up or small rates: at usual ones it may stay at guessing."
                    if left > LEFT
                    else "needs a long warm-up and small rates, and fails when made deeper."
                )
                + (
                    f" The factor of {number(factor)} multiplies the branches; DeepNorm's, which makes such depths possible, multiplies the trunk."
                    if factor > 1.0
                    else ""
                )
            ),
            help="normalize the branch's input instead (pre-norm), or scale the trunk up and the branches down (DeepNorm)",
            modules=modules,
            evidence={"left": left, "sums": float(len(shares)), "branch_factor": factor},
            rests_on=(chain[-1].add,),
        )


def _chains(facts: Facts) -> Iterator[Sequence[Residual]]:
    """Residual sums whose trunk is, up to a factor, a normalization of the sum before; the longest of each end."""
    norms, nodes = facts.structure.norms, facts.structure.nodes
    by_add = {residual.add: residual for residual in facts.structure.residuals}
    before: dict[str, str] = {}
    for residual in facts.structure.residuals:
        trunk = unscaled(nodes[residual.trunk], frozenset()).node
        if trunk.name in norms:
            before[residual.add] = next((item for item in _inputs(facts, trunk.name) if item in by_add), "")
    continued = set(before.values())
    for add in before:
        if add not in continued:
            yield _followed(add, before, by_add)


def _weighed_up(facts: Facts, chain: Sequence[Residual]) -> bool:
    """Whether the trunk of every sum is multiplied by more than one, as DeepNorm does."""
    return all(abs(unscaled(facts.structure.nodes[residual.trunk], frozenset()).constant) > 1.0 for residual in chain)


def _factor_of_branches(facts: Facts, chain: Sequence[Residual]) -> float:
    """The least factor beyond one by which every branch is multiplied; 1 where one is not, or there are few."""
    nodes = facts.structure.nodes
    factors = [abs(unscaled(nodes[item.branch], frozenset()).constant) for item in chain]
    return min(factors) if len(chain) >= SUMS and min(factors) > 1.0 else 1.0


def _followed(add: str, before: Mapping[str, str], by_add: Mapping[str, Residual]) -> Sequence[Residual]:
    chain: list[Residual] = []
    while add in before:
        chain.append(by_add[add])
        add = before[add]
    return chain[::-1]


def _inputs(facts: Facts, norm: str) -> list[str]:
    """What a normalization is computed from, up to factors, itself first."""
    return [unscaled(item, frozenset()).node.name for item in facts.structure.nodes[norm].all_input_nodes]


def _kept(facts: Facts, residual: Residual) -> float | None:
    """Share of the trunk in a sum's second moment."""
    trunk, total = facts.signals.get(residual.trunk), facts.signals.get(residual.add)
    if trunk is None or total is None or not trunk.second_moment or not total.second_moment:
        return None
    share = trunk.second_moment / total.second_moment
    return min(share, 1.0) if math.isfinite(share) else None


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """DeepNorm where the stack fails as it is: the trunk times N^¼ for N sums, and Xavier's start times (4N)^-¼ for the branches,
    but for what asks: queries and keys (Wang et al. 2022, arXiv:2203.00555, whose N counts pairs of sums). Where the sums are
    written in a package, branches that are zero at first, and smaller inside by their number."""
    from initlint.lint.cures import silenced
    from initlint.lint.starting import Files

    if found.severity is not Severity.WARNING and found.evidence["sums"] < MANY:
        return
    files = Files(facts)
    modules = set(found.modules)
    for chain in _chains(facts):
        weighted = [residual for residual in chain if residual.layers]
        layers = [facts.structure.layers[name] for residual in weighted for name in residual.layers]
        if layers and {module_at(layer, facts) for layer in layers} <= modules:
            yield from _moved(facts, chain, files) if found.evidence["branch_factor"] > 1.0 else _weighed(facts, chain, layers, files)
            roles = {role_of(module_at(layer, facts)) for layer in layers}
            alike = [item for item in facts.structure.residuals if item.layers and _roles(facts, item) <= roles]
            yield from silenced(facts, alike, files)


def _roles(facts: Facts, residual: Residual) -> set[str]:
    """What the layers of a branch have in common with those of other blocks; the first block's are not all in the chain."""
    return {role_of(module_at(facts.structure.layers[name], facts)) for name in residual.layers}


def _moved(facts: Facts, chain: Sequence[Residual], files: Files) -> Iterator[Fix]:
    """The factor of the branches moved to the trunk, at every line that adds them."""
    from initlint.fixes.expressions import factor_moved
    from initlint.lint.cures import unsafe

    sites = {(at.path, at.line) for residual in chain if (at := site_of_node(residual.add, facts)) is not None}
    edits = [factor_moved(code, line) if (code := files.code(path)) is not None else () for path, line in sorted(sites)]
    yield from unsafe("multiply the trunk instead, as DeepNorm does", [edit for found in edits for edit in found] if all(edits) else ())


def _weighed(facts: Facts, chain: Sequence[Residual], layers: Sequence[WeightLayer], files: Files) -> Iterator[Fix]:
    """The trunk weighed up and the branches down, where the user's own lines add them."""
    from initlint.fixes.expressions import trunk_multiplied
    from initlint.fixes.starts import Start
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import merged, started

    sites = {(at.path, at.line) for residual in chain if (at := site_of_node(residual.add, facts)) is not None}
    edits = []
    for path, line in sorted(sites):
        code = files.code(path)
        edit = None if code is None else trunk_multiplied(code, line, f"{len(chain)}**0.25")
        if edit is None:
            return
        edits.append(edit)
    start = Start(function="xavier_normal_", arguments=(f"gain={(4 * len(chain)) ** -0.25:.3g}",))
    asking = _asking(facts)
    wanted = {layer.weight: start for layer in layers if layer.weight not in asking}
    smaller = started(facts, wanted, files, together=False)
    if smaller is not None:
        yield from unsafe("weigh the trunk up and the branches down, as DeepNorm does", merged((*edits, *smaller)))


def _asking(facts: Facts) -> frozenset[str]:
    """The weights that queries and keys are computed by."""
    data = facts.structure.dependence.data
    found = set()
    for node in facts.structure.dependence.order:
        sides = list(operands(node))[:2] if operator(node) == "scaled_dot_product_attention" else []
        if operator(node) in ("softmax", "_softmax") and node.name in data:
            product = unscaled(next(operands(node)), frozenset()).node
            sides = [item for item in operands(product) if item.name in data]
        found |= {layer.weight for side in sides if (layer := feeding_layer(facts, side)) is not None}
    return frozenset(found)
