"""Findings that a file's own comments ask for: `# finding: rule-name` on the line that must be reported."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from initlint.config import Selectors, Settings
from initlint.lint.filter import filtered
from initlint.lint.finding import Finding, Severity
from initlint.lint.result import Report
from initlint.lint.run import check
from initlint.source.files import requests_of

EXPECTED = re.compile(r"#\s*finding:\s*([\w-]+)")


def report_on(paths: Sequence[Path], settings: Settings | None = None) -> Report:
    """Check files or folders with no settings file: what is found and where, without its fixes.

    Rules find what they find whether they are selected or not, but the fixes of those that are not need no proof.
    """
    chosen = Settings() if settings is None else settings
    unproved = replace(chosen, selection=(*chosen.selection, Selectors(ignore=("ALL",))))
    requests = requests_of([str(path) for path in paths], lambda _: chosen)
    return filtered(check(requests, lambda _: unproved), lambda _: chosen, requests)


def asked_for(path: Path) -> list[tuple[str, int]]:
    """(rule, line) of the comments, in order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return sorted((match[1], number) for number, line in enumerate(lines, 1) for match in EXPECTED.finditer(line))


def reported(report: Report, path: Path) -> list[Finding]:
    """Warnings and errors of one file, and the notes that its comments ask for."""
    asked = asked_for(path)
    here = [item for item in report.findings if item.span.path == str(path)]
    return [item for item in here if item.severity > Severity.INFO or (item.name, item.span.line) in asked]


def places(findings: Sequence[Finding]) -> list[tuple[str, int]]:
    """(rule, line) of findings, in order."""
    return sorted((item.name, item.span.line) for item in findings)
