"""REPORT → what the user wants to hear: selection, per-file ignores and ignore comments applied, unused comments reported.

An ignore comment is called unused only where it could have been used: every model of its file was analysed and its rules
were selected there. A note is no reason to change how a model starts, nor is a warning of what most models bear: an unsafe fix of
these is shown, and applied only where somebody selected the rule by its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from initlint.config import Settings
from initlint.lint.finding import Edit, Finding, Fix, Severity, Span
from initlint.lint.load import load_rules
from initlint.lint.result import Report
from initlint.lint.rule import Rule
from initlint.lint.selection import named, selection_for
from initlint.source.files import Request
from initlint.source.suppress import Ignore, ignores_of, without
from initlint.source.text import Unreadable, lines_of, read_source

UNUSED = "unused-ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file with its ignore comments, and the codes that may speak about it."""

    path: str
    lines: Sequence[str]
    ignores: tuple[Ignore, ...]
    selected: frozenset[str]
    named: frozenset[str]


def filtered(
    report: Report,
    settings_for: Callable[[str], Settings],
    requests: Sequence[Request] | None = None,
    read: Callable[[str], str] = read_source,
) -> Report:
    """The report without what was not selected or is ignored, with ignore comments that silence nothing.

    requests  what was asked for: where it was one model of a file, a comment may be for another; None: whole files
    read      from a path to its text; raises `Unreadable`
    """
    rules = [item.rule for item in load_rules()]
    codes = _codes()
    paths = {finding.span.path for finding in report.findings} | {target.path for target in report.targets}
    files = {path: _file(path, rules, settings_for(path), read) for path in paths}

    used: set[tuple[str, Ignore, str]] = set()
    kept: list[Finding] = []
    for finding in report.findings:
        file = files[finding.span.path]
        if finding.code in file.selected:
            silencers = [ignore for ignore in file.ignores if _silences(ignore, finding, codes)]
            used |= {(file.path, ignore, finding.code) for ignore in silencers}
            if not silencers:
                kept.append(finding if finding.code in file.named else _only_shown(finding))

    rule = next((rule for rule in rules if rule.name == UNUSED), None)
    if rule is not None:
        for path in _analysed(report, requests):
            kept += _unused(rule, files[path], {(ignore, code) for place, ignore, code in used if place == path}, codes)
    kept.sort(key=lambda item: (item.span.path, item.span.line, item.span.column, item.code, item.target))
    return replace(report, findings=tuple(kept))


def is_ignored(finding: Finding) -> bool:
    """Whether a comment in its file silences a finding."""
    try:
        text = read_source(finding.span.path)
    except Unreadable:
        return False
    return any(_silences(ignore, finding, _codes()) for ignore in ignores_of(text))


def _codes() -> dict[str, str]:
    """Codes by all that a comment may call a rule."""
    rules = (item.rule for item in load_rules())
    return {word.casefold(): rule.code for rule in rules for word in (rule.code, rule.name)}


def _file(path: str, rules: Sequence[Rule], settings: Settings, read: Callable[[str], str]) -> _File:
    try:
        text = read(path)
    except Unreadable:
        text = ""
    return _File(
        path=path,
        lines=lines_of(text),
        ignores=ignores_of(text),
        selected=selection_for(rules, settings)(path),
        named=named(rules, settings.selection),
    )


def _only_shown(finding: Finding) -> Finding:
    """A note, or what is tolerated, whose fix would change numbers, without anybody who applies it."""
    if finding.fix is None or finding.fix.applicability != "unsafe":
        return finding
    if finding.severity is not Severity.INFO and not finding.tolerated:
        return finding
    said = f"{finding.fix.message} (made where {finding.code} is selected by its name)"
    return replace(finding, fix=replace(finding.fix, applicability="display", message=said))


def _silences(ignore: Ignore, finding: Finding, codes: Mapping[str, str]) -> bool:
    return ignore.covers(finding.span.line) and any(codes.get(word.casefold()) == finding.code for word in ignore.rules)


def _analysed(report: Report, requests: Sequence[Request] | None) -> set[str]:
    """Files all of whose models were asked for and analysed."""
    failed = {target.path for target in report.targets if target.status != "ok"}
    found = {target.path for target in report.targets} - failed
    if requests is None:
        return found
    whole = {os.path.realpath(request.path) for request in requests if request.path is not None and request.name is None}
    return {path for path in found if os.path.realpath(path) in whole}


# -- unused comments ----------------------------------------------------------------------------------------------------


def _unused(rule: Rule, file: _File, used: Collection[tuple[Ignore, str]], codes: Mapping[str, str]) -> Iterable[Finding]:
    """A finding for every comment that silences nothing, as far as that can be told."""
    if rule.code not in file.selected:
        return
    for ignore in file.ignores:
        needless: dict[str, str] = {}
        for word in ignore.rules:
            code = codes.get(word.casefold())
            if code is None and ignore.kind != "noqa":  # a `noqa` also speaks to other tools
                needless[word] = f"there is no rule `{word}`"
            elif code is not None and code != rule.code and code in file.selected and (ignore, code) not in used:
                needless[word] = f"`{word}` finds nothing here"
        if ignore.rules and not needless:
            continue
        finding = _of_comment(rule, file, ignore, needless)
        if not any(_silences(other, finding, codes) for other in file.ignores):
            yield finding


def _of_comment(rule: Rule, file: _File, ignore: Ignore, needless: Mapping[str, str]) -> Finding:
    reasons = "; ".join(needless.values()) or "it names no rule in brackets"
    whole = len(needless) == len(ignore.rules)
    return Finding(
        code=rule.code,
        name=rule.name,
        severity=rule.severity,
        message=f"this ignore comment silences nothing: {reasons}",
        help="remove the comment" if whole else f"remove {', '.join(f'`{word}`' for word in needless)} from the comment",
        span=Span(path=file.path, line=ignore.line, column=ignore.column, end_line=ignore.line, end_column=ignore.end),
        target=file.path,
        fix=_removed(file, ignore, needless) if needless else None,
    )


def _removed(file: _File, ignore: Ignore, needless: Collection[str]) -> Fix:
    removal = without(ignore, file.lines, lambda word: word not in needless)
    span = Span(
        path=file.path,
        line=removal.line,
        column=removal.column,
        end_line=removal.end_line,
        end_column=removal.end_column,
    )
    return Fix(applicability="safe", message="Remove the unused ignore", edits=(Edit(span=span, content=removal.content),))
