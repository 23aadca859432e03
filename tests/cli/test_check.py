"""`initlint check` by transcript: arguments → exit status, standard output, standard error."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import initlint.lint.mend
import initlint.lint.run
import initlint.source.changed
from initlint.cli import main
from initlint.cli.terminal import wants_colour
from initlint.config import Settings
from initlint.lint.finding import Edit, Finding, Fix, Severity, Span
from initlint.lint.mend import Mended
from initlint.lint.result import Report, TargetResult
from initlint.report.formats import FORMATS
from initlint.source.text import read_source

ROOT = Path(__file__).parents[2]
COVERAGE = "1 model, 412 nodes, 3 sampled"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder with one file, in an environment that says nothing about colour or CI."""
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "model.py").write_text("from torch import nn\nmodel = nn.Linear(8, 8)\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def report(here):
    """One model with one finding."""
    path = str(here / "model.py")
    finding = Finding(
        code="INI101",
        name="exploding-signal",
        severity=Severity.ERROR,
        message="signal grows",
        span=Span(path=path, line=2, column=9, end_line=2, end_column=24),
        target="model.py::model",
    )
    target = TargetResult(target="model.py::model", path=path, line=2, status="ok", nodes=412, known=412, sampled=3)
    return Report(targets=(target,), findings=(finding,), files=1)


@pytest.fixture
def analysed(report, monkeypatch):
    """The analysis gives this report, whatever it is asked."""
    asked = {}

    def check(requests, settings_for, *, jobs, progress):
        asked.update(requests=requests, settings=settings_for("model.py"), jobs=jobs, progress=progress)
        return report

    monkeypatch.setattr(initlint.lint.run, "check", check)
    return asked


def run(*arguments, **options):
    return CliRunner().invoke(main, ["check", *arguments], **options)


# -- what is printed ----------------------------------------------------------------------------------------------------


def test_findings_and_closing_lines_go_to_stdout(analysed):
    done = run("model.py", "--format", "concise")
    assert (done.exit_code, done.stderr) == (1, "")
    assert done.stdout == f"model.py:2:9: INI101 signal grows\nFound 1 error.\n{COVERAGE}\n"


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if not form.for_people])
def test_machine_formats_leave_stdout_to_the_format(analysed, name):
    done = run("model.py", "--output-format", name)
    assert (done.exit_code, done.stderr) == (1, f"{COVERAGE}\n")
    assert "model.py" in done.stdout
    assert not done.stdout.endswith(f"{COVERAGE}\n")


def test_quiet_says_nothing_but_findings(analysed):
    done = run("model.py", "-q", "--format", "concise")
    assert (done.exit_code, done.stdout, done.stderr) == (1, "model.py:2:9: INI101 signal grows\n", "")


def test_quiet_still_says_what_was_not_seen(analysed, report, monkeypatch):
    blind = replace(report, targets=(replace(report.targets[0], known=400, unknown=("aten.x",)),))
    monkeypatch.setattr(initlint.lint.run, "check", lambda *_, **__: blind)
    assert run("model.py", "-q").stderr == "1 model, 412 nodes, 3 sampled, 12 unknown (aten.x)\n"


def test_verbose_says_how_models_were_traced(analysed):
    assert "model.py::model: ok, traced by" in run("model.py", "-v").stderr


def test_statistics_count_by_rule(analysed):
    assert run("model.py", "--statistics").stdout.startswith("    1  INI101  exploding-signal\n")
    counted = json.loads(run("model.py", "--statistics", "--format", "json").stdout)
    assert counted == [{"code": "INI101", "name": "exploding-signal", "count": 1, "fixable": False, "fixable_count": 0}]


def test_output_file_takes_the_findings(here, analysed):
    done = run("model.py", "--format", "json", "--output-file", "out.json")
    assert (done.exit_code, done.stdout) == (1, "")
    assert json.loads((here / "out.json").read_text())["diagnostics"][0]["code"] == "INI101"


