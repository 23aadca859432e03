"""A patch is one that the real `git apply` takes, from the folder it was made for, byte for byte."""

import subprocess

import pytest

from initlint.fixes.write import source_of
from initlint.lint.finding import Edit, Fix, Span
from initlint.report.changes import as_diff, changed_lines, patched_in

LONG = "".join(f"line {n}\n" for n in range(40))


def git(folder, *arguments, **options):
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False, **options)


@pytest.mark.parametrize(
    ("content", "new"),
    [
        pytest.param(b"a\nb\nc\n", b"a\nB\nc\n", id="a line"),
        pytest.param(b"a\nb", b"a\nB", id="no line end at the end"),
        pytest.param(b"a\nb", b"a\nb\nc", id="a line behind one without an end"),
        pytest.param(b"a\r\nb\r\n", b"a\r\nB\r\n", id="CRLF"),
        pytest.param(b"a\r\nb\r\nc", b"a\r\nB\r\nc", id="CRLF without an end"),
        pytest.param(b"a\nb\r\nc\n", b"a\nB\r\nc\n", id="mixed line ends"),
        pytest.param(b"a\fb\x0bc\nd\n", b"a\fb\x0bc\nD\n", id="form feed"),
        pytest.param("ä\u2028b\nd\n".encode(), "ä\u2028b\nD\n".encode(), id="U+2028"),
        pytest.param(b"\xef\xbb\xbfa\nb\n", b"\xef\xbb\xbfA\nb\n", id="a byte-order mark"),
        pytest.param(
            "# coding: latin-1\n'ö'\nb\n".encode("latin-1"), "# coding: latin-1\n'ö'\nB\n".encode("latin-1"), id="latin-1"
        ),
        pytest.param(LONG.encode(), LONG.replace("line 3\n", "").replace("line 37\n", "x\ny\n").encode(), id="two hunks"),
        pytest.param(b"a\n\n\nb\n", b"a\n\n\nb\n\n\n", id="blank lines"),
    ],
)
@pytest.mark.parametrize("name", ["m.py", "sub/m.py", "with space.py", "größe.py", 'quo"te.py'])
@pytest.mark.parametrize("within", [False, True], ids=["from the top", "from a folder of the repository"])
def test_git_takes_the_patch(tmp_path, content, new, name, within):
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "core.autocrlf", "false")
    here = tmp_path / "folder" if within else tmp_path
    path = here / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    source = source_of(str(path))
    text = new.decode(source.encoding)
    patch = as_diff({str(path): text}, {str(path): source}, str(here))
    done = git(here, "apply", "--whitespace=nowarn", "-", input=patch)
    assert (done.returncode, done.stderr) == (0, b""), patch
    assert path.read_bytes() == new


def made(path, text="a\nb\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("files", "here", "base"),
    [
        (["one/pkg/m.py"], "one/pkg", "one/pkg"),
        (["one/pkg/m.py", "one/n.py"], "one/pkg", "one"),
        (["one/n.py"], "one/other", "one"),
        (["one/n.py"], "two", "one"),
        (["one/n.py"], "plain", "one"),
        (["one/n.py", "two/n.py"], "one", "/"),
        (["plain/m.py"], "one", "/"),
    ],
)
def test_a_patch_is_for_the_folder_that_holds_all_files(tmp_path, files, here, base):
    """Wherever the command runs and however the files were named, git takes the patch in the folder that it is for."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        git(tmp_path / folder, "init", "-q")
    (tmp_path / here).mkdir(parents=True, exist_ok=True)
    paths = [made(tmp_path / file) for file in files]
    found = patched_in(paths, str(tmp_path / here))
    assert found == ("/" if base == "/" else str(tmp_path / base))
    patch = as_diff(dict.fromkeys(paths, "a\nB\n"), {path: source_of(path) for path in paths}, found)
    assert b"//" not in patch
    done = git(found, "apply", "-", input=patch)
    assert (done.returncode, done.stderr) == (0, b"")
    assert {(tmp_path / file).read_text() for file in files} == {"a\nB\n"}


def test_files_that_do_not_change_are_not_mentioned(tmp_path):
    path = tmp_path / "m.py"
    path.write_text("a\n")
    source = source_of(str(path))
    assert as_diff({str(path): "a\n"}, {str(path): source}, str(tmp_path)) == b""


def test_people_see_the_lines_with_their_numbers():
    lines = {"m.py": ["a", "b", "c", "d", "e", "f", "g"], "other.py": ["x"]}
    edits = (
        Edit(span=Span(path="m.py", line=2, column=1, end_line=2, end_column=2), content="B\nBB"),
        Edit(span=Span(path="m.py", line=7, column=1, end_line=7, end_column=2), content="G"),
        Edit(span=Span(path="other.py", line=1, column=1, end_line=1, end_column=2), content="y"),
    )
    shown = list(changed_lines(Fix(applicability="safe", message="", edits=edits), lines.__getitem__, "m.py"))
    assert shown == [
        "1   a", "2 - b", "2 + B", "3 + BB", "4   c", "...", "7   f", "7 - g", "8 + G", "other.py:", "1 - x", "1 + y",
    ]  # fmt: skip
