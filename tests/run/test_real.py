"""Models of well-kept libraries, built from configs by factories: analysed with no settings, and silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from initlint.lint.result import Report
from tests.marked import report_on, reported

REAL = Path(__file__).parent.parent / "real"
LIBRARIES = {"transformers": "transformers_models.py", "peft": "peft_models.py"}


@pytest.fixture(scope="module", params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> tuple[Path, Report]:
    """All factories of one library in one run."""
    pytest.importorskip(request.param)
    path = REAL / LIBRARIES[request.param]
    return path, report_on([path])


def test_every_model_is_analysed(library: tuple[Path, Report]) -> None:
    """Built, fed, traced, every node predicted."""
    failed = [item.target for item in library[1].targets if item.status == "failed"]
    assert not failed, [item.message for item in library[1].findings if item.target in failed]
    assert [item.target for item in library[1].targets if item.known != item.nodes or item.unknown] == []


def test_none_has_a_warning(library: tuple[Path, Report]) -> None:
    """Their authors trained them."""
    found = reported(library[1], library[0])
    assert not found, [(item.target, item.name, item.message) for item in found]