def test_one_run_writes_several_reports(here, analysed):
    done = run("model.py", "--format", "concise", "--report", "sarif=out.sarif", "--report", "html=a=b.html", "-q")
    assert (done.exit_code, done.stdout) == (1, "model.py:2:9: INI101 signal grows\n")
    assert json.loads((here / "out.sarif").read_text())["runs"][0]["results"][0]["ruleId"] == "INI101"
    assert (here / "a=b.html").read_text().startswith("<!doctype html>")


def test_a_file_never_has_colour(here, analysed):
    run("model.py", "--color", "always", "--report", "full=a.txt", "-o", "b.txt")
    assert "\x1b" not in (here / "a.txt").read_text() + (here / "b.txt").read_text()


def test_lines_of_a_file_are_found_from_a_folder_below_the_workspace(here, analysed, report, monkeypatch):
    """Paths are relative to the workspace, the command may run elsewhere: suggestions and fingerprints need the lines."""
    edit = Edit(span=report.findings[0].span, content="nn.Linear(8, 9)")
    fix = Fix(applicability="unsafe", message="widen", edits=(edit,))
    found = replace(report, findings=(replace(report.findings[0], fix=fix),))
    monkeypatch.setattr(initlint.lint.run, "check", lambda *_, **__: found)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(here.parent))
    (comment,) = json.loads(run("model.py", "--format", "github-review").stdout)["comments"]
    assert comment["path"] == f"{here.name}/model.py"
    assert "```suggestion\nmodel = nn.Linear(8, 9)\n```" in comment["body"]


def test_a_review_comments_on_what_has_changed(here, analysed, monkeypatch):
    monkeypatch.setattr(initlint.source.changed, "changed_since", lambda commit: {str(here / "model.py"): ((9, 9),)})
    found = json.loads(run("model.py", "--format", "github-review", "--since", "main").stdout)
    assert found["comments"] == []
    assert "`model.py:2` **error** INI101" in found["body"]


def test_a_github_job_gets_a_summary(here, analysed, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here / "summary.md"))
    run("model.py", "--format", "github")
    assert "| `model.py:2` | INI101 exploding-signal | error | signal grows |" in (here / "summary.md").read_text()


def test_gitlab_paths_are_relative_to_the_project(here, analysed, monkeypatch):
    monkeypatch.setenv("CI_PROJECT_DIR", str(here.parent))
    (issue,) = json.loads(run("model.py", "--format", "gitlab").stdout)
    assert issue["location"]["path"] == f"{here.name}/model.py"


def test_text_survives_an_encoding_without_its_characters(here, analysed, report, monkeypatch):
    finding = replace(report.findings[0], message="größer × 2")
    monkeypatch.setattr(initlint.lint.run, "check", lambda *_, **__: replace(report, findings=(finding,)))
    done = CliRunner(charset="ascii").invoke(main, ["check", "model.py", "--format", "concise"])
    assert "gr\\xf6\\xdfer" in done.stdout


