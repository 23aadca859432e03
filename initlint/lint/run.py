"""PATHS → a report: scan the files, lend each that may define a model to a worker, gather what comes back.

Nothing here imports torch: files without models cost a look at their text, and `check` on a folder without models is done
before torch would have been imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from initlint.lint.failures import failed
from initlint.lint.load import load_rules
from initlint.lint.result import Report, TargetResult, finding_data, finding_from, target_data, target_from
from initlint.lint.selection import selection_for
from initlint.source.overlay import all_overlaid
from initlint.source.scan import scan

if TYPE_CHECKING:
    from initlint.config import Settings
    from initlint.source.files import Request
    from initlint.source.scan import Fault

FILES_PER_WORKER = 3  # another process that imports torch pays off from here
# the matrices are small: threads of the linear algebra behind numpy only wait for each other, many times longer than the work takes
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1"}
_START = "import sys; sys.path[:] = [p for p in sys.path if p]; from initlint.lint.worker import main; main()"


Message = Mapping[str, Any]
Answers = dict["Request", list[Message]]  # what came back for each request


@dataclass(slots=True)
class _Gathered:
    """What has come back so far; workers' threads add to it."""

    answers: Answers
    receive: Callable[[Message], None] | None = None  # told of every message, for those that only it knows
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, request: Request, message: Message) -> None:
        with self.lock:
            if self.receive is not None:
                self.receive(message)
            self.answers[request].append(message)


