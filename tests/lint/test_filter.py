"""Selection and ignore comments take findings away; comments that silence nothing become findings."""

import pytest

from initlint.config import Selectors, Settings
from initlint.lint.filter import filtered
from initlint.lint.finding import Finding, Severity, Span
from initlint.lint.result import Report, TargetResult
from initlint.source.files import Request

SIGNAL = ("INI101", "exploding-signal")
UNUSED = ("INI007", "unused-ignore")


def run(tmp_path, text, *found, status="ok", settings=None, name=None):
    """Lines at which findings are left, after INI101 was found at the lines `found` of a file."""
    file = tmp_path / "model.py"
    file.write_text(text)
    findings = tuple(
        Finding(
            code=SIGNAL[0],
            name=SIGNAL[1],
            severity=Severity.ERROR,
            message="",
            span=Span(path=str(file), line=line, end_line=line, end_column=2),
            target="model.py::Net",
        )
        for line in found
    )
    targets = (TargetResult(target="model.py::Net", path=str(file), line=1, status=status),)
    report = Report(targets=targets, findings=findings, files=1)
    requests = None if name is None else [Request(label="model.py", path=str(file), name=name)]
    return filtered(report, lambda _path: settings or Settings(), requests).findings


@pytest.mark.parametrize(
    ("text", "found", "left"),
    [
        pytest.param("x = 1\n", [1], [(1, "INI101")], id="nothing is ignored"),
        pytest.param("x = 1  # initlint: ignore[INI101]\n", [1], [], id="by code"),
        pytest.param("x = 1  # initlint: ignore[exploding-signal]\n", [1], [], id="by name"),
        pytest.param("x = 1  # initlint: ignore[ini101]\n", [1], [], id="in small letters"),
        pytest.param("x = 1  # noqa: INI101\n", [1], [], id="by noqa"),
        pytest.param("x = 1  # noqa\n", [1], [(1, "INI101")], id="not by a bare noqa"),
        pytest.param("# initlint: file-ignore[INI101]\nx = 1\n", [2], [], id="in the whole file"),
        pytest.param("# initlint: ignore[INI101]\nx = f(\n  1)\n", [3], [], id="in the statement below"),
        pytest.param("x = 1  # initlint: ignore[INI101]\ny = 2\n", [2], [(1, "INI007"), (2, "INI101")], id="on another line"),
        pytest.param("x = 1  # initlint: ignore[INI102]\n", [1], [(1, "INI101"), (1, "INI007")], id="another rule"),
        pytest.param("x = 1  # initlint: ignore[INI101, INI102]\n", [1], [(1, "INI007")], id="one of two is unused"),
        pytest.param("x = 1  # initlint: ignore[INI999]\n", [], [(1, "INI007")], id="a rule that does not exist"),
        pytest.param("x = 1  # noqa: E501, XYZ9\n", [], [], id="codes of other tools"),
        pytest.param("x = 1  # initlint: ignore\n", [], [(1, "INI007")], id="no rule at all"),
        pytest.param("x = 1  # initlint: ignore[INI101, INI007]\n", [], [], id="an ignored unused ignore"),
    ],
)
def test_comments(tmp_path, text, found, left):
    assert [(finding.span.line, finding.code) for finding in run(tmp_path, text, *found)] == left


COMMENT = "x = 1  # initlint: ignore[INI102]\n"


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        pytest.param({}, True, id="a file that was analysed"),
        pytest.param({"status": "failed"}, False, id="a file that could not be analysed"),
        pytest.param({"name": "Net"}, False, id="one model of a file"),
        pytest.param({"settings": Settings(selection=(Selectors(ignore=("INI102",)),))}, False, id="a rule that is off"),
        pytest.param({"settings": Settings(selection=(Selectors(ignore=("INI007",)),))}, False, id="unused-ignore is off"),
        pytest.param({"settings": Settings(per_file_ignores=(("model.py", ("INI102",)),))}, False, id="off in this file"),
    ],
)
def test_a_comment_is_unused_only_where_it_could_be_used(tmp_path, options, reported):
    assert [finding.code for finding in run(tmp_path, COMMENT, **options)] == (["INI007"] if reported else [])


def test_the_fix_of_an_unused_comment_is_safe_and_removes_it(tmp_path):
    (finding,) = run(tmp_path, COMMENT)
    assert finding.fix is not None
    (edit,) = finding.fix.edits
    assert finding.fix.applicability == "safe"
    assert COMMENT[: edit.span.column - 1] + edit.content + COMMENT[edit.span.end_column - 1 :] == "x = 1\n"


def test_a_file_that_is_gone_keeps_its_findings(tmp_path):
    span = Span(path=str(tmp_path / "gone.py"), line=1, end_line=1, end_column=2)
    finding = Finding(code="INI001", name="import-failed", severity=Severity.ERROR, message="", span=span, target="gone.py")
    report = Report(findings=(finding,), files=1)
    assert filtered(report, lambda _path: Settings()).findings == (finding,)
