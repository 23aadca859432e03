"""INI107: an untrained classifier that gives one class to nearly all inputs.

Of two logits of an untrained net, the same one is larger for a share ½ + arcsin(√c)/π of the inputs on average, c the part of the
logits' second moment that all inputs share (Francazi, Lucchi, Baity-Jesi 2023, arXiv:2306.00809).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import shape_of
from initlint.lint.doubt import by_chance, spread_over
from initlint.lint.finding import Severity
from initlint.lint.paths import feeding_layer, main_path, segments_of, steps_of
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_at, number, places_of_layers

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI107",
    name="guessed-class",
    severity=Severity.INFO,
    summary="What all inputs share grows layer by layer until an untrained classifier gives nearly all of them one class.",
    fix="unsafe",
    explained_by=(
        "vanishing-signal",
        "dead-relu",
        "symmetric-initialization",
        "rank-collapse",
        "saturated-activation",
        "collapsing-correlation",
    ),
)

# Decades of √(1 − c). `vanishing-signal` warns at −3.5 and has the measurements: at −1.2 a plain default net trains with every
# optimizer, at −2.1 SGD stays at guessing at all of three rates and Adam does not mind.
TOLD_AT = -1.5
LAYERS = 4  # one layer with a large bias is a choice; a law of depth takes several
SHARING = -0.02
CLASSES = 2


def check(facts: Facts) -> Iterator[Finding]:
    """Outputs of two dimensions, made by a layer: samples and classes."""
    for output in facts.traced.outputs:
        node = facts.structure.nodes[output]
        shape, signal, layer = shape_of(node), facts.signals.get(output), feeding_layer(facts, node)
        if len(shape) != 2 or shape[1] < CLASSES or signal is None or not signal.second_moment or signal.k_batch is None:
            continue
        if layer is None or layer.kind != "linear":
            continue
        steps = steps_of(facts, main_path(facts, output))
        parts = [(part.layer, part.share) for part in segments_of(steps)]  # without averages over positions
        sharing = [(layer, change) for layer, change in parts if change <= SHARING]
        total = sum(change for _, change in parts)
        if total > TOLD_AT or len(sharing) < LAYERS or by_chance(total, spread_over(steps)):
            continue
        if total - min(change for _, change in sharing) > TOLD_AT / 2:
            continue
        common = 1.0 - 10 ** (2 * total)
        wins = 0.5 + math.asin(math.sqrt(common)) / math.pi
        at, others = places_of_layers(facts, sharing)
        yield finding(
            RULE,
            facts,
            at=at,
            message=(
                f"over {counted(len(sharing), 'layer')} what depends on the input falls to {number(10**total)} of the activations, and "
                f"the rest is the same for all inputs: of any two classes the same one wins for {100 * wins:.3g} % of the inputs "
                "before training. The first steps, and with plain SGD many of them, only unlearn this guess."
            ),
            help="centre what goes through the layers: functions with mean zero (tanh, SELU), a normalization before them, or "
            "weights that keep the signal above the biases",
            modules=[module_at(layer, facts) for layer, _ in sharing],
            evidence={"decades": total, "common": common, "wins": wins, "layers": float(len(sharing))},
            related=others,
            rests_on=(steps[-1].node,),
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The layers that take part, started as suits the functions behind them."""
    from initlint.lint.cures import alike, layers_of, restarts

    yield from restarts(facts, alike(facts, layers_of(found, facts)))
