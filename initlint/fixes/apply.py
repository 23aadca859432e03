"""EDITS → new text: positions found, line ends kept, and of the fixes that get in each other's way the first one taken.

Lines end as Python's do, with LF, CRLF or CR; new lines get the end that the line before them has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from initlint.fixes.edit import Edit, Fix, Span

_END = re.compile("\r\n|\r|\n")


class Misplaced(Exception):
    """An edit that lies outside of the text, or over another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An edit in terms of one text: characters `start` to `stop` become `content`."""

    start: int
    stop: int
    content: str


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text of one file after edits that do not overlap; equal edits are made once, touching ones in their order.

    Raises:
        Misplaced: an edit lies outside of the text, or over another one.
    """
    changes = sorted(changes_of(text, dict.fromkeys(edits)), key=lambda change: (change.start, change.stop))
    parts: list[str] = []
    done = 0
    for change in changes:
        if change.start < done:
            raise Misplaced("edits overlap")
        parts += (text[done : change.start], change.content)
        done = change.stop
    return "".join((*parts, text[done:]))


def changes_of(text: str, edits: Iterable[Edit]) -> list[Change]:
    """Edits of one file as changes of its text.

    Raises:
        Misplaced: an edit lies outside of the text.
    """
    starts = [0, *(match.end() for match in _END.finditer(text))]
    ends = [*(match.start() for match in _END.finditer(text)), len(text)]
    found = []
    for edit in edits:
        start = _offset(edit.span.line, edit.span.column, starts, ends)
        stop = _offset(edit.span.end_line, edit.span.end_column, starts, ends)
        if stop < start:
            raise Misplaced(f"an edit ends before it begins, in line {edit.span.line}")
        lines = _END.split(edit.content)
        content = _end_at(text, edit.span.line, ends).join(lines)
        found.append(Change(start=start, stop=stop, content=content))
    return found


def _offset(line: int, column: int, starts: Sequence[int], ends: Sequence[int]) -> int:
    if not 1 <= line <= len(starts) or not 1 <= column <= ends[line - 1] - starts[line - 1] + 1:
        raise Misplaced(f"there is no line {line}, column {column}")
    return starts[line - 1] + column - 1


def _end_at(text: str, line: int, ends: Sequence[int]) -> str:
    """How the line ends; the last line, which has no end, as the one before it."""
    match = _END.match(text, ends[line - 1]) or (_END.match(text, ends[line - 2]) if line > 1 else None)
    return match[0] if match else "\n"


# -- several fixes --------------------------------------------------------------------------------------------------------


def fits(fix: Fix, taken: Iterable[Fix]) -> bool:
    """Whether a fix can be made together with those already taken; an edit that one of them makes too is made once."""
    others = [edit for other in taken for edit in other.edits]
    return not any(overlaps(edit.span, other.span) for edit in fix.edits if edit not in others for other in others)


def edits_by_path(fixes: Iterable[Fix]) -> dict[str, list[Edit]]:
    """The edits of some fixes by file, equal ones once."""
    found: dict[str, dict[Edit, None]] = {}
    for fix in fixes:
        for edit in fix.edits:
            found.setdefault(edit.span.path, {})[edit] = None
    return {path: list(edits) for path, edits in found.items()}


def overlaps(one: Span, other: Span) -> bool:
    """Whether two regions of one file share a character, or one is a place strictly inside the other."""
    if one.path != other.path:
        return False
    first, second = sorted((one, other), key=lambda span: (span.line, span.column, span.end_line, span.end_column))
    return (second.line, second.column) < (first.end_line, first.end_column)


# -- lines before and after -----------------------------------------------------------------------------------------------


def lines_before(line: int, edits: Iterable[Edit]) -> tuple[int, int]:
    """First and last of the lines that a line of the edited text came from; `edits` are those of its file."""
    shift = 0  # a line's number after the edits less the one before
    for first, last, added in _stretches(edits):
        if line < first + shift:
            break
        if line <= last + shift + added:
            return first, last
        shift += added
    return line - shift, line - shift


def _stretches(edits: Iterable[Edit]) -> list[tuple[int, int, int]]:
    """(first, last, lines more than before) of stretches of edited lines, those that share a line as one."""
    found: list[tuple[int, int, int]] = []
    for edit in sorted(edits, key=lambda edit: (edit.span.line, edit.span.column)):
        first, last = edit.span.line, edit.span.end_line
        added = len(_END.findall(edit.content)) - (last - first)
        if found and first <= found[-1][1]:
            first, last, added = found[-1][0], max(last, found[-1][1]), added + found[-1][2]
            found.pop()
        found.append((first, last, added))
    return found
