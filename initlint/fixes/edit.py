"""Changes of source text as values: a region of a file, its new text, and the fix that such edits make up together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A region of one file; lines and columns (in code points) count from 1, the end is exclusive."""

    path: str
    line: int
    column: int = 1
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Replace the text of `span` by `content`."""

    span: Span
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A set of non-overlapping edits: `safe` keeps every number, `unsafe` changes them (a cure), `display` only advises."""

    applicability: Literal["safe", "unsafe", "display"]
    message: str
    edits: tuple[Edit, ...]
