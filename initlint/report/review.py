"""REPORT → the payload of GitHub's "create a review" call: a comment a finding, with a suggestion where the fix is one hunk.

Nothing is sent: `initlint check --format github-review | gh api repos/OWNER/REPO/pulls/N/reviews --input -`. GitHub refuses a
review with a comment on lines that its pull request does not show; what was changed since a base, when it is known, sends such
findings to the text of the review, and so does a place outside of the repository.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from initlint.lint.finding import Finding
from initlint.lint.result import Report
from initlint.report.changes import as_patch
from initlint.report.hunk import hunk_of
from initlint.report.links import link_of
from initlint.report.markdown import escaped, fenced, paragraphs
from initlint.report.place import is_inside
from initlint.report.summary import coverage, verdict
from initlint.report.text import Look

LONGEST = 60_000  # characters of a body; GitHub takes 65 536


def as_github_review(report: Report, look: Look) -> str:
    """The payload; a review without comments says that all is well."""
    worst_first = sorted(report.findings, key=lambda finding: -finding.severity)
    shown = [finding for finding in worst_first if _is_shown(finding, look)]
    others = [finding for finding in worst_first if not _is_shown(finding, look)]
    comments: list[dict[str, Any]] = []
    for comment in (_comment(finding, look) for finding in shown):
        if comment not in comments:  # several models may share a line and what is wrong with it
            comments.append(comment)
    data = {"event": "COMMENT", "body": _body(report, others), "comments": comments}
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _is_shown(finding: Finding, look: Look) -> bool:
    """Whether GitHub takes a comment on these lines, as far as is known."""
    span = finding.span
    if not is_inside(span.path):
        return False
    if look.changed is None:
        return True
    return any(first <= span.line <= span.end_line <= last for first, last in look.changed(span.path))


def _body(report: Report, others: Sequence[Finding]) -> str:
    lines = [f"initlint: {verdict(report.findings)} {coverage(report)}"]
    if others:
        lines.append("\nOutside of what this pull request shows:\n")
    return _cut("\n".join(dict.fromkeys((*lines, *map(_listed, others)))))


def _listed(finding: Finding) -> str:
    words = " ".join(escaped(finding.message).split())
    return f"- `{finding.span.path}:{finding.span.line}` {_rule(finding)}: {words}"


def _rule(finding: Finding) -> str:
    link = link_of(finding.name)
    rule = f"{finding.code} {finding.name}"
    return f"**{finding.severity}** {f'[{rule}]({link})' if link else rule}"


def _comment(finding: Finding, look: Look) -> dict[str, Any]:
    span, fix = finding.span, finding.fix
    first, *rest = paragraphs(finding.message, finding.help)
    parts = [f"{_rule(finding)}: {first}", *rest]
    if fix is not None and fix.edits:
        hunk = hunk_of(finding, look.lines(span.path))
        patch = as_patch(fix, look.lines) if hunk is None else ""
        parts.append(f"Fix ({fix.applicability}): {escaped(fix.message)}")
        parts += [fenced("suggestion", hunk.lines)] if hunk else [fenced("diff", patch.split("\n"))] if patch else []
    place: dict[str, Any] = {"path": span.path, "line": span.end_line, "side": "RIGHT"}
    if span.end_line > span.line:
        place |= {"start_line": span.line, "start_side": "RIGHT"}
    body = "\n\n".join(parts)
    return {**place, "body": body if len(body) <= LONGEST else _cut("\n\n".join(parts[:-1]))}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
