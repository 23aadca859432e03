"""`check --fix` and `check --diff` from the command line to the bytes on the disk, with real models and the real rules."""

import json
import os
import subprocess

import pytest
from click.testing import CliRunner

from initlint.cli import main

# a standard deviation given as a mean, in a file of the package that the model's own imports
LAYERS = """
'''Größe'''
from torch import nn


class Block(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)  # a comment that stays
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.fc.weight, 0.02)

    def forward(self, x):
        return self.norm(self.fc(x)).relu()
"""
MODEL = """
from torch import nn

from .layers import Block


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block() for _ in range(3)))
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.blocks(x))
"""
NAMED = ("--extend-select", "std-passed-as-mean")  # its norms make such a net train as it is, so that its fix waits for that
ONE_FILE = MODEL.replace("from .layers import Block\n", LAYERS.split("from torch import nn\n")[1])


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A package of two files, the inner one with carriage returns and a byte-order mark."""
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    (tmp_path / "pkg" / "model.py").write_text(MODEL)
    (tmp_path / "pkg" / "layers.py").write_bytes(b"\xef\xbb\xbf" + LAYERS.replace("\n", "\r\n").encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, ["check", "--isolated", *NAMED, *arguments])


def test_a_file_that_the_model_imports_is_repaired(project):
    """Proof, patch and repair agree; line ends, mark and comments stay; a second run finds nothing."""
    path = project / "pkg" / "layers.py"
    before, mode = path.read_bytes(), path.stat().st_mode

    hint = run("pkg/model.py")
    assert hint.exit_code == 1
    assert "1 fixable with --fix --unsafe-fixes." in hint.stdout

    patch = run("pkg/model.py", "--diff", "--unsafe-fixes")
    assert patch.exit_code == 1
    assert "Would fix 1 finding." in patch.stderr
    assert path.read_bytes() == before

    done = run("pkg/model.py", "--fix", "--unsafe-fixes")
    assert done.exit_code == 0, done.output
    assert "(1 fixed, 0 remaining)." in done.stdout
    after = path.read_bytes()
    assert after.startswith(b"\xef\xbb\xbf\r\n'''Gr\xc3\xb6\xc3\x9fe'''\r\n")
    assert after.count(b"\n") == after.count(b"\r\n")
    assert b"# a comment that stays" in after
    assert path.stat().st_mode == mode
    assert sorted(os.listdir(project / "pkg")) == ["__init__.py", "layers.py", "model.py"]

    path.write_bytes(before)
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    subprocess.run(["git", "apply", "-"], cwd=project, check=True, input=patch.stdout_bytes)
    assert path.read_bytes() == after

    assert run("pkg/model.py", "--fix", "--unsafe-fixes").exit_code == 0
    assert path.read_bytes() == after


def test_a_model_that_trains_is_not_edited_unasked(project):
    """What a norm makes up for is told with its cure, which says how it is made."""
    (project / "net.py").write_text(ONE_FILE)
    done = CliRunner().invoke(main, ["check", "--isolated", "net.py", "--fix", "--unsafe-fixes"])
    assert (done.exit_code, (project / "net.py").read_text()) == (1, ONE_FILE)
    assert "(made where INI704 is selected by its name)" in " ".join(done.stdout.split())


def test_safe_fixes_alone_leave_the_numbers(project):
    """What changes numbers waits for --unsafe-fixes; an ignore comment without work goes at once."""
    path = project / "net.py"
    path.write_text(
        ONE_FILE.replace("self.head = nn.Linear(64, 10)", "self.head = nn.Linear(64, 10)  # initlint: ignore[INI101]")
    )
    done = run("net.py", "--fix", "--format", "concise")
    assert done.exit_code == 1
    assert "fixed net.py" in done.stdout
    assert "(1 fixed, 1 remaining)." in done.stdout
    assert "1 fixable with --fix --unsafe-fixes." in done.stdout
    assert path.read_text() == ONE_FILE


def test_what_cannot_be_written_is_said_and_still_reported(project):
    path = project / "net.py"
    path.write_text(ONE_FILE)
    path.chmod(0o444)
    done = run("net.py", "--fix", "--unsafe-fixes", "--format", "json")
    assert done.exit_code == 2
    assert "net.py is read-only; it was left alone" in done.stderr
    assert [item["code"] for item in json.loads(done.stdout)["diagnostics"]] == ["INI704"]
    assert path.read_text() == ONE_FILE


def test_nothing_to_do_is_told_apart_from_nothing_done(project):
    path = project / "net.py"
    path.write_text(ONE_FILE.replace("0.02", "0.0, 0.2"))
    assert run("net.py", "--diff", "--unsafe-fixes").exit_code == 0
    assert run("net.py", "--fix", "--unsafe-fixes").stdout.startswith("All checks passed.")


def test_a_file_that_cannot_be_imported_twice_is_repaired(project):
    """What it registers with PyTorch refuses to be there twice: its fixes are proved in a process that has not imported it."""
    path = project / "net.py"
    once = (
        "import torch\nLIBRARY = torch.library.Library('initlint_repair', 'DEF')\nLIBRARY.define('twice(Tensor x) -> Tensor')\n"
    )
    path.write_text(once + ONE_FILE)
    done = run("net.py", "--fix", "--unsafe-fixes")
    assert done.exit_code == 0, done.output
    assert path.read_text() == once + ONE_FILE.replace("0.02", "std=0.02")
