"""The closing lines: how much was found, and how much could be seen. A clean result never hides what was skipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from initlint.lint.finding import Finding, Severity
from initlint.lint.result import Report
from initlint.lint.wording import counted

NAMES = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
MANY = 5  # unknown operators that are named


def verdict(findings: Sequence[Finding], fixed: Sequence[Finding] = ()) -> str:
    """ "Found 2 errors, 1 warning."; with those that were fixed: "Found 3 errors (1 fixed, 2 remaining)." """
    if not findings and not fixed:
        return "All checks passed."
    severities = Counter(finding.severity for finding in (*findings, *fixed))
    parts = [counted(severities[severity], name) for severity, name in NAMES.items() if severities[severity]]
    outcome = f" ({len(fixed)} fixed, {len(findings)} remaining)" if fixed else ""
    return f"Found {', '.join(parts)}{outcome}."


def fixable(findings: Iterable[Finding], *, unsafe: bool | None) -> str:
    """How many of these findings can be fixed, and by which options; "" where none can.

    unsafe  whether unsafe fixes are asked for; None: they are not, but worth a hint
    """
    kinds = Counter(finding.fix.applicability for finding in findings if finding.fix is not None and finding.fix.edits)
    safe, more = kinds["safe"], kinds["unsafe"]
    if unsafe and safe + more:
        return f"[*] {safe + more} fixable with --fix --unsafe-fixes."
    if safe:
        return f"[*] {safe} fixable with --fix{f' ({more} more with --unsafe-fixes)' if more and unsafe is None else ''}."
    return f"{more} fixable with --fix --unsafe-fixes." if more and unsafe is None else ""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How often a rule spoke, and how many of its findings have a fix that could be applied."""

    code: str
    name: str
    count: int
    fixable: int


def statistics(findings: Sequence[Finding]) -> list[Count]:
    """One row a rule, the most frequent first."""
    counts = Counter((finding.code, finding.name) for finding in findings)
    able = Counter(
        item.code for item in findings if item.fix is not None and item.fix.edits and item.fix.applicability != "display"
    )
    rows = (Count(code=code, name=name, count=count, fixable=able[code]) for (code, name), count in counts.items())
    return sorted(rows, key=lambda row: (-row.count, row.code))
