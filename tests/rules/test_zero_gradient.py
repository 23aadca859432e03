"""INI203 where no law is zero, but every value comes to nothing; there is no cure in code that initlint could prove."""

from pathlib import Path

from tests.marked import places, report_on, reported

CASE = Path(__file__).parent / "files" / "all_round_to_zero.py"


def test_values_that_are_all_rounded_to_zero_are_reported_where_they_are() -> None:
    line = next(n for n, text in enumerate(CASE.read_text().splitlines(), 1) if "finding: zero-gradient" in text)
    assert places(reported(report_on([CASE]), CASE)) == [("zero-gradient", line)]
