"""A built model and example inputs → everything initlint knows of it: the pipeline of one target, in one process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from initlint.graph.capture import capture
from initlint.lint.confirm import confirmed
from initlint.lint.facts import Facts, gather
from initlint.lint.failures import unknown_operators
from initlint.lint.judge import judge
from initlint.propagate import propagate

if TYPE_CHECKING:
    from torch import nn

    from initlint.config import InputSpec
    from initlint.graph.built import RecordedModel
    from initlint.graph.model import InputLaw, TracedModel
    from initlint.lint.finding import Finding
    from initlint.propagate.backward import Propagation


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysed:
    """One target, analysed: its graph with laws and signals, what the rules say, and notes on what real draws refuted."""

    facts: Facts
    propagation: Propagation
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()


def analyse(
    recorded: RecordedModel,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    *,
    target: str,
    path: str,
    line: int = 1,
    root: str = "",
    declared: Sequence[InputSpec] = (),
    build: Callable[[], nn.Module] | None = None,
    rate: float | None = None,
    guessed: bool = False,
) -> Analysed:
    """Trace, propagate, judge; where there are warnings and `build` makes the model anew, hold them against a few real draws.

    guessed  whether `args` were chosen by initlint

    Raises:
        CannotTrace: no way of tracing worked.
    """
    traced = traced_as(recorded, args, kwargs, declared)
    propagation = propagate(traced)
    signals = propagation.signals
    facts = gather(target=target, path=path, line=line, root=root, traced=traced, signals=signals, rate=rate, guessed=guessed)
    held = confirmed(facts, judge(facts), recorded, build, propagation.layouts)
    findings = (*held.findings, *unknown_operators(facts, propagation.coverage, held.findings))
    return Analysed(facts=facts, propagation=propagation, findings=findings, notes=held.notes)


def traced_as(
    recorded: RecordedModel, args: Sequence[Any], kwargs: Mapping[str, Any] | None, declared: Sequence[InputSpec]
) -> TracedModel:
    """The graph, its inputs drawn as the settings say.

    Raises:
        CannotTrace: no way of tracing worked.
    """
    traced = capture(recorded, args, kwargs)
    return replace(traced, inputs=_with_settings(traced.inputs, declared)) if declared else traced


def _with_settings(inputs: Mapping[str, InputLaw], declared: Sequence[InputSpec]) -> dict[str, InputLaw]:
    """Input laws with the mean, spread and range that the settings give, matched in the order of the call."""
    result = dict(inputs)
    for name, spec in zip(inputs, declared, strict=False):
        law = inputs[name]
        if law.dtype.startswith(("float", "bfloat", "complex")):
            result[name] = replace(law, mean=spec.mean, std=spec.std, correlation=spec.correlation)
        elif spec.high is not None and law.value is None:
            result[name] = replace(law, low=int(spec.low or 0), high=int(spec.high))
    return result
