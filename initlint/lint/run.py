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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from initlint.lint.failures import failed
from initlint.lint.finding import Finding
from initlint.lint.result import Report, TargetResult, finding_data, finding_from, target_data, target_from
from initlint.source.scan import scan

if TYPE_CHECKING:
    from initlint.config import Settings
    from initlint.source.files import Request
    from initlint.source.scan import Fault

FILES_PER_WORKER = 3  # another process that imports torch pays off from here
# the matrices are small: threads of the linear algebra behind numpy only wait for each other, many times longer than the work takes
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1"}
_START = "import sys; sys.path[:] = [p for p in sys.path if p]; from initlint.lint.worker import main; main()"


@dataclass(slots=True)
class _Gathered:
    """What has come back so far; workers' threads add to it."""

    targets: list[TargetResult] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    used: set[str] = field(default_factory=set)  # classes that are part of an analysed model
    pending: list[Mapping[str, Any]] = field(default_factory=list)  # of no interest when their class turns out to be used
    lock: threading.Lock = field(default_factory=threading.Lock)
    receive: Callable[[Mapping[str, Any]], None] | None = None  # told of every message, for those that only it knows

    def add(self, message: Mapping[str, Any]) -> None:
        with self.lock:
            if self.receive is not None:
                self.receive(message)
            self.used |= set(message.get("uses", ()))
            if "unless" in message:
                self.pending.append(message)
            else:
                self.keep(message)

    def keep(self, message: Mapping[str, Any]) -> None:
        """Take a message into the report."""
        if "target" in message:
            self.targets.append(target_from(message["target"]))
        self.findings += map(finding_from, message.get("findings", ()))

    def settle(self) -> None:
        """All files are done: a class that could not be judged alone is of no interest where a whole that uses it was."""
        for message in self.pending:
            if not set(message["unless"]) <= self.used:
                self.keep(message)


def check(
    requests: Sequence[Request],
    settings_for: Callable[[str], Settings],
    *,
    jobs: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Analyse every model of the requested files.

    settings_for gives the settings that hold for a path; `progress` is told the name of each file as it begins. Findings of
    all rules are returned, unfiltered (see `filter`). Nothing of the user's code runs in this process.
    """
    return gather(requests, settings_for, jobs=jobs, progress=progress)


def gather(
    requests: Sequence[Request],
    settings_for: Callable[[str], Settings],
    *,
    verify: Mapping[str, Any] | None = None,
    jobs: int | None = None,
    progress: Callable[[str], None] | None = None,
    receive: Callable[[Mapping[str, Any]], None] | None = None,
) -> Report:
    """Lend every file to a worker; `verify` asks it to hold models against real draws instead of judging them."""
    gathered = _Gathered(receive=receive)
    work: Queue[dict[str, Any]] = Queue()
    count = 0
    for request in requests:
        job = _job(request, settings_for, gathered)
        if job is not None:
            work.put({**job, "verify": verify})
            count += 1
    workers = min(jobs or os.cpu_count() or 1, max(1, count // FILES_PER_WORKER))
    threads = [
        threading.Thread(target=_serve, args=(work, gathered, progress), daemon=True) for _ in range(workers if count else 0)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gathered.settle()
    return Report(
        targets=tuple(sorted(gathered.targets, key=lambda item: (item.path, item.line, item.target))),
        findings=tuple(
            sorted(
                gathered.findings, key=lambda item: (item.span.path, item.span.line, item.span.column, item.code, item.target)
            )
        ),
        files=len({request.path or request.module for request in requests}),
    )


def _job(request: Request, settings_for: Callable[[str], Settings], gathered: _Gathered) -> dict[str, Any] | None:
    """The job for a worker, or None when a look at the text is enough."""
    settings = settings_for(request.path or os.getcwd())
    declared: list[dict[str, Any]] = []
    if request.path is not None:
        looked = scan(request.path, named=request.explicit)
        if looked.problem is not None:
            if request.explicit or looked.mentions_torch:
                gathered.add(_unreadable(request.label, request.path, looked.problem))
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
    }


def _same_file(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _unreadable(label: str, path: str, fault: Fault) -> dict[str, Any]:
    place = os.path.realpath(path)
    finding = failed("import-failed", path=place, line=fault.line, column=fault.column, target=label, message=fault.message)
    result = TargetResult(target=label, path=place, line=fault.line, status="failed")
    return {"target": target_data(result), "findings": [finding_data(finding)]}


# -- workers -------------------------------------------------------------------------------------------------------------


def _serve(work: Queue[dict[str, Any]], gathered: _Gathered, progress: Callable[[str], None] | None) -> None:
    """One worker process, lent to one file after another; replaced when it dies."""
    worker: subprocess.Popen[str] | None = None
    try:
        while True:
            try:
                job = work.get_nowait()
            except Empty:
                return
            if progress is not None:
                progress(job["label"])
            if worker is None:
                worker = _start()
            if not _ask(worker, job, gathered):
                worker.wait()
                gathered.add(_lost(job, worker.returncode))
                worker = None
    finally:
        if worker is not None:
            assert worker.stdin is not None
            worker.stdin.close()
            worker.wait()


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        encoding="utf-8", env={**os.environ, **ONE_THREAD},
    )  # fmt: skip


def _ask(worker: subprocess.Popen[str], job: Mapping[str, Any], gathered: _Gathered) -> bool:
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
        gathered.add(message)
    return False


def _lost(job: Mapping[str, Any], status: int) -> dict[str, Any]:
    """The worker itself died: of a signal (most likely memory), or of a fault of initlint's own."""
    path = job["path"] or job["label"]
    reason = f"signal {-status}" if status < 0 else f"status {status}"
    finding = failed(
        "resource-limit", path=path, line=1, target=job["label"], message=f"the process that analysed this file died ({reason})"
    )
    result = TargetResult(target=job["label"], path=path, line=1, status="failed")
    return {"target": target_data(result), "findings": [finding_data(finding)]}
