"""The closing lines say how much was seen, and never hide what was not."""

from dataclasses import replace

import pytest

from initlint.lint.finding import Edit, Fix
from initlint.lint.result import Report, TargetResult
from initlint.report.place import based, shown
from initlint.report.summary import Count, coverage, fixable, is_complete, statistics, verdict
from tests.report.samples import FINDINGS, REPORTS


def target(**known):
    return TargetResult(**{"target": "a.py::A", "path": "a.py", "line": 1, "status": "ok", **known})


@pytest.mark.parametrize(
    ("report", "line", "complete"),
    [
        pytest.param(Report(), "no Python files found", False, id="nothing to look at"),
        pytest.param(Report(files=1), "no models found in 1 file", False, id="one file without models"),
        pytest.param(Report(targets=(target(nodes=1, known=1),), files=1), "1 model, 1 node", True, id="one model"),
        pytest.param(
            Report(targets=(target(nodes=400, known=400, sampled=3), target(nodes=12, known=12)), files=1),
            "2 models, 412 nodes, 3 sampled",
            True,
            id="sampled nodes are counted",
        ),
        pytest.param(
            Report(targets=(target(nodes=10, known=8, unknown=("aten.b", "aten.a")),), files=1),
            "1 model, 10 nodes, 2 unknown (aten.a, aten.b)",
            False,
            id="unknown operators are named",
        ),
        pytest.param(
            Report(targets=(target(nodes=10, known=3, unknown=tuple("abcdefg")),), files=1),
            "1 model, 10 nodes, 7 unknown (a, b, c, d, e and 2 more)",
            False,
            id="many unknown operators are counted",
        ),
        pytest.param(
            Report(targets=(target(nodes=3, known=3), target(status="failed")), files=1),
            "1 model, 3 nodes, 1 target could not be analysed",
            False,
            id="failed targets are counted",
        ),
        pytest.param(
            Report(targets=(target(status="failed"),), files=1), "1 target could not be analysed", False, id="all failed"
        ),
    ],
)
def test_coverage_of_a_run(report, line, complete):
    assert (coverage(report), is_complete(report)) == (line, complete)


def test_verdict_counts_by_severity():
    assert verdict(FINDINGS) == "Found 2 errors, 2 warnings, 2 notes."
    assert verdict(()) == "All checks passed."


def test_verdict_counts_what_was_fixed_among_what_was_found():
    assert verdict(FINDINGS[1:], FINDINGS[:1]) == "Found 2 errors, 2 warnings, 2 notes (1 fixed, 5 remaining)."
    assert verdict((), FINDINGS[:1]).endswith(" (1 fixed, 0 remaining).")


def fixes(*kinds):
    edit = Edit(span=FINDINGS[0].span, content="")
    return [replace(FINDINGS[0], fix=Fix(applicability=kind, message="", edits=(edit,))) for kind in kinds]


@pytest.mark.parametrize(
    ("kinds", "unsafe", "line"),
    [
        pytest.param((), None, "", id="nothing"),
        pytest.param(("display",), None, "", id="advice"),
        pytest.param(("safe",), None, "[*] 1 fixable with --fix.", id="safe"),
        pytest.param(("safe", "unsafe", "unsafe"), None, "[*] 1 fixable with --fix (2 more with --unsafe-fixes).", id="both"),
        pytest.param(("unsafe",), None, "1 fixable with --fix --unsafe-fixes.", id="unsafe, not asked for"),
        pytest.param(("safe", "unsafe"), True, "[*] 2 fixable with --fix --unsafe-fixes.", id="unsafe, asked for"),
        pytest.param(("safe", "unsafe"), False, "[*] 1 fixable with --fix.", id="unsafe, unwanted"),
        pytest.param(("unsafe",), False, "", id="only unsafe, unwanted"),
    ],
)
def test_the_hint_says_what_could_be_fixed_and_how(kinds, unsafe, line):
    assert fixable(fixes(*kinds), unsafe=unsafe) == line


def test_statistics_put_the_most_frequent_first():
    assert statistics(FINDINGS)[0] == Count(code="INI401", name="unscaled-residual", count=2, fixable=1)


@pytest.mark.parametrize(
    ("path", "printed"),
    [
        pytest.param("/home/me/here/a/b.py", "a/b.py", id="below"),
        pytest.param("/home/me/herein/b.py", "/home/me/herein/b.py", id="a sibling with the same beginning"),
        pytest.param("a/b.py", "a/b.py", id="relative already"),
        pytest.param("/home/me/b.py", "/home/me/b.py", id="above"),
    ],
)
def test_paths_are_relative_when_below(path, printed):
    assert shown(path, "/home/me/here") == printed


def test_every_path_of_a_report_is_made_relative():
    from dataclasses import replace

    finding = FINDINGS[5]
    far = replace(finding, span=replace(finding.span, path="/base/m.py"), target="/base/m.py::Net")
    report = based(replace(REPORTS["empty"], findings=(far,)), "/base")
    assert (report.findings[0].span.path, report.findings[0].target) == ("m.py", "m.py::Net")
