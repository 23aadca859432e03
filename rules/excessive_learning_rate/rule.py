"""INI205: a learning rate in the settings far above the largest at which the first step of SGD does not overshoot.

With κ the mean squared gradient norm of one output over all weights and c the part of the last features that all inputs share, the
Gauss-Newton sharpness of a softmax over C classes near its uniform start is λ ≈ κ·(c + (1 − c)/64)/C for batches of 64, and a step
of gradient descent multiplies the error along that direction by 1 − ηλ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import shape_of
from initlint.lint.finding import Severity
from initlint.lint.paths import feeding_layer
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, number

if TYPE_CHECKING:
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI205",
    name="excessive-learning-rate",
    severity=Severity.INFO,
    summary="The learning rate of the settings is far above what the first steps of SGD bear.",
)

BATCH = 64  # samples in a step, where nothing is known of it
# Times 2/λ. Plain nets overshoot at 10 and still train, since the sharpness falls in the first steps; at 30 two of three diverge, at
# 100 all (`doc.md`).
TOLD_AT = 30.0


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per model whose settings name a rate, and whose only output has the shape (samples, classes)."""
    if facts.rate is None:
        return
    sharpness = sharpness_of(facts)
    if sharpness is None or facts.rate * sharpness < 2 * TOLD_AT:
        return
    most = 2 / sharpness
    yield finding(
        RULE,
        facts,
        at=None,
        message=(
            f"a learning rate of {number(facts.rate)} is {number(facts.rate / most)} times what the first steps of SGD bear here, which "
            f"is about {number(most)} for a cross entropy: they overshoot and the loss grows."
        ),
        help="start with a warm-up or a smaller rate, or with a smaller last layer",
        evidence={"rate": facts.rate, "most": most, "sharpness": sharpness},
        rests_on=facts.traced.outputs,
    )


def sharpness_of(facts: Facts) -> float | None:
    """The largest eigenvalue of the Gauss-Newton matrix of a cross entropy at the start; None where it cannot be told."""
    if len(facts.traced.outputs) != 1:
        return None
    (output,) = facts.traced.outputs
    shape = shape_of(facts.structure.nodes[output])
    layer = feeding_layer(facts, facts.structure.nodes[output])
    if len(shape) != 2 or shape[1] < 2 or layer is None:
        return None
    features = facts.signals.get(layer.source)
    if features is None or features.correlation is None or not math.isfinite(features.correlation):
        return None
    total = 0.0
    for name, parameter in facts.traced.parameters.items():
        signal = facts.signals.get(name)
        if parameter.trainable and parameter.alias_of is None and signal is not None and signal.grad_second_moment:
            total += signal.grad_second_moment * math.prod(parameter.shape)
    common = min(max(features.correlation, 0.0), 1.0)
    sharpness = total / math.prod(shape) * (common + (1 - common) / BATCH) / shape[1]
    return sharpness if sharpness > 0 and math.isfinite(sharpness) else None
