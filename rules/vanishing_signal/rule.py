"""INI102: what the input says dies out on the way to an output, layer by layer.

Judged on the part of the second moment that depends on the input (q − k_batch), not on q: biases keep the output of a
deep default ReLU net at a standard deviation of 0.04 while its input-born part falls to 1e-9.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from initlint.lint.doubt import between_draws, lag_over, lowered, spread_over
from initlint.lint.finding import Severity
from initlint.lint.paths import Segment, segments_of, since_restored, steps_of, ways
from initlint.lint.rule import Rule
from initlint.lint.tolerance import FEW
from initlint.lint.wording import counted, finding, module_at, number, pattern_of, places_of_layers

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI102",
    name="vanishing-signal",
    severity=Severity.ERROR,
    summary="What still depends on the input shrinks layer by layer until an output does not depend on it any more.",
    fix="unsafe",
    explained_by=(
        "dead-relu",
        "symmetric-initialization",
        "unstable-activation",
        "non-isometric-skip",
        "overflowing-exponential",
    ),
)

# In decades of root mean square, over all layers. Calibrated on plain nets, best accuracy over three rates each of Adam
# and of SGD: with a share of 3e-4 SGD learns nothing at any rate and Adam loses accuracy; below 1e-6 Adam fails too.
# Where the whole signal shrinks and keeps its share (no biases), Adam bears more: from 2e-5 on SGD fails, down to 2e-6 Adam trains
# all perceptrons and half of the convolutional nets, below nearly all need care, at 1e-8 it depends on the depth (docs/calibration.md).
TELL_AT = {"share": -3.5, "born": -4.5}
WARN_AT = {"share": -3.5, "born": -5.8}
WARN_CONVOLVED = -4.5
FAIL_AT = {"share": -6.4, "born": -7.5}
# Gradients shrink as much as the signal does: at 1e-10 they are below what Adam adds to its denominator (ε = 1e-8) at any depth.
HOPELESS = {"share": -math.inf, "born": -10.0}
# Of nets of 6 and 12 rectifier layers whose whole signal shrinks by up to 1e-8 none fails: with so few, Adam brings the weights back in
# time. Those of 20 and of 48 layers fail from 1.4e-8 on, at 9e-8 they need care. Of stacks of sigmoids whose share falls to 1e-7 those
# of six layers need care, those of eight fail.
DEEP = {"share": 8, "born": 20}
# What the last layer loses of the share at most where it counts as lost over the depth: a signal that has shrunk as a whole loses it
# to the bias of the last layer alone, and is as easily brought back as without.
LAST = 0.5
# A single small layer (a head started at 1e-3) is a choice and trains: the decay has to come from several layers.
LAYERS = 4
DECAYING = -0.02
WITHOUT_WORST = -2.0


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per output whose main path decays, and per input of which nothing is left where it meets the others."""
    for path in ways(facts):
        steps = steps_of(facts, path)
        parts = segments_of(steps)
        found = (
            ("share", _drowning(parts)),
            ("born", _decaying([(part.layer, part.born) for part in segments_of(since_restored(steps))], TELL_AT["born"])),
        )
        decays = [(measure, *decay) for measure, decay in found if decay is not None]
        if not decays:
            continue
        measure, total, decaying = min(decays, key=lambda item: item[1])
        aside = "" if path[-1].name in facts.traced.outputs else path[0].name
        deep = {"share": len(parts), "born": max((len(layers) for name, _, layers in decays if name == "born"), default=0)}
        fails = not aside and any(
            decades <= (FAIL_AT[name] if deep[name] >= DEEP[name] else HOPELESS[name]) for name, decades, _ in decays
        )
        convolved = sum(layer.kind == "convolution" for layer, _ in decaying) * 2 > len(decaying)
        limits = {**WARN_AT, "born": WARN_CONVOLVED} if convolved else WARN_AT
        slow = not aside and not fails and not any(decades <= limits[name] for name, decades, _ in decays)
        judged = steps if measure == "share" else since_restored(steps)
        spread = spread_over(judged)
        severity = lowered(Severity.ERROR if fails else Severity.INFO if slow else Severity.WARNING, total, spread)
        if severity is None:
            continue
        rate = 10 ** (sum(change for _, change in decaying) / len(decaying))
        places = places_of_layers(facts, decaying)
        modules = [module_at(layer, facts) for layer, _ in decaying]
        left = number(10**total)
        yield finding(
            RULE,
            facts,
            at=places[0],
            severity=severity,
            message=(
                f"signal shrinks {number(rate)}x per layer over {counted(len(decaying), 'layer')} of "
                f"{pattern_of(modules)}; what still depends on the input falls to {left} of "
                f"{'the activations' if measure == 'share' else 'what it was'}{between_draws(spread, lag_over(judged))}. "
                + (
                    f"The output does not depend on `{aside}`; SGD does not bring it back at any usual rate."
                    if aside
                    else "The output is the same for every input and training does not start."
                    if fails
                    else "SGD does not start at any usual rate; Adam makes up for it."
                    if slow
                    else "SGD does not start at any usual rate, and a few more layers stop Adam too."
                )
            ),
            help=(
                "make these layers wider, or add normalization or residual connections: on average the signal is kept, but "
                "in narrow layers by a few draws for all the others"
                if lag_over(judged) < total / 2
                else f"start these weights about {number(1 / rate)}x larger (nn.init.kaiming_normal_ for ReLU-like "
                "activations), or add normalization or residual connections"
            ),
            modules=modules,
            evidence={"decades": total, "per_layer": rate, "layers": float(len(decaying)), "spread_decades": spread},
            related=places[1],
            rests_on=(steps[-1].node,),
            tolerated=len(decaying) < FEW and not any(decades <= FAIL_AT[name] for name, decades, _ in decays),
        )


