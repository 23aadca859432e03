"""PREDICTIONS and a few real draws → what the draws refute, and the signals as they were measured instead."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from initlint.propagate.oracle import compare

if TYPE_CHECKING:
    from initlint.propagate.oracle import Measured, Row
    from initlint.propagate.signals import Signal

Sides = tuple[bool, bool]  # whether it holds of the second moment, and of the gradient

BITS = 1.0  # by which a prediction is off where reality refutes it
SIGMAS = 3.0  # standard errors that the difference has to exceed besides
SPREADS = 2.0  # of a finite net's own standard deviations: draws that differ by nature refute no average
STRAY = 3.0  # times the deviation of four draws: a normal law's own is larger once in twenty
SHARE = 1e-4  # of a second moment: what depends on the input is not told from rounding below


def refuted(signals: Mapping[str, Signal], measured: Mapping[str, Measured]) -> dict[str, Sides]:
    """The nodes whose second moment or gradient the draws refute beyond any doubt."""
    # the gradient of a node feels all layers behind it: its draws differ as much as those of the most spread signal
    spread = max((signal.spread for signal in signals.values()), default=0.0)
    lag = min((signal.lag for signal in signals.values()), default=0.0)

    def judge(row: Row, signal: Signal, truth: Measured) -> Sides:
        return (
            _is_refuted(row.bits, row.doubt, truth.draws, signal.spread, signal.lag),
            _is_refuted(row.grad_bits or 0.0, row.grad_doubt, truth.draws, spread, lag),
        )

    return _where(judge, signals, measured)


def _is_refuted(bits: float, doubt: float, draws: int, spread: float, lag: float) -> bool:
    """Whether a prediction is further off than the sampling error and what draws differ by nature.

    spread, lag  as of a `Signal`; believed only as far as the draws at hand differ, too
    """
    spread = min(spread, STRAY * doubt * math.sqrt(draws) * math.log(2))
    apart = (SPREADS * spread + min(-lag, spread**2)) / math.log(2)
    return bits > BITS + student(SIGMAS, draws - 1) * doubt + apart


def unlike(
    signals: Mapping[str, Signal], measured: Mapping[str, Measured], least: tuple[float, float], errors: float
) -> dict[str, Sides]:
    """The nodes that differ from the draws by more than `least` bits, of the second moment and of the gradient, and by `errors` standard
    errors: where a prediction is doubtful anyway, the draws deserve the greater trust."""

    def judge(row: Row, _signal: Signal, _truth: Measured) -> Sides:
        return row.bits > max(least[0], errors * row.doubt), (row.grad_bits or 0.0) > max(least[1], errors * row.grad_doubt)

    return _where(judge, signals, measured)


def amiss(signals: Mapping[str, Signal], measured: Mapping[str, Measured], bits: float, share: float) -> bool:
    """Whether gradients of more than `share` of the nodes, or second moments of half as many, differ from one draw by more than
    `bits`, the latter also by more than draws of a finite net differ by nature. Of the second moments a third are parameters', and right."""

    def judge(row: Row, signal: Signal, _truth: Measured) -> Sides:
        return row.bits > bits + SPREADS * signal.spread / math.log(2), (row.grad_bits or 0.0) > bits

    found = _where(judge, signals, measured).values()
    gradients = sum(truth.grad_second_moment is not None for truth in measured.values())
    return sum(forward for forward, _ in found) > share / 2 * len(measured) or sum(back for _, back in found) > share * gradients


def _where(
    judge: Callable[[Row, Signal, Measured], Sides], signals: Mapping[str, Signal], measured: Mapping[str, Measured]
) -> dict[str, Sides]:
    """What `judge` says of all nodes whose numbers the draws resolve, where it says anything."""
    found: dict[str, Sides] = {}
    for row in compare(signals, measured):
        signal, truth = signals.get(row.node), measured[row.node]
        if signal is None:
            continue
        forward, backward = judge(row, signal, truth)
        forward, backward = forward and _resolved(truth, signal), backward and _gradient_resolved(truth, signal)
        if forward or backward:
            found[row.node] = (forward, backward)
    return found


def as_measured(signal: Signal, truth: Measured, *, forward: bool = True, backward: bool = True) -> Signal:
    """The signal with what was measured of it, as far as it was resolved."""
    changed = signal
    if forward and _resolved(truth, signal):
        changed = replace(
            changed,
            mean=None if truth.mean is None else truth.mean.value,
            second_moment=truth.second_moment.value,
            k_pos=None if truth.k_pos is None else truth.k_pos.value,
            k_batch=_shared(signal, truth),
            zero_fraction=signal.zero_fraction if truth.zero_fraction is None else truth.zero_fraction.value,
            spread=0.0,  # few draws are near the typical one
            lag=0.0,
        )
    if backward and truth.grad_second_moment is not None and _gradient_resolved(truth, signal):
        changed = replace(changed, grad_second_moment=truth.grad_second_moment.value)
    return changed


def _resolved(truth: Measured, signal: Signal) -> bool:
    """Whether prediction or measurement is more than rounding, or there is no prediction."""
    value, predicted = truth.second_moment.value, signal.second_moment
    return math.isfinite(value) and (predicted is None or max(value, predicted) > truth.noise)


def _gradient_resolved(truth: Measured, signal: Signal) -> bool:
    gradient = truth.grad_second_moment
    if gradient is None or not math.isfinite(gradient.value):
        return False
    return max(gradient.value, signal.grad_second_moment or 0.0) > truth.grad_noise


def _shared(signal: Signal, truth: Measured) -> float | None:
    """E[x x'] of two samples. What depends on the input is taken as a share of the second moment: float32 resolves no small one,
    so that only a larger one than was predicted is believed."""
    if truth.k_batch is None or not truth.second_moment.value or not signal.second_moment or signal.input_born is None:
        return None if truth.k_batch is None else truth.k_batch.value
    share = 1.0 - truth.k_batch.value / truth.second_moment.value
    predicted = signal.input_born / signal.second_moment
    return truth.second_moment.value * (1.0 - (share if share > max(SHARE, 2.0**BITS * predicted) else predicted))


def student(sigmas: float, freedom: int) -> float:
    """Student's t as improbable as `sigmas` of a Gaussian (Cornish and Fisher's expansion, three terms)."""
    z, n = sigmas, float(freedom)
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )
