"""Run a function in a forked child: its messages come back, whatever happens to it is an outcome, never an exception here.

The child has no standard input, its prints are dropped, a limit of memory holds, and a silence longer than allowed ends it.
`supervise` is used twice, one inside the other: a process that has imported torch forks one child a file, which imports
the user's module and forks one child a model. So torch is imported once, a file once, and a crash costs one finding.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import os
import re
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Send = Callable[[Mapping[str, Any]], None]

TAIL = 16_384  # bytes of the child's standard error that are kept
_exit = os._exit
KILLED_AFTER = 0.5  # seconds for a silent child to say where it is before it is killed
_FRAME = re.compile(r'File "(?P<path>[^"]+)", line (?P<line>\d+)(?: in (?P<function>\S+))?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """seconds of silence and bytes of memory (beyond what the parent has) that a child may use; None is no limit."""

    seconds: float | None
    memory: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a child ended.

    end     "done": it returned · "silent": it was stopped · "crashed": by `signal` · "left": it exited by itself
    frames  (path, line, function) that were running when it was stopped or crashed, innermost first
    tail    the end of its standard error
    """

    end: Literal["done", "silent", "crashed", "left"]
    signal: str = ""
    status: int = 0
    frames: tuple[tuple[str, int, str], ...] = ()
    tail: str = ""


def supervise(run: Callable[[Send], object], limits: Limits, receive: Callable[[dict[str, Any]], None]) -> Outcome:
    """Fork, call `run(send)` in the child, hand each message to `receive`, and say how the child ended."""
    messages, message_end = os.pipe()
    errors, error_end = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(messages)
        os.close(errors)
        _live(run, limits, message_end, error_end)
    os.close(message_end)
    os.close(error_end)
    reader = _Reader(messages, errors, receive)
    try:
        silent = reader.listen(limits.seconds)
        if silent:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGUSR1)  # faulthandler writes the stack to standard error
            reader.listen(KILLED_AFTER)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(messages)
        os.close(errors)
    tail = reader.tail.decode("utf-8", "replace")
    if reader.finished:
        return Outcome(end="done", tail=tail)
    frames = tuple((m["path"], int(m["line"]), m["function"] or "") for m in _FRAME.finditer(_last_dump(tail)))
    if silent:
        return Outcome(end="silent", frames=frames, tail=tail)
    if os.WIFSIGNALED(status):
        return Outcome(end="crashed", signal=signal.Signals(os.WTERMSIG(status)).name, frames=frames, tail=tail)
    return Outcome(end="left", status=os.WEXITSTATUS(status), frames=frames, tail=tail)


class _Reader:
    """Reads both pipes of a child until both are closed, or nothing was said for too long."""

    def __init__(self, messages: int, errors: int, receive: Callable[[dict[str, Any]], None]) -> None:
        self.open = {messages, errors}
        self.messages = messages
        self.receive = receive
        self.pending = b""
        self.tail = b""
        self.finished = False

    def listen(self, seconds: float | None) -> bool:
        """Read on; True when the child was silent for longer than `seconds`."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self.messages in self.open and not self.finished:
            wait = None if deadline is None else deadline - time.monotonic()
            if wait is not None and wait <= 0:
                return True
            ready, _, _ = select.select(list(self.open), [], [], wait)
            for source in ready:
                data = os.read(source, 65_536)
                if not data:
                    self.open.discard(source)
                elif source != self.messages:
                    self.tail = (self.tail + data)[-TAIL:]
                else:
                    deadline = None if seconds is None else time.monotonic() + seconds
                    self._take(data)
        self._drain()
        return False

    def _take(self, data: bytes) -> None:
        *lines, self.pending = (self.pending + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if message == {"finished": True}:
                self.finished = True
            else:
                self.receive(message)

    def _drain(self) -> None:
        """What is left on standard error, without waiting."""
        for source in self.open - {self.messages}:
            while select.select([source], [], [], 0)[0]:
                data = os.read(source, 65_536)
                if not data:
                    break
                self.tail = (self.tail + data)[-TAIL:]


def _last_dump(tail: str) -> str:
    """The stack that faulthandler wrote last, if it wrote one."""
    start = max(tail.rfind("(most recent call first)"), 0)
    return tail[start:] if start else ""


# -- inside the child ----------------------------------------------------------------------------------------------------


def _live(run: Callable[[Send], object], limits: Limits, messages: int, errors: int) -> None:
    """The child's whole life; never returns."""
    status = 1
    try:
        os.setpgid(0, 0)
        _die_with_parent()
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.dup2(errors, 2)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, ValueError):
                stream.reconfigure(errors="replace")  # type: ignore[union-attr]
        faulthandler.enable(2)
        faulthandler.register(signal.SIGUSR1, file=2, all_threads=False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os._exit = _leave  # type: ignore[assignment]
        if limits.memory is not None:
            _limit_memory(limits.memory)

        def send(message: Mapping[str, Any]) -> None:
            _write(messages, json.dumps(message).encode() + b"\n")

        run(send)
        send({"finished": True})
        status = 0
    except BaseException:  # noqa: BLE001 - the outcome tells the parent; nothing may return into the parent's code
        import traceback

        with contextlib.suppress(BaseException):
            _write(2, traceback.format_exc().encode())
    finally:
        _exit(status)


def _leave(status: int) -> None:
    """Stands in for `os._exit` in the child: says where it was called."""
    faulthandler.dump_traceback(2, all_threads=False)
    _exit(status)


def _write(to: int, data: bytes) -> None:
    while data:
        data = data[os.write(to, data) :]


def _die_with_parent() -> None:
    """On Linux: no orphan outlives a killed supervisor."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _limit_memory(allowance: int) -> None:
    """Limit private memory to what is in use now plus `allowance` bytes; not every system can."""
    kind = resource.RLIMIT_DATA
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(kind)
        wanted = _data_size() + allowance
        if hard == resource.RLIM_INFINITY or wanted < hard:
            resource.setrlimit(kind, (wanted, hard))


def _data_size() -> int:
    """Bytes of private memory this process has mapped; 0 where the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[5]) * resource.getpagesize()
    return 0


def forbid_writes(allowed: tuple[str, ...]) -> None:
    """Refuse to create, change or remove files outside `allowed` folders, to start programs and to use the network.

    An audit hook cannot be removed, so this belongs in a child that ends afterwards.
    """
    roots = tuple(os.path.realpath(folder) + os.sep for folder in (*allowed, "/dev", "/proc/self"))
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def refuse(path: Any) -> None:
        if isinstance(path, int) or path is None:
            return
        if not (os.path.realpath(os.fsdecode(path)) + os.sep).startswith(roots):
            raise PermissionError(f"initlint runs models without writing files: {os.fsdecode(path)}")

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            if (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & writing):
                refuse(path)
        elif event in ("os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.chown", "os.utime"):
            refuse(args[0])
        elif event in ("os.rename", "os.link", "os.symlink"):
            refuse(args[0])
            refuse(args[1])
        elif event in ("os.system", "os.posix_spawn", "os.exec", "subprocess.Popen") or (
            event == "socket.connect" and isinstance(args[1], tuple)
        ):
            raise PermissionError(f"initlint runs models without starting programs or using the network: {event}")

    sys.addaudithook(hook)
