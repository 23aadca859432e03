"""Fixes reach a review: as a suggestion where one hunk in the finding's own lines is all, otherwise as a diff in the message."""

import json
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from initlint.fixes.apply import edited, edits_by_path
from initlint.report.changes import as_patch
from initlint.report.formats import FORMATS
from initlint.report.hunk import hunk_of
from initlint.report.review import LONGEST
from tests.report.samples import FINDINGS, FIXES, REPORTS, SOURCES, fixed
from tests.report.test_formats import PLAIN

NAMES = (
    "below its line", "line goes", "line becomes empty", "first line", "two places", "another file", "line end goes",
    "no line end", "advice", "elsewhere", "misplaced",
)  # fmt: skip

# by name: first line, last line, and what they become; None where no suggestion can say it
HUNKS = {
    "below its line": (7, 7, (SOURCES["model.py"][6], "        nn.init.zeros_(self.größe.weight)")),
    "line goes": (6, 6, ()),
    "line becomes empty": (10, 10, ("",)),
    "first line": (1, 1, ("# ```", "import torch")),
    "no line end": (2, 2, ("    pass",)),
}


def comments(findings, look=PLAIN):
    report = replace(REPORTS["fixes"], findings=tuple(findings))
    return json.loads(FORMATS["github-review"].render(report, look))["comments"]


@pytest.mark.parametrize(("name", "finding"), list(zip(NAMES, FIXES, strict=True)), ids=NAMES)
def test_a_hunk_lies_in_the_lines_of_its_finding(name, finding):
    hunk = hunk_of(finding, PLAIN.lines(finding.span.path))
    assert (hunk and (hunk.first, hunk.last, hunk.lines)) == HUNKS.get(name)


@pytest.mark.parametrize(("name", "finding"), list(zip(NAMES, FIXES, strict=True)), ids=NAMES)
def test_rdjson_suggests_the_same_and_else_shows_a_diff(name, finding):
    report = replace(REPORTS["fixes"], findings=(finding,))
    (data,) = json.loads(FORMATS["rdjson"].render(report, PLAIN))["diagnostics"]
    if name in HUNKS and name != "line becomes empty":  # for which reviewdog's format has no words
        first, last, lines = HUNKS[name]
        assert data["suggestions"] == [{"range": {"start": {"line": first}, "end": {"line": last}}, "text": "\n".join(lines)}]
        assert "```" not in data["message"]
    else:
        assert "suggestions" not in data
        assert ("```diff\n--- a/" in data["message"]) == bool(as_patch(finding.fix, PLAIN.lines))


def test_lines_with_carriage_returns_are_suggested_without_them(tmp_path):
    from initlint.report.text import source_lines

    (tmp_path / "model.py").write_bytes(b"a = 1\r\nb = 2\r\n")
    finding = fixed(2, 2, ("model.py", 2, 5, 2, 6, "3\nc = 4"))
    hunk = hunk_of(finding, source_lines(str(tmp_path / "model.py")))
    assert hunk.lines == ("b = 3", "c = 4")


def test_a_suggestion_that_removes_its_lines_has_none():
    (comment,) = comments([FIXES[1]])
    assert comment["body"].endswith("\n\n```suggestion\n```")
    (comment,) = comments([FIXES[2]])
    assert comment["body"].endswith("\n\n```suggestion\n\n```")


def test_a_fence_is_longer_than_what_it_holds():
    (comment,) = comments([FIXES[3]])
    assert comment["body"].endswith("\n\n````suggestion\n# ```\nimport torch\n````")


def test_a_diff_names_every_file_and_a_missing_line_end():
    (two, end) = (comment["body"] for comment in comments([FIXES[5], FIXES[6]]))
    assert "--- a/model.py\n+++ b/model.py\n" in two
    assert "--- a/init.py\n+++ b/init.py\n" in two
    assert end.endswith("-        return self.fc(x)\n+        return self.fc(x)\n\\ No newline at end of file\n```")


def test_markup_of_a_message_is_shown():
    (comment,) = comments([FINDINGS[3]])
    assert "two lines &amp; &lt;tags&gt;" in comment["body"]
    (comment,) = comments([FIXES[10]])
    assert "add to the settings:\n\n```toml\n[[tool.initlint.targets]]\nname = 1\n```" in comment["body"]


