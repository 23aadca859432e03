"""FILES → repaired texts: apply what was proved, analyse the result in memory, and go on until nothing is left to apply.

Every fix was proved alone, for its own model. Those of one pass are made together, and what they make of all models that read
the files is looked at before they are kept. Where that is not what was promised, those that some model reads together are made one
by one from then on; one that fails alone is not tried again. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from initlint.fixes.apply import edited, edits_by_path, fits
from initlint.fixes.write import Source, plain, source_of
from initlint.lint.filter import UNUSED, filtered
from initlint.lint.prove import is_new, remains
from initlint.lint.run import Answers, gather, report_of
from initlint.lint.tolerance import MEASURING
from initlint.source.text import Unreadable, digest_of

if TYPE_CHECKING:
    from initlint.config import Settings
    from initlint.fixes.edit import Edit, Fix
    from initlint.lint.finding import Finding
    from initlint.lint.result import Report
    from initlint.source.files import Request

CODE = "INI7"  # codes of rules about the initialization code itself
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

    def state(texts: Mapping[str, str], answers: Answers) -> _State:
        def read(path: str) -> str:
            return plain(texts[path]) if path in texts else sources.read(path)

        return _State(texts=texts, answers=answers, report=filtered(report_of(answers), settings_for, requests, read=read))

    def analysed(texts: Mapping[str, str], concerned: Sequence[Request]) -> Answers:
        overlay = {path: plain(text) for path, text in texts.items()}
        return gather(concerned, settings_for, overlay=overlay, jobs=jobs, progress=progress)

    def attempt(now: _State, groups: Sequence[_Group]) -> tuple[_State, list[_Group]]:
        """The state after the fixes of those groups that are as good as they promised, and those that are not."""
        texts: dict[str, str] = {}
        for group in groups:
            texts |= {path: edited(now.texts.get(path, sources.known[path].text), new) for path, new in group.edits.items()}
        concerned = dict.fromkeys(request for group in groups for request in group.concerned)
        answers = analysed({**now.texts, **texts}, list(concerned))
        after = state({**now.texts, **texts}, {**now.answers, **answers})
        broken = [group for group in groups if not _is_kept(group, now, after)]
        if not broken:
            return after, []
        back = {path for group in broken for path in group.edits}
        answers = {request: answers[request] for group in groups if group not in broken for request in group.concerned}
        texts = {path: text for path, text in texts.items() if path not in back}
        return state({**now.texts, **texts}, {**now.answers, **answers}), broken

    now = state({}, analysed({}, requests))
    applied: list[Finding] = []
    gone: list[Finding] = []
    refused: set[object] = set()
    begun: set[object] = set()  # findings, by their modules, that some pass did not tolerate
    alone: set[Request] = set()  # requests in which fixes have failed together
    for _ in range(PASSES):
        chosen = together(
            item
            for item in _asked_for(now.report.findings, begun, unsafe=unsafe)
            if item.fix is not None and _key(item) not in refused and sources.know(item.fix, now)
        )
        if not chosen:
            break
        groups = [
            _first(group, now.answers) if alone & group.concerned.keys() else group for group in _apart(chosen, now.answers)
        ]
        after, broken = attempt(now, groups)
        for group in broken:
            if len(group.chosen) > 1:
                alone |= group.concerned.keys()
            else:
                refused.add(_key(group.chosen[0]))
        kept = [item for group in groups if group not in broken for item in group.chosen]
        edits = edits_by_path(item.fix for item in kept if item.fix is not None)
        applied += kept
        if kept:
            gone += (
                item for item in now.report.findings if not _remains(item, now.report.findings, after.report.findings, edits)
            )
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


# -- what is kept or taken back together ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Fixes that some model reads together, which no model of another group does.

    edits      of these fixes, by file
    concerned  requests whose models read one of the files, in the order of the run
    """

    chosen: Sequence[Finding]
    edits: Mapping[str, Sequence[Edit]]
    concerned: Mapping[Request, None]


def _apart(chosen: Sequence[Finding], answers: Answers) -> list[_Group]:
    """Fixes in groups that have neither a file nor a model in common."""
    groups: list[_Group] = []
    for item in chosen:
        group = _group((item,), answers)
        near = [
            other
            for other in groups
            if other.edits.keys() & group.edits.keys() or other.concerned.keys() & group.concerned.keys()
        ]
        joined = [found for other in near for found in other.chosen]
        groups = [other for other in groups if other not in near] + [_group((*joined, item), answers)]
    return groups


def _group(chosen: Sequence[Finding], answers: Answers) -> _Group:
    edits = edits_by_path(item.fix for item in chosen if item.fix is not None)
    return _Group(chosen=chosen, edits=edits, concerned=dict.fromkeys(_concerned(answers, edits)))


def _first(group: _Group, answers: Answers) -> _Group:
    return _group(group.chosen[:1], answers)


def _is_kept(group: _Group, before: _State, after: _State) -> bool:
    """Whether the fixes of a group did what they promised in all models that it concerns."""
    messages = [message for state in (before, after) for request in group.concerned for message in state.answers[request]]
    names = {found["target"] for message in messages for found in message.get("findings", ())} | group.edits.keys()

    def own(state: _State) -> list[Finding]:
        return [item for item in state.report.findings if item.target in names]

    return keeps_promise(group.chosen, own(before), own(after), group.edits)


# -- what may be done together -------------------------------------------------------------------------------------------


def may_apply(fix: Fix, *, unsafe: bool) -> bool:
    """Whether a fix is one of those that were asked for; those for display never are."""
    return bool(fix.edits) and (fix.applicability == "safe" or (unsafe and fix.applicability == "unsafe"))


def _asked_for(findings: Iterable[Finding], begun: set[object], *, unsafe: bool) -> Iterator[Finding]:
    """Findings with fixes that were asked for. What is tolerated only since another cure was made is cured, too: half of one
    mistake is no better start."""
    for item in findings:
        subjects = {(item.code, item.target, module) for module in item.modules}
        if not item.tolerated:
            begun |= subjects
        if item.fix is not None and may_apply(item.fix, unsafe=unsafe):
            yield item
        elif item.fix is not None and item.tolerated and unsafe and begun & subjects:
            yield replace(item, fix=replace(item.fix, applicability="unsafe"))


def together(findings: Iterable[Finding]) -> list[Finding]:
    """Findings whose fixes are made in one pass, in source order, the worst of a place first.

    A fix that overlaps an earlier one waits: the new text may not need it. So does one for a module that an earlier one
    cures, since both were proved without the other, and the cure of what is measured in a model whose initialization itself is
    mended: with what the author meant, the numbers are others.
    """
    chosen: list[Finding] = []
    for item in sorted(findings, key=_place):
        assert item.fix is not None
        fixes = [other.fix for other in chosen if other.fix is not None]
        if fits(item.fix, fixes) and not any(_concern_one_module(item, other) for other in chosen):
            chosen.append(item)
    mended_code = {item.target for item in chosen if item.code.startswith(CODE)}
    return [item for item in chosen if item.target not in mended_code or not item.code.startswith(MEASURING)]


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
