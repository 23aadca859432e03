"""The Python interface: analyse a model in this process, check files as the command line does, guard one's own tests, initialize."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from initlint.lint.finding import Finding, Severity

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

    from initlint.config import Settings
    from initlint.lint.facts import Facts
    from initlint.lint.result import Report
    from initlint.propagate.backward import Coverage
    from initlint.propagate.signals import Signal
    from initlint.schemes.grown import Growth
    from initlint.schemes.plan import Change


class Unhealthy(AssertionError):
    """A model has findings at or above the severity asked for; `findings` holds them."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        lines = (f"{item.span.path}:{item.span.line}: {item.code} [{item.severity}] {item.message}" for item in findings)
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """One analysed model.

    program   torch.export.ExportedProgram in train mode, ATen training IR (where the model could only be recorded: an
              object with the same `graph` and `graph_module`)
    signals   by fx node name of `program.graph`
    findings  of all rules, in source order
    coverage  how much of the graph was predicted
    method    how it was traced
    """

    program: ExportedProgram
    signals: Mapping[str, Signal]
    findings: tuple[Finding, ...]
    coverage: Coverage
    method: str


def analyze(
    model: torch.nn.Module | Callable[[], torch.nn.Module],
    args: Sequence[Any] | torch.Tensor = (),
    kwargs: Mapping[str, Any] | None = None,
) -> Analysis:
    """Predict signal, gradient and rank at every node of a model at initialization, and judge them.

    model   a callable without arguments that builds it (large weights are never allocated, their laws are recorded), or a
            real module (its weights are measured)
    args    example tensors for `forward`; shapes and dtypes are what counts, so meta tensors will do
    kwargs  the same by name

    Expectations are over redrawn parameters and over inputs: floating ones iid N(0, 1), integers uniform over their range;
    train mode; the cotangent of every floating output iid N(0, 1). The caller's random state, default dtype and grad mode
    are left as found, and so is the model.

    Raises:
        initlint.graph.built.LostLaws: the module is on the meta device: pass the callable form.
        initlint.graph.capture.CannotTrace: no way of tracing worked.
    """
    import torch

    from initlint.graph.built import build_recorded, measured_model
    from initlint.graph.frames import installed
    from initlint.lint.analyse import analyse
    from initlint.targets.load import project_of

    given = (args,) if isinstance(args, torch.Tensor) else tuple(args)
    path, line = _definition(model)
    if not path or installed(path):
        path, line = _caller()
    root = project_of(path) if path else os.getcwd()
    build = None if isinstance(model, torch.nn.Module) else model
    recorded = measured_model(model) if isinstance(model, torch.nn.Module) else build_recorded(model, roots=(root,))
    name = type(recorded.model).__name__
    result = analyse(recorded, given, kwargs, target=name, path=path, line=line, root=root, build=build)
    return Analysis(
        program=result.facts.traced.program,
        signals=result.propagation.signals,
        findings=result.findings,
        coverage=result.propagation.coverage,
        method=result.facts.traced.method,
    )


def _definition(model: object) -> tuple[str, int]:
    """Where the class or the builder is defined; ("", 1) when there is no source."""
    if isinstance(model, partial):
        return _definition(model.func)
    source: Any = model if inspect.isclass(model) or inspect.isroutine(model) else type(model)
    try:
        return os.path.realpath(inspect.getsourcefile(source) or ""), inspect.getsourcelines(source)[1] or 1
    except (OSError, TypeError):
        return "", 1


def _caller() -> tuple[str, int]:
    """The line outside initlint that asked for the analysis: where findings point that have no line of their own."""
    import sys

    frame = sys._getframe(1)  # noqa: SLF001 - the one way to know who called
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("initlint."):
        frame = frame.f_back
    return os.path.realpath(frame.f_code.co_filename), frame.f_lineno


def assert_healthy(
    model: torch.nn.Module | Callable[[], torch.nn.Module],
    args: Sequence[Any] | torch.Tensor = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    severity: Severity = Severity.WARNING,
    ignore: Iterable[str] = (),
) -> None:
    """Raise `Unhealthy` when a model has findings of at least this severity; codes and names in `ignore` do not count.

    Raises:
        Unhealthy: with the findings; an AssertionError, so that test runners show it as a failed test.
    """
    analysis = analyze(model, args, kwargs)
    skipped = set(ignore)
    found = [item for item in analysis.findings if item.severity >= severity and not {item.code, item.name} & skipped]
    if found:
        raise Unhealthy(found)