# -- exit status --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "severity", "status"),
    [
        pytest.param("INI101", Severity.WARNING, 1, id="a warning fails"),
        pytest.param("INI601", Severity.INFO, 0, id="what is worth knowing does not fail"),
        pytest.param("INI006", Severity.INFO, 1, id="a model that was not analysed fails"),
    ],
)
def test_status_follows_what_can_be_acted_on(report, monkeypatch, code, severity, status):
    found = replace(report, findings=(replace(report.findings[0], code=code, severity=severity),))
    monkeypatch.setattr(initlint.lint.run, "check", lambda *_, **__: found)
    assert run("model.py").exit_code == status


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        pytest.param([], 1, id="findings"),
        pytest.param(["--exit-zero"], 0, id="findings that shall not fail"),
        pytest.param(["--ignore", "INI1"], 0, id="all ignored"),
        pytest.param(["--select", "INI2,INI3"], 0, id="others selected"),
        pytest.param(["--select", "INI1", "--extend-ignore", "exploding-signal"], 0, id="selected and ignored"),
        pytest.param(["--per-file-ignores", "model.py:INI101"], 0, id="ignored in this file"),
        pytest.param(["--per-file-ignores", "other.py:INI101"], 1, id="ignored in another file"),
    ],
)
def test_status_follows_the_selected_findings(analysed, arguments, status):
    assert run("model.py", *arguments).exit_code == status


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--select", "dead-relus"], "no rule is called `dead-relus`; did you mean `dead-relu`?", id="a rule"),
        pytest.param(["--format", "xml"], "'xml' is not one of 'full'", id="a format"),
        pytest.param(["--timeout", "0"], "0.0 is not in the range", id="a limit"),
        pytest.param(["--config", "none.toml"], "none.toml: there is no such settings file", id="a settings file"),
        pytest.param(["--config", "a.toml", "--isolated"], "exclude each other", id="options that contradict"),
        pytest.param(["--per-file-ignores", "INI101"], "`INI101` is not PATTERN:CODE", id="a pattern without a rule"),
        pytest.param(["--statistics", "--format", "junit"], "not as junit", id="statistics in a format without them"),
        pytest.param(["--output-file", "no/such/folder"], "no/such/folder cannot be written", id="an output file"),
        pytest.param(["--report", "sarif"], "`sarif` is not FORMAT=FILE", id="a report without a file"),
        pytest.param(["--report", "xml=a"], "`xml=a` is not FORMAT=FILE", id="a report of no format"),
        pytest.param(["--report", "json=no/such/folder"], "no/such/folder cannot be written", id="the file of a report"),
        pytest.param(["--report", "json=a", "--diff"], "--report writes findings, which", id="a report without findings"),
        pytest.param(["--since", "main"], "--since is for --format github-review", id="a commit for nothing"),
        pytest.param(["--format", "github-review", "--since", "main"], "--since main: ", id="a commit without a repository"),
        pytest.param(["--nonsense"], "No such option", id="an option"),
    ],
)
def test_what_cannot_run_ends_with_2(analysed, arguments, message):
    done = run("model.py", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_settings_file_ends_with_2(here, analysed):
    (here / "initlint.toml").write_text("\nselect = ['vanishing-signl']\n")
    done = run("model.py")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "Error: initlint.toml:2: no rule is called `vanishing-signl`; did you mean `vanishing-signal`?\n"


def test_a_fault_of_our_own_ends_with_2_and_asks_for_a_report(analysed, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("boom")

    monkeypatch.setattr(initlint.lint.run, "check", broken)
    done = run("model.py")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "Error: a fault of initlint's own, please report it: RuntimeError: boom (-v shows where)\n"
    assert 'raise RuntimeError("boom")' in run("model.py", "-v").stderr


# -- what is asked ------------------------------------------------------------------------------------------------------


def test_options_become_settings(analysed):
    run("model.py::Net", "--timeout", "3", "--memory", "0.5", "--jobs", "2", "--isolated", "--exclude", "a,b")
    (request,) = analysed["requests"]
    settings = analysed["settings"]
    assert (request.path, request.name, analysed["jobs"]) == ("model.py", "Net", 2)
    assert (settings.timeout, settings.memory) == (3.0, 0.5)
    assert settings.exclude == (*Settings().exclude, "a", "b")


def test_without_arguments_the_current_folder_is_checked(analysed):
    run()
    assert [request.path for request in analysed["requests"]] == ["model.py"]


def test_options_come_from_the_environment_too(analysed):
    done = run("model.py", env={"INITLINT_CHECK_OUTPUT_FORMAT": "concise", "INITLINT_CHECK_EXIT_ZERO": "1"})
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "model.py:2:9: INI101 signal grows")


# -- without models -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "stdout", "status"),
    [
        pytest.param({}, "no Python files found\n", 0, id="an empty folder"),
        pytest.param({"a.py": "x = 1"}, "no models found in 1 file\n", 0, id="a file without models"),
        pytest.param(
            {"a.py": "import torch\nx = ("},
            "a.py:2:5: INI001 invalid syntax: '(' was never closed\nFound 1 error.\n1 target could not be analysed\n",
            1,
            id="a syntax error",
        ),
        pytest.param({"a.py": "x = ("}, "no models found in 1 file\n", 0, id="a syntax error that is not our business"),
    ],
)
def test_folders_without_models(here, files, stdout, status):
    (here / "model.py").unlink()
    for name, text in files.items():
        (here / name).write_text(text)
    done = run(".", "--format", "concise")
    assert (done.stdout, done.exit_code) == (stdout, status)


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        pytest.param("gone.py", "gone.py:1:1: INI001 there is no such file", id="a missing file"),
        pytest.param("bad.py", "bad.py:1:5: INI001 invalid syntax: '(' was never closed", id="a named file without torch"),
    ],
)
def test_what_is_named_and_cannot_be_read_is_a_finding(here, argument, line):
    (here / "bad.py").write_text("x = (")
    done = run(argument, "--format", "concise")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (1, line)


