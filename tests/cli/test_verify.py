"""`initlint verify`, whole: a worker that imports torch, builds for real, and compares."""

import json
import math

import pytest
from click.testing import CliRunner

import initlint.lint.run
from initlint.cli import main
from initlint.propagate.refuted import student

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, depth=2):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(64, 64) for _ in range(depth))

    def forward(self, x):
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x
"""
SMALL = """
import torch
from torch import nn


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = nn.Linear(32, 32)

    def forward(self, x):
        scores = self.q(x) @ x.transpose(-2, -1)
        mask = torch.full((8, 8), float("-inf")).triu(1)
        return torch.softmax(scores * 0.1 + mask, -1)


made = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 8))
"""
LARGE = """
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Config:
    layers: int = 24
    heads: int = 24
    width: int = 3072
    blocks: int = 8


class Deep(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.h = nn.ModuleList(nn.Linear(config.width, config.width) for _ in range(config.layers))
        self.o = nn.Linear(config.width, 128 * config.heads)

    def forward(self, x):
        for layer in self.h:
            x = x + layer(x)
        return self.o(x)


class Stuck(nn.Module):
    def __init__(self):
        super().__init__()
        self.h = nn.Sequential(*[nn.Linear(3072, 3072) for _ in range(24)])

    def forward(self, x):
        return self.h(x)
"""
WRONG = """
import sys
sys.path[:] = [p for p in sys.path if p]
from initlint.propagate.ops import TRANSFERS
right = TRANSFERS["relu"]
TRANSFERS["relu"] = lambda tape, x: right(tape, x).scaled(2.0)
TRANSFERS["relu_"] = TRANSFERS["relu"]
from initlint.lint.worker import main
main()
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    for name, text in {"model.py": NET, "small.py": SMALL, "large.py": LARGE}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, ["verify", *arguments])


def test_a_model_whose_predictions_hold_ends_with_0(run):
    done = run("model.py::Net", "--draws", "8", "--top", "2")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "model.py::Net: 8 draws of 8 320 parameters"
    assert lines[2].split() == "node second moment bits gradient bits mean bits".split()
    assert "more, all closer (--all)" in done.stdout
    assert lines[-1].startswith("All 9 nodes within 0.5 bits (gradient 1) beyond ")


def test_json_is_one_object_with_a_row_a_node(run):
    done = run("small.py", "--draws", "4", "--format", "json")
    assert done.exit_code == 0
    data = json.loads(done.stdout)
    assert (data["schema"], data["tolerance"]) == (1, {"second_moment": 0.5, "gradient": 1.0})
    target, masked = sorted(data["targets"], key=lambda item: item["target"], reverse=True)
    assert {name: target[name] for name in ("target", "status", "draws", "reduced", "off", "parameters")} == {
        "target": "small.py::made",
        "status": "ok",
        "draws": 4,
        "reduced": None,
        "off": 0,
        "parameters": 64 * 32 + 32 + 32 * 8 + 8,
    }
    assert target["second_moment"]["median"] < 0.3
    rows = {row["node"]: row for row in target["nodes"]}
    tanh = rows["tanh"]
    assert (tanh["operator"], tanh["module"], tanh["method"]) == ("aten.tanh.default", "1", "quadrature")
    for quantity in ("mean", "second_moment", "k_batch", "gradient"):
        assert set(tanh[quantity]) == {"predicted", "measured", "error", "bits", "doubt", "off"}
    assert tanh["k_pos"] is None
    found = tanh["second_moment"]
    assert found["bits"] == pytest.approx(abs(math.log2(found["predicted"] / found["measured"])))
    (mask,) = [row for row in masked["nodes"] if row["operator"] == "aten.full.default"]
    assert (mask["mean"]["bits"], mask["off"]) == (0.0, [])  # minus infinity was predicted


def test_a_wrong_formula_is_found_where_it_goes_wrong_first(run, monkeypatch):
    monkeypatch.setattr(initlint.lint.run, "_START", WRONG)
    done = run("model.py::Net", "--draws", "8", "--top", "1")
    assert done.exit_code == 1
    assert "  second moment, mean and k_batch of relu (aten.relu.default, model.py:13): wrong here first" in done.stdout
    assert done.stdout.count("wrong here first") == 1
    assert "! " in done.stdout.splitlines()[3]


def test_models_too_large_are_drawn_with_two_blocks_or_not_at_all(run):
    done = run("large.py", "--memory", "0.7", "--draws", "2")
    assert done.stdout.splitlines()[0].endswith(", `layers` 24 → 2 to make it small enough")
    assert "`Stuck` cannot be verified: one draw needs 1.7 GiB, 0.7 are allowed (--memory), and its depth" in done.stderr
    assert done.exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["model.py::Nte"], "there is no 'Nte'; did you mean 'Net'?", id="a name"),
        pytest.param(["gone.py"], "there is no such file", id="a file"),
        pytest.param(["model.py", "--draws", "1"], "1 is not in the range", id="draws"),
        pytest.param([], "Missing argument", id="nothing"),
    ],
)
def test_what_cannot_run_ends_with_2(run, arguments, message):
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


def test_few_draws_need_larger_differences():
    """Quantiles of Student's t at 1 - 0.0000317, where a Gaussian has 4 (Abramowitz and Stegun, 26.7.8)."""
    assert student(4.0, 10**9) == pytest.approx(4.0)
    assert student(4.0, 15) == pytest.approx(5.49, abs=0.1)
    assert student(4.0, 5) > student(4.0, 7) > student(4.0, 15)
