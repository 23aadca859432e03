"""The cases beside each rule: what must be found, at which line, and what must stay silent.

One bad and one good case of each rule are checked in every run, all of them with

    pytest -m "slow or not slow" tests/rules

or those of one rule with `-k rank_collapse`. `fixed_*` is what the bad case of the same name becomes, with its comments
(`tests/fixes/test_cases.py`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from initlint.lint.result import Report
from tests.chosen import one_of_each, rows_of
from tests.marked import asked_for, places, report_on, reported

RULES = Path(__file__).parent.parent.parent / "rules"
CASES = sorted(path for path in RULES.glob("*/cases/*.py") if not path.stem.startswith("fixed_"))


def rule_of(path: Path) -> str:
    return path.parent.parent.name


def named(path: Path) -> str:
    return f"{rule_of(path)}: {path.stem}"


EVERY_RUN = set(one_of_each(CASES, lambda path: (rule_of(path), path.stem.partition("_")[0]), named))
ROWS = [pytest.param(path, marks=() if path in EVERY_RUN else pytest.mark.slow, id=named(path)) for path in CASES]


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest) -> Report:
    """All cases that this run is about, in one."""
    return report_on(rows_of(request, "path", test_the_marked_lines_are_reported_and_no_others))


@pytest.mark.parametrize("path", ROWS)
def test_the_marked_lines_are_reported_and_no_others(path: Path, report: Report) -> None:
    """A bad case is found by its own rule where its comment says; a good one has neither error nor warning."""
    targets = [item for item in report.targets if item.path == str(path)]
    assert [item.status for item in targets] == ["ok"] * max(len(targets), 1), targets
    found = reported(report, path)
    assert places(found) == asked_for(path), found


@pytest.mark.parametrize("path", CASES, ids=named)
def test_its_name_says_whether_it_is_bad(path: Path) -> None:
    """`bad_*` asks for its own rule, `good_*` for nothing."""
    rule = rule_of(path).replace("_", "-")
    names = [name for name, _ in asked_for(path)]
    assert (rule in names) if path.stem.startswith("bad_") else names == []
