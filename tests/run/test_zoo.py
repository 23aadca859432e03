"""The zoo: models in the styles people write, checked with no settings. Healthy ones stay silent, bad ones are found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from initlint.config import Settings
from initlint.lint.filter import filtered
from initlint.lint.finding import Severity
from initlint.lint.result import Report
from initlint.lint.run import check
from initlint.source.files import requests_of

ZOO = Path(__file__).parent.parent / "zoo"
FILES = sorted(ZOO.glob("*.py"))
EXPECTED = re.compile(r"#\s*finding:\s*([\w-]+)")


@pytest.fixture(scope="module")
def report() -> Report:
    """All of the zoo in one run."""
    settings = Settings()
    return filtered(check(requests_of([str(ZOO)], lambda _: settings), lambda _: settings), lambda _: settings)


def marked(path: Path) -> list[tuple[str, int]]:
    """Findings that a file's comments ask for: (rule, line)."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(match[1], number) for number, line in enumerate(lines, 1) for match in EXPECTED.finditer(line)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_file_is_analysed(path: Path, report: Report) -> None:
    """At least one model, every node predicted, nothing unknown."""
    targets = [item for item in report.targets if item.path == str(path)]
    assert targets, [item.message for item in report.findings if item.span.path == str(path)]
    for target in targets:
        assert (target.status, target.unknown) == ("ok", ()), target
        assert target.known == target.nodes


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_exactly_the_marked_lines_are_reported(path: Path, report: Report) -> None:
    """Errors and warnings are those that the file's comments name, at their lines."""
    found = [item for item in report.findings if item.span.path == str(path) and item.severity > Severity.INFO]
    assert sorted((item.name, item.span.line) for item in found) == sorted(marked(path)), found
