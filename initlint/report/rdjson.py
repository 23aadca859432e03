"""REPORT → reviewdog's diagnostic format, one object (`rdjson`) or one diagnostic a line (`rdjsonl`).

Columns are counted in bytes of UTF-8. A suggestion is one contiguous hunk of whole lines inside the finding's own lines,
since reviewdog posts no other; where a fix is larger, the message says it in words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from initlint.lint.finding import Finding, Severity, Span
from initlint.lint.result import Report
from initlint.report.hunk import hunk_of
from initlint.report.links import url_of
from initlint.report.text import Look

SEVERITIES = {Severity.ERROR: "ERROR", Severity.WARNING: "WARNING", Severity.INFO: "INFO"}
SOURCE = {"name": "initlint"}


def as_rdjson(report: Report, look: Look) -> str:
    """A `DiagnosticResult`."""
    data = {
        "source": SOURCE,
        "severity": SEVERITIES[max((finding.severity for finding in report.findings), default=Severity.INFO)],
        "diagnostics": [_diagnostic(finding, look.lines(finding.span.path)) for finding in report.findings],
    }
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_rdjsonl(report: Report, look: Look) -> str:
    """One `Diagnostic` a line, each with its source."""
    items = ({**_diagnostic(item, look.lines(item.span.path)), "source": SOURCE} for item in report.findings)
    return "".join(json.dumps(item, ensure_ascii=False, allow_nan=False) + "\n" for item in items)


def _diagnostic(finding: Finding, lines: Sequence[str]) -> dict[str, Any]:
    message = finding.message + (f"\n\n{finding.help}" if finding.help else "")
    data: dict[str, Any] = {
        "message": message,
        "location": _location(finding.span, lines),
        "severity": SEVERITIES[finding.severity],
        "code": {"value": finding.code, "url": url_of(finding.name)},
    }
    hunk = hunk_of(finding, lines)
    if hunk is not None:
        whole = {"start": {"line": hunk.first}, "end": {"line": hunk.last}}  # without columns: whole lines, end included
        data["suggestions"] = [{"range": whole, "text": hunk.text}]
    if finding.related:
        data["related_locations"] = [
            {"message": place.message, "location": _location(place.span, lines if place.span.path == finding.span.path else ())}
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
