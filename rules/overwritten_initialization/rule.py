"""INI702: a start chosen with care for one parameter, destroyed by one written for many."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, innermost, law_in_words, module_of, step_at

if TYPE_CHECKING:
    from initlint.fixes.edit import Edit, Fix
    from initlint.graph.model import Law, Parameter, Site, Write
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI702",
    name="overwritten-initialization",
    severity=Severity.WARNING,
    summary="A special start of one parameter is overwritten by a later initialization of many.",
    fix="unsafe",
)

# Two random starts count as different from this ratio of second moments on; less is another convention of the same size.
DIFFERENT = 2.0
SMALL = 0.5  # a scale from here on does not say that a branch is to start small
WHOLE = 0.99  # share of the entries that an overwriting write reaches
SCALING = ("mul_", "div_")  # of zeros, zeros


@dataclass(frozen=True, slots=True)
class _Loss:
    """The write that was meant and the write that destroyed it, with their places."""

    meant: Write
    meant_at: Site
    by: Write
    by_at: Site


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per overwritten parameter; those that one line destroys are merged, and what was to be zero speaks for them."""
    lost = {name: loss for name, _, loss in _losses(facts)}
    zeros = [name for name, loss in lost.items() if loss.meant.law.is_zero]
    for name in dict.fromkeys((*zeros, *facts.traced.parameters)):
        parameter = facts.parameter(name)
        if parameter.kind != "parameter" or parameter.alias_of is not None:
            continue
        if name in lost:
            yield _finding(facts, parameter, lost[name])
        elif (by := _lost_padding(parameter, facts)) is not None:
            yield _padding(facts, parameter, by)


def _losses(facts: Facts) -> Iterator[tuple[str, Parameter, _Loss]]:
    """The parameters that lost a special start, by the names of their nodes."""
    reach, gates = _reach(facts), {name for residual in facts.structure.residuals for name in residual.gates}
    for name, parameter in facts.traced.parameters.items():
        if parameter.kind == "parameter" and parameter.alias_of is None:
            loss = _lost(parameter, reach, facts) or (_lost_scale(parameter, facts) if name in gates else None)
            if loss is not None:
                yield name, parameter, loss


def _key(site: Site) -> tuple[str, int]:
    return site.path, site.line


@dataclass(frozen=True, slots=True)
class _Reach:
    """What each line, and each function, wrote; and what each function wrote and constructed."""

    lines: Mapping[tuple[str, int], set[str]]
    functions: Mapping[tuple[str, str], set[str]]
    constructed: Mapping[tuple[str, str], set[str]]

    def broader(self, by: Site, meant: Write, meant_at: Site) -> bool:
        """Whether the later line is for more parameters than the one that was meant: by its own count, or because its function
        writes more, and beyond all that the function of the other, which wrote in place, made or wrote."""
        if len(self.lines[_key(by)]) > len(self.lines[_key(meant_at)]):
            return True
        general, special = (self.functions[site.path, site.function] for site in (by, meant_at))
        outside = general - self.constructed[meant_at.path, meant_at.function]
        return meant.op.endswith("_") and bool(outside) and len(general) > len(special)


def _reach(facts: Facts) -> _Reach:
    lines: dict[tuple[str, int], set[str]] = {}
    functions: dict[tuple[str, str], set[str]] = {}
    constructed: dict[tuple[str, str], set[str]] = {}
    for parameter in facts.traced.parameters.values():
        for write in parameter.writes:
            site = innermost((write.site, *reversed(write.stack)), facts)
            if site is not None:
                lines.setdefault(_key(site), set()).add(parameter.name)
                constructed.setdefault((site.path, site.function), set()).add(parameter.name)
                if not write.default:
                    functions.setdefault((site.path, site.function), set()).add(parameter.name)
    return _Reach(lines, functions, constructed)


def _lost(parameter: Parameter, reach: _Reach, facts: Facts) -> _Loss | None:
    """The last careful write that a later, broader one replaced by another law."""
    placed = [(write, innermost((write.site, *reversed(write.stack)), facts)) for write in parameter.writes]
    for number in reversed(range(len(placed))):
        meant, meant_at = placed[number]
        if meant.default or meant_at is None or not is_careful(meant, parameter):
            continue
        for by, by_at in placed[number + 1 :]:
            if by.default or by_at is None or by.coverage < WHOLE or _key(by_at) == _key(meant_at):
                continue
            if reach.broader(by_at, meant, meant_at) and _differ(meant.law, by.law) and _differ(meant.law, parameter.law):
                return _Loss(meant, meant_at, by, by_at)
    return None


def _lost_scale(parameter: Parameter, facts: Facts) -> _Loss | None:
    """The small scale that a branch was made with, which the layer's own reset replaced by one."""
    placed = [(write, innermost((write.site, *reversed(write.stack)), facts)) for write in parameter.writes]
    for (meant, meant_at), (by, by_at) in pairwise(placed):
        small = meant.law.family == "constant" and 0 < abs(meant.law.mean) <= SMALL
        if small and by.law.family == "constant" and by.law.mean == 1.0 and parameter.law.mean == 1.0:
            if meant_at is not None and by_at is not None and not by.default:
                return _Loss(meant, meant_at, by, by_at)
    return None


