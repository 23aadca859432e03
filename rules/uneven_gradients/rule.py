"""INI204: layers of one path whose gradients, relative to their weights, lie many orders of magnitude from those of the others.

No trend with depth: a factor taken out of one layer and put into the next. The signal between the two is too small by it and the
gradient too large, √E[g²]/√E[w²] by its square.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.backward import relative_gradient
from initlint.lint.finding import Severity
from initlint.lint.paths import main_path, weights_along
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_at, number, pattern_of, places_of_layers

if TYPE_CHECKING:
    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI204",
    name="uneven-gradients",
    severity=Severity.INFO,
    summary="Some layers' gradients, relative to their weights, are many orders of magnitude from those of the other layers.",
    explained_by=(
        "exploding-gradient",
        "vanishing-gradient",
        "exploding-signal",
        "vanishing-signal",
        "zero-gradient",
        "saturated-activation",
        "dead-relu",
        "unstable-activation",
        "unscaled-residual",
        "rank-collapse",
        "closed-gate",
        "lora-scaling",
        "miscounted-fan",
        "mismatched-fan",
        "symmetric-initialization",
        "std-passed-as-mean",
        "drowned-input",
        "oversized-logits",
    ),
)

LAYERS = 3
# Decades from the median of the path. With 3.0 SGD trains at 1e-2 and no more at 1e-1, with 4.0 at 1e-3 only, with 6.0 at none (doc.md).
# Of 169 calibration nets that train, none has more than 1.8.
TOLD_AT = 3.5


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per output and side."""
    for output in facts.traced.outputs:
        values = _along(facts, output)
        if len(values) < LAYERS:
            continue
        middle = statistics.median(value for _, value in values)
        for sign in (1, -1):
            far = [(layer, value - middle) for layer, value in values if sign * (value - middle) >= TOLD_AT]
            if far:
                yield _finding(facts, far, len(values))


def _along(facts: Facts, output: str) -> list[tuple[WeightLayer, float]]:
    """Relative gradients of the weights of a main path. What is small on purpose is left out: gated branches, and the last layer."""
    gated = {name for residual in facts.structure.residuals if residual.gates for name in residual.layers}
    found = []
    for layer in list(weights_along(facts, main_path(facts, output)).values())[:-1]:
        value = relative_gradient(layer, facts) if layer.kind != "embedding" and layer.node not in gated else None
        if value is not None:
            found.append((layer, value))
    return found


def _finding(facts: Facts, far: list[tuple[WeightLayer, float]], count: int) -> Finding:
    worst = max(far, key=lambda item: abs(item[1]))[1]
    at, others = places_of_layers(facts, [(layer, abs(change)) for layer, change in far])
    modules = [module_at(layer, facts) for layer, _ in far]
    return finding(
        RULE,
        facts,
        at=at,
        message=(
            f"the gradient of {pattern_of(modules)} is {number(10 ** abs(worst))}x {'larger' if worst > 0 else 'smaller'}, relative to "
            f"the weight, than that of the middle one of {counted(count, 'layer')} before the last. "
            + (
                "SGD throws it far off in its first steps at any rate that moves the others; Adam, whose steps do not depend on the size of "
                "a gradient, does not mind."
                if worst > 0
                else "SGD leaves it where it is; Adam, whose steps do not depend on the size of a gradient, does not mind."
            )
        ),
        help="start the layers of one path at one scale (std near 1/sqrt(fan_in)); a factor that one of them lacks and another has "
        "cancels in the signal, not in the gradients",
        modules=modules,
        evidence={"decades": worst, "layers": float(count)},
        related=others,
        rests_on=tuple(layer.node for layer, _ in far),
    )
