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
from initlint.lint.wording import counted, finding, module_at, module_of, number, places_of_layers, site_of_law

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
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
# Between the largest and the smallest entry of an output's bias, and of deviations of what comes beside it: logarithms of shares of
# classes differ by less, and odds of e²⁰ no data set has.
APART, STEADY = 20.0, 4.0


def check(facts: Facts) -> Iterator[Finding]:
    """Outputs of two dimensions, made by a layer: samples and classes."""
    for output in facts.traced.outputs:
        node = facts.structure.nodes[output]
        shape, signal, layer = shape_of(node), facts.signals.get(output), feeding_layer(facts, node)
        if len(shape) != 2 or shape[1] < CLASSES or signal is None or not signal.second_moment or signal.k_batch is None:
            continue
        if layer is None or layer.kind != "linear":
            continue
        yield from _by_bias(facts, layer, math.sqrt(max(signal.second_moment, 0.0)))
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


def _by_bias(facts: Facts, layer: WeightLayer, size: float) -> Iterator[Finding]:
    """A bias with entries so far apart that one class wins for every input."""
    for name in layer.others:
        parameter = facts.parameter(name)
        if parameter.value is None or parameter.value.dim() != 1 or parameter.kind != "parameter":
            continue
        low, high = float(parameter.value.min()), float(parameter.value.max())
        beside = math.sqrt(max(size**2 - parameter.law.second_moment, 0.0))
        if high - low < max(APART, STEADY * beside):
            continue
        counts = low > 0.0 and math.log(high / low) < APART
        yield finding(
            RULE,
            facts,
            at=site_of_law(parameter, facts),
            message=(
                f"`{parameter.name}` starts with entries from {number(low)} to {number(high)}, and what is added to it has a size of {number(beside)}: "
                f"as logits they give the same class to every input, with odds of e^{number(high - low)}."
                + (" Shares or counts of classes go into a bias by their logarithm." if counts else "")
            ),
            help="take the logarithm of the shares of the classes (prior.log()), or start the bias at zero",
            modules=[module_of(parameter)],
            evidence={"low": low, "high": high},
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The logarithm of counts, or a bias of zero; else the layers that take part, started as suits the functions behind them."""
    import libcst as cst

    from initlint.fixes.calls import calls_named
    from initlint.fixes.starts import ZEROS
    from initlint.lint.cures import alike, layers_of, restarts, unsafe
    from initlint.lint.starting import Files, started

    if "high" in found.evidence:
        code = Files(facts).code(found.span.path)
        calls = [] if code is None else [item for item in calls_named(code, ("copy_",)) if code.first_line(item) == found.span.line]
        if code is not None and len(calls) == 1 and len(calls[0].args) == 1 and found.evidence["low"] > 0:
            given = calls[0].args[0].value
            text = code.text(given) if isinstance(given, cst.Name | cst.Call) else f"({code.text(given)})"
            yield from unsafe("take the logarithm", [code.replaced(given, f"{text}.log()")])
        biases = {name for layer in layers_of(found, facts) for name in layer.others}
        yield from unsafe("start the bias at zero", started(facts, dict.fromkeys(sorted(biases), ZEROS), together=False))
        return
    yield from restarts(facts, alike(facts, layers_of(found, facts)))
