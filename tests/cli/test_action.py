"""The action and the examples of `docs/review.md`: valid by the schemas of those who run them, and they do what they say.

The steps of the action are run as GitHub runs them, with stand-ins for the commands that they call.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "action.yml"
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "review.md").read_text(), re.MULTILINE | re.DOTALL)
KINDS = ("github-workflows", "github-workflows", "gitlab-ci", "pre-commit")


def valid(kind, path):
    if kind == "pre-commit":
        pytest.importorskip("pre_commit")
        command = [sys.executable, "-m", "pre_commit", "validate-config", str(path)]
    else:
        pytest.importorskip("check_jsonschema", reason="schemas come with check-jsonschema (pip install -e '.[dev]')")
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{kind}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def test_the_action_is_valid():
    assert valid("github-actions", ACTION)[0], valid("github-actions", ACTION)[1]


@pytest.mark.parametrize(
    ("kind", "example"), list(zip(KINDS, EXAMPLES, strict=True)), ids=["action", "reviewdog", "gitlab", "hooks"]
)
def test_an_example_is_valid(tmp_path, kind, example):
    path = tmp_path / "example.yml"
    path.write_text(example)
    good, said = valid(kind, path)
    assert good, said


def test_examples_use_inputs_and_hooks_that_exist():
    inputs = set(yaml.safe_load(ACTION.read_text())["inputs"])
    (step,) = [step for step in yaml.safe_load(EXAMPLES[0])["jobs"]["initlint"]["steps"] if "initlint@" in step.get("uses", "")]
    assert set(step["with"]) <= inputs
    hooks = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    assert {hook["id"] for hook in yaml.safe_load(EXAMPLES[3])["repos"][0]["hooks"]} <= hooks
    page = (ROOT / "docs" / "review.md").read_text()
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)) >= inputs


def steps():
    return {step["name"]: step for step in yaml.safe_load(ACTION.read_text())["runs"]["steps"]}


def test_inputs_reach_scripts_through_the_environment_only():
    for step in steps().values():
        assert "${{" not in step.get("run", "")
        assert ("run" in step) == (step.get("shell") == "bash")


@pytest.fixture
def runner(tmp_path):
    """Runs the script of a step with an environment; stand-ins write down how they were called."""
    if shutil.which("bash") is None:
        pytest.skip("the action runs in bash")
    commands = tmp_path / "bin"
    commands.mkdir()
    called = tmp_path / "called"

    def stand_in(name, script):
        (commands / name).write_text(f'#!/usr/bin/env bash\nprintf "%s\\n" {name} "$@" >> "{called}"\n{script}\n')
        (commands / name).chmod(0o755)

    def run(step, **environment):
        called.write_text("")
        output = tmp_path / "output"
        output.write_text("")
        everything = {
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_OUTPUT": str(output),
            "RUNNER_TEMP": str(tmp_path),
            "GITHUB_REPOSITORY": "me/mine",
            **dict.fromkeys(steps()[step]["env"], ""),
            **environment,
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", steps()[step]["run"]]
        done = subprocess.run(command, env=everything, cwd=tmp_path, capture_output=True, text=True, check=False)
        outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return done, called.read_text().splitlines(), outputs

    run.stand_in = stand_in
    return run


def test_paths_and_options_arrive_as_they_were_meant(runner):
    runner.stand_in("initlint", "exit 1")
    done, called, outputs = runner("Check", PATHS="src\n a*b.py $(touch x)", ARGS="--ignore INI4", FORMAT="github", FOLDER=".")
    assert done.returncode == 0
    assert called == [
        "initlint", "check", "--format", "github", "--ignore", "INI4", "--", "src", "a*b.py", "$(touch", "x)",
    ]  # fmt: skip
    assert outputs == {"exit-code": "1"}


def test_one_run_writes_the_log_and_the_review(runner, tmp_path):
    runner.stand_in("initlint", "exit 0")
    _, called, outputs = runner(
        "Check", PATHS=".", FORMAT="github", UPLOAD="true", REVIEW="true", BASE="abc", FOLDER="sub"
    )  # fmt: skip
    assert called == [
        "initlint", "check", "--format", "github", "--report", "sarif=initlint.sarif",
        "--report", f"github-review={tmp_path}/initlint-review.json", "--since", "abc", "--", ".",
    ]  # fmt: skip
    assert outputs == {"exit-code": "0", "sarif-file": "sub/initlint.sarif"}


def test_options_of_the_action_are_options_of_the_command():
    from initlint.cli.check import check

    known = {name for parameter in check.params for name in parameter.opts}
    assert set(re.findall(r"(--[a-z-]+)", steps()["Check"]["run"])) <= known


@pytest.mark.parametrize(("comments", "sent"), [([{"path": "a.py", "line": 1}], True), ([], False)], ids=["findings", "none"])
def test_a_review_is_sent_for_the_head_where_it_has_comments(runner, tmp_path, comments, sent):
    if shutil.which("jq") is None:
        pytest.skip("runners of GitHub have jq, this machine has not")
    (tmp_path / "initlint-review.json").write_text(json.dumps({"event": "COMMENT", "body": "b", "comments": comments}))
    runner.stand_in("gh", f'cat > "{tmp_path}/sent"')
    done, called, _ = runner("Review", NUMBER="7", HEAD="def", GH_TOKEN="secret")
    assert done.returncode == 0
    assert bool(called) is sent
    if sent:
        assert "repos/me/mine/pulls/7/reviews" in called
        assert json.loads((tmp_path / "sent").read_text())["commit_id"] == "def"


def test_a_review_that_cannot_be_sent_is_no_failure(runner, tmp_path):
    if shutil.which("jq") is None:
        pytest.skip("runners of GitHub have jq, this machine has not")
    (tmp_path / "initlint-review.json").write_text(json.dumps({"comments": [{}]}))
    runner.stand_in("gh", "cat > /dev/null; exit 1")
    done, _, _ = runner("Review", NUMBER="7", HEAD="def")
    assert done.returncode == 0
    assert done.stdout.startswith("::warning title=initlint::the review could not be sent")


@pytest.mark.parametrize("status", ["0", "1", "2"])
def test_the_job_ends_as_the_command_did(runner, status):
    assert runner("Result", STATUS=status)[0].returncode == int(status)
