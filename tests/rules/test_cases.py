"""The cases beside each rule: what must be found, at which line, and what must stay silent.

`fixed_*` is what the bad case of the same name becomes, with its comments (`tests/fixes/test_cases.py`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from initlint.lint.result import Report
from tests.marked import asked_for, places, report_on, reported

RULES = Path(__file__).parent.parent.parent / "rules"
CASES = sorted(path for path in RULES.glob("*/cases/*.py") if not path.stem.startswith("fixed_"))


@pytest.fixture(scope="module")
def report() -> Report:
    """All cases of all rules in one run."""
    return report_on(CASES)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.parent.name}: {path.stem}")
def test_the_marked_lines_are_reported_and_no_others(path: Path, report: Report) -> None:
    """A bad case is found by its own rule where its comment says; a good one has neither error nor warning."""
    targets = [item for item in report.targets if item.path == str(path)]
    assert [item.status for item in targets] == ["ok"] * max(len(targets), 1), targets
    found = reported(report, path)
    assert places(found) == asked_for(path), found


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.parent.name}: {path.stem}")
def test_its_name_says_whether_it_is_bad(path: Path) -> None:
    """`bad_*` asks for its own rule, `good_*` for nothing."""
    rule = path.parent.parent.name.replace("_", "-")
    names = [name for name, _ in asked_for(path)]
    assert (rule in names) if path.stem.startswith("bad_") else names == []
