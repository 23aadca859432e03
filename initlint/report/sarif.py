"""REPORT → SARIF 2.1.0, with what GitHub code scanning asks for: rules with their pages, fingerprints, the layer path as code flow."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Sequence
from typing import Any

from initlint.lint.finding import Finding, Severity, Span
from initlint.lint.load import LoadedRule, load_rules
from initlint.lint.result import Report
from initlint.report.fingerprint import line_hashes
from initlint.report.links import url_of
from initlint.report.text import Look

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
PROBLEM = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "recommendation"}
STEPS = 1000  # of a code flow, as GitHub keeps them


def as_sarif(report: Report, look: Look) -> str:
    """One run; rules are those that were found, in the order of their codes."""
    codes = sorted({finding.code for finding in report.findings})
    version = importlib.metadata.version("initlint")
    data = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "initlint",
                        "semanticVersion": version,
                        "rules": [_rule(item) for item in load_rules() if item.rule.code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "invocations": [{"executionSuccessful": not any(target.status == "failed" for target in report.targets)}],
                "results": _results(report.findings, codes, look.lines),
            }
        ],
    }
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _rule(item: LoadedRule) -> dict[str, Any]:
    rule = item.rule
    page = item.documentation
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.summary},
        "help": {"text": page, "markdown": page},
        "helpUri": url_of(rule.name),
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {"problem.severity": PROBLEM[rule.severity], "precision": "high", "tags": ["initialization"]},
    }


def _results(
    findings: Sequence[Finding], codes: Sequence[str], lines: Callable[[str], Sequence[str]]
) -> list[dict[str, Any]]:
    hashes: dict[str, list[str]] = {}
    results = []
    for finding in findings:
        path = finding.span.path
        if path not in hashes:
            hashes[path] = line_hashes("\n".join(lines(path)))
        results.append(_result(finding, codes.index(finding.code), hashes[path]))
    return results


def _result(finding: Finding, number: int, hashes: Sequence[str]) -> dict[str, Any]:
    text = finding.message + (f" {finding.help}" if finding.help else "")
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": number,
        "level": LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [_location(finding.span)],
        "properties": {"target": finding.target, "modules": list(finding.modules)},
    }
    if finding.span.line <= len(hashes):
        result["partialFingerprints"] = {"primaryLocationLineHash": hashes[finding.span.line - 1]}
    if finding.related:
        steps = [
            {"location": {**_location(place.span), "message": {"text": place.message}}} for place in finding.related[:STEPS]
        ]
        result["relatedLocations"] = [{"id": n, **step["location"]} for n, step in enumerate(steps)]
        here = {"location": {**_location(finding.span), "message": {"text": finding.message}}}
        result["codeFlows"] = [{"threadFlows": [{"locations": [*steps, here]}]}]
    if finding.fix is not None and finding.fix.edits:
        result["fixes"] = [_fix(finding)]
    return result


def _fix(finding: Finding) -> dict[str, Any]:
    assert finding.fix is not None
    by_path: dict[str, list[dict[str, Any]]] = {}
    for edit in finding.fix.edits:
        replacement = {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.content}}
        by_path.setdefault(edit.span.path, []).append(replacement)
    return {
        "description": {"text": finding.fix.message},
        "artifactChanges": [
            {"artifactLocation": {"uri": path}, "replacements": replacements} for path, replacements in by_path.items()
        ],
    }


def _location(span: Span) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": span.path}, "region": _region(span)}}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
