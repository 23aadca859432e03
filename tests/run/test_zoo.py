"""The zoo: models in the styles people write, checked with no settings. Healthy ones stay silent, bad ones are found.

The bad ones and a sample of the healthy ones (`chosen`) are checked in every run, all of them with

    pytest -m "slow or not slow" tests/run/test_zoo.py
"""

from __future__ import annotations

from pathlib import Path

import pytest

from initlint.lint.result import Report
from tests.chosen import one_in, rows_of
from tests.marked import asked_for, places, report_on, reported

ZOO = Path(__file__).parent.parent / "zoo"
FILES = sorted(ZOO.glob("*.py"))
ONE_IN = 5  # of the healthy ones


def in_every_run(path: Path) -> bool:
    return bool(asked_for(path)) or one_in(ONE_IN, path.stem)


ROWS = [pytest.param(path, marks=() if in_every_run(path) else pytest.mark.slow, id=path.stem) for path in FILES]


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest) -> Report:
    """All files that this run is about, in one."""
    return report_on(rows_of(request, "path", test_the_file_is_analysed, test_exactly_the_marked_lines_are_reported))


@pytest.mark.parametrize("path", ROWS)
def test_the_file_is_analysed(path: Path, report: Report) -> None:
    """At least one model, every node predicted, nothing unknown."""
    targets = [item for item in report.targets if item.path == str(path)]
    assert targets, [item.message for item in report.findings if item.span.path == str(path)]
    for target in targets:
        assert (target.status, target.unknown) == ("ok", ()), target
        assert target.known == target.nodes


@pytest.mark.parametrize("path", ROWS)
def test_exactly_the_marked_lines_are_reported(path: Path, report: Report) -> None:
    """Errors and warnings are those that the file's comments name, at their lines."""
    found = reported(report, path)
    assert places(found) == asked_for(path), found
