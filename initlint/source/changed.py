"""A commit → the lines that differ from it, as git says: what a pull request shows, three lines around each change included."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable

_AROUND = 3  # lines that GitHub shows around a change, on which it takes comments
_FILE = re.compile(r"\+\+\+ (?P<quoted>\"?)b/(?P<path>.*?)(?P=quoted)\t?")
_HUNK = re.compile(r"@@ -\d+(?:,(?P<before>\d+))? \+(?P<first>\d+)(?:,(?P<after>\d+))? @@")
_ESCAPE = re.compile(r"\\([0-7]{3}|.)")
_LETTERS = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13}


class NoHistory(Exception):
    """Git cannot say what has changed; the message says why."""


def changed_since(commit: str) -> dict[str, tuple[tuple[int, int], ...]]:
    """First and last lines of every region of the work tree that differs from where its branch left `commit`, by real path.

    Raises:
        NoHistory: this is no repository, or it does not have the commit.
    """
    root = _git("rev-parse", "--show-toplevel").strip()
    options = (f"--unified={_AROUND}", "--no-color", "--no-ext-diff", "--src-prefix=a/", "--dst-prefix=b/")
    return _ranges(_git("-c", "core.quotePath=off", "diff", "--merge-base", *options, commit, "--").split("\n"), root)


def _ranges(diff: Iterable[str], root: str) -> dict[str, tuple[tuple[int, int], ...]]:
    """The new side of the hunks of a diff."""
    found: dict[str, list[tuple[int, int]]] = {}
    path = ""
    before = after = 0  # lines of the hunk that are still to come: they may look like anything
    for line in diff:
        if before > 0 or after > 0:
            before -= line[:1] in " -"
            after -= line[:1] in " +"
        elif hunk := _HUNK.match(line):
            before, after = int(hunk["before"] or 1), int(hunk["after"] or 1)
            if after and path:
                found.setdefault(path, []).append((int(hunk["first"]), int(hunk["first"]) + after - 1))
        elif file := _FILE.fullmatch(line):
            name = _unquoted(file["path"]) if file["quoted"] else file["path"]
            path = os.path.realpath(os.path.join(root, name))
        elif line.startswith("+++ "):  # a file that is gone
            path = ""
    return {name: tuple(ranges) for name, ranges in found.items()}


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)  # noqa: S607 - the user's git
    except OSError as error:
        raise NoHistory(f"git cannot be run: {error.strerror or error}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise NoHistory(said[0] if said else f"git ended with {done.returncode}")
    return os.fsdecode(done.stdout)


def _unquoted(name: str) -> str:
    """A name that git put into quotes, with what stands for its odd characters."""
    return _ESCAPE.sub(
        lambda match: chr(int(match[1], 8)) if match[1].isdigit() else chr(_LETTERS.get(match[1], ord(match[1]))), name
    )
