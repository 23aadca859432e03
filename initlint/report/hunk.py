"""FIX → one contiguous hunk of whole lines inside the finding's own lines: the only kind of fix a review can suggest.

Lines may come directly before or after those of the finding: they go into the hunk with them. A final line end that goes or
comes is no line, so that a fix which changes nothing else cannot be suggested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from initlint.fixes.apply import Misplaced, edited
from initlint.lint.finding import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """Lines first to last, both included, are to become `lines`: none where they go."""

    first: int
    last: int
    lines: tuple[str, ...]


def hunk_of(finding: Finding, lines: Sequence[str]) -> Hunk | None:
    """The hunk of a finding's fix; None where there is no fix, it is advice only, or it reaches beyond the finding's lines.

    lines  of the finding's file; one that ends in a line end has an empty one as its last
    """
    fix, span = finding.fix, finding.span
    if fix is None or not fix.edits or fix.applicability == "display":
        return None
    if any(edit.span.path != span.path for edit in fix.edits):
        return None
    before = list(lines) or [""]
    try:
        after = edited("\n".join(before), fix.edits).split("\n")
    except Misplaced:
        return None
    if (before[-1] == "") is not (after[-1] == ""):
        return None
    count = len(before) - (before[-1] == "")
    if not 1 <= span.line <= span.end_line <= count:
        return None
    above, below = span.line - 1, len(before) - span.end_line
    if len(after) < above + below or after[:above] != before[:above] or after[len(after) - below :] != before[span.end_line :]:
        return None
    return Hunk(first=span.line, last=span.end_line, lines=tuple(after[above : len(after) - below]))
