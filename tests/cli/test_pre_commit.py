"""The hooks that we offer, run by the real pre-commit on a repository made for it.

A syntax error in a file that speaks of torch is found without importing it, so most of this takes a second; the repair of a
model takes the time of two analyses.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pre_commit", reason="the hooks are run by pre-commit (pip install -e '.[dev]')")
yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / ".pre-commit-hooks.yaml"
BROKEN = "import torch\nx = (\n"
CLEAN = "import torch\nx = 1\n"
MODEL = """from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8){comment}

    def forward(self, x):
        return self.fc(x)
"""


class Project:
    """A repository that uses our hooks, from a repository that has nothing but their manifest."""

    def __init__(self, folder, environment):
        self.folder, self.environment = folder, environment
        self.hooks = folder.parent / "hooks"

    def run(self, *command, cwd=None):
        return subprocess.run(
            command, cwd=cwd or self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=300
        )

    def git(self, *arguments, cwd=None):
        done = self.run("git", *arguments, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def pre_commit(self, *arguments):
        return self.run(sys.executable, "-m", "pre_commit", *arguments)

    def write(self, **files):
        for name, text in files.items():
            (self.folder / f"{name}.py").write_text(text)
        self.git("add", "-A")

    def use(self, *hooks):
        revision = self.git("rev-parse", "HEAD", cwd=self.hooks)
        config = {"repos": [{"repo": str(self.hooks), "rev": revision, "hooks": list(hooks)}]}
        (self.folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture
def project(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT", "INITLINT"))}
    environment |= {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "PRE_COMMIT_HOME": str(tmp_path / "cache"),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        **{
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "a"), ("EMAIL", "a@example.org"))
        },
    }
    if shutil.which("initlint", path=environment["PATH"]) is None:
        pytest.skip("initlint is not installed as a command")
    made = Project(tmp_path / "project", environment)
    for folder in (made.hooks, made.folder):
        folder.mkdir()
        made.git("init", "-q", "-b", "main", cwd=folder)
    shutil.copy(MANIFEST, made.hooks)
    made.git("add", "-A", cwd=made.hooks)
    made.git("commit", "-q", "-m", "hooks", cwd=made.hooks)
    return made


def manifest():
    return {hook["id"]: hook for hook in yaml.safe_load(MANIFEST.read_text())}


def test_the_manifest_is_one():
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-manifest", str(MANIFEST)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_hooks_check_and_repair_here_and_in_an_environment_of_their_own():
    hooks = manifest()
    assert {name: hook["language"] for name, hook in hooks.items()} == {
        "initlint-env": "unsupported", "initlint-env-fix": "unsupported", "initlint": "python", "initlint-fix": "python",
    }  # fmt: skip
    for name, hook in hooks.items():
        assert hook["require_serial"] is True  # one process imports torch, not one for every few files
        assert hook["types"] == ["python"]
        assert "--force-exclude" in hook["entry"]
        assert ("--fix" in hook["entry"].split()) == name.endswith("-fix")
        # the manifest is read as a whole, and older versions do not know `unsupported`
        assert hook["minimum_pre_commit_version"] == "4.4.0"


def test_a_bad_file_blocks_a_commit_and_a_clean_one_passes(project):
    project.use({"id": "initlint-env"})
    assert project.pre_commit("install").returncode == 0
    project.write(bad=BROKEN, clean=CLEAN)
    blocked = project.run("git", "commit", "-q", "-m", "bad")
    assert blocked.returncode != 0
    assert "bad.py:2:5" in blocked.stdout + blocked.stderr
    assert project.run("git", "rev-parse", "--verify", "HEAD").returncode != 0  # no commit was made

    project.git("rm", "-q", "--cached", "bad.py")
    (project.folder / "bad.py").unlink()
    project.git("commit", "-q", "-m", "clean")
    assert project.git("ls-files") == ".pre-commit-config.yaml\nclean.py"


def test_arguments_and_settings_of_the_project_hold(project):
    (project.folder / "initlint.toml").write_text('exclude = ["bad.py"]\n')
    project.write(bad=BROKEN)
    project.use({"id": "initlint-env"})
    assert project.pre_commit("run", "--all-files").returncode == 0
    (project.folder / "initlint.toml").write_text("")
    project.use({"id": "initlint-env", "args": ["--format", "concise", "--ignore", "INI001"]})
    project.git("add", "-A")
    assert project.pre_commit("run", "--all-files").returncode == 0


def test_try_repo_runs_a_hook_without_any_configuration(project):
    project.write(bad=BROKEN)
    done = project.pre_commit("try-repo", str(project.hooks), "initlint-env", "--all-files")
    assert done.returncode == 1
    assert "INI001 error: invalid syntax" in done.stdout
    assert "- exit code: 1" in done.stdout


@pytest.mark.slow
def test_a_repair_changes_the_file_and_fails_and_then_passes(project):
    project.use({"id": "initlint-env"}, {"id": "initlint-env-fix"})
    project.write(model=MODEL.format(comment="  # initlint: ignore[INI102]"))
    found = project.pre_commit("run", "initlint-env", "--all-files")
    assert found.returncode == 1
    assert "INI007 [*] warning" in found.stdout
    repaired = project.pre_commit("run", "initlint-env-fix", "--all-files")
    assert repaired.returncode == 1
    assert "files were modified by this hook" in repaired.stdout
    assert "fixed model.py:7: INI007 unused-ignore" in repaired.stdout
    assert (project.folder / "model.py").read_text() == MODEL.format(comment="")
    project.git("add", "-A")
    assert project.pre_commit("run", "--all-files").returncode == 0
