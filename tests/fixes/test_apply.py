"""Edits of text: positions, line ends, what overlaps, and the way back from new lines to old ones."""

import pytest

from initlint.fixes.apply import Misplaced, edited, fits, lines_before, overlaps
from initlint.fixes.edit import Edit, Fix, Span


def span(line, column, end_line, end_column, path="m.py"):
    return Span(path=path, line=line, column=column, end_line=end_line, end_column=end_column)


def edit(line, column, end_line, end_column, content, path="m.py"):
    return Edit(span=span(line, column, end_line, end_column, path), content=content)


def fix(*edits):
    return Fix(applicability="unsafe", message="", edits=edits)


@pytest.mark.parametrize(
    ("text", "edits", "new"),
    [
        pytest.param("abc\n", [], "abc\n", id="none"),
        pytest.param("abc\n", [edit(1, 2, 1, 3, "X")], "aXc\n", id="a character"),
        pytest.param("abc", [edit(1, 4, 1, 4, "X")], "abcX", id="at the end of a file without a last line end"),
        pytest.param("a\nb\nc\n", [edit(2, 1, 3, 1, "")], "a\nc\n", id="a whole line"),
        pytest.param("a\nb\n", [edit(3, 1, 3, 1, "c\n")], "a\nb\nc\n", id="after the last line"),
        pytest.param("", [edit(1, 1, 1, 1, "a\n")], "a\n", id="an empty file"),
        pytest.param("a b c\n", [edit(1, 5, 1, 6, "C"), edit(1, 1, 1, 2, "A")], "A b C\n", id="two of one line, in any order"),
        pytest.param(
            "ab\n", [edit(1, 2, 1, 2, "X"), edit(1, 2, 1, 2, "Y")], "aXYb\n", id="two insertions at one place, in their order"
        ),
        pytest.param("ab\n", [edit(1, 2, 1, 2, "X"), edit(1, 2, 1, 2, "X")], "aXb\n", id="equal ones once"),
        pytest.param(
            "ab\n", [edit(1, 2, 1, 3, "Y"), edit(1, 2, 1, 2, "X")], "aXY\n", id="an insertion before what is replaced"
        ),
        pytest.param("größe = 1\n", [edit(1, 9, 1, 10, "2")], "größe = 2\n", id="columns are code points"),
        pytest.param("𝒳 = 1\n", [edit(1, 5, 1, 6, "2")], "𝒳 = 2\n", id="beyond the basic plane too"),
        pytest.param("a\fb\nc\u2028d\n", [edit(2, 3, 2, 4, "D")], "a\fb\nc\u2028D\n", id="form feed and U+2028 end no line"),
        pytest.param("a\r\nb\r\n", [edit(2, 1, 2, 1, "x\n")], "a\r\nx\r\nb\r\n", id="a new line ends as the file's do"),
        pytest.param("a\r\nb\nc\n", [edit(1, 1, 1, 2, "x\ny")], "x\r\ny\r\nb\nc\n", id="in a mixed file as the line it is in"),
        pytest.param("a\r\nb", [edit(2, 2, 2, 2, "\nc")], "a\r\nb\r\nc", id="behind a last line without end as the one before"),
        pytest.param("a\rb\r", [edit(2, 1, 2, 1, "x\n")], "a\rx\rb\r", id="old Mac line ends"),
    ],
)
def test_edits_make_the_new_text(text, edits, new):
    assert edited(text, edits) == new


@pytest.mark.parametrize(
    "edits",
    [
        pytest.param([edit(3, 1, 3, 1, "")], id="a line that is not there"),
        pytest.param([edit(1, 5, 1, 5, "")], id="a column that is not there"),
        pytest.param([edit(0, 1, 1, 1, "")], id="line zero"),
        pytest.param([edit(1, 3, 1, 1, "")], id="an end before the beginning"),
        pytest.param([edit(1, 1, 1, 3, "X"), edit(1, 2, 1, 4, "Y")], id="overlapping"),
        pytest.param([edit(1, 1, 1, 3, "X"), edit(1, 2, 1, 2, "Y")], id="an insertion into what is replaced"),
    ],
)
def test_misplaced_edits_are_refused(edits):
    with pytest.raises(Misplaced):
        edited("abc\n", edits)


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        pytest.param(span(1, 1, 1, 3), span(1, 2, 1, 4), True, id="share a character"),
        pytest.param(span(1, 1, 1, 3), span(1, 3, 1, 4), False, id="touch"),
        pytest.param(span(1, 1, 1, 3), span(1, 5, 1, 6), False, id="on one line, apart"),
        pytest.param(span(1, 2, 1, 2), span(1, 2, 1, 2), False, id="insertions at one place"),
        pytest.param(span(1, 1, 3, 1), span(2, 1, 2, 1), True, id="an insertion within lines"),
        pytest.param(span(1, 1, 1, 3), span(1, 2, 1, 4, "other.py"), False, id="in two files"),
    ],
)
def test_overlap(one, other, answer):
    assert overlaps(one, other) is overlaps(other, one) is answer


def test_a_fix_that_makes_an_edit_once_more_fits():
    shared = edit(1, 1, 1, 1, "import math\n")
    first, second = fix(shared, edit(3, 1, 3, 2, "x")), fix(shared, edit(4, 1, 4, 2, "y"))
    assert fits(second, [first])
    assert not fits(fix(edit(3, 1, 3, 3, "z")), [first, second])


@pytest.mark.parametrize(
    ("edits", "lines"),
    [
        pytest.param([], {1: (1, 1), 9: (9, 9)}, id="none"),
        pytest.param([edit(3, 1, 3, 2, "x")], {2: (2, 2), 3: (3, 3), 4: (4, 4)}, id="within a line"),
        pytest.param([edit(3, 1, 3, 1, "x\ny\n")], {2: (2, 2), 3: (3, 3), 5: (3, 3), 6: (4, 4)}, id="two new lines"),
        pytest.param([edit(3, 1, 5, 1, "")], {2: (2, 2), 3: (3, 5), 4: (6, 6)}, id="two lines less"),
        pytest.param(
            [edit(2, 1, 2, 1, "import math\n"), edit(5, 1, 5, 2, "x")], {1: (1, 1), 3: (2, 2), 4: (3, 3), 6: (5, 5), 7: (6, 6)},
            id="two places",
        ),
        pytest.param([edit(2, 1, 3, 2, "x"), edit(3, 4, 3, 5, "y\nz")], {2: (2, 3), 3: (2, 3), 4: (4, 4)}, id="two that share a line"),
    ],
)  # fmt: skip
def test_new_lines_are_traced_to_old_ones(edits, lines):
    assert {line: lines_before(line, edits) for line in lines} == lines
