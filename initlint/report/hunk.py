"""FIX → one contiguous hunk of whole lines inside the finding's own lines: the only kind of fix a review can suggest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from initlint.lint.finding import Edit, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """Lines first to last, both included, are to become `text`, which has no line end at its end."""

    first: int
    last: int
    text: str


def hunk_of(finding: Finding, lines: Sequence[str]) -> Hunk | None:
    """The hunk of a finding's fix; None where there is no fix, or it reaches beyond the lines of the finding."""
    fix, span = finding.fix, finding.span
    if fix is None or not fix.edits or not 0 < span.line <= span.end_line <= len(lines):
        return None
    inside = (
        edit.span.path == span.path and span.line <= edit.span.line <= edit.span.end_line <= span.end_line for edit in fix.edits
    )
    if not all(inside):
        return None
    new = edited(lines[span.line - 1 : span.end_line], fix.edits, first=span.line)
    return None if new is None else Hunk(first=span.line, last=span.end_line, text="\n".join(new))


def edited(lines: Sequence[str], edits: Iterable[Edit], *, first: int) -> list[str] | None:
    """Lines, of which the first has number `first`, after the edits; None where one lies outside."""
    new = list(lines)
    for edit in sorted(edits, key=lambda edit: (edit.span.line, edit.span.column), reverse=True):
        start, stop = edit.span.line - first, edit.span.end_line - first
        if not 0 <= start <= stop < len(lines):
            return None
        joined = new[start][: edit.span.column - 1] + edit.content + new[stop][edit.span.end_column - 1 :]
        new[start : stop + 1] = joined.split("\n")
    return new