def test_comments_stand_on_the_lines_of_their_findings_worst_first():
    found = json.loads(FORMATS["github-review"].render(REPORTS["awkward"], PLAIN))
    worst_first = sorted(FINDINGS, key=lambda finding: -finding.severity)
    for finding, comment in zip(worst_first, found["comments"], strict=True):
        assert (comment["path"], comment["line"], comment["side"]) == (finding.span.path, finding.span.end_line, "RIGHT")
        assert comment.get("start_line", comment["line"]) == finding.span.line


def test_what_a_pull_request_does_not_show_is_listed_instead():
    """GitHub refuses a whole review for one comment outside of the diff, or over two of its hunks."""
    look = replace(PLAIN, changed=lambda path: {"model.py": [(1, 7), (9, 12)]}.get(path, ()))
    found = json.loads(FORMATS["github-review"].render(REPORTS["awkward"], look))
    assert [(comment["path"], comment["line"]) for comment in found["comments"]] == [("model.py", 12), ("model.py", 7)]
    listed = [line for line in found["body"].splitlines() if line.startswith("- ")]
    assert [line.split()[1] for line in listed] == ["`gone.py:1`", "`odd,", "`model.py:8`", "`model.py:8`"]


def test_a_file_outside_of_the_repository_has_no_comment():
    (finding,) = [item for item in FIXES if item.span.path.startswith("/")]
    found = json.loads(FORMATS["github-review"].render(replace(REPORTS["fixes"], findings=(finding,)), PLAIN))
    assert found["comments"] == []
    assert "- `/elsewhere/lib.py:5` **warning** INI703" in found["body"]


def test_what_several_models_say_of_a_line_is_said_once():
    twice = [FIXES[0], replace(FIXES[0], target="model.py::Other"), replace(FIXES[0], message="something else")]
    assert len(comments(twice)) == 2
    report = replace(REPORTS["fixes"], findings=tuple(twice))
    assert len(FORMATS["github"].render(report, PLAIN).splitlines()) == 2


def test_a_comment_is_never_longer_than_github_takes():
    long = fixed(7, 7, ("model.py", 7, 39, 7, 39, "\nx" * LONGEST))
    (comment,) = comments([long])
    assert "suggestion" not in comment["body"]
    (comment,) = comments([replace(long, message="x" * 2 * LONGEST)])
    assert len(comment["body"]) <= 65_536


LINE = st.text("ab \t", max_size=4)


@settings(derandomize=True, deadline=None)
@given(st.lists(LINE, min_size=1, max_size=8), st.data())
def test_a_hunk_makes_of_the_file_what_the_edits_make(lines, data):
    def position():
        line = data.draw(st.integers(1, len(lines)))
        return line, data.draw(st.integers(1, len(lines[line - 1]) + 1))

    start, end = sorted((position(), position()))
    first, last = sorted((data.draw(st.integers(1, len(lines))), data.draw(st.integers(1, len(lines)))))
    finding = fixed(first, last, ("model.py", *start, *end, data.draw(st.text("a\n", max_size=4))))
    hunk = hunk_of(finding, lines)
    if hunk is not None:
        assert (hunk.first, hunk.last) == (first, last)
        made = [*lines[: first - 1], *hunk.lines, *lines[last:]]
        assert "\n".join(made) == edited("\n".join(lines), finding.fix.edits)
        assert lines[-1] != "" or last < len(lines)  # what follows the last line end is no line


@pytest.mark.parametrize("finding", [FINDINGS[5], *FIXES[:8]], ids=["odd name", *NAMES[:8]])
def test_git_applies_what_a_message_shows(tmp_path, finding):
    for path, lines in SOURCES.items():
        (tmp_path / path).write_bytes("\n".join(lines).encode())
    expected = {
        path: edited("\n".join(SOURCES[path]), edits).encode() for path, edits in edits_by_path([finding.fix]).items()
    }  # fmt: skip
    patch = f"{as_patch(finding.fix, PLAIN.lines)}\n"
    done = subprocess.run(["git", "apply"], input=patch.encode(), cwd=tmp_path, capture_output=True, check=False)
    assert done.stderr == b""
    assert {path: (tmp_path / path).read_bytes() for path in expected} == expected
