"""NEW TEXTS → a unified diff that `git apply` and `patch -p1` take; FIX → the lines it changes, for people.

Lines are those of git, which end with a line feed: a carriage return before it is part of the line, as in the file.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from initlint.fixes.apply import Misplaced, edited, edits_by_path
from initlint.fixes.edit import Fix
from initlint.fixes.write import Source
from initlint.report.place import is_inside, shown

_LINE = re.compile("[^\n]*\n|[^\n]+")
_AWKWARD = re.compile('[\x00-\x1f"\\\\\x7f]')
_ESCAPES = {"\t": "\\t", "\n": "\\n", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
NO_END = "\\ No newline at end of file\n"
BYTE_ORDER_MARK = "\ufeff"


def as_diff(new: Mapping[str, str], sources: Mapping[str, Source], base: str) -> bytes:
    """What changes from the sources to the new texts, every file in its own encoding, paths relative to `base`."""
    return b"".join(_diff_of(sources[path], new[path], shown(path, base)) for path in sorted(new))


def patched_in(paths: Collection[str], here: str) -> str:
    """The folder that a patch of these files is for: `here` if it holds them all, else the repository around it or around them; the
    root of the file system, as of `git diff --no-index`, if none does."""
    outer = (_repository(place) for place in (here, *(os.path.dirname(path) for path in sorted(paths)[:1])))
    for base in filter(None, (here, *outer)):
        if all(is_inside(shown(path, base)) for path in paths):
            return base
    return os.path.abspath(os.sep)


def _repository(folder: str) -> str | None:
    place = Path(os.path.realpath(folder))
    return next((str(outer) for outer in (place, *place.parents) if (outer / ".git").exists()), None)


def _diff_of(source: Source, text: str, name: str) -> bytes:
    marked, encoding = (BYTE_ORDER_MARK, "utf-8") if source.encoding == "utf-8-sig" else ("", source.encoding)
    before, after = (_LINE.findall(marked + side) for side in (source.text, text))
    diff = list(difflib.unified_diff(before, after))[2:]
    lines = [line if line.endswith("\n") else f"{line}\n{NO_END}" for line in diff]
    head = f"--- {_name(f'a/{name}')}\n+++ {_name(f'b/{name}')}\n".encode("utf-8", "surrogateescape")
    return head + "".join(lines).encode(encoding) if lines else b""


def _name(path: str) -> str:
    """A file's name as git writes it in a patch."""
    if _AWKWARD.search(path):
        escaped = _AWKWARD.sub(lambda match: _ESCAPES.get(match[0], f"\\{ord(match[0]):03o}"), path)
        return f'"{escaped}"'
    return f"{path}\t" if " " in path else path


def as_patch(fix: Fix, lines_of: Callable[[str], Sequence[str]]) -> str:
    """What a fix changes in all its files, as a diff to read in a message; "" where the files are not at hand."""
    parts: list[str] = []
    for path, edits in edits_by_path([fix]).items():
        text = "\n".join(lines_of(path))
        try:
            sides = (_LINE.findall(text), _LINE.findall(edited(text, edits)))
        except Misplaced:
            continue
        old, new = (_name(f"{side}/{path.removeprefix('/')}") for side in "ab")
        diff = difflib.unified_diff(*sides, old, new, n=2)
        parts += (line if line.endswith("\n") else f"{line}\n{NO_END}" for line in diff)
    return "".join(parts).removesuffix("\n")


def changed_lines(fix: Fix, lines_of: Callable[[str], Sequence[str]], own: str) -> Iterator[str]:
    """Lines that a fix removes and adds, with their numbers and one line around; files other than `own` by name."""
    for path, edits in edits_by_path([fix]).items():
        before = list(lines_of(path))
        try:
            after = edited("\n".join(before), edits).split("\n")
        except Misplaced:
            continue
        if path != own:
            yield f"{path}:"
        matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
        for number, group in enumerate(matcher.get_grouped_opcodes(1)):
            if number:
                yield "..."
            width = len(str(max(group[-1][2], group[-1][4])))
            for tag, first, last, start, stop in group:
                if tag == "equal":
                    yield from (f"{n + 1:>{width}}   {after[n]}" for n in range(start, stop))
                else:
                    yield from (f"{n + 1:>{width}} - {before[n]}" for n in range(first, last))
                    yield from (f"{n + 1:>{width}} + {after[n]}" for n in range(start, stop))
