"""The zoo: models in the styles people write, checked with no settings. Healthy ones stay silent, bad ones are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from initlint.lint.result import Report
from tests.marked import asked_for, places, report_on, reported

ZOO = Path(__file__).parent.parent / "zoo"
FILES = sorted(ZOO.glob("*.py"))


@pytest.fixture(scope="module")
def report() -> Report:
    """All of the zoo in one run."""
    return report_on([ZOO])


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
    found = reported(report, path)
    assert places(found) == asked_for(path), found
