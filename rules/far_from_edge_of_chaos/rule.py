"""INI305: a plain stack many depth scales deep in the ordered or in the chaotic phase."""

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
    code="INI305",
    name="far-from-edge-of-chaos",
    severity=Severity.INFO,
    summary="A stack without normalization is many depth scales deep: differences between inputs, and gradients, die out or explode.",
    fix="unsafe",
    explained_by=(
        "exploding-signal",
        "vanishing-signal",
        "exploding-gradient",
        "vanishing-gradient",
        "saturated-activation",
        "dead-relu",
        "unstable-activation",
        "symmetric-initialization",
    ),
)

SCALES = 6.0  # depth scales ξ = 1/|ln χ| to which nets were found to train (Schoenholz et al. 2017)
LAYERS = 10


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per stack."""
    for stack in stacks(facts):
        slopes = stack.slopes()[:-1]  # the step to the last layer belongs to what is learned, not to the depth
        if len(slopes) < LAYERS or min(slopes) <= 0 or not all(map(math.isfinite, slopes)):
            continue
        total = sum(math.log(slope) for slope in slopes)
        if abs(total) < SCALES:
            continue
        per_layer = math.exp(total / len(slopes))
        layers = [stage.layer for stage in stack.stages[:-1]]
        at, others = places_of_layers(facts, [(layer, 1.0) for layer in layers])
        modules = [module_at(layer, facts) for layer in layers]
        ordered = total < 0
        yield finding(
            RULE,
            facts,
            at=at,
            message=(
                f"{counted(len(layers), 'layer')} of {pattern_of(modules)} are {number(abs(total))} depth scales deep in the "
                f"{'ordered' if ordered else 'chaotic'} phase (slope of the correlation map {number(per_layer)} per layer, 1 at its edge): "
                + (
                    "inputs become alike and gradients die out on the way."
                    if ordered
                    else "inputs that are alike become unrelated and gradients grow on the way back."
                )
            ),
            help="scale weights and biases so that fan_in·Var(w)·E[φ'²] is one, or add normalization or residual connections",
            modules=modules,
            evidence={"slope": per_layer, "scales": abs(total), "layers": float(len(layers))},
            related=others,
            rests_on=(layers[0].node,),
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """These layers started as suits what follows them, which is critical or near it without biases; with their biases at zero."""
    from initlint.fixes.starts import ZEROS
    from initlint.lint.cures import alike, layers_of, restarted, restarts, starts_of, unsafe
    from initlint.lint.starting import started

    layers = alike(facts, layers_of(found, facts))
    yield from restarts(facts, layers)
    biases = [name for layer in layers for name in layer.others if not facts.parameter(name).law.is_zero]
    for fix in unsafe("start the biases at zero", started(facts, dict.fromkeys(biases, ZEROS))):
        yield from restarted(facts, layers, starts_of, before=[fix])
