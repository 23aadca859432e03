"""INI201: gradients grow on the way back to the input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operator
from initlint.lint.backward import only_scores, trends
from initlint.lint.doubt import between_draws, lowered
from initlint.lint.finding import Severity
from initlint.lint.recurrences import recurrences
from initlint.lint.rule import Rule
from initlint.lint.tolerance import FEW
from initlint.lint.wording import counted, finding, module_at, module_of, number, pattern_of, places_of_layers, site_of_law

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI201",
    name="exploding-gradient",
    severity=Severity.ERROR,
    summary="Weight gradients grow from layer to layer on the way back to the input.",
    fix="unsafe",
    explained_by=("unscaled-residual", "exploding-signal", "rank-collapse", "overflowing-exponential"),
)

# First over last relative gradient, in decades (docs/calibration.md). Batch-normalized plain nets train at usual rates at 2.4 and
# 2.6, from 2.9 to 4.1 at one or two low ones or half as well, and at 5.9 not. Saturating nets without norm, whose signal is as
# chaotic as their gradient, train up to 1.55, need care from 1.35 to 2.0 and fail at 3.0. In residual branches without norm, past which
# the trunk carries both, such nets train at 1.5, half of them as usual at 1.9, none of them at 2.8, and not at all at 3.7. Recurrent nets
# that forget train at 0.5, and from 0.7 on at one setting of four or none, however large it is; what lies 24 steps back they learn at
# none (doc.md).
# Norms within each sample, with no trunk beside, leave samples to become alike, as batch norms do not: probes of 16 to 32 layers train up
# to 1.6 and at 1.9, need care at 1.6 to 2.6, and fail at 2.5, 2.6 and from 3.8 on.
WARN_AT = {"normalized": 2.8, "within": 2.0, "plain": 1.6, "residual": 1.7, "recurrent": 1.5}
FAIL_AT = {"normalized": 5.0, "within": 2.7, "plain": 2.4, "residual": 3.2, "recurrent": 5.0}
WITHIN = frozenset({"layer_norm", "native_layer_norm", "rms_norm", "group_norm", "native_group_norm"})


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per role of layers whose gradients explode, and per recurrence; of all stages together where no stage does by itself."""
    yield from _over_time(facts)
    told = False
    for trend in trends(facts):
        between = _between(facts, trend.layers)
        if trend.decades < WARN_AT[between] or (trend.joined and told):
            continue
        told = True
        # queries and keys carry nothing on: with 5.7 decades between theirs a transformer needs care
        fails = trend.decades >= FAIL_AT[between] and not all(only_scores(facts, layer) for layer in trend.layers)
        severity = lowered(Severity.ERROR if fails else Severity.WARNING, trend.decades, trend.spread)
        if severity is None:
            continue
        modules = [module_at(layer, facts) for layer in trend.layers]
        at, others = places_of_layers(facts, [(layer, 1.0) for layer in trend.layers])
        yield finding(
            RULE,
            facts,
            at=at,
            severity=severity,
            message=(
                f"gradient grows {number(trend.per_layer)}x per layer on the way back through "
                f"{counted(len(trend.layers), 'layer')} of {pattern_of(modules)}: relative to its weight it is "
                f"{number(10**trend.decades)}x larger in the first than in the last{between_draws(trend.spread)}. "
                + (
                    "No one learning rate suits both ends, and training does not start."
                    if fails
                    else "Only a small range of learning rates trains, and a few more layers close it."
                )
            ),
            help="start the weights smaller if activations saturate; otherwise add residual connections",
            modules=modules,
            evidence={
                "decades": trend.decades,
                "per_layer": trend.per_layer,
                "layers": float(len(modules)),
                "spread_decades": trend.spread,
            },
            related=others,
            rests_on=tuple(layer.node for layer in trend.layers),
            tolerated=not fails and len(modules) < FEW and between in ("normalized", "residual"),
        )


def _over_time(facts: Facts) -> Iterator[Finding]:
    """Recurrences whose gradient grows although the state does not: where both do, the state is what matters."""
    for found in recurrences(facts):
        decades = found.gradient.decades - max(found.signal.decades, 0.0)
        if decades < WARN_AT["recurrent"]:
            continue
        module, fails = module_of(facts.parameter(found.weight)), decades >= FAIL_AT["recurrent"]
        rate = 10 ** (decades / (found.steps - 1))
        yield finding(
            RULE,
            facts,
            at=site_of_law(facts.parameter(found.weight), facts),
            severity=(Severity.INFO, Severity.WARNING, Severity.ERROR)[fails + (not facts.guessed)],  # shorter sequences may be meant
            message=(
                f"gradient grows {number(rate)}x per step on the way back through {found.steps} steps of `{module}`: at the first step it "
                f"is {number(10**decades)}x what it is at the last. The state is chaotic: "
                + (
                    "nothing is learned from early steps, and little from late ones."
                    if fails
                    else "early steps are not learned from, others slowly, and longer sequences are worse."
                )
            ),
            help="start the weights of the states smaller (orthogonal, or std 1/sqrt(units))",
            modules=[module],
            evidence={"decades": decades, "per_step": rate, "steps": float(found.steps)},
            rests_on=(found.node,),
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """Between normalizations, where weights have no scale, functions made nearly linear; else weights that do not saturate."""
    from initlint.lint.cures import alike, connected, layers_of, restarts
    from initlint.lint.linearized import linearized
    from initlint.lint.multiplied import divided, starts_before
    from initlint.lint.starting import Files

    layers = alike(facts, layers_of(found, facts))
    yield from linearized(facts, layers)
    yield from divided(facts, layers, Files(facts))
    yield from restarts(facts, layers, starts_before)
    yield from connected(facts, layers)


def _between(facts: Facts, layers: Sequence[WeightLayer]) -> str:
    """Whether normalizations lie between the first and the last of these layers, and no trunk beside; or else trunks pass all of them."""
    nodes, dependence = facts.structure.nodes, facts.structure.dependence
    norms = dependence.names(
        dependence.between(nodes[layers[0].node], nodes[layers[-1].node]) & dependence.bits(facts.structure.norms)
    )
    beside = [facts.structure.in_branch(layer.node) for layer in layers]
    if norms:
        return "within" if not any(beside) and all(operator(nodes[name]) in WITHIN for name in norms) else "normalized"
    return "residual" if all(beside) else "plain"
