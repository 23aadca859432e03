"""Whole projects: packages, settings, parts that live in other files."""

from __future__ import annotations

from pathlib import Path

import pytest

import initlint
from initlint.lint.result import Report

FILES = {
    "pyproject.toml": """
[[tool.initlint.targets]]
path = "pkg/models/special.py"
name = "Special"
kwargs = {dim = 32, depth = 3}
inputs = ["float32[4,32] mean=2.0 std=0.5", "int64[4] < 7"]
""",
    "pkg/__init__.py": "",
    "pkg/models/__init__.py": "",
    "pkg/config.py": """
from dataclasses import dataclass


@dataclass
class Config:
    width: int = 128
    depth: int = 4
""",
    "pkg/layers.py": """
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc = nn.Linear(dim, dim)

    def forward(self, x):
        return x + self.fc(self.norm(x)).relu()


class Scale(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.w = nn.Parameter(torch.empty(dim))

    def forward(self, x):
        return x * self.w
""",
    "pkg/models/net.py": """
from torch import nn

from ..config import Config
from ..layers import Block, Scale


class Net(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.inp = nn.Linear(20, config.width)
        self.blocks = nn.Sequential(*[Block(config.width) for _ in range(config.depth)])
        self.gate = Scale(config.width)
        self.out = nn.Linear(config.width, 5)

    def forward(self, x):
        return self.out(self.gate(self.blocks(self.inp(x))))
""",
    "pkg/models/special.py": """
from torch import nn

from pkg.layers import Block


class Special(nn.Module):
    def __init__(self, dim, depth):
        super().__init__()
        self.emb = nn.Embedding(7, dim)
        self.blocks = nn.ModuleList(Block(dim) for _ in range(depth))

    def forward(self, x, label):
        h = x + self.emb(label)
        for block in self.blocks:
            h = block(h)
        return h
""",
    "pkg/alone.py": """
from torch import nn


class Alone(nn.Module):
    def __init__(self, table):
        super().__init__()
        self.fc = nn.Linear(*table)

    def forward(self, x):
        return self.fc(x)
""",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture(scope="module")
def report(project: Path) -> Report:
    return initlint.check(project)


def found(report: Report, name: str) -> list[tuple[str, int]]:
    return [(item.name, item.span.line) for item in report.findings if item.span.path.endswith(name)]


def test_relative_imports_and_configs_of_other_files_work(report: Report) -> None:
    """`Net(Config())` of a package, and the model that only the settings can build."""
    assert [(item.target.rpartition("/")[2], item.status) for item in report.targets] == [
        ("net.py::Net", "ok"),
        ("special.py::Special", "ok"),
    ]


def test_a_finding_points_into_the_file_that_causes_it(report: Report) -> None:
    """The parameter that is never written lives in another file than the model."""
    assert found(report, "layers.py") == [("uninitialized-parameter", 19)]


def test_parts_of_analysed_models_are_not_asked_for(report: Report) -> None:
    """`Block` and `Scale` need arguments, but they were judged inside `Net`; `Alone` is reported once, as information."""
    assert found(report, "alone.py") == [("inputs-unknown", 5)]
    (finding,) = [item for item in report.findings if item.name == "inputs-unknown"]
    assert str(finding.severity) == "info"
    assert "[[tool.initlint.targets]]" in finding.help


def test_declared_inputs_are_what_the_settings_say(report: Report) -> None:
    """They are used, and said."""
    (target,) = [item for item in report.targets if item.target.endswith("Special")]
    assert any("float32[4,32]" in note and "int64[4]" in note for note in target.notes)


def test_one_model_can_be_named(project: Path) -> None:
    """By file and by import path."""
    by_file = initlint.check(f"{project}/pkg/models/net.py::Net")
    assert [item.status for item in by_file.targets] == ["ok"]
    wrong = initlint.check(f"{project}/pkg/models/net.py::Nett")
    assert ["Net" in item.message for item in wrong.findings] == [True]
