"""REPORT → the payload of GitHub's "create a review" call: a comment a finding, with a suggestion where the fix is one hunk.

Nothing is sent: `initlint check --format github-review | gh api repos/OWNER/REPO/pulls/N/reviews --input -`. GitHub refuses
comments on lines outside the diff of the pull request.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from typing import Any

from initlint.fixes.apply import Misplaced, edited
from initlint.lint.finding import Finding
from initlint.lint.result import Report
from initlint.report.hunk import hunk_of
from initlint.report.links import url_of
from initlint.report.text import Look


def as_github_review(report: Report, look: Look) -> str:
    """The payload; a review without comments says that all is well."""
    comments = [_comment(finding, look.lines(finding.span.path)) for finding in report.findings]
    count = len(comments)
    body = "initlint found nothing." if not count else f"initlint found {count} {'place' if count == 1 else 'places'} to look at."
    return json.dumps({"event": "COMMENT", "body": body, "comments": comments}, indent=2, ensure_ascii=False) + "\n"


def _comment(finding: Finding, lines: Sequence[str]) -> dict[str, Any]:
    span = finding.span
    hunk = hunk_of(finding, lines)
    parts = [f"**{finding.severity}** [{finding.code} {finding.name}]({url_of(finding.name)}): {finding.message}"]
    if finding.help:
        parts.append(f"_{finding.help}_")
    if hunk is not None:
        parts.append(_fenced("suggestion", hunk.text))
    elif finding.fix is not None and finding.fix.edits:
        parts.append(_fenced("diff", _changes(finding, lines)))
    place: dict[str, Any] = {"path": span.path, "line": span.end_line, "side": "RIGHT"}
    if span.end_line > span.line:
        place |= {"start_line": span.line, "start_side": "RIGHT"}
    return {**place, "body": "\n\n".join(parts)}


def _fenced(language: str, text: str) -> str:
    """The text in a fence longer than any run of backticks in it."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def _changes(finding: Finding, lines: Sequence[str]) -> str:
    """A fix of several places as a diff, of the finding's own file; words where it lies elsewhere."""
    assert finding.fix is not None
    edits = [edit for edit in finding.fix.edits if edit.span.path == finding.span.path]
    try:
        new = edited("\n".join(lines), edits).split("\n")
    except Misplaced:
        return finding.fix.message
    diff = difflib.unified_diff(list(lines), new, f"a/{finding.span.path}", f"b/{finding.span.path}", n=2, lineterm="")
    return "\n".join(diff) or finding.fix.message

