"""What a rule is: metadata as a value, and one generator from facts to findings.

A rule is a folder of `initlint.rules` (or of a package named by the entry-point group `initlint.rules`) with `rule.py`,
which defines `RULE` and, unless the run itself emits the findings, `check`, and where there is a cure `fixes`; with `doc.md`; and
with `cases/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from initlint.lint.finding import Severity

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

Applicability = Literal["safe", "unsafe", "display"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule, as lists and documentation show it.

    code, name    "INI102" and "vanishing-signal", the bad pattern
    severity      the highest that its findings can have
    summary       one sentence that says what it finds
    default       selected when the settings select nothing
    fix           what its fixes do to the numbers, None when it has none
    explained_by  names of rules: where one of them reports the same modules, it names the cause and this one keeps quiet
    shows         the mistake shows in what is measured; where no rule that measures warns of the model, it trains as it is
    """

    code: str
    name: str
    severity: Severity
    summary: str
    default: bool = True
    fix: Applicability | None = None
    explained_by: tuple[str, ...] = ()
    shows: bool = False


class Check(Protocol):
    """The generator of a rule: reads facts, never recomputes them."""

    def __call__(self, facts: Facts) -> Iterator[Finding]: ...


class Fixes(Protocol):
    """The cures a rule knows for one of its findings, the least change first; each is proved before it is offered.

    `found` is as it will be reported: merged with others of its line, all their modules named. Whoever reads source text reads
    it with `source.text.read_source`: a file may be under repair, in memory. Nothing is yielded where nothing helps.
    """

    def __call__(self, found: Finding, facts: Facts) -> Iterator[Fix]: ...
