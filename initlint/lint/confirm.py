"""FINDINGS → those that reality does not refute: where a rule warns of a small model, the model is drawn for real a few times.

A prediction may be wrong where tensors depend on each other in a way that no formula follows, and a wrong warning costs more than
a missed one. Where the draws refute a prediction, the rules judge once more by what was measured, and only what they say both times
is reported. Nothing is drawn for a model without warnings, so silence costs nothing.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from initlint.lint.finding import Finding, Severity
from initlint.lint.judge import judge
from initlint.propagate.cost import cost_of
from initlint.propagate.oracle import LEAST, CannotMeasure, Measured, measure
from initlint.propagate.refuted import as_measured, refuted

if TYPE_CHECKING:
    from torch import nn

    from initlint.graph.built import RecordedModel
    from initlint.lint.facts import Facts
    from initlint.propagate.oracle import Layout
    from initlint.propagate.signals import Signal

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
    cost = cost_of(facts.traced, recorded.parameters.values())
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
    if not refuted(signals, measured):
        return None
    return {name: as_measured(signal, measured[name]) if name in measured else signal for name, signal in signals.items()}
