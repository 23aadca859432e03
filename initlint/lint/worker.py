"""The process that imports torch once and lends itself, by forks, to every file and every model.

    nursery   imports torch, reads one job a line, runs no code of the user
      file    one child a file: imports it under a recorder, finds its models
        model one child a model: builds, finds inputs, traces, propagates, judges

A job and its answers are JSON lines; the last answer is {"end": …}. See `targets.sandbox` for what a child may do.
"""

from __future__ import annotations

import ast
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from initlint.lint.failures import failed, of_failure, of_internal, of_outcome
from initlint.lint.finding import Finding, Severity
from initlint.lint.result import TargetResult, finding_data, target_data
from initlint.targets.load import failure_of, import_file, import_named, project_of
from initlint.targets.sandbox import Limits, Outcome, Send, forbid_writes, supervise

GRACE = 5.0  # seconds that a file's child may be silent beyond the limit of its models: it waits for them


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file (or importable module) to check.

    label     how targets are called: "model.py" or "package.module"
    name      the one model asked for, or None for all
    declared  targets of the settings that concern this file, as data
    verify    hold the predictions against real draws (`verify.Trial` as data) instead of judging the model
    """

    label: str
    path: str | None
    module: str | None
    name: str | None
    declared: tuple[Mapping[str, Any], ...] = ()
    seconds: float | None = 120.0
    memory: int | None = None
    verify: Mapping[str, Any] | None = None

    @property
    def separator(self) -> str:
        return "::" if self.path is not None else ":"


def main() -> None:
    """Serve jobs from standard input until it ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _warm_up()
    for line in sys.stdin:
        data = json.loads(line)
        job = Job(**{**data, "declared": tuple(data["declared"])})

        def answer(message: Mapping[str, Any]) -> None:
            answers.write(json.dumps(message) + "\n")
            answers.flush()

        serve(job, answer)
        answer({"end": True})


def _warm_up() -> None:
    """Import what every model needs, so that children share it."""
    import torch
    import torch.export
    from torch.export import _trace  # noqa: F401 - the tracer itself is imported at the first use otherwise

    import initlint.graph.capture
    import initlint.lint.analyse
    import initlint.propagate.backward
    import initlint.targets.discover
    import initlint.targets.inputs  # noqa: F401

    torch.set_num_threads(1)


def serve(job: Job, answer: Send) -> None:
    """All findings and results of one file; a file that cannot live with meta tensors at import is imported again."""
    with tempfile.TemporaryDirectory(prefix="initlint-") as scratch:
        for mixed in (True, False):
            state = _FileState(job, answer)
            outcome = supervise(
                lambda send, mixed=mixed: _file(job, scratch, mixed, send),  # type: ignore[misc]
                Limits(seconds=None if job.seconds is None else job.seconds + GRACE, memory=job.memory),
                state.receive,
            )
            if state.again and mixed:
                continue
            if outcome.end != "done":
                state.report(outcome)
            return


class _FileState:
    """What the nursery knows of a file's child from its messages."""

    def __init__(self, job: Job, answer: Send) -> None:
        self.job = job
        self.answer = answer
        self.imported = False
        self.again = False
        self.path = job.path or ""

    def receive(self, message: dict[str, Any]) -> None:
        if "again" in message:
            self.again = True
        elif "imported" in message:
            self.imported = True
            self.path = message["imported"]
        else:
            self.answer(message)

    def report(self, outcome: Outcome) -> None:
        path = self.path or self.job.label
        finding = of_outcome(
            "import" if not self.imported else "build",
            outcome,
            target=self.job.label,
            path=path,
            line=1,
            root=project_of(path),
            seconds=self.job.seconds,
        )
        _send_failure(self.answer, self.job.label, path, 1, finding, 0.0)


def _send_failure(
    send: Send,
    target: str,
    path: str,
    line: int,
    finding: Finding,
    seconds: float,
    *,
    extra: Mapping[str, Any] | None = None,
    **known: Any,
) -> None:
    result = TargetResult(target=target, path=path, line=line, status="failed", seconds=seconds, **known)
    send({"target": target_data(result), "findings": [finding_data(finding)], **(extra or {})})


# -- in the file's child -------------------------------------------------------------------------------------------------


