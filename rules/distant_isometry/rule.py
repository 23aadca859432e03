"""INI607: a deep plain net of independent weights where orthogonal ones would keep all directions alike."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.stacks import stacks
from initlint.lint.wording import counted, finding, module_at, number, pattern_of, places_of_layers

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI607",
    name="distant-isometry",
    severity=Severity.INFO,
    summary="A deep plain net of independent weights passes few directions, where orthogonal weights would pass nearly all.",
    fix="unsafe",
    explained_by=(
        "exploding-signal",
        "vanishing-signal",
        "exploding-gradient",
        "vanishing-gradient",
        "saturated-activation",
        "dead-relu",
        "unstable-activation",
        "far-from-edge-of-chaos",
    ),
)

LAYERS = 30
GAINED = 4.0  # so many times narrower the spread of squared singular values would be with orthogonal weights
INDEPENDENT = frozenset({"normal", "uniform", "truncated normal"})


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per stack of linear layers: convolutions are no isometries with orthogonal weights either."""
    for stack in stacks(facts):
        stages = stack.stages[:-1]
        if len(stages) < LAYERS or any(stage.layer.kind != "linear" for stage in stages):
            continue
        if any(facts.parameter(stage.layer.weight).law.family not in INDEPENDENT for stage in stages):
            continue
        ratios = [ratio for _, ratio in stack.moments_of_slopes()[: len(stages)]]
        independent = sum(ratios)  # Var(σ²)/E[σ²]² over layers: μ₂/μ₁² each, less 1 with orthogonal weights
        orthogonal = sum(ratio - 1.0 for ratio in ratios)
        if not math.isfinite(independent) or independent < GAINED * max(orthogonal, 1.0):
            continue
        layers = [stage.layer for stage in stages]
        at, others = places_of_layers(facts, [(layer, 1.0) for layer in layers])
        modules = [module_at(layer, facts) for layer in layers]
        yield finding(
            RULE,
            facts,
            at=at,
            message=(
                f"{counted(len(layers), 'layer')} of {pattern_of(modules)} with independent weights pass about one direction in "
                f"{number(1 + independent)} (the squared singular values of their product vary by {number(math.sqrt(independent))} of "
                f"their mean); orthogonal weights of the same size would pass one in {number(1 + orthogonal)}."
            ),
            help="nn.init.orthogonal_(weight, gain) with the same gain √(fan_in·Var(w))",
            modules=modules,
            evidence={"spread": independent, "orthogonal": orthogonal, "layers": float(len(layers))},
            related=others,
            rests_on=(layers[0].node,),
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """Orthogonal weights of the same size, as they would be written for what follows."""
    from initlint.lint.cures import layers_of, restarts, starts_of

    yield from restarts(facts, layers_of(found, facts), lambda facts, layer: starts_of(facts, layer)[-1:])
