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
    """Built, fed, traced, every node predicted; what depends on values is said, not analysed."""
    failed = [item.target for item in library[1].targets if item.status == "failed"]
    assert set(failed) <= DEPENDING_ON_VALUES, [item.message for item in library[1].findings]
    assert all(item.known == item.nodes and not item.unknown for item in library[1].targets)


def test_none_has_a_warning(library: tuple[Path, Report]) -> None:
    """Their authors trained them."""
    found = [item for item in reported(library[1], library[0]) if item.target not in DEPENDING_ON_VALUES]
    assert not found, [(item.target, item.name, item.message) for item in found]


# The way through these depends on the token ids (a padding token asks for another branch).
DEPENDING_ON_VALUES = {"longformer"}
