"""FILES → repaired texts: apply what was proved, analyse the result in memory, and go on until nothing is left to apply.

Every fix was proved alone, for its own model. Those of one pass are made together, and what they make of all models that read
the files is looked at before they are kept. Where that is not what was promised, they are made one by one; one that fails alone
is not tried again. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from initlint.fixes.apply import edited, edits_by_path, fits
from initlint.fixes.write import Source, plain, source_of
from initlint.lint.filter import UNUSED, filtered
from initlint.lint.prove import is_new, remains
from initlint.lint.run import Answers, gather, report_of
from initlint.source.text import Unreadable, digest_of

if TYPE_CHECKING:
    from initlint.config import Settings
    from initlint.fixes.edit import Edit, Fix
    from initlint.lint.finding import Finding
    from initlint.lint.result import Report
    from initlint.source.files import Request

PASSES = 100  # at most; two or three are usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What became of the files, still in memory.

    report   of the repaired files: what remains
    applied  findings whose own fix was made, pass by pass; lines as they were in that pass
    gone     all findings that are no more
    new      new text of every changed file by path, line ends as the file has them
    sources  the files as they were
    groups   paths of files that one fix changed together
    left     files with fixes that were left alone, with the rest of a sentence about each
    """

    report: Report
    applied: tuple[Finding, ...]
    gone: tuple[Finding, ...]
    new: Mapping[str, str]
    sources: Mapping[str, Source]
    groups: tuple[frozenset[str], ...]
    left: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """Texts of the files that were changed so far, and what was found with them."""

    texts: Mapping[str, str]
    answers: Answers
    report: Report


