"""REPORT → GitLab code quality: an array of issues, each with a fingerprint that survives shifted lines."""

from __future__ import annotations

import json
from typing import Any

from initlint.lint.finding import Finding, Severity
from initlint.lint.result import Report
from initlint.report.fingerprint import Identities

SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.INFO: "info"}


def as_gitlab(report: Report) -> str:
    """The array, `[]` when nothing was found."""
    identities = Identities()
    issues = [_issue(finding, identities.of(finding)) for finding in report.findings]
    return json.dumps(issues, indent=2, ensure_ascii=False) + "\n"


def _issue(finding: Finding, fingerprint: str) -> dict[str, Any]:
    span = finding.span
    return {
        "description": f"{finding.code} {finding.name}: {finding.message}",  # the widget does not show check_name
        "check_name": finding.code,
        "fingerprint": fingerprint,
        "severity": SEVERITIES[finding.severity],
        "location": {
            "path": span.path,
            "positions": {
                "begin": {"line": span.line, "column": span.column},
                "end": {"line": span.end_line, "column": span.end_column},
            },
        },
    }
