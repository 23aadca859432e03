"""INI301: rectifiers whose units are off for every input, and other functions whose units are held at a bound."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlint.graph.bounds import bounds_of
from initlint.graph.dataflow import PASSING, operands, operator, strip
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
    summary="Units that are beyond a bound of their function for every sample, as rectified ones below zero: they receive no gradient.",
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
        bounds = bounds_of(node)
        if bounds is None or node.name not in facts.structure.dependence.data:
            continue
        for found in (_beyond(facts, node, bounds[0], up=False), _beyond(facts, node, bounds[1], up=True)):
            if found is not None and found.share >= WARN_AT:
                yield _finding(facts, node, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beyond:
    """The share of a function's units whose input is beyond a bound for all samples."""

    share: float
    bound: float
    up: bool
    mean: float
    spread: float


def _beyond(facts: Facts, node: Node, bound: float, *, up: bool) -> _Beyond | None:
    """None where the input is not known, or has no such shift."""
    signal = facts.signals.get(next(operands(node)).name)
    if signal is None or signal.mean is None or not signal.second_moment or not math.isfinite(bound):
        return None
    spread = math.sqrt(max(signal.second_moment - signal.mean**2, 0.0))
    shift = bound - signal.mean if up else signal.mean - bound  # of what is within
    if not math.isfinite(spread) or shift > LOWEST_MEAN * spread:
        return None
    shared = None if signal.k_batch is None else signal.k_batch - signal.mean**2 + shift**2
    return _Beyond(
        share=never_positive(shift, spread**2 + shift**2, shared, SAMPLES), bound=bound, up=up, mean=signal.mean, spread=spread
    )


def _finding(facts: Facts, node: Node, found: _Beyond) -> Finding:
    source = next(operands(node))
    layer = feeding_layer(facts, source)
    modules = [] if layer is None else [module_at(layer, facts)]
    where = f"that `{modules[0]}` feeds" if modules else "behind this line"
    off = not found.up and found.bound == 0.0 and operator(node) in ("relu", "relu6", "hardtanh", "threshold")
    state = "off" if off else f"{'above' if found.up else 'below'} {number(found.bound)}"
    result = "output zero" if off else "put out the same number each time"
    # what a gate multiplies passes as if it were not there, and a trunk carries on what its branches do not add to
    passed = (found.up and _is_factor(facts, node)) or facts.structure.in_branch(node.name)
    return finding(
        RULE,
        facts,
        at=_site(facts, source, layer, up=found.up),
        severity=Severity.ERROR if found.share >= FAIL_AT and not passed else Severity.WARNING,
        message=(
            f"{number(100 * found.share)} % of the {'rectified units' if off else f'units of the {operator(node)}'} {where} are {state} for "
            f"all of {SAMPLES} inputs: their mean is {number(found.mean)} with a standard deviation of {number(found.spread)}. "
            f"They {result} and their weights receive no gradient."
        ),
        help="start the bias at zero (or slightly positive) and keep weights zero-mean"
        if off
        else f"start the bias {'below' if found.up else 'above'} {number(found.bound)}, where the function has a slope",
        modules=modules,
        evidence={"dead": found.share, "mean": found.mean, "std": found.spread},
    )


def _is_factor(facts: Facts, node: Node) -> bool:
    """Whether what a function gives only multiplies other data: a gate."""
    data = facts.structure.dependence.data
    users = list(node.users)
    while len(users) == 1 and operator(users[0]) in PASSING:
        users = list(users[0].users)
    return bool(users) and all(
        operator(user) == "mul" and sum(item.name in data for item in {strip(item) for item in operands(user)}) > 1 for user in users
    )


def _site(facts: Facts, source: Node, layer: WeightLayer | None, *, up: bool) -> Site | None:
    """The line that gave a bias such a mean, if a bias did; else the layer's."""
    biases = [facts.parameter(name) for name in (() if layer is None else layer.others)]
    guilty = [bias for bias in biases if (bias.law.mean > 0 if up else bias.law.mean < 0)]
    return (site_of_law(guilty[0], facts) if guilty else None) or site_of_cause(facts, source, layer)


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The bias at zero, in all layers to which the same line gave it; where no bias is to blame, zero-mean weights; both."""
    from initlint.fixes.starts import ZEROS
    from initlint.lint.cures import layers_of, restarted, restarts, starts_of, unsafe
    from initlint.lint.starting import own_draw, started

    def drawn_at(name: str) -> Site | None:
        write = own_draw(facts.parameter(name), facts)
        return None if write is None else write.site

    layers = layers_of(found, facts)
    biases = [name for layer in layers for name in layer.others]
    guilty = [name for name in biases if facts.parameter(name).law.mean * found.evidence["mean"] > 0]
    places = {site for name in guilty if (site := drawn_at(name)) is not None}
    everywhere = [name for layer in facts.structure.layers.values() for name in layer.others if drawn_at(name) in places]
    for names in (everywhere, guilty):
        if names:
            yield from unsafe("start the bias at zero", started(facts, dict.fromkeys(names, ZEROS), together=False))
    yield from restarts(facts, [layer for layer in layers if facts.parameter(layer.weight).law.mean])
    biased = [layer for layer in facts.structure.layers.values() if set(layer.others) & set(everywhere)]
    for fix in unsafe("start the bias at zero", started(facts, dict.fromkeys(everywhere, ZEROS), together=False)):
        yield from restarted(facts, biased, starts_of, before=[fix])
