"""Source texts that stand in for files, in memory: a repaired file is imported and read as if it had been written.

Imports, `inspect`, `linecache` and `read_source` see the new text; nothing is written. What a process imports cannot be taken
back, so this belongs in a child that ends afterwards.
"""

from __future__ import annotations

import importlib.machinery
import io
import linecache
import os
import tokenize
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import CodeType
from typing import Any

_texts: dict[str, str] = {}
_contents: dict[str, bytes] = {}  # of those texts that came as bytes


def overlaid(path: str) -> str | None:
    """The text that stands in for a file, None where the file itself is meant."""
    return _texts.get(os.path.realpath(path)) if _texts else None


def overlaid_bytes(path: str) -> bytes | None:
    """What stands in for a file as it came, None where that is the file itself."""
    return _contents.get(os.path.realpath(path))


def all_overlaid() -> Mapping[str, str]:
    """All texts that stand in for files, by path."""
    return dict(_texts)


@contextmanager
def standing_in(path: str, content: bytes) -> Iterator[None]:
    """Let these bytes stand in for a file wherever it is read meanwhile; imports of this process see the file.

    Raises:
        SyntaxError, LookupError, UnicodeDecodeError: they are no text of Python.
    """
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    place = os.path.realpath(path)
    _texts[place], _contents[place] = io.TextIOWrapper(io.BytesIO(content), encoding=encoding).read(), content
    try:
        yield
    finally:
        del _texts[place], _contents[place]


def lay_over(texts: Mapping[str, str]) -> None:
    """Let these texts, by path, stand in for files from now on: over those that do so already."""
    if not texts:
        return
    first = not _texts
    for path, text in texts.items():
        _texts[os.path.realpath(path)] = text
        _show(path, text)
        _show(os.path.realpath(path), text)
    if first:
        _read_through()


def _show(path: str, text: str) -> None:
    """Give tracebacks and `inspect` the lines; an entry without a time is never compared with the file."""
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)


def _read_through() -> None:
    loader: Any = importlib.machinery.SourceFileLoader
    code_from_file, source_from_file = loader.get_code, loader.get_source

    def get_code(self: Any, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        text = overlaid(path)
        if text is None:
            code: CodeType | None = code_from_file(self, fullname)
            return code
        _show(path, text)
        return compile(text, path, "exec", dont_inherit=True)

    def get_source(self: Any, fullname: str) -> str | None:
        text = overlaid(self.get_filename(fullname))
        source: str | None = source_from_file(self, fullname) if text is None else text
        return source

    loader.get_code, loader.get_source = get_code, get_source
