"""FACTS → FINDINGS: run the rules, keep one finding per cause and source line.

Rules speak per parameter or per module; a person wants one line per cause. Findings of one rule at one place are merged,
the worst one speaking for all; a rule that another one explains keeps quiet about the same modules. A finding that rests on
a bent assumption says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from initlint.lint.doubt import with_assumptions
from initlint.lint.finding import Finding, Severity
from initlint.lint.load import LoadedRule, load_rules
from initlint.lint.tolerance import MEASURING

if TYPE_CHECKING:
    from initlint.lint.facts import Facts


def judge(facts: Facts, rules: Iterable[LoadedRule] | None = None) -> tuple[Finding, ...]:
    """Findings of the selected rules (all by default), merged, in source order."""
    chosen = tuple(load_rules() if rules is None else rules)
    found = [with_assumptions(finding, facts) for item in chosen if item.check is not None for finding in item.check(facts)]
    explained_by = {item.rule.name: frozenset(item.rule.explained_by) for item in chosen}
    kept = [finding for finding in found if not _is_explained(finding, found, explained_by[finding.name])]
    if not any(finding.code.startswith(MEASURING) and finding.severity > Severity.INFO for finding in found):
        shows = {item.rule.name for item in chosen if item.rule.shows}
        kept = [replace(finding, tolerated=True) if finding.name in shows else finding for finding in kept]
    return tuple(sorted(merge(kept), key=_order))


def _is_explained(finding: Finding, found: Sequence[Finding], by: frozenset[str]) -> bool:
    """Whether a rule that names the cause reports one of the same modules, or what holds it; a note explains no more than a note."""
    covered = {*finding.modules, *(name[:end] for name in finding.modules for end in _dots(name))}
    causes = [other for other in found if other.name in by and (other.severity > Severity.INFO or finding.severity is Severity.INFO)]
    return any(covered & set(other.modules) or other.span == finding.span for other in causes)


def _dots(path: str) -> list[int]:
    """Where the paths of the modules end that hold this one."""
    return [place for place, letter in enumerate(path) if letter == "."]


def merge(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding per rule and source line: the worst one's words, everybody's modules and related places."""
    groups: dict[tuple[str, str, int], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.code, finding.span.path, finding.span.line), []).append(finding)
    merged = []
    for group in groups.values():
        ranked = sorted(group, key=lambda finding: -finding.severity)
        merged.append(
            replace(
                ranked[0],
                modules=tuple(dict.fromkeys(module for finding in ranked for module in finding.modules)),
                related=tuple(dict.fromkeys(place for finding in ranked for place in finding.related)),
            )
        )
    return tuple(merged)


def _order(finding: Finding) -> tuple[str, int, int, str]:
    return finding.span.path, finding.span.line, finding.span.column, finding.code
