"""The closing lines: how much was found, and how much could be seen. A clean result never hides what was skipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from initlint.lint.finding import Finding, Severity
from initlint.lint.result import Report
from initlint.lint.wording import counted

NAMES = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
MANY = 5  # unknown operators that are named


def verdict(findings: Sequence[Finding]) -> str:
    """ "Found 2 errors, 1 warning." """
    if not findings:
        return "All checks passed."
    severities = Counter(finding.severity for finding in findings)
    parts = [counted(severities[severity], name) for severity, name in NAMES.items() if severities[severity]]
    return f"Found {', '.join(parts)}."


def coverage(report: Report) -> str:
    """ "1 model, 412 nodes, 3 sampled", and all that could not be analysed or predicted."""
    analysed = [target for target in report.targets if target.status == "ok"]
    failed = len(report.targets) - len(analysed)
    if not report.targets:
        if not report.files:
            return "no Python files found"
        return f"no models found in {counted(report.files, 'file')}"
    parts = []
    if analysed:
        parts += [counted(len(analysed), "model"), counted(sum(target.nodes for target in analysed), "node")]
    sampled = sum(target.sampled for target in analysed)
    if sampled:
        parts.append(f"{sampled} sampled")
    unknown = sum(max(target.nodes - target.known, 0) for target in analysed)
    operators = sorted({operator for target in analysed for operator in target.unknown})
    if unknown or operators:
        parts.append(f"{unknown} unknown{_named(operators)}")
    if failed:
        parts.append(f"{counted(failed, 'target')} could not be analysed")
    return ", ".join(parts)


def _named(operators: Sequence[str]) -> str:
    if not operators:
        return ""
    more = f" and {len(operators) - MANY} more" if len(operators) > MANY else ""
    return f" ({', '.join(operators[:MANY])}{more})"


def is_complete(report: Report) -> bool:
    """Whether there were models, and all of each was seen."""
    return bool(report.targets) and all(
        target.status == "ok" and not target.unknown and target.known >= target.nodes for target in report.targets
    )


def statistics(findings: Sequence[Finding]) -> list[tuple[int, str, str]]:
    """(count, code, name), the most frequent first."""
    counts = Counter((finding.code, finding.name) for finding in findings)
    return sorted(((count, code, name) for (code, name), count in counts.items()), key=lambda row: (-row[0], row[1]))