# -- terminal -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "environment", "looking", "colour"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"CLICOLOR_FORCE": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "0"}, False, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colour(choice, environment, looking, colour):
    class Stream:
        def isatty(self):
            return looking

    assert wants_colour(choice, Stream(), environment) is colour


@pytest.mark.parametrize(
    "arguments", ["rule --all", "check --format concise gone{1..3000}.py", "check --format json gone{1..3000}.py"]
)
def test_a_reader_that_leaves_early_is_no_fault(here, arguments):
    program = f"{sys.executable} -m initlint {arguments} | head -n 1"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr in ("", "3000 targets could not be analysed\n")  # which is said where the pipe took all in one piece


def test_the_example_of_the_readme_has_its_finding():
    environment = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "CLICOLOR_FORCE")}
    done = subprocess.run(
        [sys.executable, "-m", "initlint", "check", "docs/examples/deep_mlp.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 1
    assert done.stdout.startswith("INI102 error: signal shrinks")
    assert "--> docs/examples/deep_mlp.py:15:38" in done.stdout


# -- standard input -----------------------------------------------------------------------------------------------------


def test_standard_input_stands_in_for_a_file(here):
    """The name decides on settings and paths; the file itself is not read."""
    done = run("-", "--stdin-filename", "model.py", "--format", "concise", input="import torch\nx = (\n")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[0] == "model.py:2:5: INI001 invalid syntax: '(' was never closed"
    assert run("-", "--format", "concise", input="x = 1\n").stdout == "no models found in 1 file\n"
    assert read_source("model.py").startswith("from torch")  # it is over


def test_standard_input_that_is_no_text_ends_with_2(here):
    done = run("-", input=b"# coding: nowhere\n")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "standard input is no text: unknown encoding: nowhere" in done.stderr
    assert run("model.py", "--stdin-filename", "a.py").exit_code == 2


@pytest.mark.parametrize("repaired", [True, False], ids=["repaired", "nothing to repair"])
def test_a_repaired_standard_input_goes_to_standard_output(here, report, monkeypatch, repaired):
    """As it came, encoding, line ends and mark included; what is said goes to standard error."""
    before, after = "\ufeffx = 1\r\ny = 'ß'\r\n", "\ufeffx = 2\r\ny = 'ß'\r\n"
    place = str(here / "new.py")

    def mended(requests, *_, **__):
        from initlint.fixes.write import source_of

        source = source_of(requests[0].path)
        new = {place: after.removeprefix("\ufeff")} if repaired else {}
        return Mended(
            report=report, applied=(), gone=(), new=new, sources={place: source}, groups=(frozenset({place}),), left={}
        )

    monkeypatch.setattr(initlint.lint.mend, "mended", mended)
    arguments = ["check", "-", "--stdin-filename", "new.py", "--fix", "--format", "concise"]
    done = CliRunner().invoke(main, arguments, input=before.encode())
    assert (done.exit_code, done.stdout_bytes) == (1, (after if repaired else before).encode())
    assert done.stderr.startswith("model.py:2:9: INI101 signal grows\n")
    assert not (here / "new.py").exists()
