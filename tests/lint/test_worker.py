"""What the nursery makes of the messages of a file's child."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from initlint.lint import failures, worker
from initlint.lint.job import job_from
from initlint.targets.sandbox import Outcome
from tests.run.test_isolation import GOOD


def test_the_stages_of_a_model_are_signs_of_life_and_no_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that takes its time at every stage keeps the file's child alive, and with it the models that come after."""
    path = tmp_path / "model.py"
    path.write_text(GOOD)
    heard: list[dict[str, Any]] = []
    receive = worker._FileState.receive

    def listening(state: worker._FileState, message: dict[str, Any]) -> None:
        heard.append(message)
        receive(state, message)

    monkeypatch.setattr(worker._FileState, "receive", listening)
    job = {
        "label": "model.py", "path": str(path), "module": None, "name": None, "declared": [], "seconds": None, "memory": None, "fixable": [],
    }  # fmt: skip
    answers: list[Any] = []
    worker.serve(job_from(job), answers.append)
    assert {message["stage"] for message in heard if "stage" in message} >= {"trace"}
    assert not any("stage" in message for message in answers)
    assert any(message.get("target", {}).get("status") == "ok" for message in answers)


def test_code_without_a_file_is_no_place(tmp_path: Path) -> None:
    """What was compiled from a string stands nowhere; the next frame does."""
    path = tmp_path / "model.py"
    path.write_text(GOOD)
    outcome = Outcome(end="silent", frames=(("<string>", 1, "<module>"), (str(path), 8, "__init__")))
    finding = failures.of_outcome("build", outcome, target="model.py", path=str(path), line=1, root=str(tmp_path), seconds=2.0)
    assert (finding.span.path, finding.span.line) == (str(path), 8)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("RuntimeError: DefaultCPUAllocator: can't allocate memory", "INI005"),
        ("MemoryError: ", "INI005"),
        ("KeyError: 'x'", "INI003"),
    ],
)
def test_too_little_memory_is_no_fault_of_its_own(error: str, code: str) -> None:
    assert failures.of_internal(error, target="model.py::Net", path="model.py", line=3).code == code
