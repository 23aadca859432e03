"""NEW TEXT → FILE: written beside it and put in its place at once, with its encoding, line ends, byte-order mark and mode.

A file is read once into a `Source` and written only while it is still the same; of several files all are ready before the
first is replaced. A symbolic link stays one: the file it names is written.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tempfile
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from initlint.source.overlay import overlaid_bytes


class CannotWrite(Exception):
    """A file that stays as it is: `path`, and `why` as the rest of a sentence about it."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} {why}")
        self.path, self.why = path, why


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file as it was read.

    text      decoded, its line ends as they are
    encoding  Python's name of it, "utf-8-sig" where the file begins with a byte-order mark
    """

    path: str
    content: bytes
    text: str
    encoding: str

    @property
    def plain(self) -> str:
        """The text as Python reads it."""
        return plain(self.text)


def plain(text: str) -> str:
    """The text with LF as its only line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def source_of(path: str) -> Source:
    """Read a Python file.

    Raises:
        OSError, SyntaxError, LookupError, UnicodeDecodeError: it cannot be read, or is no text in its encoding.
    """
    given = overlaid_bytes(path)
    content = Path(path).read_bytes() if given is None else given
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    return Source(path=path, content=content, text=content.decode(encoding), encoding=encoding)


def write(new: Mapping[str, str], sources: Mapping[str, Source]) -> None:
    """Replace the files of `new`, path to text, each of which is still as its source says.

    Raises:
        CannotWrite: a file is read-only, has changed, or its text does not fit its encoding or on the disk. No file was
            replaced, unless the disk failed between two of them; none is ever left half-written.
    """
    staged: list[tuple[str, str]] = []
    try:
        staged += (_staged(sources[path], text) for path, text in new.items())
        for path in new:
            if is_changed(sources[path]):
                raise CannotWrite(path, "has changed on disk since it was analysed; it was left alone")
        while staged:
            temporary, place = staged[0]
            _replace(temporary, place)
            staged.pop(0)
    finally:
        for temporary, _ in staged:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def is_changed(source: Source) -> bool:
    """Whether a file is no longer as it was read."""
    try:
        return Path(source.path).read_bytes() != source.content
    except OSError:
        return True


def _staged(source: Source, text: str) -> tuple[str, str]:
    """A finished file beside the one it is to replace, and the place of that one."""
    place = os.path.realpath(source.path)
    try:
        content = text.encode(source.encoding)
        status = os.stat(place)
        _require_writable(source.path, status)
        return _beside(place, content, status), place
    except UnicodeEncodeError as error:
        raise CannotWrite(source.path, f"cannot be written in its encoding, {source.encoding}: {error.reason}") from error
    except OSError as error:
        raise CannotWrite(source.path, f"cannot be written: {error.strerror or error}; it was left alone") from error


def _require_writable(path: str, status: os.stat_result) -> None:
    """A replaced file need not be writable, but who made it read-only meant it."""
    if not status.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(path, os.W_OK):
        raise CannotWrite(path, "is read-only; it was left alone")


def _beside(place: str, content: bytes, status: os.stat_result) -> str:
    """The path of a new file in the same folder, with this content on the disk, and owner and mode of the old one."""
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(place), prefix=".initlint-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            _take_after(status, temporary)
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return temporary


def _take_after(status: os.stat_result, path: str) -> None:
    """Give a file the owner and the mode of another; the owner only where we may."""
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):
            os.chown(path, status.st_uid, status.st_gid)
    os.chmod(path, stat.S_IMODE(status.st_mode))


def _replace(temporary: str, place: str) -> None:
    try:
        os.replace(temporary, place)
    except OSError as error:
        raise CannotWrite(place, f"cannot be written: {error.strerror or error}; it was left alone") from error
    with contextlib.suppress(OSError):  # not every system lets folders be opened
        folder = os.open(os.path.dirname(place), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
