"""FINDINGS → findings with a cure: what a rule proposes is tried on the source, in memory, before it is offered.

A candidate is proved when the target, analysed again with the new text, has lost the finding and got nothing new that is as
severe, and all of it is still seen. What does not parse, import, build or trace proves nothing and is dropped without a word.
"""

from __future__ import annotations

import ast
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from initlint.fixes.apply import Misplaced, edited, edits_by_path, lines_before
from initlint.graph.frames import is_below
from initlint.lint.finding import Edit, Finding, Fix
from initlint.lint.load import load_rules
from initlint.source.text import Unreadable, digest_of, read_source

if TYPE_CHECKING:
    from initlint.lint.facts import Facts

CANDIDATES = 8  # of one finding that are tried
INCOMPLETE = "INI0"  # codes of what could not be seen: nothing of the kind may be the price of a cure

Candidates = Callable[[Finding], Iterable[Fix]]
Again = Callable[[Mapping[str, str], float | None], Sequence[Finding] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """Findings with the fixes that were proved, notes on recipes that broke, and digests of the texts that were edited."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)


class CannotRepeat(Exception):
    """The project's files cannot be imported twice in one process: what they register elsewhere refuses to be there twice."""


def with_fixes(
    findings: Sequence[Finding],
    candidates: Candidates,
    again: Again,
    *,
    root: str,
    seconds: float | None = None,
    read: Callable[[str], str] = read_source,
) -> Proved:
    """Give every finding the first of its candidates that is proved.

    again    findings of the same target with other texts in place of some files, by path; None where it cannot be analysed.
             The number is of seconds that it may take
    root     the folder of the project, whose files alone may be changed
    seconds  that all proofs together may take
    read     from a path to the text that is to be changed

    Raises:
        CannotRepeat: when `again` does.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    trial = _Trial(findings=findings, root=root, again=again, deadline=deadline, read=read)
    result: list[Finding] = []
    notes: list[str] = []
    for finding in findings:
        fix = finding.fix
        if fix is None and is_below(finding.span.path, (root,)):
            try:
                fix = next((fix for fix in map(_without_links, candidates(finding)) if trial.proves(fix, finding)), None)
            except CannotRepeat:
                raise
            except Exception as error:  # noqa: BLE001 - a recipe that breaks costs its own fix, not the findings
                notes.append(f"no fix of {finding.code}: {type(error).__name__}: {error}")
        result.append(replace(finding, fix=fix))
    digests = {path: digest_of(text) for path, text in trial.texts.items()}
    return Proved(findings=tuple(result), notes=tuple(dict.fromkeys(notes)), digests=digests)


def recipes(facts: Facts, wanted: Callable[[Finding], bool]) -> Candidates:
    """What the rules propose for those of their findings that are wanted."""
    rules = {item.rule.code: item for item in load_rules()}

    def candidates(finding: Finding) -> Iterable[Fix]:
        rule = rules.get(finding.code)
        if rule is None or rule.fixes is None or not wanted(finding):
            return ()
        return islice(rule.fixes(finding, facts), CANDIDATES)

    return candidates


def _without_links(fix: Fix) -> Fix:
    """The fix with one name for each file."""
    edits = (replace(edit, span=replace(edit.span, path=os.path.realpath(edit.span.path))) for edit in fix.edits)
    return replace(fix, edits=tuple(edits))


@dataclass(slots=True, kw_only=True)
class _Trial:
    """One target's findings, the texts of its files, and what each change that was tried made of the findings."""

    findings: Sequence[Finding]
    root: str
    again: Again
    deadline: float | None
    read: Callable[[str], str]
    texts: dict[str, str] = field(default_factory=dict)
    tried: dict[frozenset[Edit], Sequence[Finding] | None] = field(default_factory=dict)

    def proves(self, fix: Fix, finding: Finding) -> bool:
        """Whether the finding is gone with this fix, and nothing came."""
        key = frozenset(fix.edits)
        if key not in self.tried:
            self.tried[key] = self._after(fix)
        after = self.tried[key]
        if after is None:
            return False
        edits = edits_by_path([fix])
        return not any(
            remains(finding, item, self.findings, edits) or is_new(item, self.findings, edits, finding) for item in after
        )

    def _after(self, fix: Fix) -> Sequence[Finding] | None:
        new = self._edited(fix)
        if not new:
            return None
        left = None if self.deadline is None else self.deadline - time.monotonic()
        return None if left is not None and left <= 0 else self.again(new, left)

    def _edited(self, fix: Fix) -> dict[str, str] | None:
        """The new text of every file; None where one is not the user's, would not change, or would not parse."""
        new = {}
        for path, edits in edits_by_path([fix]).items():
            if not is_below(path, (self.root,)):
                return None
            try:
                if path not in self.texts:
                    self.texts[path] = self.read(path)
                new[path] = edited(self.texts[path], edits)
                ast.parse(new[path], path)
            except (Unreadable, Misplaced, SyntaxError, ValueError, RecursionError, MemoryError):
                return None
            if new[path] == self.texts[path]:
                return None
        return new


# -- before and after -----------------------------------------------------------------------------------------------------


def is_same(before: Finding, after: Finding, edits: Mapping[str, Sequence[Edit]]) -> bool:
    """Whether a finding after some edits is the one before: the same rule, at the same line or about one of its modules."""
    if before.code != after.code:
        return False
    if set(before.modules) & set(after.modules):
        return True
    if before.span.path != after.span.path:
        return False
    first, last = lines_before(after.span.line, edits.get(after.span.path, ()))
    return first <= before.span.line <= last


def remains(cured: Finding, after: Finding, all_before: Iterable[Finding], edits: Mapping[str, Sequence[Edit]]) -> bool:
    """Whether a finding after some edits is the cured one, still there.

    One of the same module at another line is it, moved; unless that line had a finding of the same rule before, which is then
    that other one, as of two parameters of a module where only one is cured.
    """
    if not is_same(cured, after, edits):
        return False
    path = after.span.path
    first, last = lines_before(after.span.line, edits.get(path, ()))

    def stood_there(item: Finding) -> bool:
        return item.code == after.code and item.span.path == path and first <= item.span.line <= last

    return stood_there(cured) or not any(map(stood_there, all_before))


def is_new(after: Finding, all_before: Sequence[Finding], edits: Mapping[str, Sequence[Edit]], cured: Finding) -> bool:
    """Whether a finding is the price of a cure: as severe as what was cured and not there, or milder, before."""
    if after.severity < cured.severity and not after.code.startswith(INCOMPLETE):
        return False
    return not any(is_same(before, after, edits) and before.severity >= after.severity for before in all_before)
