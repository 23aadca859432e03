"""Models of well-kept libraries, built from configs by factories: analysed with no settings, and silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from initlint.lint.result import Report
from tests.marked import report_on, reported

REAL = Path(__file__).parent.parent / "real"
LIBRARIES = {"transformers": "transformers_models.py", "peft": "peft_models.py"}

# Not predicted as a whole yet, and said to be so (INI004): masks written as −inf through views of sampled views; a recurrence
# kept in range by subtracting its own running maximum.
INCOMPLETE = {"longformer", "rwkv"}


@pytest.fixture(scope="module", params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> tuple[Path, Report]:
    """All factories of one library in one run."""
    pytest.importorskip(request.param)
    path = REAL / LIBRARIES[request.param]
    return path, report_on([path])


def name(target: str) -> str:
    return target.rpartition("::")[2]


def test_every_model_is_analysed(library: tuple[Path, Report]) -> None:
    """Built, fed, traced, every node predicted; what is not is said."""
    failed = [item.target for item in library[1].targets if item.status == "failed"]
    assert not failed, [item.message for item in library[1].findings if item.target in failed]
    whole = [item for item in library[1].targets if name(item.target) not in INCOMPLETE]
    assert [item.target for item in whole if item.known != item.nodes or item.unknown] == []
    assert all(item.unknown for item in library[1].targets if name(item.target) in INCOMPLETE)


def test_none_has_a_warning(library: tuple[Path, Report]) -> None:
    """Their authors trained them."""
    found = [item for item in reported(library[1], library[0]) if name(item.target) not in INCOMPLETE]
    assert not found, [(item.target, item.name, item.message) for item in found]
