"""REPORT → JSON: one object (`json`) or one diagnostic a line (`json-lines`).

Fields never change their meaning while `schema` stays; lines and columns count from 1, columns in code points, ends are
exclusive. Evidence that is not finite is left out: JSON has no infinity.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
from typing import Any

from initlint.lint.finding import Finding, Fix, Span
from initlint.lint.result import SCHEMA, Report, TargetResult
from initlint.report.links import url_of


def as_json(report: Report) -> str:
    """The whole report as one object."""
    data = {
        "schema": SCHEMA,
        "initlint": importlib.metadata.version("initlint"),
        "targets": [_target(target) for target in report.targets],
        "diagnostics": [diagnostic(finding) for finding in report.findings],
    }
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_json_lines(report: Report) -> str:
    """One diagnostic a line."""
    return "".join(json.dumps(diagnostic(item), ensure_ascii=False, allow_nan=False) + "\n" for item in report.findings)


def diagnostic(finding: Finding) -> dict[str, Any]:
    """A finding as JSON values."""
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": str(finding.severity),
        "message": finding.message,
        **_place(finding.span),
        "target": finding.target,
        "modules": list(finding.modules),
        "evidence": {name: float(value) for name, value in finding.evidence.items() if math.isfinite(value)},
        "fix": None if finding.fix is None else _fix(finding.fix),
        "url": url_of(finding.name),
    }


def _place(span: Span) -> dict[str, Any]:
    return {
        "path": span.path,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def _fix(fix: Fix) -> dict[str, Any]:
    return {
        "applicability": fix.applicability,
        "message": fix.message,
        "edits": [{**_place(edit.span), "content": edit.content} for edit in fix.edits],
    }


def _target(target: TargetResult) -> dict[str, Any]:
    return {
        "target": target.target,
        "status": target.status,
        "nodes": target.nodes,
        "known": target.known,
        "sampled": target.sampled,
        "unknown": list(target.unknown),
        "parameters": target.parameters,
        "seconds": round(target.seconds, 3),
    }
