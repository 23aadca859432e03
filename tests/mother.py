"""The process behind `nursery`: it warms up as a worker does, then becomes a new one, by a fork, whenever one is asked for.

A request is one packet: the environment and the folder as JSON, with four descriptors: standard input, output and error of the
worker, and the pipe that is told its exit status. Run as a program, not imported: its only argument is the socket.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import suppress

from initlint.lint import worker

PACKET = 1 << 20


def lend(asked: socket.socket) -> None:
    """Answer requests until nobody can ask any more, then wait for the workers that still run."""
    while True:
        text, descriptors, _, _ = socket.recv_fds(asked, PACKET, 4)
        if not text:
            break
        if os.fork() == 0:
            asked.close()
            _keep(json.loads(text), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    with suppress(ChildProcessError):
        while True:
            os.wait()


def _keep(request: dict[str, dict[str, str] | str], descriptors: list[int]) -> None:
    """Fork the worker and tell how it ended; never returns."""
    *standard, told = descriptors
    child = os.fork()
    if child == 0:
        os.close(told)
        for number, descriptor in enumerate(standard):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.chdir(str(request["folder"]))
        os.environ.clear()
        os.environ.update(request["environment"])  # type: ignore[arg-type]
        worker.main()
    for descriptor in standard:
        os.close(descriptor)
    os.write(told, str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
    os._exit(0)


if __name__ == "__main__":
    socket_given = socket.socket(fileno=int(sys.argv[1]))
    worker._warm_up()
    worker._warm_up = lambda: None
    lend(socket_given)
