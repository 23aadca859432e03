"""REPORT → reviewdog's diagnostic format, one object (`rdjson`) or one diagnostic a line (`rdjsonl`).

Columns are counted in bytes of UTF-8. A suggestion is one contiguous hunk of whole lines inside the finding's own lines,
since reviewdog posts no other; where a fix is larger, the message has it as a diff. Messages are Markdown to reviewdog.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from initlint.lint.finding import Finding, Severity, Span
from initlint.lint.result import Report
from initlint.report.changes import as_patch
from initlint.report.hunk import hunk_of
from initlint.report.links import link_of
from initlint.report.markdown import fenced
from initlint.report.text import Look

SEVERITIES = {Severity.ERROR: "ERROR", Severity.WARNING: "WARNING", Severity.INFO: "INFO"}
SOURCE = {"name": "initlint"}


def as_rdjson(report: Report, look: Look) -> str:
    """A `DiagnosticResult`."""
    data = {
        "source": SOURCE,
        "severity": SEVERITIES[max((finding.severity for finding in report.findings), default=Severity.INFO)],
        "diagnostics": [_diagnostic(finding, look.lines) for finding in report.findings],
    }
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_rdjsonl(report: Report, look: Look) -> str:
    """One `Diagnostic` a line, each with its source."""
    items = ({**_diagnostic(item, look.lines), "source": SOURCE} for item in report.findings)
    return "".join(json.dumps(item, ensure_ascii=False, allow_nan=False) + "\n" for item in items)


def _diagnostic(finding: Finding, lines_of: Callable[[str], Sequence[str]]) -> dict[str, Any]:
    lines, fix, link = lines_of(finding.span.path), finding.fix, link_of(finding.name)
    parts = [finding.message, *([finding.help] if finding.help else [])]
    data: dict[str, Any] = {
        "message": "",
        "location": _location(finding.span, lines),
        "severity": SEVERITIES[finding.severity],
        "code": {"value": finding.code, **({"url": link} if link else {})},
    }
    if fix is not None and fix.edits:
        parts.append(f"Fix ({fix.applicability}): {fix.message}")
        hunk = hunk_of(finding, lines)
        if hunk is not None and hunk.lines != ("",):  # an empty text deletes the lines, it does not leave one empty
            whole = {"start": {"line": hunk.first}, "end": {"line": hunk.last}}  # without columns: whole lines, end included
            data["suggestions"] = [{"range": whole, "text": "\n".join(hunk.lines)}]
        elif patch := as_patch(fix, lines_of):
            parts.append(fenced("diff", patch.split("\n")))
    data["message"] = "\n\n".join(parts)
    if finding.related:
        data["related_locations"] = [
            {"message": place.message, "location": _location(place.span, lines_of(place.span.path))}
            for place in finding.related
        ]
    return data


def _location(span: Span, lines: Sequence[str]) -> dict[str, Any]:
    return {
        "path": span.path,
        "range": {
            "start": {"line": span.line, "column": _bytes(lines, span.line, span.column)},
            "end": {"line": span.end_line, "column": _bytes(lines, span.end_line, span.end_column)},
        },
    }


def _bytes(lines: Sequence[str], line: int, column: int) -> int:
    """A column in code points as one in bytes; as it is where the line is not at hand."""
    if not 0 < line <= len(lines):
        return column
    text = lines[line - 1]
    before = text[: column - 1]
    return len(before.encode("utf-8", "surrogatepass")) + 1 + max(column - 1 - len(text), 0)