def check(
    requests: Sequence[Request],
    settings_for: Callable[[str], Settings],
    *,
    jobs: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Analyse every model of the requested files.

    settings_for gives the settings that hold for a path; `progress` is told the name of each file as it begins. Findings of
    all rules are returned, unfiltered (see `filter`); those that the settings select carry the fixes that were proved.
    Nothing of the user's code runs in this process.
    """
    return report_of(gather(requests, settings_for, jobs=jobs, progress=progress))


def gather(
    requests: Sequence[Request],
    settings_for: Callable[[str], Settings],
    *,
    verify: Mapping[str, Any] | None = None,
    task: Mapping[str, Any] | None = None,
    overlay: Mapping[str, str] | None = None,
    jobs: int | None = None,
    progress: Callable[[str], None] | None = None,
    receive: Callable[[Message], None] | None = None,
) -> Answers:
    """Lend every file to a worker.

    verify   asks it to hold models against real draws instead of judging them
    task     asks a later stage about the models instead (`job.Job`)
    overlay  texts that stand in for files, by path, over those that do so in this process
    """
    gathered = _Gathered(answers={request: [] for request in requests}, receive=receive)
    work: Queue[tuple[Request, dict[str, Any]]] = Queue()
    count = 0
    for request in requests:
        job = _job(request, settings_for, gathered)
        if job is not None:
            work.put((request, {**job, "verify": verify, "task": task, "overlay": {**all_overlaid(), **(overlay or {})}}))
            count += 1
    workers = min(jobs or os.cpu_count() or 1, max(1, count // FILES_PER_WORKER))
    threads = [
        threading.Thread(target=_serve, args=(work, gathered, progress), daemon=True) for _ in range(workers if count else 0)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return gathered.answers


def report_of(answers: Answers) -> Report:
    """All that came back as one report, in source order.

    A class that could not be judged alone is of no interest where a whole that uses it was.
    """
    messages = [message for several in answers.values() for message in several]
    used = {name for message in messages for name in message.get("uses", ())}
    kept = [message for message in messages if "unless" not in message or not set(message["unless"]) <= used]
    targets = [target_from(message["target"]) for message in kept if "target" in message]
    findings = [finding_from(data) for message in kept for data in message.get("findings", ())]
    return Report(
        targets=tuple(sorted(targets, key=lambda item: (item.path, item.line, item.target))),
        findings=tuple(
            sorted(findings, key=lambda item: (item.span.path, item.span.line, item.span.column, item.code, item.target))
        ),
        files=len({request.path or request.module for request in answers}),
    )


def _job(request: Request, settings_for: Callable[[str], Settings], gathered: _Gathered) -> dict[str, Any] | None:
    """The job for a worker, or None when a look at the text is enough."""
    settings = settings_for(request.path or os.getcwd())
    declared: list[dict[str, Any]] = []
    if request.path is not None:
        looked = scan(request.path, named=request.explicit)
        if looked.problem is not None:
            if request.explicit or looked.mentions_torch:
                gathered.add(request, _unreadable(request.label, request.path, looked.problem))
            return None
        declared = [asdict(item) for item in settings.targets if _same_file(item.path, request.path)]
        if not looked.may_define_models and request.name is None and not declared:
            return None
    return {
        "label": request.label,
        "path": None if request.path is None else os.path.realpath(request.path),
        "module": request.module,
        "name": request.name,
        "declared": declared,
        "seconds": settings.timeout or None,
        "memory": int(settings.memory * 2**30) if settings.memory else None,
        "fixable": sorted(_fixable(request, settings)),
    }


def _fixable(request: Request, settings: Settings) -> frozenset[str]:
    """Codes of selected rules that know cures."""
    rules = load_rules()
    selected = selection_for([item.rule for item in rules], settings)(request.path or os.getcwd())
    return selected & {item.rule.code for item in rules if item.fixes is not None}


def _same_file(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _unreadable(label: str, path: str, fault: Fault) -> dict[str, Any]:
    place = os.path.realpath(path)
    finding = failed("import-failed", path=place, line=fault.line, column=fault.column, target=label, message=fault.message)
    result = TargetResult(target=label, path=place, line=fault.line, status="failed")
    return {"target": target_data(result), "findings": [finding_data(finding)]}


# -- workers -------------------------------------------------------------------------------------------------------------


def _serve(work: Queue[tuple[Request, dict[str, Any]]], gathered: _Gathered, progress: Callable[[str], None] | None) -> None:
    """One worker process, lent to one file after another; replaced when it dies."""
    worker: subprocess.Popen[str] | None = None
    try:
        while True:
            try:
                request, job = work.get_nowait()
            except Empty:
                return
            if progress is not None:
                progress(job["label"])
            if worker is None:
                worker = _start()
                last_words: deque[str] = deque(maxlen=1)
                listener = threading.Thread(target=last_words.extend, args=(worker.stderr,), daemon=True)
                listener.start()  # a pipe that nobody reads fills up and blocks
            if not _ask(worker, request, job, gathered):
                worker.wait()
                listener.join()
                gathered.add(request, _lost(job, worker.returncode, "".join(last_words).strip()))
                worker = None
    finally:
        if worker is not None:
            assert worker.stdin is not None
            worker.stdin.close()
            worker.wait()


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        encoding="utf-8", errors="replace", env={**os.environ, **ONE_THREAD},
    )  # fmt: skip


def _ask(worker: subprocess.Popen[str], request: Request, job: Mapping[str, Any], gathered: _Gathered) -> bool:
    """Send a job and gather its answers; False when the worker died before the last of them."""
    assert worker.stdin is not None and worker.stdout is not None
    try:
        worker.stdin.write(json.dumps(job) + "\n")
        worker.stdin.flush()
    except BrokenPipeError:
        return False
    for line in worker.stdout:
        message = json.loads(line)
        if "end" in message:
            return True
        gathered.add(request, message)
    return False


def _lost(job: Mapping[str, Any], status: int, last_words: str) -> dict[str, Any]:
    """The worker itself died: of a signal (most likely memory), or of a fault of initlint's own, whose last words are told."""
    path = job["path"] or job["label"]
    reason = f"signal {-status}" if status < 0 else f"status {status}" + (f": {last_words}" if last_words else "")
    finding = failed(
        "resource-limit", path=path, line=1, target=job["label"], message=f"the process that analysed this file died ({reason})"
    )
    result = TargetResult(target=job["label"], path=path, line=1, status="failed")
    return {"target": target_data(result), "findings": [finding_data(finding)]}
