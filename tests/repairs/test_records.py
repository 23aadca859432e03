"""The page says what the records say; the pictures are drawn from theirs."""

from __future__ import annotations

from tests.calibration.labels import Label
from tests.repairs.calibration import is_reported, recorded
from tests.repairs.page import PAGE, text


def test_the_page_is_written_from_the_records() -> None:
    """`python -m tests.repairs page` was run."""
    assert PAGE.read_text(encoding="utf-8").endswith(text())


def test_repaired_nets_train() -> None:
    """Of those that did not and were reported, 85 % at least."""
    rows = [row for row in recorded().values() if row.label is not Label.TRAINS and is_reported(row)]
    assert sum(row.after is Label.TRAINS for row in rows) >= 0.85 * len(rows)


def test_no_net_gets_worse() -> None:
    assert not [row.net for row in recorded().values() if row.after is not None and row.after > row.label]


def test_nets_that_train_are_not_changed() -> None:
    """Neither by safe fixes nor by the others: what they are warned of, models like them bear."""
    assert not [row.net for row in recorded().values() if row.label is Label.TRAINS and row.patch]
