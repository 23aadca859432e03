"""INI301: rectifiers whose units are off for every input."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import RECTIFYING, operands, operator
from initlint.lint.finding import Severity
from initlint.lint.gauss import never_positive
from initlint.lint.paths import feeding_layer
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_at, number, site_of_cause, site_of_law

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Site
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI301",
    name="dead-relu",
    severity=Severity.ERROR,
    summary="Rectified units whose input is negative for every sample: they output zero and receive no gradient.",
    fix="unsafe",
)

# A unit is called dead when it is off for all of this many samples: an epoch of a small data set.
SAMPLES = 4096
# Calibrated on nets of three layers with a constant bias: with a half of the units dead SGD stalls at every rate; with all
# of them dead nothing trains.
WARN_AT = 0.5
FAIL_AT = 0.95
# Units that are off half of the time for want of a mean are what a rectifier is for; the rule looks for a shift.
LOWEST_MEAN = -1.0  # standard deviations


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per rectifier; those of one line are merged."""
    for node in facts.structure.dependence.order:
        if operator(node) not in RECTIFYING or node.name not in facts.structure.dependence.data:
            continue
        source = next(operands(node))
        signal = facts.signals.get(source.name)
        if signal is None or signal.mean is None or not signal.second_moment:
            continue
        spread = math.sqrt(max(signal.second_moment - signal.mean**2, 0.0))
        if not math.isfinite(spread) or signal.mean > LOWEST_MEAN * spread:
            continue
        dead = never_positive(signal.mean, signal.second_moment, signal.k_batch, SAMPLES)
        if dead < WARN_AT:
            continue
        layer = feeding_layer(facts, source)
        modules = [] if layer is None else [module_at(layer, facts)]
        where = f"that `{modules[0]}` feeds" if modules else "behind this line"
        yield finding(
            RULE,
            facts,
            at=_site(facts, source, layer),
            severity=Severity.ERROR if dead >= FAIL_AT else Severity.WARNING,
            message=(
                f"{number(100 * dead)} % of the rectified units {where} are off for all of {SAMPLES} inputs: "
                f"their mean is {number(signal.mean)} with a standard deviation of {number(spread)}. "
                "They output zero and their weights receive no gradient."
            ),
            help="start the bias at zero (or slightly positive) and keep weights zero-mean",
            modules=modules,
            evidence={"dead": dead, "mean": signal.mean, "std": spread},
        )


def _site(facts: Facts, source: Node, layer: WeightLayer | None) -> Site | None:
    """The line that made the bias negative, if a bias did; else the layer's."""
    biases = [facts.parameter(name) for name in (() if layer is None else layer.others)]
    negative = [bias for bias in biases if bias.law.mean < 0]
    return (site_of_law(negative[0], facts) if negative else None) or site_of_cause(facts, source, layer)


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The bias at zero, in all layers to which the same line gave it; where no bias is to blame, zero-mean weights; both."""
    from initlint.fixes.starts import ZEROS
    from initlint.lint.cures import layers_of, restarted, restarts, starts_of, unsafe
    from initlint.lint.starting import own_draw, started

    def drawn_at(name: str) -> Site | None:
        write = own_draw(facts.parameter(name), facts)
        return None if write is None else write.site

    layers = layers_of(found, facts)
    negative = [name for layer in layers for name in layer.others if facts.parameter(name).law.mean < 0]
    places = {site for name in negative if (site := drawn_at(name)) is not None}
    everywhere = [name for layer in facts.structure.layers.values() for name in layer.others if drawn_at(name) in places]
    for biases in (everywhere, negative):
        if biases:
            yield from unsafe("start the bias at zero", started(facts, dict.fromkeys(biases, ZEROS), together=False))
    yield from restarts(facts, [layer for layer in layers if facts.parameter(layer.weight).law.mean])
    biased = [layer for layer in facts.structure.layers.values() if set(layer.others) & set(everywhere)]
    for fix in unsafe("start the bias at zero", started(facts, dict.fromkeys(everywhere, ZEROS), together=False)):
        yield from restarted(facts, biased, starts_of, before=[fix])
