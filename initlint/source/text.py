"""Bytes → text → lines. Encodings as Python's own: a byte-order mark or a coding comment decides, else UTF-8."""

from __future__ import annotations

import hashlib
import io
import tokenize
from pathlib import Path

from initlint.source.overlay import overlaid


class Unreadable(Exception):
    """A file that cannot be turned into text; the message says why, without the path."""


def read_source(path: str) -> str:
    """The text of a Python file, line ends as Python sees them; what is laid over the file comes first."""
    text = overlaid(path)
    if text is not None:
        return text
    try:
        return decoded(Path(path).read_bytes())
    except FileNotFoundError as error:
        raise Unreadable("there is no such file") from error
    except IsADirectoryError as error:
        raise Unreadable("this is a folder, not a file") from error
    except OSError as error:
        raise Unreadable(f"the file cannot be read: {error.strerror or error}") from error


def decoded(content: bytes) -> str:
    """Text of the bytes of a Python file."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return io.TextIOWrapper(io.BytesIO(content), encoding=encoding).read()
    except (SyntaxError, LookupError, UnicodeDecodeError) as error:
        raise Unreadable(f"the file is not text in its encoding: {error}") from error


def lines_of(text: str) -> list[str]:
    """Lines as Python counts them, without their ends: a form feed or U+2028 ends no line."""
    return text.split("\n")


def digest_of(text: str) -> str:
    """What tells one text from another: two with equal digests are the same."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
