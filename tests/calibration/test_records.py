"""The committed study is the study of these sources, under these thresholds, and its page says what its records say."""

from __future__ import annotations

import json
import zlib

from tests.calibration.findings import recorded, thresholds
from tests.calibration.labels import is_reference, labels
from tests.calibration.nets import SOURCES, UNSEEN_SOURCES, held_back, nets, unseen
from tests.calibration.page import PAGE, text
from tests.calibration.study import cases, fails, is_error, is_reported, share, trains, unseen_cases
from tests.calibration.training import UNSEEN, rows

ENOUGH = 400


def test_the_sources_are_those_that_were_trained() -> None:
    """Runs belong to the texts that they were made with."""
    for chosen, known in ((nets(), SOURCES), (unseen(), UNSEEN_SOURCES)):
        assert zlib.crc32("".join(net.text for net in sorted(chosen, key=lambda net: net.name)).encode()) == known


def test_thresholds_are_those_of_the_record() -> None:
    """Whoever changes a threshold runs `python -m tests.calibration findings` and `page`, and sees what it does."""
    values, _ = recorded()
    assert values == json.loads(json.dumps(thresholds()))


def test_there_are_enough_nets_and_all_were_judged() -> None:
    """Every labelled net has a row of findings, and it could be analysed."""
    _, said = recorded()
    found = labels(rows())
    assert len(found) >= ENOUGH
    assert not found.keys() - said.keys()
    assert {said[name].status for name in found} == {"ok"}


def test_all_unseen_nets_were_judged() -> None:
    """None of those that were trained is left out of the page, whatever was said of it."""
    cases = unseen_cases()
    assert {case.net for case in cases} == {run.net for run in rows(UNSEEN) if not is_reference(run.net)}
    assert [case.net for case in cases if case.said.status != "ok"] == ["conv_1004"]  # a rule took the root of −2e-17, cured since


def test_the_page_is_written_from_the_records() -> None:
    """`python -m tests.calibration page` was run."""
    assert PAGE.read_text(encoding="utf-8") == text()


def test_errors_mean_failure_on_the_held_back_half() -> None:
    """What is promised: errors are right, and few failures are missed."""
    back = [case for case in cases() if held_back(case.net)]
    assert share(back, is_error, fails).value >= 0.95
    assert share(back, fails, is_error).value >= 0.85


def test_nets_that_train_stay_silent_on_the_held_back_half() -> None:
    """At most three in a hundred are warned of."""
    back = [case for case in cases() if held_back(case.net)]
    assert share(back, trains, is_reported).value <= 0.03
