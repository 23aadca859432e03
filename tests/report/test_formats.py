"""Every format writes the same awkward findings as its golden file has them (UPDATE_GOLDEN=1 writes them anew)."""

import json
import os
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from initlint.lint.load import load_rules
from initlint.report.fingerprint import line_hashes
from initlint.report.formats import FORMATS
from initlint.report.text import Look
from tests.report.samples import FINDINGS, REPORTS, SOURCES

GOLDEN = Path(__file__).parent / "golden"
ENDINGS = {
    "json": "json", "json-lines": "jsonl", "gitlab": "json", "junit": "xml", "rdjson": "json", "rdjsonl": "jsonl", "sarif": "json",
    "github-review": "json", "html": "html",
}  # fmt: skip
PLAIN = Look(colour=False, width=100, lines=lambda path: SOURCES.get(path, ()))


def written(name, report, look=PLAIN):
    text = FORMATS[name].render(REPORTS[report], look).replace(f"initlint {version('initlint')}.", "initlint VERSION.")
    for item in load_rules():  # a page is changed more often than its format
        text = text.replace(json.dumps(item.documentation, ensure_ascii=False), f'"the page of {item.rule.code}"')
    for field in ("initlint", "semanticVersion"):
        text = text.replace(f'"{field}": "{version("initlint")}"', f'"{field}": "VERSION"')
    return text


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


def test_sarif_has_what_code_scanning_asks_for():
    log = json.loads(written("sarif", "awkward"))
    assert log["version"] == "2.1.0"
    run = log["runs"][0]
    for rule in run["tool"]["driver"]["rules"]:
        assert rule["id"] and rule["shortDescription"]["text"] and rule["fullDescription"]["text"] and rule["help"]["text"]
    assert len(run["results"]) == len(FINDINGS)
    known = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert result["message"]["text"]
        assert result["level"] in ("error", "warning", "note")
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"]
        assert place["region"]["startLine"] >= 1
        if result["ruleId"] in known:
            assert known[result["ruleIndex"]] == result["ruleId"]


def test_rdjson_counts_columns_in_bytes_and_suggests_whole_lines():
    data = json.loads(written("rdjson", "awkward"))
    lines = [json.loads(line) for line in written("rdjsonl", "awkward").splitlines()]
    assert [item["message"] for item in lines] == [item["message"] for item in data["diagnostics"]]
    for finding, item in zip(FINDINGS, data["diagnostics"], strict=True):
        source = SOURCES.get(finding.span.path, ())
        start = item["location"]["range"]["start"]
        if 0 < finding.span.line <= len(source):
            text = source[finding.span.line - 1]
            assert start["column"] == len(text[: finding.span.column - 1].encode()) + 1
        for suggestion in item.get("suggestions", ()):
            assert set(suggestion["range"]["start"]) == set(suggestion["range"]["end"]) == {"line"}


# what the hashes are of these texts, from github/codeql-action's own description of its algorithm
HASHES = {
    "": ["c129715d7a2bc9a3:1"],
    " a\nb\n  \t\tc\n d": ["271789c17abda88f:1", "54703d4cd895b18:1", "180aee12dab6264:1", "a23a3dc5e078b07b:1"],
    " hello; \t\r\nworld!!!\r\n\n\r  \t\tGreetings\r End\r\n": [
        "e9496ae3ebfced30:1", "fb7c023a8b9ccb3f:1", "ce8ba1a563dcdaca:1", "e20e36e16fcb0cc8:1",
        "b3edc88f2938467e:1", "c8e28b0b4002a3a0:1", "c129715d7a2bc9a3:1",
    ],
}  # fmt: skip


@pytest.mark.parametrize("text", HASHES, ids=["empty", "blanks", "line ends"])
def test_lines_have_the_fingerprint_of_code_scanning(text):
    assert line_hashes(text) == HASHES[text]


def test_equal_lines_are_counted():
    hashes = line_hashes("Lorem ipsum dolor sit amet.\n" * 10)
    assert [item.rpartition(":")[2] for item in hashes[:6]] == ["1", "2", "3", "4", "5", "6"]
