"""PREDICTIONS that are doubtful → those that a few real draws do not refute, and what the draws measured in place of the others.

Where tensors depend on each other in a way that no formula follows (sorted values, a recurrence on its own decays, an iterated
inverse), a prediction can be wrong by any factor. Such places are known by their flags, or by numbers that leave every ordinary
range. A small model can be asked: its weights are drawn from their laws, the graph is run and differentiated a few times, and
where the difference exceeds what chance allows, the measured number stands, with the flag `refuted`. What has no prediction at
all is measured as well. A large model, or one whose prediction is in no doubt, costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from initlint.propagate.cost import cost_of
from initlint.propagate.drawn import drawn
from initlint.propagate.oracle import LEAST, CannotMeasure, measured_of
from initlint.propagate.refuted import as_measured, unlike

if TYPE_CHECKING:
    import torch

    from initlint.graph.model import Law, Parameter, TracedModel
    from initlint.propagate.backward import Propagation
    from initlint.propagate.cost import Cost
    from initlint.propagate.oracle import Layout, Measured
    from initlint.propagate.signals import Signal

SECONDS, PER_NODE, LONGEST = 1.5, 2.5e-3, 4.0  # that all draws of a doubtful model may take: about as long as tracing takes
INSTANT = 0.1  # seconds that are spent on any model
MEMORY = 2 * 2.0**30  # bytes that one draw may take
ENOUGH, MOST = 4, 12  # draws, to find out whether a prediction is wrong, and to measure what it is instead
FAR, CLOSE = 0.7, 0.25  # bits between prediction and draws: that call for more draws, and in which it is kept all the same
SURE, ERRORS = 3.0, 2.0  # standard errors that such a difference has to exceed besides
MASKED = 2.0**200  # second moment of a mask: that of the largest float32 is 2^256
RANGE = 60.0  # bits between the largest and the smallest second moment of a net nobody doubts
LOST = 10.0  # seconds, where something has no prediction at all
DOUBTFUL = {
    "selected", "sampled_operator", "messages", "heavy_tailed", "few_samples", "wide_divisor", "running_sum",
}  # fmt: skip
STILL = {"uninitialized_weight"}  # what the draws assume as well
SEED = 0x7121A1


def tried(traced: TracedModel, predicted: Propagation) -> Propagation:
    """The prediction, corrected by a few draws where it is doubtful and the model is small enough to be asked."""
    cost = cost_of(traced)
    seconds = min(max(SECONDS, PER_NODE * predicted.coverage.nodes), LONGEST)
    if predicted.coverage.known < predicted.coverage.floating:
        seconds = max(seconds, LOST)
    allowed = seconds if _is_doubtful(traced, predicted) else INSTANT
    if LEAST * cost.seconds > allowed or cost.memory > MEMORY:
        return predicted
    try:
        measured = _drawn(traced, _draws(cost, allowed, ENOUGH), {})
        wrong = unlike(predicted.signals, measured, FAR, SURE)
        lost = [name for name, signal in predicted.signals.items() if signal.second_moment is None and name in measured]
        if not wrong and not lost:
            return predicted
        measured = _drawn(traced, _draws(cost, seconds, MOST), predicted.layouts)
    except Exception:  # noqa: BLE001 - what cannot be run for real keeps its prediction
        return predicted
    return _corrected(predicted, measured)


def _draws(cost: Cost, seconds: float, most: int) -> int:
    return max(LEAST, min(most, int(seconds / cost.seconds)))


def _is_doubtful(traced: TracedModel, predicted: Propagation) -> bool:
    """Whether anything is unknown, bent, or out of every ordinary range."""
    if predicted.coverage.known < predicted.coverage.floating:
        return True
    if any(DOUBTFUL.intersection(signal.flags) for signal in predicted.signals.values()):
        return True
    # parameters may really get next to nothing (the bias of keys), and masks are filled with the largest number there is
    passed = [s for name, s in predicted.signals.items() if s.grad_second_moment and name not in traced.parameters]
    return max(_range(s.second_moment for s in passed), _range(s.grad_second_moment for s in passed)) > RANGE


def _range(values: Iterable[float | None]) -> float:
    """Bits between the largest and the smallest that is not zero; masks are left out."""
    present = [value for value in values if value is not None and 0.0 < value < MASKED]
    return math.log2(max(present)) - math.log2(min(present)) if present else 0.0


def _corrected(predicted: Propagation, measured: Mapping[str, Measured]) -> Propagation:
    """Measured numbers where the prediction is refuted or missing."""
    wrong = unlike(predicted.signals, measured, CLOSE, ERRORS)
    signals = dict(predicted.signals)
    found: set[str] = set()
    for name, signal in predicted.signals.items():
        truth = measured.get(name)
        if truth is None:
            continue
        forward, backward = wrong.get(name, (False, False))
        lost = signal.second_moment is None
        if not (forward or backward or lost):
            continue
        changed = as_measured(signal, truth, forward=forward or lost, backward=backward or lost)
        if lost and changed.second_moment is None:  # zero up to rounding
            changed = replace(changed, mean=truth.mean.value, second_moment=truth.second_moment.value)
        signals[name] = replace(
            changed,
            method="sampled",
            flags=(*(flag for flag in signal.flags if flag in STILL), "refuted"),
            _formula=None,
        )
        found.add(name)
    coverage = predicted.coverage
    known = sum(_has_number(signals[name]) for name in signals)
    return replace(
        predicted,
        signals=signals,
        coverage=replace(
            coverage,
            known=max(coverage.known, min(known, coverage.floating)),
            sampled=tuple(name for name in signals if name in found or name in coverage.sampled),
            unknown={} if known >= coverage.floating else coverage.unknown,
        ),
    )


def _has_number(signal: Signal) -> bool:
    return signal.second_moment is not None


# -- drawing --------------------------------------------------------------------------------------------------------------


def _drawn(traced: TracedModel, draws: int, layouts: Mapping[str, Layout]) -> dict[str, Measured]:
    return measured_of(traced, lambda: weights_from_laws(traced.parameters), draws, SEED, layouts)


def weights_from_laws(parameters: Mapping[str, Parameter]) -> dict[str, torch.Tensor]:
    """One draw of all weights; tied ones are one tensor, copies start equal. torch's own generator is used.

    Raises:
        CannotMeasure: a law is unknown.
    """
    values: dict[str, torch.Tensor] = {}
    made: dict[str, torch.Tensor] = {}
    for node, parameter in parameters.items():
        own = parameter.alias_of or parameter.name
        if own not in made:
            source = made.get(parameter.copy_of or "")
            value = _one(parameter) if source is None or source.shape != parameter.shape else source.detach().clone()
            floating = value.is_floating_point() or value.is_complex()
            made[own] = value.requires_grad_() if floating and parameter.kind == "parameter" else value
        values[node] = made[own]
    return values


def _one(parameter: Parameter) -> torch.Tensor:
    import torch

    dtype = getattr(torch, parameter.dtype.removeprefix("torch."))
    if parameter.value is not None:
        return parameter.value.detach().to("cpu", copy=True)
    if parameter.law.family == "uninitialized":
        return torch.zeros(parameter.shape, dtype=dtype)
    if parameter.law.family == "unknown":
        raise CannotMeasure(f"nobody knows the law of '{parameter.name}'")
    if dtype.is_complex:
        parts = [_of_law(parameter.law, parameter.shape) for _ in range(2)]
        return torch.complex(*parts).mul(0.5**0.5).to(dtype)
    return _of_law(parameter.law, parameter.shape).to(dtype)


def _of_law(law: Law, shape: tuple[int, ...]) -> torch.Tensor:
    import torch

    value: torch.Tensor = drawn(law, shape, 1, torch.default_generator)[0]
    return value
