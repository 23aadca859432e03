"""Every format writes the same awkward findings as its golden file has them (UPDATE_GOLDEN=1 writes them anew)."""

import json
import os
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from initlint.report.formats import FORMATS
from initlint.report.text import Look
from tests.report.samples import FINDINGS, REPORTS, SOURCES

GOLDEN = Path(__file__).parent / "golden"
ENDINGS = {"json": "json", "json-lines": "jsonl", "gitlab": "json", "junit": "xml"}
PLAIN = Look(colour=False, width=100, lines=lambda path: SOURCES.get(path, ()))


def written(name, report, look=PLAIN):
    text = FORMATS[name].render(REPORTS[report], look)
    return text.replace(f'"initlint": "{version("initlint")}"', '"initlint": "VERSION"')


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("name", FORMATS)
def test_a_format_writes_what_its_golden_file_has(name, report):
    golden = GOLDEN / f"{name}.{report}.{ENDINGS.get(name, 'txt')}"
    text = written(name, report)
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_bytes(text.encode())
    assert text == golden.read_bytes().decode()


def test_every_golden_file_belongs_to_a_format():
    assert {path.name.split(".")[0] for path in GOLDEN.iterdir()} == set(FORMATS)


@pytest.mark.parametrize("name", ["full", "concise", "grouped"])
def test_colour_changes_nothing_but_colour(name):
    from rich.text import Text

    look = Look(colour=True, width=100, lines=PLAIN.lines)
    coloured = written(name, "awkward", look)
    assert "\x1b[" in coloured
    assert _lines(Text.from_ansi(coloured).plain) == _lines(written(name, "awkward"))


def _lines(text):
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.mark.parametrize("name", ["full", "concise", "grouped"])
def test_control_characters_of_a_message_do_not_reach_the_terminal(name):
    assert not set(map(chr, range(32))) & set(written(name, "awkward")) - {"\n"}


# -- what the readers of a format require -------------------------------------------------------------------------------

DIAGNOSTIC = "code name severity message path line column end_line end_column target modules evidence fix url".split()
TARGET = "target status nodes known sampled unknown parameters seconds".split()


def test_json_has_the_fields_of_the_contract_and_no_others():
    data = json.loads(written("json", "awkward"), parse_constant=pytest.fail)
    assert list(data) == ["schema", "initlint", "targets", "diagnostics"]
    assert data["schema"] == 1
    assert {tuple(target) for target in data["targets"]} == {tuple(TARGET)}
    assert {tuple(item) for item in data["diagnostics"]} == {tuple(DIAGNOSTIC)}
    fixes = [item["fix"] for item in data["diagnostics"] if item["fix"]]
    assert {tuple(fix) for fix in fixes} == {("applicability", "message", "edits")}
    edit = ("path", "line", "column", "end_line", "end_column", "content")
    assert {tuple(item) for fix in fixes for item in fix["edits"]} == {edit}


def test_json_leaves_out_evidence_that_is_not_finite():
    exploding = json.loads(written("json", "awkward"))["diagnostics"][1]
    assert exploding["evidence"] == {"per layer": 5.0}


def test_json_lines_are_the_diagnostics_of_json():
    lines = written("json-lines", "awkward").splitlines()
    assert [json.loads(line) for line in lines] == json.loads(written("json", "awkward"))["diagnostics"]


def test_concise_is_one_line_a_finding():
    lines = written("concise", "awkward").splitlines()
    assert len(lines) == len(FINDINGS)
    assert lines[2].startswith("model.py:7:15: INI102 ")


def test_github_writes_one_command_a_finding_worst_first():
    lines = written("github", "awkward").splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error"] * 2 + ["::warning"] * 2 + ["::notice"] * 2
    assert "file=odd%2C 100%25%3A name.py" in written("github", "awkward")


def test_gitlab_has_the_required_fields_and_unique_fingerprints():
    issues = json.loads(written("gitlab", "awkward"))
    for issue in issues:
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in {"info", "minor", "major", "critical", "blocker"}
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)


def test_gitlab_fingerprints_do_not_know_lines():
    from dataclasses import replace

    from initlint.report.gitlab import as_gitlab

    report = REPORTS["awkward"]
    moved = [
        replace(finding, span=replace(finding.span, line=finding.span.line + 7, end_line=finding.span.end_line + 7))
        for finding in report.findings
    ]
    before, after = json.loads(as_gitlab(report)), json.loads(as_gitlab(replace(report, findings=tuple(moved))))
    assert [issue["fingerprint"] for issue in before] == [issue["fingerprint"] for issue in after]


@pytest.mark.parametrize(("report", "cases", "failures"), [("awkward", 7, 6), ("clean", 1, 0), ("empty", 1, 0)])
def test_junit_counts_its_cases(report, cases, failures):
    root = ET.fromstring(written("junit", report))
    assert (root.get("tests"), root.get("failures")) == (str(cases), str(failures))
    assert (len(list(root.iter("testcase"))), len(list(root.iter("failure")))) == (cases, failures)
