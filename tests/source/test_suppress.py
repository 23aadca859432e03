"""Ignore comments: what they cover, and what is left when they go."""

import pytest

from initlint.source.suppress import ignores_of, without

COVERED = [
    pytest.param("x = 1  # initlint: ignore[A]", (1, 1), id="behind a statement: its line"),
    pytest.param("x = f(\n  1,  # initlint: ignore[A]\n  2)\n", (2, 2), id="inside brackets: its own line"),
    pytest.param("x = f(\n  1,\n  2)  # initlint: ignore[A]\n", (1, 3), id="behind the last line: the whole statement"),
    pytest.param("x = f(  # initlint: ignore[A]\n  1)\n", (1, 1), id="behind the first of several lines: that line"),
    pytest.param("# initlint: ignore[A]\n\n# more\nx = f(\n  1)\n", (4, 5), id="alone: the whole statement below"),
    pytest.param("x = f(\n  # initlint: ignore[A]\n\n  1,\n  2)\n", (4, 4), id="alone inside brackets: the next line of code"),
    pytest.param("if x:\n    # initlint: ignore[A]\n    y = 1\nz = 2\n", (3, 3), id="alone in a block: the next statement"),
    pytest.param("# initlint: ignore[A]\nclass A:\n    x = 1\n", (2, 2), id="above a class: its header"),
    pytest.param("x = 1\n# initlint: file-ignore[A]\n", (1, 4), id="file-ignore: everything"),
    pytest.param("x = 1\n# initlint: ignore[A]", (2, 2), id="at the end of a file: nothing else"),
    pytest.param("x = '''\n'''  # noqa: A1\n", (1, 2), id="noqa behind a long string: the statement"),
    pytest.param("x = 1  # what: ever # initlint: ignore[A]", (1, 1), id="behind another comment"),
]


@pytest.mark.parametrize(("text", "lines"), COVERED)
def test_a_comment_covers_these_lines(text, lines):
    (ignore,) = ignores_of(text)
    assert (ignore.first, ignore.last) == lines


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        pytest.param("x  # initlint: ignore[INI101, slow-name] since 3", ("INI101", "slow-name"), id="a list and a reason"),
        pytest.param("x  #initlint:ignore[INI101]", ("INI101",), id="without spaces"),
        pytest.param("x  # Initlint: Ignore[ini101]", ("ini101",), id="in any case"),
        pytest.param("x  # initlint: ignore", (), id="without brackets"),
        pytest.param("x  # initlint: ignore[]", (), id="with empty brackets"),
        pytest.param("x  # noqa: E501,INI101 reason", ("E501", "INI101"), id="noqa with other codes"),
        pytest.param("x  # noqa:INI101", ("INI101",), id="noqa without a space"),
    ],
)
def test_a_comment_names_these_rules(text, rules):
    (ignore,) = ignores_of(text)
    assert ignore.rules == rules


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x  # noqa", id="a bare noqa speaks to others"),
        pytest.param("x = '# initlint: ignore[A]'", id="a string"),
        pytest.param("x  # initlint: ignored", id="another word"),
        pytest.param("x = (  # initlint: ignore[A]", id="a file that does not tokenize"),
    ],
)
def test_this_is_no_ignore_comment(text):
    assert ignores_of(text) == ()


REMOVED = [
    pytest.param("x = 1  # initlint: ignore[A] why\n", "x = 1\n", id="a trailing comment goes with its reason"),
    pytest.param("a\n    # initlint: ignore[A]\nb\n", "a\nb\n", id="a comment with a line to itself takes the line"),
    pytest.param("x\n# initlint: file-ignore[A]", "x\n", id="at the end of a file"),
    pytest.param("x  # initlint: ignore[A, B] why\n", "x  # initlint: ignore[B] why\n", id="one rule of two"),
    pytest.param("x  # noqa: A1, B2\n", "x  # noqa: B2\n", id="one code of a noqa"),
    pytest.param("x  # initlint: ignore[A]  # type: ignore\n", "x  # type: ignore\n", id="a comment behind it stays"),
    pytest.param("x  # type: ignore # initlint: ignore[A]\n", "x  # type: ignore\n", id="a comment before it stays"),
]


@pytest.mark.parametrize(("before", "after"), REMOVED)
def test_removal_leaves_the_rest(before, after):
    lines = before.split("\n")
    (ignore,) = ignores_of(before)
    cut = without(ignore, lines, lambda rule: rule.startswith("B"))
    assert _applied(before, cut) == after


def _applied(text, cut):
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    begin, end = starts[cut.line - 1] + cut.column - 1, starts[cut.end_line - 1] + cut.end_column - 1
    return text[:begin] + cut.content + text[end:]
