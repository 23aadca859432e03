"""Workers for `initlint.lint.run` that are forks of one warm process: torch is imported once a session of tests, not once a check.

Each is as new as one of its own start: it was forked before anything was asked of it, with the environment and the folder of
whoever asks. Where the start itself is what a test changes (the program, or a variable that Python reads), it is a real one.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from threading import Lock
from typing import IO

from initlint.lint import run

MOTHER = Path(__file__).with_name("mother.py")
_start, _START = run._start, run._START
_PROGRAM = f"import runpy, sys; sys.path[:] = [p for p in sys.path if p]; runpy.run_path({str(MOTHER)!r}, run_name='__main__')"


class Lent:
    """What `run` asks of a worker's process."""

    def __init__(self, asked: socket.socket) -> None:
        pipes = [os.pipe() for _ in range(4)]
        (theirs_in, ours_in), *others = pipes
        theirs = [theirs_in, *(end for _, end in others)]
        request = {"folder": os.getcwd(), "environment": {**os.environ, **run.ONE_THREAD}}
        socket.send_fds(asked, [json.dumps(request).encode()], theirs)
        for end in theirs:
            os.close(end)
        self.stdin = _file(ours_in, "w")
        self.stdout, self.stderr, self._status = (_file(end, "r") for end, _ in others)
        self.returncode: int | None = None

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = int(self._status.read())
        return self.returncode


def _file(descriptor: int, mode: str) -> IO[str]:
    return os.fdopen(descriptor, mode, encoding="utf-8", errors="replace")


class Nursery:
    """Its `start` stands in for `run._start`; the warm process begins with the first worker, and ends when this is closed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._mother: subprocess.Popen[bytes] | None = None
        self._asked: socket.socket | None = None
        self._python: dict[str, str] = {}

    def close(self) -> None:
        if self._mother is not None and self._asked is not None:
            self._asked.close()
            self._mother.communicate()

    def start(self) -> Lent | subprocess.Popen[str]:
        with self._lock:
            if self._asked is None:
                self._asked = self._begun()
            if run._START != _START or _of_python() != self._python:
                return _start()
            return Lent(self._asked)

    def _begun(self) -> socket.socket:
        self._python = _of_python()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._mother = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, **run.ONE_THREAD},
            stdin=subprocess.PIPE,  # of the kind that a worker has: its files of Python know what they write to
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        theirs.close()
        return ours


def _of_python() -> dict[str, str]:
    """The variables that Python reads when it starts."""
    return {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