def _file(job: Job, scratch: str, mixed: bool, send: Send) -> None:
    """Import the file under a recorder and check its models one after another, wholes before parts."""
    from initlint.graph.record import LARGE, Record
    from initlint.graph.watch import recording
    from initlint.targets.discover import TargetNotFound, discover

    _settle(scratch)
    path = os.path.realpath(job.path) if job.path is not None else _path_of(job.module)
    root = project_of(path) if path else os.getcwd()
    record = Record(roots=(root,))
    try:
        with recording(record, LARGE if mixed else sys.maxsize):
            module = import_file(path) if job.path is not None else import_named(str(job.module))
    except BaseException as error:  # noqa: BLE001 - anything may come out of a user's file, SystemExit included
        failure = failure_of(error, path or job.label, (root,))
        if mixed and not failure.stopped and isinstance(error, (RuntimeError, NotImplementedError, ValueError, TypeError)):
            send({"again": True})
            return
        _send_failure(send, job.label, path or job.label, failure.line, of_failure("import", failure.data(), job.label), 0.0)
        return
    path = os.path.realpath(getattr(module, "__file__", None) or path or job.label)
    root = project_of(path)
    send({"imported": path})
    with open(path, "rb") as file:
        tree = ast.parse(file.read(), path)
    try:
        found = discover(module, tree, wanted=job.name, declared=_declared(job), path=job.label)
    except TargetNotFound as problem:
        target = f"{job.label}{job.separator}{problem.name}"
        finding = failed("build-failed", path=path, line=1, target=target, message=str(problem))
        _send_failure(send, target, path, 1, finding, 0.0)
        return
    covered: set[str] = set()
    for candidate in found.candidates:
        if candidate.name in covered:
            continue
        messages: list[dict[str, Any]] = []
        stage = ["build"]

        def receive(message: dict[str, Any], messages: list[dict[str, Any]] = messages, stage: list[str] = stage) -> None:
            if "stage" in message:
                stage[0] = message["stage"]
            elif "progress" in message:
                send(message)
            else:
                messages.append(message)

        target = f"{job.label}{job.separator}{candidate.name}"
        outcome = supervise(
            lambda send, candidate=candidate, target=target: _model(job, candidate, target, path, root, record, send),  # type: ignore[misc]
            Limits(seconds=job.seconds, memory=job.memory),
            receive,
        )
        for message in messages:
            send(message)
        if outcome.end != "done":
            finding = of_outcome(
                stage[0], outcome, target=target, path=path, line=candidate.line, root=root, seconds=job.seconds
            )
            _send_failure(send, target, path, candidate.line, finding, job.seconds or 0.0)
        elif any(message.get("target", {}).get("status") == "ok" for message in messages):
            covered |= candidate.parts | {candidate.defines}
    left = [item for item in found.unbuildable if item.name not in covered]
    if left and (job.name is not None or not covered):
        _send_unbuildable(send, job, path, left)


def _settle(scratch: str) -> None:
    """Leave no trace: no byte code, no writes outside the scratch folder, no downloads."""
    sys.dont_write_bytecode = True
    os.environ.update(TMPDIR=scratch, HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="false")
    tempfile.tempdir = scratch
    forbid_writes((scratch,))


def _path_of(module: str | None) -> str:
    """Where a named module lies, without importing it; "" if it cannot be told."""
    import importlib.util

    from initlint.targets.load import search

    search(os.getcwd())
    try:
        spec = importlib.util.find_spec(str(module).split(".")[0])
    except (ImportError, ValueError):
        return ""
    return os.path.realpath(spec.origin) if spec is not None and spec.origin else ""


def _declared(job: Job) -> tuple[Any, ...]:
    from initlint.config import InputSpec, TargetSettings

    return tuple(
        TargetSettings(**{**item, "args": tuple(item["args"]), "inputs": tuple(_input(InputSpec, i) for i in item["inputs"])})
        for item in job.declared
    )


def _input(kind: type, data: Mapping[str, Any]) -> Any:
    return kind(**{**data, "shape": tuple(data["shape"])})


def _send_unbuildable(send: Send, job: Job, path: str, items: list[Any]) -> None:
    first = items[0]
    names = ", ".join(f"`{item.name}`" for item in items[:4]) + (f" and {len(items) - 4} more" if len(items) > 4 else "")
    missing = ", ".join(first.missing)
    finding = failed(
        "inputs-unknown",
        path=path,
        line=first.line,
        target=f"{job.label}{job.separator}{first.name}",
        message=f"{names} not analysed: nothing says what to pass for {missing or 'its arguments'}",
        help="add to the settings:\n" + first.suggestion,
        severity=Severity.ERROR if job.name is not None else Severity.INFO,
    )
    if job.name is not None:
        _send_failure(send, finding.target, path, first.line, finding, 0.0)
    else:
        send({"findings": [finding_data(finding)], "unless": [f"{path}::{item.name}" for item in items]})


# -- in the model's child ------------------------------------------------------------------------------------------------


