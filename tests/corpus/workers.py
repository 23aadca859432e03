"""Tasks in child processes, so that a crash or an endless loop is one task's result and not the end of the run.

A worker keeps what its tasks imported, for tasks that follow with the same first argument; where that changes it is replaced.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from initlint.lint.run import ONE_THREAD


@dataclass(slots=True)
class Worker:
    """One child, its pipe, and what it is doing until when."""

    process: Any
    pipe: Connection
    group: Any = None
    task: int | None = None
    deadline: float = 0.0

    def stop(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.join()


def _serve(pipe: Connection, function: Callable[..., Any]) -> None:
    """The child: answer tasks until the pipe closes; what models print goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for the life of the process
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((True, function(*task)))
        except Exception as error:
            pipe.send((False, f"{type(error).__name__}: {error}"))


def answers(
    function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], jobs: int, limit: float, *, apart: bool = False
) -> Iterator[tuple[int, Any, str]]:
    """(number of the task, result, what went wrong) in the order of completion; `limit` seconds for a task.

    apart  a new child for every task
    """
    os.environ.update(ONE_THREAD)
    context = multiprocessing.get_context("spawn")
    waiting, workers = list(range(len(tasks)))[::-1], []
    try:
        while waiting or workers:
            while waiting and len(workers) < jobs:
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs, function), daemon=True)
                process.start()
                theirs.close()
                workers.append(Worker(process, ours))
            for worker in list(workers):
                if worker.task is not None:
                    continue
                if not waiting or (worker.group is not None and (apart or tasks[waiting[-1]][0] != worker.group)):
                    worker.stop()
                    workers.remove(worker)
                    continue
                worker.task = waiting.pop()
                worker.group = tasks[worker.task][0]
                worker.deadline = time.monotonic() + limit
                worker.pipe.send(tasks[worker.task])
            ready = wait([w.pipe for w in workers], timeout=1.0) if workers else []
            for worker in list(workers):
                outcome = _outcome(worker, worker.pipe in ready, limit)
                if outcome is None:
                    continue
                number, result, problem, alive = outcome
                worker.task = None
                if not alive:
                    worker.stop()
                    workers.remove(worker)
                yield number, result, problem
    finally:
        for worker in workers:
            worker.stop()


def _outcome(worker: Worker, ready: bool, limit: float) -> tuple[int, Any, str, bool] | None:
    """(task, result, problem, whether the worker lives); None while it works."""
    if worker.task is None:
        return None
    if ready:
        try:
            good, answer = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(5)
            return worker.task, None, f"the process died with status {worker.process.exitcode}", False
        return worker.task, answer if good else None, "" if good else str(answer), True
    if time.monotonic() > worker.deadline:
        return worker.task, None, f"took more than {limit:.0f} s", False
    return None
