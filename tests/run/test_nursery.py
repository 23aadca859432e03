"""Workers that the tests borrow are as good as new ones."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from initlint.lint import run
from tests.marked import report_on
from tests.nursery import Lent

TELLS = """
import os
from torch import nn

raise ValueError(os.environ["MARK"], os.getcwd())

class Net(nn.Module):
    pass
"""


def test_a_borrowed_worker_ends_when_nothing_more_is_asked() -> None:
    worker = run._start()
    assert isinstance(worker, Lent)
    worker.stdin.close()
    assert worker.wait() == 0
    assert worker.stdout.read() == ""


def test_it_sees_what_whoever_asks_would_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folder and environment of now, not of the time when the first worker was warmed up."""
    (tmp_path / "model.py").write_text(TELLS)
    monkeypatch.setenv("MARK", "of this test")
    monkeypatch.chdir(tmp_path)
    (finding,) = report_on([tmp_path / "model.py"]).findings
    assert "of this test" in finding.message
    assert os.path.realpath(tmp_path) in finding.message


def test_where_python_starts_otherwise_so_does_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that Python reads at its start holds for a process of its own."""
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    worker = run._start()
    assert isinstance(worker, subprocess.Popen)
    worker.kill()
    worker.communicate()