def is_careful(write: Write, parameter: Parameter) -> bool:
    """Whether a write says something about this parameter, rather than giving it memory or a usual start."""
    law = write.law
    placeholder = not write.op.rpartition(".")[2].endswith("_")
    if law.family == "uninitialized":
        return False
    if law.family == "constant":
        if law.mean in (0.0, 1.0):
            return not placeholder and law.is_zero and (len(parameter.shape) > 1 or math.prod(parameter.shape) == 1)
        return True
    if placeholder and law.family in ("normal", "uniform"):
        return math.isfinite(law.second_moment) and law.second_moment not in (1.0, 1 / 3)
    return True


def _differ(one: Law, other: Law) -> bool:
    """Whether two laws differ by more than a convention."""
    random = ("normal", "uniform", "truncated normal", "orthogonal", "measured")
    if one.family in random and other.family in random:
        low, high = sorted((one.second_moment, other.second_moment))
        return low <= 0 or high / low >= DIFFERENT
    if one.family == other.family:
        return not math.isclose(one.second_moment, other.second_moment, rel_tol=0.02, abs_tol=1e-12) or not math.isclose(
            one.mean, other.mean, rel_tol=0.02, abs_tol=1e-6
        )
    return True


def _finding(facts: Facts, parameter: Parameter, loss: _Loss) -> Finding:
    return finding(
        RULE,
        facts,
        at=loss.by_at,
        message=(
            f"`{parameter.name}` was given {law_in_words(loss.meant.law)} in line {loss.meant_at.line}, and this later write "
            f"replaces it by {law_in_words(loss.by.law)}. The special start has no effect."
        ),
        help="leave this parameter out of the general initialization, or set it afterwards",
        modules=[module_of(parameter)],
        evidence={"meant": loss.meant.law.second_moment, "now": loss.by.law.second_moment},
        related=step_at(loss.meant_at, f"`{parameter.name}` is given {law_in_words(loss.meant.law)} here"),
    )


def _lost_padding(parameter: Parameter, facts: Facts) -> Site | None:
    """The line that wrote over the zero row (an embedding's padding) which the constructor had made."""
    lost: Write | None = None
    zeroed = False
    if any(law.is_zero for _, law in parameter.law.parts):
        return None  # all rows but that one were written
    for write in parameter.writes:
        one_row = write.op in ("fill_", "zero_") and math.isclose(write.coverage * parameter.shape[0], 1.0)
        if one_row:  # again, after the general initialization: all is well
            zeroed, lost = zeroed or write.default, None
        elif zeroed and not write.default and write.coverage >= WHOLE and not write.law.is_zero and write.op not in SCALING:
            lost = write
    return None if lost is None else innermost((lost.site, *reversed(lost.stack)), facts)


def _padding(facts: Facts, parameter: Parameter, by: Site) -> Finding:
    return finding(
        RULE,
        facts,
        at=by,
        severity=Severity.INFO,
        message=(
            f"the padding row of `{parameter.name}` was zero by construction and is random after this write. "
            "It receives no gradient, so padding keeps adding this vector."
        ),
        help="zero the row again after the general initialization: weight.data[padding_idx].zero_()",
        modules=[module_of(parameter)],
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The special start behind the general one: its lines moved there, or written there again; a padding row zeroed again."""
    from initlint.fixes.calls import draw_at
    from initlint.fixes.moves import behind_general, kept_out, padding_zeroed
    from initlint.fixes.starts import Start, same_start
    from initlint.lint.cures import draw_of_finding, unsafe
    from initlint.lint.starting import Files, merged, started

    files = Files(facts)
    again: dict[str, Start] = {}
    moved: list[Edit] = []
    kept: list[Edit] = []
    for name, parameter, loss in _losses(facts):
        if _key(loss.by_at) != (found.span.path, found.span.line) and module_of(parameter) not in found.modules:
            continue
        general = [(site.path, site.line) for site in loss.by.stack]
        special = [(site.path, site.line) for site in loss.meant.stack]
        common = next((n for n, pair in enumerate(zip(general, special, strict=False)) if pair[0] != pair[1]), None)
        if common is not None and (code := files.code(general[common][0])) is not None and special[common][0] == code.path:
            moved += behind_general(code, special[common][1], general[common][1])
        code = files.code(loss.meant_at.path)
        draw = None if code is None else draw_at(code, loss.meant_at)
        start = None if code is None or draw is None else same_start(code, draw)
        if start is None and loss.meant.law.family == "constant" and loss.meant.coverage >= WHOLE:
            start = Start(function="constant_", arguments=(f"{loss.meant.law.mean:g}",))
        if start is None and loss.by.site is not None and code is not None and draw is not None:
            kept += kept_out(code, draw, files.code(loss.by_at.path), loss.by_at)
        if start is not None:
            again[name] = start
    if moved:
        yield from unsafe("write the special start behind the general one", merged(moved))
    if again:
        said = "write the special start again behind the general one"
        yield from unsafe(said, started(facts, again, files, together=False))
    if kept:
        yield from unsafe("leave the special start out of the general one", merged(kept))
    place = draw_of_finding(found, files)
    if not moved and not again and not kept and place is not None:
        yield from unsafe("zero the padding row again", merged(padding_zeroed(*place)))
