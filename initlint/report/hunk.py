"""FIX → one contiguous hunk of whole lines inside the finding's own lines: the only kind of fix a review can suggest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from initlint.fixes.apply import Misplaced, edited
from initlint.lint.finding import Finding


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
    try:
        new = edited("\n".join(lines), fix.edits).split("\n")
    except Misplaced:
        return None
    below = len(lines) - span.end_line
    return Hunk(first=span.line, last=span.end_line, text="\n".join(new[span.line - 1 : len(new) - below]))
