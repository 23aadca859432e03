"""INI205 holds the learning rate of the settings against the sharpness at the start."""

from pathlib import Path

import pytest

from initlint.config import Settings, TargetSettings
from tests.marked import report_on

CASE = Path(__file__).parent.parent.parent / "rules" / "excessive_learning_rate" / "cases" / "good_without_setting.py"


@pytest.mark.parametrize(
    ("rate", "optimizer", "codes"),
    [
        pytest.param(100.0, "sgd", {"INI205"}, id="far above what the first steps bear"),
        pytest.param(0.1, "sgd", set(), id="a usual rate"),
        pytest.param(100.0, "adam", set(), id="another optimizer"),
    ],
)
def test_a_rate_is_reported_where_the_first_steps_of_sgd_do_not_bear_it(rate, optimizer, codes):
    target = TargetSettings(path=str(CASE), name="Net", learning_rate=rate, optimizer=optimizer)
    report = report_on([CASE], Settings(targets=(target,)))
    assert [item.status for item in report.targets] == ["ok"]
    assert {item.code for item in report.findings} & {"INI205"} == codes
