"""Findings: what a rule says about a line, and the fix it may carry. Values only."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from initlint.fixes.edit import Edit, Fix, Span

__all__ = ["Edit", "Finding", "Fix", "Related", "Severity", "Span"]


class Severity(enum.IntEnum):
    """How bad it is: `error` will not train, `warning` trains worse or breaks when scaled, `info` is worth knowing."""

    INFO = 0
    WARNING = 1
    ERROR = 2

    def __str__(self) -> str:
        return self.name.lower()


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
    tolerated: bool = False  # most models of which this is found train: an unsafe fix is shown, and not made unasked
    fix: Fix | None = None
