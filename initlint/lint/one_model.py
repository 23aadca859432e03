"""One model, in a child of its own: built, fed, traced, propagated, judged, its findings cured where that can be proved.

A proof runs in a grandchild: the file is imported again with the repaired text in its place, and the same model is judged.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from initlint.lint.failures import failed, of_failure, of_internal
from initlint.lint.finding import Finding, Severity
from initlint.lint.result import TargetResult, finding_data, finding_from, target_data
from initlint.targets.load import failure_of, own_files
from initlint.targets.sandbox import Limits, Send, supervise

if TYPE_CHECKING:
    from initlint.graph.built import RecordedModel
    from initlint.lint.analyse import Analysed
    from initlint.lint.job import Imported, Job
    from initlint.lint.prove import Proved
    from initlint.targets.discover import Candidate
    from initlint.targets.inputs import Inputs

LIMIT = 0.8  # of a model's seconds that one proof may take: whoever waits for the model must not lose patience first
PATIENCE = (30.0, 4.0)  # seconds that one proof may take: a number of them, and so many for each that the analysis took


def check_model(job: Job, file: Imported, candidate: Candidate, target: str, send: Send) -> None:
    """Build, find inputs, trace, propagate, judge one model; whatever fails is sent as a finding."""
    from initlint.graph.built import parameter_count
    from initlint.graph.capture import CannotTrace
    from initlint.lint.monte_carlo import CannotVerify
    from initlint.targets.inputs import InputsUnknown, infer

    path, root = file.path, file.root
    started = time.perf_counter()

    def fail(finding: Finding, **known: Any) -> None:
        send_failure(send, target, path, candidate.line, finding, time.perf_counter() - started, **known)

    try:
        recorded = built(candidate, file)
    except BaseException as error:  # noqa: BLE001 - the user's constructor
        fail(of_failure("build", failure_of(error, path, (root,), candidate.line).data(), target))
        return
    parameters = parameter_count(recorded.parameters)
    if not parameters and job.name is None:
        return
    send({"stage": "inputs"})
    declared = tuple(candidate.inputs)
    try:
        inputs = infer(recorded.model, declared=declared, examples=candidate.examples)
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
    work = _asked if job.task is not None else _judged if job.verify is None else _verified
    try:
        answer = work(job, file, candidate, recorded, inputs, target, send)
    except CannotTrace as problem:
        fail(
            of_failure("trace", failure_of(problem.cause, path, (root,), candidate.line).data(), target), parameters=parameters
        )
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


def built(candidate: Candidate, file: Imported) -> RecordedModel:
    """The model of a candidate, recorded. Raises whatever its constructor raises."""
    from initlint.graph.built import build_recorded, recorded_instance

    if candidate.instance is not None:
        return recorded_instance(candidate.instance, file.record)
    assert candidate.build is not None
    return build_recorded(candidate.build, roots=(file.root,))


def _analysed(candidate: Candidate, file: Imported, recorded: RecordedModel, inputs: Inputs, target: str) -> Analysed:
    from initlint.lint.analyse import analyse

    return analyse(
        recorded,
        inputs.args,
        inputs.kwargs,
        target=target,
        path=file.path,
        line=candidate.line,
        root=file.root,
        declared=tuple(candidate.inputs),
        build=candidate.build,
        rate=candidate.rate,
        guessed=not candidate.inputs,
    )


def _judged(
    job: Job, file: Imported, candidate: Candidate, recorded: RecordedModel, inputs: Inputs, target: str, send: Send
) -> dict[str, Any]:
    """The target's result, what the rules find, and the fixes that were proved."""
    started = time.perf_counter()
    result = _analysed(candidate, file, recorded, inputs, target)
    least, times = PATIENCE
    allowed = least + times * (time.perf_counter() - started)
    if job.seconds is not None:
        allowed = min(allowed, LIMIT * job.seconds)
    proved, waiting = _with_fixes(job, file, candidate, target, result, allowed, send)
    coverage, traced = result.propagation.coverage, result.facts.traced
    summary = TargetResult(
        target=target,
        path=file.path,
        line=candidate.line,
        status="ok",
        method=traced.method,
        nodes=coverage.nodes,
        known=coverage.nodes - (coverage.floating - coverage.known),
        sampled=sum(name not in traced.parameters and name not in traced.inputs for name in coverage.sampled),
        unknown=tuple(coverage.unknown),
        notes=(f"built as {candidate.how}", f"inputs: {inputs.how}", *traced.notes, *result.notes, *proved.notes),
    )
    return {
        "target": target_data(summary),
        "findings": [finding_data(finding) for finding in proved.findings],
        "uses": sorted(_classes_of(recorded.model, file.root)),
        "reads": own_files(file.root),
        "texts": dict(proved.digests),
        **waiting,
    }


