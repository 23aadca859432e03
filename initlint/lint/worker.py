"""The process that imports torch once and lends itself, by forks, to every file and every model.

    nursery   imports torch, reads one job a line, runs no code of the user
      file    one child a file: imports it under a recorder, finds its models
        model one child a model: builds, finds inputs, traces, propagates, judges (see `one_model`)

A job and its answers are JSON lines; the last answer is {"end": …}. See `targets.sandbox` for what a child may do.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

from initlint.lint.afresh import proved_afresh
from initlint.lint.failures import failed, of_failure, of_outcome
from initlint.lint.finding import Severity
from initlint.lint.job import Job, discovered, imported, job_from, place_of
from initlint.lint.one_model import check_model, send_failure
from initlint.lint.result import finding_data
from initlint.source.overlay import lay_over
from initlint.targets.load import failure_of, project_of
from initlint.targets.sandbox import Limits, Outcome, Send, forbid_writes, supervise

GRACE = 5.0  # seconds that a file's child may be silent beyond the limit of its models: it waits for them


def main() -> None:
    """Serve jobs from standard input until it ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _warm_up()
    for line in sys.stdin:
        job = job_from(json.loads(line))

        def answer(message: Mapping[str, Any]) -> None:
            answers.write(json.dumps(message) + "\n")
            answers.flush()

        serve(job, answer)
        answer({"end": True})
    answers.flush()
    os._exit(0)  # taking torch apart costs as long as importing a third of it, and nobody would notice


def _warm_up() -> None:
    """Import what every model needs, and analyse the smallest one: torch builds much at the first use, and children share it."""
    import torch
    import torch.export
    from torch.export import _trace  # noqa: F401 - the tracer itself is imported at the first use otherwise

    import initlint.propagate.backward
    import initlint.targets.discover  # noqa: F401
    from initlint.graph.built import build_recorded
    from initlint.lint.analyse import analyse
    from initlint.targets.inputs import infer

    torch.set_num_threads(1)
    with contextlib.suppress(Exception), torch.random.fork_rng(devices=[]):
        recorded = build_recorded(lambda: torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()))
        inputs = infer(recorded.model)
        analyse(recorded, inputs.args, inputs.kwargs, target="", path=__file__)


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
            for message in state.waiting:
                answer(proved_afresh(job, message, lambda one, seconds, mixed=mixed: _said(one, seconds, scratch, mixed)))  # type: ignore[misc]
            if outcome.end != "done":
                state.report(outcome)
            return


def _said(job: Job, seconds: float, scratch: str, mixed: bool) -> list[dict[str, Any]]:
    """All that a new child says of a file; nothing where it did not come to an end."""
    said: list[dict[str, Any]] = []
    outcome = supervise(lambda send: _file(job, scratch, mixed, send), Limits(seconds=seconds, memory=job.memory), said.append)
    return [message for message in said if "stage" not in message] if outcome.end == "done" else []


class _FileState:
    """What the nursery knows of a file's child from its messages; `waiting` are those of models whose fixes are to be proved."""

    def __init__(self, job: Job, answer: Send) -> None:
        self.job = job
        self.answer = answer
        self.imported = False
        self.again = False
        self.waiting: list[dict[str, Any]] = []
        self.path = job.path or ""

    def receive(self, message: dict[str, Any]) -> None:
        if "again" in message:
            self.again = True
        elif "imported" in message:
            self.imported = True
            self.path = message["imported"]
        elif "waiting" in message:
            self.waiting.append(message)
        elif "stage" not in message:
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
        send_failure(self.answer, self.job.label, path, 1, finding, 0.0)


# -- in the file's child -------------------------------------------------------------------------------------------------


def _file(job: Job, scratch: str, mixed: bool, send: Send) -> None:
    """Import the file under a recorder and check its models one after another, wholes before parts."""
    from initlint.targets.discover import TargetNotFound

    _settle(scratch)
    lay_over(job.overlay)
    try:
        file = imported(job, mixed=mixed)
    except BaseException as error:  # noqa: BLE001 - anything may come out of a user's file, SystemExit included
        path, root = place_of(job)
        failure = failure_of(error, path or job.label, (root,))
        if mixed and not failure.stopped and isinstance(error, (RuntimeError, NotImplementedError, ValueError, TypeError)):
            send({"again": True})
            return
        send_failure(send, job.label, path or job.label, failure.line, of_failure("import", failure.data(), job.label), 0.0)
        return
    path, root = file.path, file.root
    send({"imported": path})
    try:
        found = discovered(job, file, job.name)
    except TargetNotFound as problem:
        target = f"{job.label}{job.separator}{problem.name}"
        finding = failed("build-failed", path=path, line=1, target=target, message=str(problem))
        send_failure(send, target, path, 1, finding, 0.0)
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
                send(message)  # a sign of life: a model may take its time at every stage
            elif "progress" in message or "proving" in message:
                send(message)
            else:
                messages.append(message)

        target = f"{job.label}{job.separator}{candidate.name}"
        outcome = supervise(
            lambda send, candidate=candidate, target=target: check_model(job, file, candidate, target, send),  # type: ignore[misc]
            Limits(seconds=job.seconds, memory=job.memory),
            receive,
        )
        for message in messages:
            send(message)
        if outcome.end != "done":
            finding = of_outcome(
                stage[0], outcome, target=target, path=path, line=candidate.line, root=root, seconds=job.seconds
            )
            send_failure(send, target, path, candidate.line, finding, job.seconds or 0.0)
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
        send_failure(send, finding.target, path, first.line, finding, 0.0)
    else:
        send({"findings": [finding_data(finding)], "unless": [f"{path}::{item.name}" for item in items]})
