"""INI703: a draw into a tensor that is thrown away, or a state whose names all miss, so that parameters keep their old start."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, law_in_words, pattern_of, site_of_call

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.model import LostWrite, Site, UnusedState, Write
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI703",
    name="ineffective-initialization",
    severity=Severity.WARNING,
    summary="An initialization writes to a tensor that is not the parameter, or a loaded state has no name in common, and has no effect.",
    fix="unsafe",
)


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per line that draws into a temporary."""
    by_line: dict[tuple[str, int], tuple[Site, list[LostWrite]]] = {}
    for lost in facts.traced.lost:
        site = site_of_call(lost.write, facts)
        if site is not None:
            by_line.setdefault((site.path, site.line), (site, []))[1].append(lost)
    for site, losses in by_line.values():
        yield _finding(facts, site, losses)
    for state in facts.traced.unused:
        yield _unused(facts, state)


def _unused(facts: Facts, state: UnusedState) -> Finding:
    what = f"`{state.module}`" if state.module else "the model"
    return finding(
        RULE,
        facts,
        at=state.site,
        message=(
            f"none of the {state.count} tensors that {what} is given here has a name it knows (`{state.given}`, where it has `{state.wanted}`): "
            "with strict=False all of them are dropped without a word, and the start stays what it was."
        ),
        help="strip the prefix from the names, and leave strict as it is, or look at what load_state_dict returns",
        modules=[state.module] if state.module else [],
    )


def _what(write: Write) -> str:
    """The write in words, by what it draws or does."""
    if write.law.family in ("measured", "unknown"):
        return f"this initialization (`{write.op}`)"
    return f"this initialization ({law_in_words(write.law)})"


def _finding(facts: Facts, site: Site, losses: list[LostWrite]) -> Finding:
    sources = list(dict.fromkeys(name for lost in losses for name in lost.sources))
    computed = any(len(lost.sources) > 1 for lost in losses)
    why = (
        f"the tensor it writes to is computed from {pattern_of(sources)} again at every use"
        if computed
        else f"it writes to a copy of {pattern_of(sources)}, which nothing keeps"
    )
    return finding(
        RULE,
        facts,
        at=site,
        message=f"{_what(losses[0].write)} has no effect: {why}. The start stays what it was.",
        help=(
            "initialize before weight_norm or the parametrization is applied, or assign to the parametrized attribute itself"
            if computed
            else "write to the parameter in place, under torch.no_grad()"
        ),
        modules=[name.rpartition(".")[0] or name for name in sources],
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The draw before the weight is taken over, or into the parameter itself instead of its copy."""
    from initlint.fixes.applied import before_taken_over
    from initlint.fixes.moves import before_wrapped, into_itself, into_magnitude
    from initlint.lint.cures import draw_of_finding, unsafe
    from initlint.lint.starting import Files, merged

    files = Files(facts)
    scaled, magnitude = files.code(found.span.path), _magnitude(found, facts)
    edit = None if scaled is None or magnitude is None else into_magnitude(scaled, found.span.line, magnitude)
    yield from unsafe("scale what sets the size of the weight", () if edit is None else (edit,))
    place = draw_of_finding(found, files)
    if place is None:
        return
    code, draw = place
    yield from unsafe("write to the parameter itself", merged(into_itself(code, draw)))
    yield from unsafe("initialize before the weight is taken over", merged(before_wrapped(code, draw)))
    applied = _applied(found, facts)
    if applied is None:
        return
    parts = []
    for site in applied:
        other = files.code(site.path)
        call = None if other is None else other.call_at(site)
        parts.append(() if other is None or call is None else before_taken_over(other, call))
    if parts and all(parts):
        yield from unsafe("apply it before the weights are taken over", merged(edit for part in parts for edit in part))


def _magnitude(found: Finding, facts: Facts) -> str | None:
    """The path, from its layer, of the parameter that weight_norm multiplies the direction by: the smallest of those that the weight is
    computed from."""
    for lost in facts.traced.lost:
        site = site_of_call(lost.write, facts)
        if site is not None and (site.path, site.line) == (found.span.path, found.span.line):
            sources = [item for item in facts.traced.parameters.values() if item.name in lost.sources]
            if len(sources) == 2:
                name = min(sources, key=lambda item: math.prod(item.shape)).name
                return name[name.index("parametrizations.") :] if "parametrizations." in name else name.rpartition(".")[2]
    return None


def _applied(found: Finding, facts: Facts) -> list[Site] | None:
    """The calls through which a line draws into temporaries; None where one of them does something else, too."""
    sites: dict[tuple[str, int], Site] = {}
    modules: set[str] = set()
    for lost in facts.traced.lost:
        site = site_of_call(lost.write, facts)
        if site is None or (site.path, site.line) != (found.span.path, found.span.line) or len(lost.write.stack) < 2:
            continue
        before = lost.write.stack[-2]
        sites[before.path, before.line] = before
        modules |= {name.rpartition(".")[0].partition(".parametrizations.")[0] for name in lost.sources}
    for parameter in facts.traced.parameters.values():
        through = any((site.path, site.line) in sites for write in parameter.writes for site in write.stack)
        if through and parameter.name.rpartition(".")[0].partition(".parametrizations.")[0] not in modules:
            return None
    return list(sites.values())
