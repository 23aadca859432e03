"""Files are replaced at once, and keep what makes them what they are."""

import errno
import os
import stat

import pytest

import initlint.fixes.write
from initlint.fixes.write import CannotWrite, source_of, write

LATIN = "# -*- coding: latin-1 -*-\nname = 'Größe'\n"


def replace_in(path, old, new):
    """Read the file, replace a word of its text, write it."""
    source = source_of(str(path))
    write({str(path): source.text.replace(old, new)}, {str(path): source})


@pytest.mark.parametrize(
    ("content", "new"),
    [
        pytest.param(b"a = 1\n", b"a = 2\n", id="plain"),
        pytest.param(b"a = 1\r\nb\r\n", b"a = 2\r\nb\r\n", id="CRLF"),
        pytest.param(b"a = 1\r\nb\nc\r", b"a = 2\r\nb\nc\r", id="mixed line ends"),
        pytest.param(b"a = 1", b"a = 2", id="no line end at the end"),
        pytest.param(b"\xef\xbb\xbfa = 1\n", b"\xef\xbb\xbfa = 2\n", id="a byte-order mark"),
        pytest.param("é = 1\n".encode(), "é = 2\n".encode(), id="UTF-8"),
        pytest.param(LATIN.encode("latin-1") + b"a = 1\n", LATIN.encode("latin-1") + b"a = 2\n", id="another encoding"),
    ],
)
def test_bytes_that_were_not_edited_stay(tmp_path, content, new):
    path = tmp_path / "m.py"
    path.write_bytes(content)
    replace_in(path, "1\n" if content.startswith(b"# -*-") else "= 1", "2\n" if content.startswith(b"# -*-") else "= 2")
    assert path.read_bytes() == new
    assert os.listdir(tmp_path) == ["m.py"]


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o755, 0o664])
def test_the_mode_stays(tmp_path, mode):
    path = tmp_path / "m.py"
    path.write_text("a = 1\n")
    path.chmod(mode)
    replace_in(path, "1", "2")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_link_stays_one(tmp_path):
    (tmp_path / "real").mkdir()
    path = tmp_path / "real" / "m.py"
    path.write_text("a = 1\n")
    link = tmp_path / "link.py"
    link.symlink_to(path)
    replace_in(link, "1", "2")
    assert link.is_symlink()
    assert path.read_text() == "a = 2\n"


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path):
    path = tmp_path / "m.py"
    path.write_text("a = 1\n")
    source = source_of(str(path))
    path.write_text("a = 3\n")
    with pytest.raises(CannotWrite, match="has changed on disk since it was analysed"):
        write({str(path): "a = 2\n"}, {str(path): source})
    assert path.read_text() == "a = 3\n"
    assert os.listdir(tmp_path) == ["m.py"]


def test_a_file_that_is_gone_is_not_brought_back(tmp_path):
    path = tmp_path / "m.py"
    path.write_text("a = 1\n")
    source = source_of(str(path))
    path.unlink()
    with pytest.raises(CannotWrite):
        write({str(path): "a = 2\n"}, {str(path): source})
    assert os.listdir(tmp_path) == []


def test_a_read_only_file_is_left_alone(tmp_path):
    path = tmp_path / "m.py"
    path.write_text("a = 1\n")
    path.chmod(0o444)
    with pytest.raises(CannotWrite, match="is read-only; it was left alone"):
        replace_in(path, "1", "2")
    assert path.read_text() == "a = 1\n"
    assert os.listdir(tmp_path) == ["m.py"]


def test_what_the_encoding_lacks_is_said(tmp_path):
    path = tmp_path / "m.py"
    path.write_bytes(LATIN.encode("latin-1"))
    with pytest.raises(CannotWrite, match="cannot be written in its encoding, iso-8859-1"):
        replace_in(path, "name", "名前")
    assert path.read_bytes() == LATIN.encode("latin-1")


def test_a_full_disk_leaves_all_files_as_they_were(tmp_path, monkeypatch):
    """The second file does not fit: the first is not written either, and no temporary file stays."""
    paths = [tmp_path / name for name in ("a.py", "b.py")]
    for path in paths:
        path.write_text("a = 1\n")
    sources = {str(path): source_of(str(path)) for path in paths}
    calls = []

    def fsync(handle):
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(initlint.fixes.write.os, "fsync", fsync)
    with pytest.raises(CannotWrite, match=r"b\.py cannot be written: No space left on device; it was left alone"):
        write({str(path): "a = 2\n" for path in paths}, sources)
    assert [path.read_text() for path in paths] == ["a = 1\n", "a = 1\n"]
    assert sorted(os.listdir(tmp_path)) == ["a.py", "b.py"]