def _model(job: Job, candidate: Any, target: str, path: str, root: str, record: Any, send: Send) -> None:
    """Build, find inputs, trace, propagate, judge one model; whatever fails is sent as a finding."""
    from initlint.graph.built import build_recorded, parameter_count, recorded_instance
    from initlint.graph.capture import CannotTrace
    from initlint.lint.monte_carlo import CannotVerify
    from initlint.targets.inputs import InputsUnknown, infer

    started = time.perf_counter()

    def fail(finding: Finding, **known: Any) -> None:
        _send_failure(send, target, path, candidate.line, finding, time.perf_counter() - started, **known)

    try:
        if candidate.instance is not None:
            recorded = recorded_instance(candidate.instance, record)
        else:
            recorded = build_recorded(candidate.build, roots=(root,))
    except BaseException as error:  # noqa: BLE001 - the user's constructor
        fail(of_failure("build", failure_of(error, path, (root,)).data(), target))
        return
    parameters = parameter_count(recorded.parameters)
    if not parameters and job.name is None:
        return
    send({"stage": "inputs"})
    declared = tuple(candidate.inputs)
    try:
        inputs = infer(recorded.model, declared=declared)
    except InputsUnknown as problem:
        severity = Severity.ERROR if job.name is not None else Severity.INFO
        message = f"`{candidate.name}` not analysed: {problem}"
        finding = failed(
            "inputs-unknown",
            path=path,
            line=candidate.line,
            target=target,
            message=message,
            help=problem.help,
            severity=severity,
        )
        unless = {} if job.name is not None else {"unless": [f"{path}::{candidate.defines or candidate.name}"]}
        fail(finding, extra=unless, parameters=parameters)
        return
    send({"stage": "trace"})
    work = _judged if job.verify is None else _verified
    try:
        answer = work(job, candidate, recorded, inputs, target, path, root, send)
    except CannotTrace as problem:
        fail(of_failure("trace", failure_of(problem.cause, path, (root,)).data(), target), parameters=parameters)
        return
    except CannotVerify as problem:
        subject = f"`{candidate.name}` cannot be verified: {problem}"
        fail(failed("resource-limit", path=path, line=candidate.line, target=target, message=subject), parameters=parameters)
        return
    except Exception as error:  # noqa: BLE001 - a fault of our own must not look like health
        import traceback

        last = traceback.extract_tb(error.__traceback__)[-1]
        words = f"{type(error).__name__}: {error} ({os.path.basename(last.filename)}:{last.lineno})"
        fail(of_internal(words, target=target, path=path, line=candidate.line), parameters=parameters)
        return
    answer["target"].update(parameters=parameters, seconds=time.perf_counter() - started)
    send(answer)


def _judged(
    job: Job, candidate: Any, recorded: Any, inputs: Any, target: str, path: str, root: str, send: Send
) -> dict[str, Any]:
    """The target's result and what the rules find."""
    from initlint.lint.analyse import analyse

    declared = tuple(candidate.inputs)
    result = analyse(
        recorded, inputs.args, inputs.kwargs, target=target, path=path, line=candidate.line, root=root, declared=declared
    )
    coverage = result.propagation.coverage
    summary = TargetResult(
        target=target,
        path=path,
        line=candidate.line,
        status="ok",
        method=result.facts.traced.method,
        nodes=coverage.nodes,
        known=coverage.nodes - (coverage.floating - coverage.known),
        sampled=len(coverage.sampled),
        unknown=tuple(coverage.unknown),
        notes=(f"built as {candidate.how}", f"inputs: {inputs.how}", *result.facts.traced.notes),
    )
    return {
        "target": target_data(summary),
        "findings": [finding_data(finding) for finding in result.findings],
        "uses": sorted(_classes_of(recorded.model, root)),
    }


def _classes_of(model: Any, root: str) -> set[str]:
    """Classes of the project that a model is made of, as "path::Name"."""
    import inspect

    from initlint.graph.frames import is_below

    found = set()
    for kind in {kind for module in model.modules() for kind in type(module).__mro__}:
        try:
            file = os.path.realpath(inspect.getfile(kind))
        except (TypeError, OSError):
            continue
        if is_below(file, (root,)):
            found.add(f"{file}::{kind.__name__}")
    return found


def _verified(
    job: Job, candidate: Any, recorded: Any, inputs: Any, target: str, path: str, root: str, send: Send
) -> dict[str, Any]:
    """The target's predictions, held against real draws."""
    from initlint.lint.analyse import traced_as
    from initlint.lint.monte_carlo import imported_again, verified
    from initlint.lint.verify import Trial, verified_data
    from initlint.targets.inputs import infer

    declared = tuple(candidate.inputs)

    def traced(built: Any) -> Any:
        given = inputs if built is recorded else infer(built.model, declared=declared)
        return traced_as(built, given.args, given.kwargs, declared)

    result = verified(
        recorded,
        candidate.build or imported_again(path, candidate.name),
        traced,
        target=target,
        path=path,
        line=candidate.line,
        trial=Trial(**(job.verify or {})),
        memory=job.memory,
        progress=lambda done, of: send({"progress": [target, done, of]}),
    )
    summary = TargetResult(target=target, path=path, line=candidate.line, status="ok", nodes=len(result.rows))
    return {"target": target_data(summary), "verified": verified_data(result)}