def _with_fixes(
    job: Job, file: Imported, candidate: Candidate, target: str, result: Analysed, allowed: float, send: Send
) -> tuple[Proved, dict[str, Any]]:
    """The findings, those that will be reported with fixes; each proof is `allowed` so many seconds.

    Where the project's files cannot be imported twice in one process, what is to be proved waits for one that has not yet
    imported them (`afresh`).
    """
    from initlint.lint.afresh import to_be_proved
    from initlint.lint.filter import is_ignored
    from initlint.lint.prove import CannotRepeat, Proved, recipes, with_fixes

    def wanted(finding: Finding) -> bool:
        return finding.code in job.fixable and not is_ignored(finding)

    def again(texts: Mapping[str, str], seconds: float | None) -> list[Finding] | None:
        limits = Limits(seconds=allowed if seconds is None else min(allowed, seconds), memory=job.memory)
        found = tried(lambda send: _find_again(job, file, candidate, target, texts, send), limits)
        if "findings" in found:
            return [finding_from(data) for data in found["findings"]]
        if "imported" not in found and not repeats:
            repeats.append("imported" in tried(lambda send: _import_again(job, file, {}, send), limits))
        if "imported" not in found and not repeats[0]:
            raise CannotRepeat
        return None

    def tried(run: Callable[[Send], object], limits: Limits) -> dict[str, Any]:
        said: dict[str, Any] = {}
        send({"proving": target})  # a sign of life
        supervise(run, limits, said.update)
        send({"proving": target})
        return said

    repeats: list[bool] = []  # whether the files can be imported twice, once it is known
    if not job.fixable or not result.findings:
        return Proved(findings=result.findings), {}
    candidates = recipes(result.facts, wanted)
    try:
        return with_fixes(result.findings, candidates, again, root=file.root, seconds=job.seconds), {}
    except CannotRepeat:
        waiting = to_be_proved(result.findings, candidates, name=candidate.name, root=file.root, allowed=allowed)
        return Proved(findings=result.findings), {"waiting": waiting}


def _import_again(job: Job, before: Imported, texts: Mapping[str, str], send: Send) -> Imported:
    """The file with other texts in place of some. Raises whatever the user's code raises."""
    from initlint.lint.job import imported_anew

    file = imported_anew(job, before, texts)
    send({"imported": file.path})
    return file


def _find_again(job: Job, before: Imported, candidate: Candidate, target: str, texts: Mapping[str, str], send: Send) -> None:
    """What the rules find in the same target of the repaired source. Raises whatever the user's code raises."""
    from initlint.lint.job import discovered
    from initlint.targets.inputs import infer

    file = _import_again(job, before, texts, send)
    (same,) = discovered(job, file, candidate.name).candidates
    recorded = built(same, file)
    inputs = infer(recorded.model, declared=tuple(same.inputs), examples=same.examples)
    send({"findings": [finding_data(finding) for finding in _analysed(same, file, recorded, inputs, target).findings]})


def _asked(
    job: Job, file: Imported, candidate: Candidate, recorded: RecordedModel, inputs: Inputs, target: str, send: Send
) -> dict[str, Any]:
    """What a task answers."""
    import importlib

    from initlint.lint.analyse import traced_as
    from initlint.lint.facts import gather
    from initlint.propagate import propagate

    task = job.task or {}
    traced = traced_as(recorded, inputs.args, inputs.kwargs, tuple(candidate.inputs))
    signals = propagate(traced).signals
    facts = gather(target=target, path=file.path, line=candidate.line, root=file.root, traced=traced, signals=signals)
    module, _, function = str(task["call"]).partition(":")
    answer = getattr(importlib.import_module(module), function)(facts, task)
    summary = TargetResult(target=target, path=file.path, line=candidate.line, status="ok")
    return {"target": target_data(summary), "answer": answer, "uses": sorted(_classes_of(recorded.model, file.root))}


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
    job: Job, file: Imported, candidate: Candidate, recorded: RecordedModel, inputs: Inputs, target: str, send: Send
) -> dict[str, Any]:
    """The target's predictions, held against real draws."""
    from initlint.lint.analyse import traced_as
    from initlint.lint.monte_carlo import imported_again, verified
    from initlint.lint.verify import Trial, verified_data
    from initlint.targets.inputs import infer

    declared = tuple(candidate.inputs)

    def traced(built: Any) -> Any:
        given = inputs if built is recorded else infer(built.model, declared=declared, examples=candidate.examples)
        return traced_as(built, given.args, given.kwargs, declared)

    result = verified(
        recorded,
        candidate.build or imported_again(file.path, candidate.name),
        traced,
        target=target,
        path=file.path,
        line=candidate.line,
        trial=Trial(**(job.verify or {})),
        memory=job.memory,
        progress=lambda done, of: send({"progress": [target, done, of]}),
    )
    summary = TargetResult(target=target, path=file.path, line=candidate.line, status="ok", nodes=len(result.rows))
    return {"target": target_data(summary), "verified": verified_data(result)}


def send_failure(
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
