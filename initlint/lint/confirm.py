"""FINDINGS → those that reality does not refute: where a rule warns of a small model, the model is drawn for real a few times.

A prediction may be wrong where tensors depend on each other in a way that no formula follows, and a wrong warning costs more than
a missed one. Where the draws refute a prediction, the rules judge once more by what was measured, and only what they say both times
is reported. Nothing is drawn for a model without warnings, so silence costs nothing.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from initlint.lint.finding import Finding, Severity
from initlint.lint.judge import judge
from initlint.lint.monte_carlo import cost_of, student
from initlint.propagate.oracle import LEAST, CannotMeasure, Measured, compare, measure

if TYPE_CHECKING:
    from torch import nn

    from initlint.graph.built import RecordedModel
    from initlint.lint.facts import Facts
    from initlint.propagate.oracle import Layout
    from initlint.propagate.signals import Signal

BITS = 1.0  # by which a prediction is off where reality refutes it
SIGMAS = 3.0  # standard errors that the difference has to exceed besides
SPREADS = 2.0  # of a finite net's own standard deviations: draws that differ by nature refute no average
STRAY = 3.0  # times the deviation of four draws: a normal law's own is larger once in twenty
SHARE = 1e-4  # of a second moment: what depends on the input is not told from rounding below
SECONDS = 6.0  # that all draws may take
MEMORY = 4 * 2.0**30  # bytes that one may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """Findings that hold, and those that a few draws refuted."""

    findings: tuple[Finding, ...]
    withdrawn: tuple[Finding, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was withdrawn, a line each."""
        return tuple(
            f"withdrawn, since {LEAST} draws refute it: {item.code} at line {item.span.line}" for item in self.withdrawn
        )


def confirmed(
    facts: Facts,
    findings: tuple[Finding, ...],
    recorded: RecordedModel,
    build: Callable[[], nn.Module] | None,
    layouts: Mapping[str, Layout],
) -> Confirmed:
    """Findings about signals, less those that rest on a refuted prediction.

    build    makes the model anew with real weights; None where there is only the one that was measured
    layouts  which axes of a node are samples and positions
    """
    everything = Confirmed(findings=findings)
    if build is None or not any(item.severity >= Severity.WARNING and _is_about_signals(item) for item in findings):
        return everything
    cost = cost_of(facts.traced, recorded)
    if LEAST * cost.seconds > SECONDS or cost.memory > MEMORY:
        return everything
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            measured = measure(facts.traced, _in_time(build), draws=LEAST, layouts=layouts)
    except Exception:  # noqa: BLE001 - what cannot be run for real is judged by the prediction
        return everything
    signals = corrected(facts.signals, measured)
    if signals is None:
        return everything
    again = {(item.code, item.span.path, item.span.line): item for item in judge(replace(facts, signals=signals))}
    kept, withdrawn = [], []
    for finding in findings:
        same = again.get((finding.code, finding.span.path, finding.span.line))
        if same is not None:
            kept.append(replace(same, severity=min(same.severity, finding.severity)))
        elif _is_about_signals(finding):
            withdrawn.append(finding)
        else:
            kept.append(finding)
    return Confirmed(findings=tuple(kept), withdrawn=tuple(withdrawn))


def _in_time(build: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """The builder, which gives up between two draws when they take longer than was expected: a constructor may do anything."""
    started = time.monotonic()

    def built() -> nn.Module:
        if time.monotonic() - started > SECONDS:
            raise CannotMeasure("its constructor is slow")
        return build()

    return built


def _is_about_signals(finding: Finding) -> bool:
    """Neither about an analysis that is incomplete nor about the initialization code itself."""
    return finding.code[3:4] not in ("0", "7")


def corrected(signals: Mapping[str, Signal], measured: Mapping[str, Measured]) -> dict[str, Signal] | None:
    """Signals as they were measured, where a prediction is refuted anywhere; None where none is.

    All are taken over, not the refuted ones alone: what a wrong number led to is wrong as well, if less clearly.
    """
    # the gradient of a node feels all layers behind it: its draws differ as much as those of the most spread signal
    spread = max((signal.spread for signal in signals.values()), default=0.0)
    lag = min((signal.lag for signal in signals.values()), default=0.0)
    result = dict(signals)
    refuted = False
    for row in compare(signals, measured):
        signal, truth, gradient = signals.get(row.node), measured[row.node], measured[row.node].grad_second_moment
        if signal is None:
            continue
        changed = signal
        if math.isfinite(truth.second_moment.value) and truth.second_moment.value > truth.noise:
            refuted |= _is_refuted(row.bits, row.doubt, signal.spread, signal.lag)
            changed = replace(
                changed,
                mean=truth.mean.value,
                second_moment=truth.second_moment.value,
                k_pos=None if truth.k_pos is None else truth.k_pos.value,
                k_batch=_shared(signal, truth),
                zero_fraction=truth.zero_fraction.value,
                spread=0.0,  # few draws are near the typical one
                lag=0.0,
            )
        if gradient is not None and math.isfinite(gradient.value) and gradient.value > truth.grad_noise:
            refuted |= _is_refuted(row.grad_bits or 0.0, row.grad_doubt, spread, lag)
            changed = replace(changed, grad_second_moment=gradient.value)
        result[row.node] = changed
    return result if refuted else None


def _is_refuted(bits: float, doubt: float, spread: float, lag: float) -> bool:
    """Whether a prediction is further off than the sampling error and what draws differ by nature.

    spread, lag  as of a `Signal`; believed only as far as the draws at hand differ, too
    """
    spread = min(spread, STRAY * doubt * math.sqrt(LEAST) * math.log(2))
    apart = (SPREADS * spread + min(-lag, spread**2)) / math.log(2)
    return bits > BITS + student(SIGMAS, LEAST - 1) * doubt + apart


def _shared(signal: Signal, truth: Measured) -> float | None:
    """E[x x'] of two samples. What depends on the input is taken as a share of the second moment: float32 resolves no small one,
    so that only a larger one than was predicted is believed."""
    if truth.k_batch is None or not signal.second_moment or signal.input_born is None:
        return None if truth.k_batch is None else truth.k_batch.value
    share = 1.0 - truth.k_batch.value / truth.second_moment.value
    predicted = signal.input_born / signal.second_moment
    return truth.second_moment.value * (1.0 - (share if share > max(SHARE, 2.0**BITS * predicted) else predicted))
