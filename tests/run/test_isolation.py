"""A file that misbehaves costs one finding; the other files are checked, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from initlint.config import Settings
from initlint.lint.filter import filtered
from initlint.lint.result import Report
from initlint.lint.run import check
from initlint.source.files import requests_of

GOOD = """
from torch import nn


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        return self.fc(x)
"""

HEAD = """import os
import sys

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 4)  # line 11
        {constructor}

    def forward(self, x):
        {forward}
        return self.fc(x)


{top}
"""


def source(*, constructor: str = "pass", forward: str = "pass", top: str = "") -> str:
    return HEAD.format(constructor=constructor, forward=forward, top=top)


# id → (source, code, line, what the message says)
MISBEHAVING = {
    "a syntax error": ("import torch\n\nclass Net(torch.nn.Module:\n    pass\n", "INI001", 3, "invalid syntax"),
    "a name that is not defined": (source(top="nm.Linear(1, 2)"), "INI001", 19, "NameError"),
    "an import of what is not there": ("import torch\nimport no_such_package\nclass N(torch.nn.Module): pass\n", "INI001", 2,
                                       "no_such_package"),
    "an infinite loop at import": (source(top="while True: pass"), "INI005", 19, "longer than"),
    "sys.exit at import": (source(top="sys.exit(3)"), "INI001", 19, "sys.exit(3)"),
    "os._exit at import": (source(top="os._exit(0)"), "INI001", 19, "os._exit"),
    "os.abort at import": (source(top="os.abort()"), "INI001", 19, "SIGABRT"),
    "a storm of prints that never ends": (source(top="while True: print('x' * 1000)"), "INI005", 19, "longer than"),
    "a constructor that raises": (source(constructor="raise ValueError('no width')"), "INI002", 12, "no width"),
    "a constructor that exits": (source(constructor="sys.exit()"), "INI002", 12, "sys.exit"),
    "a constructor that aborts": (source(constructor="os.abort()"), "INI002", 12, "SIGABRT"),
    "a constructor that hangs": (source(constructor="while True: pass"), "INI005", 12, "longer than"),
    "a constructor that takes all memory": (source(constructor="self.block = bytearray(100 << 30)"), "INI005", 12, "memory"),
    "a forward that depends on values": (
        source(forward="x = x if x.sum().item() > 0 else self.fc(x) * torch.tensor(int(x.sum().item()))"), "INI003", 15, ""),
    "a forward that hangs": (source(forward="while True: pass"), "INI005", 15, "longer than"),
    "a forward that aborts": (source(forward="os.abort()"), "INI003", 15, "SIGABRT"),
}  # fmt: skip


ENDLESS = {f"m{number:02}.py" for number, (*_, words) in enumerate(MISBEHAVING.values()) if words == "longer than"}


def run(folder: Path) -> Report:
    """Short patience with what never ends, and enough with all else for any machine."""

    def settings_for(path: str) -> Settings:
        return Settings(timeout=8.0 if Path(path).name in ENDLESS else 120.0, memory=2.0)

    return filtered(check(requests_of([str(folder)], settings_for), settings_for, jobs=2), settings_for)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path, set[str], set[str]]:
    """All misbehaving files and a good one, checked in one run; the folder's content before and after."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").write_text("")
    for number, (text, *_) in enumerate(MISBEHAVING.values()):
        (folder / f"m{number:02}.py").write_text(text)
    (folder / "writes.py").write_text(source(top="open('left_behind.txt', 'w')"))
    (folder / "zz_good.py").write_text(GOOD)
    before = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    result = run(folder)
    return result, folder, before, {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("case", MISBEHAVING)
def test_it_costs_one_finding_at_its_line(case: str, report: tuple[Report, Path, set[str], set[str]]) -> None:
    """Code, line and cause of what went wrong."""
    number = list(MISBEHAVING).index(case)
    _, code, line, words = MISBEHAVING[case]
    path = str(report[1] / f"m{number:02}.py")
    found = [item for item in report[0].findings if item.span.path == path]
    assert [(item.code, item.span.line) for item in found] == [(code, line)], found
    assert words in found[0].message


def test_the_good_file_is_still_checked(report: tuple[Report, Path, set[str], set[str]]) -> None:
    """The others do not keep it from being analysed."""
    (target,) = [item for item in report[0].targets if item.path.endswith("zz_good.py")]
    assert target.status == "ok"
    assert target.known == target.nodes > 0


def test_nothing_is_written(report: tuple[Report, Path, set[str], set[str]]) -> None:
    """Neither byte code nor what the files themselves try to write."""
    assert report[3] == report[2]
    (finding,) = [item for item in report[0].findings if item.span.path.endswith("writes.py")]
    assert finding.code == "INI001"
    assert "without writing files" in finding.message


def test_a_large_allocation_costs_no_memory(tmp_path: Path) -> None:
    """100 GB of weights are recorded as a law, never allocated."""
    (tmp_path / "big.py").write_text(
        "import torch\nfrom torch import nn\n\n\nclass Big(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.w = nn.Parameter(torch.randn(160_000, 160_000) / 400)\n\n    def forward(self, x):\n"
        "        return x[:, :1] * self.w[0]\n"
    )
    result = run(tmp_path)
    assert [item.parameters for item in result.targets] == [160_000**2], result.findings


def test_much_that_the_worker_itself_prints_blocks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports are told line by line on standard error: more than a pipe holds."""
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    (tmp_path / "model.py").write_text(GOOD)
    assert [target.status for target in run(tmp_path).targets] == ["ok"]
