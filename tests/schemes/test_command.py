"""`initlint init`: tables, code, refusals and exit statuses, as a user meets them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from initlint.cli import main

GPT = """
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(self.norm(x))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.into = nn.Linear(8, 32)
        self.blocks = nn.Sequential(*(Block(32) for _ in range(4)))
        self.out = nn.Linear(32, 3)

    def forward(self, x: torch.Tensor):
        return self.out(self.blocks(self.into(x)))
"""
DEEP = "import torch\nfrom torch import nn\n\n\ndef deep():\n    layers = [layer for _ in range(30) for layer in (nn.Linear(64, 64), nn.ReLU())]\n    return nn.Sequential(*layers)\n"
TWO = "from torch import nn\n\n\ndef one():\n    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))\n\n\ndef two():\n    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    for name, text in {"net.py": GPT, "deep.py": DEEP, "two.py": TWO}.items():
        (place / name).write_text(text)
    return place


@pytest.fixture
def init(folder, monkeypatch):
    """`initlint init` in a folder of models; its workers are processes of their own, as always."""
    monkeypatch.chdir(folder)
    return lambda *arguments: CliRunner().invoke(main, ["init", *arguments])


def test_a_table(init):
    done = init("net.py", "--scheme", "stable-resnet")
    assert done.exit_code == 0 and not done.stderr
    (row,) = [line for line in done.stdout.splitlines() if "blocks.{0…3}.down.weight" in line]
    assert "U(" in row and "normal_(std=0.0625)" in row and "writes a branch" in row  # √(2/128)/√4


def test_emitted_code_runs_without_initlint(init):
    """Pasted into the model's file it is called on a model, in an interpreter that has no initlint."""
    done = init("net.py::Net", "--scheme", "zero", "--emit")
    assert done.exit_code == 0
    script = f"import sys\nsys.modules['initlint'] = None\n{GPT}\n{done.stdout}\nmodel = Net()\ninit_weights(model)\nprint(float(model(torch.randn(5, 8)).abs().max()))\n"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(ran.stdout) == 0.0


def test_auto_emits_a_cure(init):
    done = init("deep.py", "--emit")
    assert done.exit_code == 0 and "vanishing-signal" in done.stdout
    assert "    for i in range(2, " in done.stdout or "    for i in (" in done.stdout


def test_json(init):
    done = init("net.py", "--scheme", "kaiming", "--format", "json")
    data = json.loads(done.stdout)
    (model,) = data["models"]
    assert data["schema"] == 1 and model["target"] == "net.py::Net" and "def init_weights" in model["source"]
    assert {"parameter", "count", "before", "after", "why", "rate"} == model["rows"][0].keys()


def test_options(init):
    done = init("net.py", "--scheme", "mup", "--set", "base_width=8", "--format", "json")
    rows = {row["parameter"]: row["rate"] for row in json.loads(done.stdout)["models"][0]["rows"]}
    assert rows["out.weight"] == 0.25 and rows["into.weight"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["net.py", "--scheme", "fixup"], "does not apply: the branches are normalized", id="does not apply"),
        pytest.param(["net.py", "--scheme", "kaimin"], "'kaiming'?", id="a misspelt scheme"),
        pytest.param(
            ["net.py", "--scheme", "kaiming", "--set", "mode=up"], "is not one of fan_in, fan_out", id="a wrong value"
        ),
        pytest.param(["net.py", "--set", "mode"], "OPTION=VALUE", id="no value"),
        pytest.param(["two.py", "--scheme", "kaiming", "--emit"], "two.py::one", id="code for several models"),
        pytest.param(["none.py"], "none.py", id="no such file"),
        pytest.param(["net.py::Absent"], "Absent", id="no such model"),
        pytest.param([], "name a model", id="no model"),
    ],
)
def test_what_could_not_run(init, arguments, words):
    done = init(*arguments)
    assert done.exit_code == 2 and words in done.stderr and "def init_weights" not in done.stdout


def test_all_schemes_are_listed(init):
    done = init("--list")
    assert done.exit_code == 0
    for name in ("auto", "lecun", "delta-orthogonal", "clipped-sparse", "mup"):
        assert f"\n{name}\n" in f"\n{done.stdout}"


def test_help_imports_nothing_heavy(folder):
    program = (
        "import sys\nfrom initlint.cli import main\ntry:\n    main(['init', '--help'], prog_name='initlint')\n"
        "except SystemExit:\n    pass\nprint([name for name in ('torch', 'sympy', 'numpy', 'networkx') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
