"""REPORT → SARIF 2.1.0, with what GitHub code scanning asks for: rules with their pages, fingerprints, the layer path as code flow.

Places are references relative to the root of the repository, percent-encoded; those outside of it are `file:` addresses.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from initlint.lint.finding import Finding, Fix, Severity, Span
from initlint.lint.load import LoadedRule, load_rules
from initlint.lint.result import Report
from initlint.report.fingerprint import Identities, line_hashes
from initlint.report.links import HOME, link_of
from initlint.report.summary import coverage
from initlint.report.text import Look

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
PROBLEM = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "recommendation"}
STEPS = 1000  # of a code flow, as GitHub keeps them
SHORT = 1024  # characters of a description, as GitHub takes them
_PLACEHOLDER = re.compile(r"\{(\d+)\}")


def as_sarif(report: Report, look: Look) -> str:
    """One run; rules are those that were found, in the order of their codes."""
    found = {finding.code for finding in report.findings}
    rules = sorted((item for item in load_rules() if item.rule.code in found), key=lambda item: item.rule.code)
    numbers = {item.rule.code: number for number, item in enumerate(rules)}
    data = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "initlint",
                        "semanticVersion": importlib.metadata.version("initlint"),
                        **({"informationUri": HOME} if HOME else {}),
                        "rules": [_rule(item) for item in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "invocations": [_invocation(report)],
                "results": _results(report.findings, numbers, look.lines),
            }
        ],
    }
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _rule(item: LoadedRule) -> dict[str, Any]:
    rule = item.rule
    page = item.documentation
    link = link_of(rule.name)
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary[:SHORT]},
        "fullDescription": {"text": rule.summary[:SHORT]},
        "help": {"text": page, "markdown": page},
        **({"helpUri": link} if link else {}),
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {"problem.severity": PROBLEM[rule.severity], "precision": "high", "tags": ["initialization"]},
    }


def _invocation(report: Report) -> dict[str, Any]:
    """Whether all could be analysed, and what could not: a log without results hides nothing."""
    failed = {target.target for target in report.targets if target.status == "failed"}
    reasons = [
        {"level": "error", "message": _message(f"{item.target}: {item.message}"), "locations": [_location(item.span)]}
        for item in report.findings
        if item.target in failed
    ]
    seen = {"level": "note", "message": _message(coverage(report))}
    return {"executionSuccessful": not failed, "toolExecutionNotifications": [*reasons, seen]}


def _results(
    findings: Sequence[Finding], numbers: Mapping[str, int], lines: Callable[[str], Sequence[str]]
) -> list[dict[str, Any]]:
    hashes: dict[str, list[str]] = {}
    identities = Identities()
    results = []
    for finding in findings:
        path = finding.span.path
        if path not in hashes:
            hashes[path] = line_hashes("\n".join(lines(path)))
        prints = {"initlint/v1": identities.of(finding)}
        if finding.span.line <= len(hashes[path]):
            prints["primaryLocationLineHash"] = hashes[path][finding.span.line - 1]
        number = {"ruleIndex": numbers[finding.code]} if finding.code in numbers else {}
        results.append({"ruleId": finding.code, **number, **_result(finding), "partialFingerprints": prints})
    return results


def _result(finding: Finding) -> dict[str, Any]:
    stop = "" if not finding.help else " " if finding.message.endswith((".", "!", "?")) else ". "
    result: dict[str, Any] = {
        "level": LEVELS[finding.severity],
        "message": _message(f"{finding.message}{stop}{finding.help}"),
        "locations": [_location(finding.span)],
        "properties": {"target": finding.target, "modules": list(finding.modules)},
    }
    if finding.related:
        steps = [_location(place.span, place.message) for place in finding.related[:STEPS]]
        result["relatedLocations"] = [{"id": number, **step} for number, step in enumerate(steps)]
        flow = [*steps, _location(finding.span, finding.message)]
        result["codeFlows"] = [{"threadFlows": [{"locations": [{"location": step} for step in flow]}]}]
    if finding.fix is not None and finding.fix.edits:
        result["fixes"] = [_fix(finding.fix)]
    return result


def _fix(fix: Fix) -> dict[str, Any]:
    by_path: dict[str, list[dict[str, Any]]] = {}
    for edit in fix.edits:
        replacement = {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.content}}
        by_path.setdefault(edit.span.path, []).append(replacement)
    return {
        "description": _message(f"{fix.message} ({fix.applicability})"),
        "artifactChanges": [
            {"artifactLocation": {"uri": _uri(path)}, "replacements": replacements} for path, replacements in by_path.items()
        ],
    }


def _location(span: Span, message: str = "") -> dict[str, Any]:
    place = {"physicalLocation": {"artifactLocation": {"uri": _uri(span.path)}, "region": _region(span)}}
    return {**place, "message": _message(message)} if message else place


def _message(text: str) -> dict[str, str]:
    """Words as a message: what would be a link or a placeholder in SARIF (3.11.5, 3.11.6) is written so that it is none."""
    return {"text": _PLACEHOLDER.sub(r"{{\1}}", text.replace("](", "\\]("))}


def _uri(path: str) -> str:
    place = PurePath(path)
    return place.as_uri() if place.is_absolute() else quote(path, errors="surrogateescape")


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
