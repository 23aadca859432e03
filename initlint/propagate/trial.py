"""PREDICTIONS that are doubtful → those that a few real draws do not refute, and what the draws measured in place of the others.

Where tensors depend on each other in a way that no formula follows (sorted values, a recurrence on its own decays, an iterated
inverse, two products of one factor that are divided), a prediction can be wrong by any factor. Such places are known by their flags, or by numbers that leave every ordinary
range. A small model can be asked: its weights are drawn from their laws, the graph is run and differentiated a few times, and
where the difference exceeds what chance allows, the measured number stands, with the flag `refuted`. What has no prediction at
all is measured as well. Errors of formulas add up along a graph: one of many nodes that is in no doubt is drawn once, if that
takes less than half as long as tracing, and counts as doubtful where this draw is unlike the prediction in many places. A large
model costs nothing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from initlint.graph.dataflow import NORMALIZING, operator
from initlint.graph.model import Law
from initlint.propagate.calls import argument_of
from initlint.propagate.cost import cost_of
from initlint.propagate.drawn import draws_of
from initlint.propagate.oracle import LEAST, CannotMeasure, Sample
from initlint.propagate.refuted import amiss, as_measured, unlike

if TYPE_CHECKING:
    import torch
    from torch import fx

    from initlint.graph.model import Parameter, TracedModel
    from initlint.propagate.backward import Propagation
    from initlint.propagate.oracle import Measured

LONGEST = 6.0  # seconds that the fewest draws of a refuted model may take
# Nodes times the largest deviation of ln q, from which a model in no doubt is drawn once: errors of formulas add up along a graph, and what
# they leave out is of the order of what draws differ by. On the tuned half of the corpus (docs/accuracy.md) that is a quarter of the models.
UNSURE = 100.0
MOSTLY, WIDE = 0.9, 1.0  # of signals, whose ln q may deviate so much between draws: the mean of heavier tails is not seen in a few draws
AMISS, SHARE = 0.5, 0.08  # bits, and the share of gradients that have to differ by more from this one draw, to raise a doubt
MEMORY = 2 * 2.0**30  # bytes that one draw may take
MOST = 12  # draws, to measure what a prediction should have been; LEAST tell whether it is wrong, and as many what pairs are
FAR = 0.5, 0.5  # bits between prediction and draws, of the second moment and of the gradient, that call for more draws
# In which a prediction is kept all the same. Of the second moment more: what lies between two nodes is read off as the gain of a layer, which a
# measured number beside a predicted one blurs.
CLOSE = 0.25, 0.1
ERRORS = 2.0  # standard errors that such a difference has to exceed besides
MASKED = 2.0**200  # second moment of a mask: that of the largest float32 is 2^256
RANGE = 60.0  # bits between the largest and the smallest second moment of a net nobody doubts
LOST = 10.0  # seconds, where something has no prediction at all
DOUBTFUL = {
    "selected", "sampled_operator", "messages", "heavy_tailed", "few_samples", "wide_divisor", "running_sum", "shared_divisor", "even_transform",
}  # fmt: skip
STILL = {"uninitialized_weight"}  # what the draws assume as well
SEED = 0x7121A1


def tried(traced: TracedModel, predicted: Propagation) -> Propagation:
    """The prediction, corrected by a few draws where it is doubtful and the model is small enough to be asked."""
    cost = cost_of(traced)
    if LEAST * (cost.brief + cost.seconds) > (LOST if predicted.coverage.unknown else LONGEST) or cost.memory > MEMORY:
        return predicted
    sample = Sample(traced, functools.partial(weights_from_laws, traced.parameters), SEED)
    try:
        if not _is_doubtful(traced, predicted) and not _looks_wrong(sample, predicted):
            return predicted
        sample.draw(LEAST - sample.count, None)
        if not unlike(predicted.signals, sample.measured(), FAR, ERRORS):
            return predicted
        sample.draw(LEAST, predicted.layouts)
        sample.draw(MOST - sample.count, None)
    except Exception:  # noqa: BLE001 - what cannot be run for real keeps its prediction
        return predicted
    return _corrected(predicted, sample.measured())


def _looks_wrong(sample: Sample, predicted: Propagation) -> bool:
    """Whether one draw of a model whose errors may have added up is unlike the prediction in many places."""
    spreads = sorted(signal.spread for signal in predicted.signals.values())
    if not spreads or predicted.coverage.nodes * spreads[-1] < UNSURE or spreads[int(MOSTLY * (len(spreads) - 1))] > WIDE:
        return False
    sample.draw(1, None)
    return amiss(predicted.signals, sample.measured(), AMISS, SHARE)


def _is_doubtful(traced: TracedModel, predicted: Propagation) -> bool:
    """Whether anything is unknown, bent, out of every ordinary range, or normalized in name only."""
    if predicted.coverage.unknown:
        return True
    if not all(DOUBTFUL.isdisjoint(signal.flags) for signal in predicted.signals.values()):
        return True
    if any(_held(node, predicted) for node in traced.program.graph.nodes):
        return True
    # parameters may really get next to nothing (the bias of keys), and masks are filled with the largest number there is
    passed = [s for name, s in predicted.signals.items() if s.grad_second_moment and name not in traced.parameters]
    return max(_range(s.second_moment for s in passed), _range(s.grad_second_moment for s in passed)) > RANGE


def _held(node: fx.Node, predicted: Propagation) -> bool:
    """Whether ε outweighs what a normalization divides by: its scale is fixed, so that draws differ as without it."""
    if operator(node) not in NORMALIZING or not node.all_input_nodes:
        return False
    signal, eps = predicted.signals.get(node.all_input_nodes[0].name), argument_of(node, "eps")
    return signal is not None and isinstance(eps, float) and 0.0 < (signal.second_moment or 0.0) < eps


def _range(values: Iterable[float | None]) -> float:
    """Bits between the largest and the smallest that is not zero; masks are left out."""
    present = [value for value in values if value is not None and 0.0 < value < MASKED]
    return math.log2(max(present)) - math.log2(min(present)) if present else 0.0


def _corrected(predicted: Propagation, measured: Mapping[str, Measured]) -> Propagation:
    """Measured numbers where the prediction is refuted or missing; what is no number in the draws either stays without one."""
    wrong = unlike(predicted.signals, measured, CLOSE, ERRORS)
    signals = dict(predicted.signals)
    for name, (forward, backward) in wrong.items():
        signals[name] = replace(
            as_measured(signals[name], measured[name], forward=forward, backward=backward),
            method="sampled",
            flags=(*(flag for flag in signals[name].flags if flag in STILL), "refuted"),
            _formula=None,
        )
    coverage = predicted.coverage
    lost = {name for name, signal in predicted.signals.items() if signal.second_moment is None}
    left = {name for name in lost if signals[name].second_moment is None}
    return replace(
        predicted,
        signals=signals,
        coverage=replace(
            coverage,
            known=coverage.known + len(lost) - len(left),
            sampled=tuple(name for name in signals if name in wrong or name in coverage.sampled),
            unknown=coverage.unknown if left else {},
        ),
    )


# -- drawing --------------------------------------------------------------------------------------------------------------


def weights_from_laws(parameters: Mapping[str, Parameter]) -> dict[str, torch.Tensor]:
    """One draw of all weights, by placeholder name; tied ones are one tensor, copies start equal, memory nobody wrote is zero.

    Raises:
        CannotMeasure: a law is unknown.
    """
    import torch

    values: dict[str, torch.Tensor] = {}
    made: dict[str, torch.Tensor] = {}
    for node, parameter in parameters.items():
        own = parameter.alias_of or parameter.name
        if own not in made:
            if parameter.law.family == "uninitialized":
                parameter = replace(parameter, law=Law(family="constant", mean=0.0, second_moment=0.0))
            drawn = draws_of(parameter, 1, torch.default_generator, evenly=False)
            if drawn is None:
                raise CannotMeasure(f"nobody knows the law of '{parameter.name}'")
            made[own] = drawn[0]
            source = made.get(parameter.copy_of or "")
            if source is not None and source.shape == made[own].shape:
                made[own].detach().copy_(source.detach())
        values[node] = made[own]
    return values
