"""Streams: whether colour is wanted, how wide a line may be, and writing that no encoding stops."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from typing import Literal, TextIO

import click

PIPED_WIDTH = 100  # of lines that nobody's window wraps

Colour = Literal["auto", "always", "never"]


def wants_colour(choice: Colour, stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """The option decides; else NO_COLOR, then FORCE_COLOR and CLICOLOR_FORCE, then whether a person is looking."""
    if choice != "auto":
        return choice == "always"
    if environment.get("NO_COLOR"):
        return False
    if any(environment.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return stream.isatty() and environment.get("TERM") != "dumb"


def width_of(stream: TextIO) -> int:
    """Columns of the window, or a fixed number so that a file does not depend on one."""
    return max(shutil.get_terminal_size().columns, 40) if stream.isatty() else PIPED_WIDTH


def write(text: str, *, encoding: str | None = None) -> None:
    """Write to standard output; characters that its encoding lacks are escaped."""
    write_bytes(text.encode(encoding or sys.stdout.encoding or "utf-8", errors="backslashreplace"))


def write_bytes(content: bytes) -> None:
    """Write to standard output what is in an encoding of its own."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def say(text: str) -> None:
    """A note for a person: standard error, never among the findings."""
    click.echo(text, err=True)