def check(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], settings: Settings | None = None) -> Report:
    """Check files, folders, `model.py::Net` or `package.module:factory`, as the command line does.

    settings  for all of them; None: the settings file closest to each

    Raises:
        initlint.config.SettingsError: a settings file or a selector is wrong.
    """
    from initlint.config import settings_finder
    from initlint.lint.filter import filtered
    from initlint.lint.run import check as run
    from initlint.lint.selection import validated
    from initlint.source.files import requests_of

    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    settings_for = validated(settings_finder() if settings is None else lambda path: settings)
    requests = requests_of([os.fspath(path) for path in given], settings_for)
    return filtered(run(requests, settings_for), settings_for, requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialization:
    """What `initialize` has done.

    scheme   its name
    changes  every write, in order: which parameter or part of one, what was drawn, why, and what was there before
    notes    what the author has to know or do besides: weights left alone, a scale that belongs into `forward`
    code     an `init_weights(model)` in plain PyTorch that writes the same; with the same seed the same numbers
    """

    scheme: str
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    code: str


def initialize(
    model: torch.nn.Module,
    args: Sequence[Any] | torch.Tensor = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    scheme: str = "auto",
    **options: Any,
) -> Initialization:
    """Apply a corrected ("auto") or a named initialization to a real module, in place.

    args, kwargs  example inputs for `forward`; shapes and dtypes are what counts
    scheme        "auto" keeps what is right and changes as little as possible; all names are in `docs/schemes.md`
    options       of the scheme: `mode="fan_out"`, `data=batch`, …

    The module keeps its device, mode and buffers. Draws come from torch's generator, as those of `torch.nn.init` do.

    Raises:
        initlint.DoesNotApply: the scheme does not fit the architecture or lacks an option; the message says why, nothing was changed.
        initlint.graph.built.LostLaws: the module is on the meta device.
        initlint.graph.capture.CannotTrace: no way of tracing worked.
    """
    import torch

    from initlint.schemes.carry_out import applied, source_of
    from initlint.schemes.catalog import planned, scheme_of

    scheme_of(scheme)
    given = (args,) if isinstance(args, torch.Tensor) else tuple(args)
    name = type(model).__name__
    facts = _facts_of(model, given, kwargs)
    if scheme == "lsuv" and options.get("data") is not None:
        options = {**options, "model": model}
    plan = planned(facts, scheme, options)
    applied(plan, model)
    return Initialization(scheme=scheme, changes=plan.changes, notes=plan.notes, code=source_of(plan, name))


def growth(
    origin: torch.nn.Module,
    grown: torch.nn.Module,
    args: Sequence[Any] | torch.Tensor = (),
    kwargs: Mapping[str, Any] | None = None,
) -> Growth:
    """Tell which new weights of a grown model must be zero for it to compute what its origin did, and which are not.

    Parameters correspond by name. Widths, heads, key and value sizes, the residual stream and whole branches may have grown
    (Gesmundo, Maile 2023, arXiv:2308.06103). Both models are left as they are.

    Raises:
        initlint.DoesNotApply: nothing corresponds, or a projection that packs query, key and value grew.
        initlint.graph.capture.CannotTrace: no way of tracing worked.
    """
    import torch

    from initlint.schemes.anatomy import anatomy_of
    from initlint.schemes.grown import growth_of

    given = (args,) if isinstance(args, torch.Tensor) else tuple(args)
    before, after = (anatomy_of(_facts_of(model, given, kwargs)) for model in (origin, grown))
    return growth_of(origin, grown, before, after, given, kwargs or {})


def _facts_of(model: torch.nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> Facts:
    """A real module, measured, traced and propagated."""
    from initlint.graph.built import measured_model
    from initlint.lint.analyse import traced_as
    from initlint.lint.facts import gather
    from initlint.propagate import propagate

    path, line = _definition(model)
    traced = traced_as(measured_model(model), args, kwargs, ())
    return gather(target=type(model).__name__, path=path, line=line, traced=traced, signals=propagate(traced).signals)
