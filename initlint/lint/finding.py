"""Findings: what a rule says about a line, and the fix it may carry. Values only."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


class Severity(enum.IntEnum):
    """How bad it is: `error` will not train, `warning` trains worse or breaks when scaled, `info` is worth knowing."""

    INFO = 0
    WARNING = 1
    ERROR = 2

    def __str__(self) -> str:
        return self.name.lower()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """A step on the way to the finding: the layer path along which a signal decays, the line that overwrote."""

    message: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One cause at one source line, with the modules it covers and the numbers that prove it."""

    code: str  # "INI101"
    name: str  # "exploding-signal"
    severity: Severity
    message: str  # first sentence what, where, how much; second the consequence
    help: str = ""  # the change that would cure it, in words
    span: Span
    target: str  # "model.py::Net"
    modules: tuple[str, ...] = ()
    evidence: Mapping[str, float] = field(default_factory=dict)
    related: tuple[Related, ...] = ()
    rests_on: tuple[str, ...] = ()  # nodes whose predictions prove it; known to the judge only, never reported
    fix: Fix | None = None
