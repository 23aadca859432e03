"""REPORT → GitLab code quality: an array of issues, each with a fingerprint that survives shifted lines."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from initlint.lint.finding import Finding, Severity
from initlint.lint.result import Report

SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.INFO: "info"}


def as_gitlab(report: Report) -> str:
    """The array, `[]` when nothing was found."""
    taken: set[str] = set()
    issues = [_issue(finding, taken) for finding in report.findings]
    return json.dumps(issues, indent=2, ensure_ascii=False) + "\n"


def _issue(finding: Finding, taken: set[str]) -> dict[str, Any]:
    span = finding.span
    return {
        "description": f"{finding.code} {finding.name}: {finding.message}",  # the widget does not show check_name
        "check_name": finding.code,
        "fingerprint": _fingerprint(finding, taken),
        "severity": SEVERITIES[finding.severity],
        "location": {
            "path": span.path,
            "positions": {
                "begin": {"line": span.line, "column": span.column},
                "end": {"line": span.end_line, "column": span.end_column},
            },
        },
    }


def _fingerprint(finding: Finding, taken: set[str]) -> str:
    """Rule, file, target and modules, no lines; equal ones are told apart by their order, or GitLab would merge them."""
    parts = [finding.code, finding.span.path, finding.target, *finding.modules]
    number = 0
    while True:
        digest = hashlib.sha256("\0".join([*parts, str(number)]).encode()).hexdigest()
        if digest not in taken:
            taken.add(digest)
            return digest
        number += 1