def mended(
    requests: Sequence[Request],
    settings_for: Callable[[str], Settings],
    *,
    unsafe: bool,
    jobs: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Mended:
    """Check files and repair them in memory: with safe fixes, and if `unsafe` with those that change numbers."""
    sources = _Sources()

    def state(texts: Mapping[str, str], before: Answers, concerned: Sequence[Request]) -> _State:
        overlay = {path: plain(text) for path, text in texts.items()}
        new = gather(concerned, settings_for, overlay=overlay, jobs=jobs, progress=progress)
        answers = {**before, **new}

        def read(path: str) -> str:
            return overlay[path] if path in overlay else sources.read(path)

        report = filtered(report_of(answers), settings_for, requests, read=read)
        return _State(texts=texts, answers=answers, report=report)

    def attempt(now: _State, chosen: Sequence[Finding]) -> _State | None:
        """The state after these fixes, if it is as good as they promised."""
        edits = edits_by_path(item.fix for item in chosen if item.fix is not None)
        texts = {path: edited(now.texts.get(path, sources.known[path].text), edits[path]) for path in edits}
        after = state({**now.texts, **texts}, now.answers, _concerned(now.answers, edits))
        return after if keeps_promise(chosen, now.report.findings, after.report.findings, edits) else None

    now = state({}, {}, requests)
    applied: list[Finding] = []
    gone: list[Finding] = []
    refused: set[object] = set()
    alone = False  # whether fixes have failed together
    for _ in range(PASSES):
        chosen = together(
            item
            for item in now.report.findings
            if item.fix is not None
            and may_apply(item.fix, unsafe=unsafe)
            and _key(item) not in refused
            and sources.know(item.fix, now)
        )
        if not chosen:
            break
        after = attempt(now, chosen[:1] if alone else chosen)
        if after is None and len(chosen) > 1 and not alone:
            alone = True
            after = attempt(now, chosen[:1])
        chosen = chosen[:1] if alone else chosen
        if after is None:
            refused.add(_key(chosen[0]))
            continue
        edits = edits_by_path(item.fix for item in chosen if item.fix is not None)
        applied += chosen
        gone += (item for item in now.report.findings if not _remains(item, now.report.findings, after.report.findings, edits))
        now = after
    return Mended(
        report=now.report,
        applied=tuple(applied),
        gone=tuple(gone),
        new={path: text for path, text in now.texts.items() if text != sources.known[path].text},
        sources=sources.known,
        groups=tuple(_groups(item.fix for item in applied if item.fix is not None)),
        left=sources.left,
    )


# -- what may be done together -------------------------------------------------------------------------------------------


def may_apply(fix: Fix, *, unsafe: bool) -> bool:
    """Whether a fix is one of those that were asked for; those for display never are."""
    return bool(fix.edits) and (fix.applicability == "safe" or (unsafe and fix.applicability == "unsafe"))


def together(findings: Iterable[Finding]) -> list[Finding]:
    """Findings whose fixes are made in one pass, in source order, the worst of a place first.

    A fix that overlaps an earlier one waits: the new text may not need it. So does one for a module that an earlier one
    cures, since both were proved without the other.
    """
    chosen: list[Finding] = []
    for item in sorted(findings, key=_place):
        assert item.fix is not None
        fixes = [other.fix for other in chosen if other.fix is not None]
        if fits(item.fix, fixes) and not any(_concern_one_module(item, other) for other in chosen):
            chosen.append(item)
    return chosen


def _place(item: Finding) -> tuple[str, int, int, int, str]:
    assert item.fix is not None
    first = min(item.fix.edits, key=lambda edit: (edit.span.path, edit.span.line, edit.span.column)).span
    return first.path, first.line, first.column, -item.severity, item.code


def _concern_one_module(one: Finding, other: Finding) -> bool:
    """Whether two different fixes are for a module of one model."""
    assert one.fix is not None and other.fix is not None
    same = one.target == other.target and bool(set(one.modules) & set(other.modules))
    return same and not set(one.fix.edits) <= set(other.fix.edits)


def _key(item: Finding) -> object:
    """What a refused fix is known by when the lines have moved."""
    assert item.fix is not None
    return item.code, item.target, item.modules, tuple(edit.content for edit in item.fix.edits)


def _groups(fixes: Iterable[Fix]) -> list[frozenset[str]]:
    """Paths that fixes change together, those that share one joined."""
    groups: list[frozenset[str]] = []
    for fix in fixes:
        paths = frozenset(edit.span.path for edit in fix.edits)
        joined = [group for group in groups if group & paths]
        groups = [group for group in groups if not group & paths] + [paths.union(*joined)]
    return groups


# -- before and after -----------------------------------------------------------------------------------------------------


def keeps_promise(
    fixed: Sequence[Finding], before: Sequence[Finding], after: Sequence[Finding], edits: Mapping[str, Sequence[Edit]]
) -> bool:
    """Whether the findings that were fixed are gone, in all models nothing as severe came, and all are still seen."""
    mildest = min(fixed, key=lambda item: item.severity)
    came = (item for item in after if item.name != UNUSED and is_new(item, before, edits, mildest))
    return next(came, None) is None and not any(_remains(item, before, after, edits) for item in fixed)


def _remains(item: Finding, before: Iterable[Finding], after: Iterable[Finding], edits: Mapping[str, Sequence[Edit]]) -> bool:
    own = [other for other in before if other.target == item.target]
    return any(other.target == item.target and remains(item, other, own, edits) for other in after)


def _concerned(answers: Answers, changed: Iterable[str]) -> list[Request]:
    """Requests whose file changed, or whose models read one that did."""
    paths = set(changed)
    return [
        request
        for request, messages in answers.items()
        if any(paths & {*message.get("reads", ()), message.get("target", {}).get("path")} for message in messages)
    ]


@dataclass(slots=True)
class _Sources:
    """The files as they are on disk, each read once; `left` says of some with fixes why they are not touched."""

    known: dict[str, Source] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    def read(self, path: str) -> str:
        """The text of a file as it was when it was first asked for.

        Raises:
            Unreadable: it is no text, or not there.
        """
        if path not in self.known:
            try:
                self.known[path] = source_of(path)
            except (OSError, SyntaxError, LookupError, UnicodeDecodeError) as error:
                raise Unreadable(str(error)) from error
        return self.known[path].plain

    def know(self, fix: Fix, now: _State) -> bool:
        """Whether the files of a fix can be read and are still what was analysed."""
        return all(self._is_as_analysed(path, now) for path in edits_by_path([fix]) if path not in now.texts)

    def _is_as_analysed(self, path: str, now: _State) -> bool:
        if path in self.left:
            return False
        try:
            digest = digest_of(self.read(path))
        except Unreadable as error:
            self.left[path] = f"cannot be read: {error}"
            return False
        messages = (message for several in now.answers.values() for message in several)
        if any(message.get("texts", {}).get(path, digest) != digest for message in messages):
            self.left[path] = "has changed while it was analysed; it was left alone"
            return False
        return True
