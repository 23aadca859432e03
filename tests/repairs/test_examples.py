"""The repaired examples are what the fix engine makes of those as written, and a second `--fix` leaves them alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from initlint.config import Settings
from initlint.lint.mend import Mended, mended
from initlint.source.files import requests_of
from tests.repairs.deep import REPAIRED, SECONDS, WRITTEN


def made_of(path: Path) -> Mended:
    """What `initlint check --fix --unsafe-fixes --timeout …` makes of a file."""
    settings = Settings(timeout=SECONDS)
    return mended(requests_of([str(path)], lambda _: settings), lambda _: settings, unsafe=True, jobs=1)


@pytest.mark.slow
def test_a_hundred_post_norm_layers_are_repaired_by_the_engine() -> None:
    """Broken as written; the repaired form, whose curve is in docs/fixes.md, is the engine's own, byte for byte."""
    done = made_of(WRITTEN / "post_norm.py")
    assert "deep-post-norm" in {item.name for item in done.applied}
    assert done.report.findings == ()
    assert list(done.new.values()) == [(REPAIRED / "post_norm.py").read_text(encoding="utf-8")]


@pytest.mark.slow
def test_a_second_fix_changes_nothing() -> None:
    assert made_of(REPAIRED / "post_norm.py").new == {}