def _decaying(
    parts: Sequence[tuple[WeightLayer, float]], warn_at: float
) -> tuple[float, Sequence[tuple[WeightLayer, float]]] | None:
    """(decades in all, the layers that shrink), or None where no law of depth is at work."""
    decaying = [(layer, change) for layer, change in parts if change <= DECAYING]
    total = sum(change for _, change in parts)
    if total > warn_at or len(decaying) < LAYERS or total - min(change for _, change in decaying) > WITHOUT_WORST:
        return None
    return total, decaying


def _drowning(parts: Sequence[Segment]) -> tuple[float, Sequence[tuple[WeightLayer, float]]] | None:
    """(decades, layers) where the share is lost over the depth, not in the last layer alone."""
    shares = [(part.layer, part.share) for part in parts]
    if shares and shares[-1][1] < LAST * sum(change for _, change in shares) < 0.0:
        return None
    return _decaying(shares, TELL_AT["share"]) or _decaying(_before_loss(parts), TELL_AT["share"])


def _before_loss(parts: Sequence[Segment]) -> Sequence[tuple[WeightLayer, float]]:
    """The share that each layer loses, put down to the layers before it that had made the signal so small that its bias drowns it."""
    shrunk = [0.0] * len(parts)
    lost = [part.share for part in parts]
    for place, part in enumerate(parts):
        pool = sum(shrunk)
        if part.share < 0.0 and pool < 0.0:
            moved = max(part.share, pool)
            lost[place] -= moved
            for earlier in range(place):
                lost[earlier] += moved * shrunk[earlier] / pool
            shrunk = [0.0] * len(parts)
        shrunk[place] = min(part.rms, 0.0)
    return [(part.layer, change) for part, change in zip(parts, lost, strict=True)]


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The layers that take part, started as suits what follows them, but for those that give all that a bounded function takes; with
    their biases at zero, where these have a mean."""
    from initlint.lint.cures import alike, layers_of, restarts, unbiased
    from initlint.lint.multiplied import is_bounded, starts_behind, undivided
    from initlint.lint.starting import Files

    small = [layer for layer in layers_of(found, facts) if not is_bounded(facts, layer)]
    layers = alike(facts, small or layers_of(found, facts))
    yield from undivided(facts, layers, Files(facts))
    yield from restarts(facts, layers, starts_behind)
    yield from unbiased(facts, layers)
