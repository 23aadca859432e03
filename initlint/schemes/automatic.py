"""`auto`: what the rules find wrong decides what is changed, the least first, and only what the second analysis confirms.

Remedies are tried in the order of how much they touch: weights without a usable law and those the findings name, scaled to the
variance that keeps the signal; writers of branches scaled by 1/√L; all layers; tuned and data-free schemes; writers zero. Each is
propagated and judged as if it had been applied. The first that leaves none of the findings and brings none is taken, else the
one that leaves the fewest. A model without findings keeps every number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from initlint.graph.laws import LOST
from initlint.lint.finding import Finding, Severity
from initlint.lint.judge import judge
from initlint.schemes import data_driven, residual, tuned, variance
from initlint.schemes.carry_out import facts_after
from initlint.schemes.plan import Change, DoesNotApply, Place, Plan, draw, normal, zeros

if TYPE_CHECKING:
    from initlint.graph.model import Law
    from initlint.lint.facts import Facts
    from initlint.schemes.anatomy import Anatomy, Weight
    from initlint.schemes.variance import Said

RIGHT = (0.8, 1.25)  # of the wanted standard deviation: what lies within is kept
ABOUT_CODE = ("INI0", "INI5", "INI7")  # families that speak about code and adapters: no draw after construction answers them

Remedy = Callable[["Anatomy", frozenset[str]], Iterable[Change]]


def auto(anatomy: Anatomy) -> Said:
    """Keeps what is right and changes what the rules find wrong, the least change first, each proved by a second analysis."""
    found = serious(anatomy.facts)
    lost = [weight for weight in anatomy.weights if not _usable(anatomy.laws[weight.name]) and not _meant_zero(anatomy, weight)]
    if not found and not lost:
        yield "nothing to mend: the rules find neither error nor warning that a weight could answer"
        return
    named = frozenset(_named(anatomy, found)) | {weight.name for weight in lost}
    best: tuple[tuple[int, int], str, tuple[Change, ...], list[Finding]] | None = None
    for name, remedy in REMEDIES:
        try:
            changes = tuple(remedy(anatomy, named))
        except DoesNotApply:
            continue
        if not changes:
            continue
        left = serious(facts_after(anatomy.facts, Plan(scheme="auto", changes=changes)))
        if _new(left, found):
            continue
        score = _score(left)
        if best is None or score < best[0]:
            best = score, name, changes, left
        if not left:
            break
    if best is None or (found and best[0] >= _score(found)):
        worst = max(found, key=lambda item: item.severity)
        raise DoesNotApply(
            f"no initialization that initlint knows mends {worst.name} ({worst.code}): {worst.message} "
            "It takes a change of the architecture, such as a normalization or a residual branch"
        )
    yield from best[2]
    yield f"{best[1]}; answers " + (
        ", ".join(sorted({f"{item.name} ({item.code})" for item in found})) or "weights without a law"
    )
    yield from (f"still there: {item.name} ({item.code}): {item.message}" for item in best[3])


def serious(facts: Facts) -> list[Finding]:
    """Errors and warnings that a weight may answer."""
    return [item for item in judge(facts) if item.severity > Severity.INFO and not item.code.startswith(ABOUT_CODE)]


def _score(findings: Iterable[Finding]) -> tuple[int, int]:
    severities = [item.severity for item in findings]
    return severities.count(Severity.ERROR), severities.count(Severity.WARNING)


def _new(after: Iterable[Finding], before: list[Finding]) -> bool:
    """Whether a rule speaks that did not before, or more severely."""
    worst: dict[str, Severity] = {}
    for item in before:
        worst[item.code] = max(worst.get(item.code, item.severity), item.severity)
    return any(item.code not in worst or item.severity > worst[item.code] for item in after)


def _named(anatomy: Anatomy, findings: Iterable[Finding]) -> Iterator[str]:
    """Parameters of the modules that findings speak of."""
    modules = {module for item in findings for module in item.modules}
    for weight in (*anatomy.weights, *anatomy.tables):
        owner = weight.name.rpartition(".")[0]
        if any(owner == module or owner.startswith(f"{module}.") or weight.name == module for module in modules):
            yield weight.name


def _usable(law: Law) -> bool:
    """Random entries about zero, whose scale can be corrected without a new draw."""
    spread = law.second_moment - law.mean**2
    return law.family not in LOST and law.family != "constant" and spread > 0 and law.mean**2 < 0.1 * law.second_moment


def _meant_zero(anatomy: Anatomy, weight: Weight) -> bool:
    """Writers of branches, readouts, identities and orthogonal matrices are what they are on purpose."""
    law = anatomy.laws[weight.name]
    if law.family in ("identity", "orthogonal", "exact"):
        return True
    return law.is_zero and (weight.last or weight.node in anatomy.writers() or weight.kind == "position")


# -- remedies, the smallest first ------------------------------------------------------------------------------------------


def mended(anatomy: Anatomy, weights: Iterable[Weight], factors: dict[str, float] | None = None) -> Iterator[Change]:
    """The wanted standard deviation for these weights: by a factor where their law is usable, else by a new draw."""
    for weight in weights:
        law = anatomy.laws[weight.name]
        own = 1.0 if factors is None else factors.get(weight.node, 1.0)
        gain = variance.forward_gain(weight.before)
        wanted = own * math.sqrt(gain / weight.fan_in)
        why = f"Var = {gain * own**2:.3g}/fan_in, input {weight.before.name}"
        place = Place(parameter=weight.name)
        if not _usable(law):
            if not _meant_zero(anatomy, weight):
                yield Change(place=place, draw=normal(wanted), why=why, std=wanted)
        elif not RIGHT[0] < law.std / wanted < RIGHT[1]:
            yield Change(place=place, draw=draw(".mul_", factor=wanted / law.std), why=why, std=wanted)


def _named_weights(anatomy: Anatomy, named: frozenset[str]) -> Iterator[Change]:
    yield from mended(anatomy, (weight for weight in anatomy.weights if weight.name in named))


def _named_biases(anatomy: Anatomy, named: frozenset[str]) -> Iterator[Change]:
    yield from _loud(variance.zero_biases(anatomy, lambda weight: weight.name in named), anatomy)


def _loud(changes: Iterable[Change], anatomy: Anatomy) -> Iterator[Change]:
    """Of changes of biases those that change anything."""
    return (change for change in changes if not anatomy.laws[change.place.parameter].is_zero)


def _named_both(anatomy: Anatomy, named: frozenset[str]) -> Iterator[Change]:
    yield from _named_weights(anatomy, named)
    yield from _named_biases(anatomy, named)


def _tables(anatomy: Anatomy, named: frozenset[str]) -> Iterator[Change]:
    """Tables that are the readout, too: logits of variance one."""
    for table in anatomy.tables:
        if table.name in anatomy.left:
            law, wanted = anatomy.laws[table.name], 1 / math.sqrt(table.shape[-1])
            if _usable(law) and law.std > RIGHT[1] * wanted:
                step = draw(".mul_", factor=wanted / law.std)
                yield Change(place=Place(parameter=table.name), draw=step, why="readout, Var = 1/width", std=wanted)


def _writers_scaled(anatomy: Anatomy, named: frozenset[str]) -> Iterator[Change]:
    """1/√L on what writes a branch of an unscaled trunk, or on the scale that is there for it."""
    by_node = anatomy.by_node()
    for trunk in anatomy.trunks:
        factor = 1 / math.sqrt(trunk.depth)
        for branch in trunk.branches:
            for node in branch.writers:
                weight = by_node.get(node)
                if weight is not None and _usable(anatomy.laws[weight.name]):
                    why = f"branch × 1/√{trunk.depth}"
                    yield Change(place=Place(parameter=weight.name), draw=draw(".mul_", factor=factor), why=why)


def _all_weights(anatomy: Anatomy, named: frozenset[str]) -> Iterator[Change]:
    """Every layer; writers of branches with 1/√L."""
    factors = {node: 1 / math.sqrt(t.depth) for t in anatomy.trunks for b in t.branches for node in b.writers}
    yield from mended(anatomy, anatomy.weights, factors)
    yield from _loud(variance.zero_biases(anatomy), anatomy)


def _writers_zero(anatomy: Anatomy, named: frozenset[str]) -> Iterator[Change]:
    """Every layer; writers of branches zero, where nothing else of the branch is."""
    writers = {node for branch in residual.residual_of(anatomy) if not branch.gates for node in branch.writers}
    for change in _all_weights(anatomy, named):
        if not any(weight.name == change.place.parameter and weight.node in writers for weight in anatomy.weights):
            yield change
    for weight in anatomy.weights:
        if weight.node in writers:
            yield Change(place=Place(parameter=weight.name), draw=zeros(), why="last layer of a branch: zero", std=0.0)


def _of_scheme(scheme: Callable[[Anatomy], Iterable[Change | str]]) -> Remedy:
    def remedy(anatomy: Anatomy, named: frozenset[str]) -> Iterable[Change]:
        return [item for item in scheme(anatomy) if isinstance(item, Change)]

    return remedy


REMEDIES: tuple[tuple[str, Remedy], ...] = (
    ("the readout's table scaled", _tables),
    ("biases of the layers named by findings", _named_biases),
    ("layers named by findings", _named_weights),
    ("writers of residual branches scaled", _writers_scaled),
    ("layers named by findings, with their biases", _named_both),
    ("all layers, writers of residual branches scaled", _all_weights),
    ("critical variances (edge of chaos)", _of_scheme(tuned.edge_of_chaos)),
    ("unit variance of every layer (LSUV, predicted)", _of_scheme(data_driven.lsuv)),
    ("all layers, writers of residual branches zero", _writers_zero),
)
