"""INI714: parameters that are initialized again in the same way, or one twice and its sibling never."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, is_own, module_of, pattern_of, site_of_call, step_at

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.model import Parameter, Site, Write
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI714",
    name="repeated-initialization",
    severity=Severity.WARNING,
    summary="Parameters are initialized several times: all but the last draw are wasted, or were meant for another layer.",
    fix="unsafe",
)

WHOLE = 0.99  # share of the entries that a write reaches
CHANGING = frozenset(
    "add_ sub_ mul_ div_ neg_ clamp_ clamp_min_ clamp_max_ erfinv_ lerp_ addcmul_ sqrt_ pow_".split()
)  # no new draw


def check(facts: Facts) -> Iterator[Finding]:
    """A layer initialized twice beside one that never is, and lines that draw the same parameters again and again."""
    slips = list(_instead_of_sibling(facts))
    yield from slips
    told = {found.modules[0] for found in slips}
    repeated: dict[tuple[str, int], tuple[Site, list[Parameter], int]] = {}
    for parameter in _trainable(facts):
        if module_of(parameter) in told:
            continue
        writes = [write for write in parameter.writes if _is_random(write)]
        for write in dict.fromkeys(w.site for w in writes):
            same = [other for other in writes if other.site == write and other.op == writes[-1].op]
            site = site_of_call(same[-1], facts) if len(same) > 1 else None
            if site is not None and same[-1] is writes[-1]:
                _, members, times = repeated.setdefault((site.path, site.line), (site, [], 0))
                members.append(parameter)
                repeated[site.path, site.line] = site, members, max(times, len(same))
    for site, members, times in repeated.values():
        yield finding(
            RULE,
            facts,
            at=site,
            severity=Severity.INFO,
            message=(
                f"this line draws {counted(len(members), 'parameter')} of {pattern_of(module_of(item) for item in members)} up "
                f"to {times} times; only the last draw counts. Building the model takes longer, and a start set in between is lost."
            ),
            help="initialize once, from the outermost constructor",
            modules=[module_of(item) for item in members],
            evidence={"times": float(times), "parameters": float(len(members))},
        )


def _trainable(facts: Facts) -> Iterator[Parameter]:
    for parameter in facts.traced.parameters.values():
        if parameter.kind == "parameter" and parameter.alias_of is None and parameter.trainable:
            yield parameter


def _is_random(write: Write) -> bool:
    """A draw of a whole parameter, every entry by itself, by somebody's own line."""
    return (
        not write.default
        and write.op.endswith("_")
        and write.op not in CHANGING
        and write.law.pair is None
        and write.coverage >= WHOLE
        and write.law.family in ("normal", "uniform", "truncated normal", "orthogonal")
    )


# -- one layer twice, its sibling never ----------------------------------------------------------------------------------


def _instead_of_sibling(facts: Facts) -> Iterator[Finding]:
    """Two calls of one function for the same layer and nothing else, beside a layer of the same class that has none."""
    reach = _reach(facts)
    untouched = _untouched(facts)
    seen: set[tuple[str, int]] = set()
    for parameter in _trainable(facts):
        parent, _, leaf = module_of(parameter).rpartition(".")
        siblings = [name for name in untouched.get((parent, parameter.owner), ()) if name != module_of(parameter)]
        writes = [write for write in parameter.writes if _is_random(write)]
        for first, second in pairwise(writes):
            lines = _apart(first, second, facts)
            if not siblings or lines is None or (lines[1].path, lines[1].line) in seen:
                continue
            before, after = (reach[site.path, site.line] for site in lines)
            if before != after or {name.rpartition(".")[0] for name in after} != {module_of(parameter)}:
                continue
            seen.add((lines[1].path, lines[1].line))
            yield finding(
                RULE,
                facts,
                at=lines[1],
                message=(
                    f"`{module_of(parameter)}` was initialized in line {lines[0].line} and is initialized again here, while "
                    f"{pattern_of(siblings)} of the same class never is and keeps the default start. One of the two lines was "
                    "probably meant for it."
                ),
                help=f"initialize `{siblings[0].rpartition('.')[2]}` instead of `{leaf}` in one of them",
                modules=[module_of(parameter), *siblings],
                related=step_at(lines[0], "the first initialization, without effect"),
            )


def _reach(facts: Facts) -> Mapping[tuple[str, int], frozenset[str]]:
    """The parameters that each of the user's lines wrote, directly or in what it called."""
    found: dict[tuple[str, int], set[str]] = {}
    for parameter in facts.traced.parameters.values():
        for write in parameter.writes:
            if not write.default:
                for site in write.stack:
                    found.setdefault((site.path, site.line), set()).add(parameter.name)
    return {key: frozenset(names) for key, names in found.items()}


def _untouched(facts: Facts) -> Mapping[tuple[str, str], list[str]]:
    """(parent, class) → modules whose weights nobody but their own constructor wrote."""
    found: dict[tuple[str, str], list[str]] = {}
    for parameter in _trainable(facts):
        if parameter.name.endswith(".weight") and parameter.writes and all(write.default for write in parameter.writes):
            module = module_of(parameter)
            found.setdefault((module.rpartition(".")[0], parameter.owner), []).append(module)
    return found


def _apart(first: Write, second: Write, facts: Facts) -> tuple[Site, Site] | None:
    """The two lines of one function at which the ways to two writes part."""
    for one, other in zip(first.stack, second.stack, strict=False):
        if (one.path, one.line) != (other.path, other.line):
            same = one.path == other.path and one.function == other.function and is_own(one, facts)
            return (one, other) if same and one.line < other.line else None
    return None


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The sibling that never was initialized, in the second of the two lines; then in the first."""
    from initlint.fixes.moves import renamed_on_line
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files

    if found.severity == Severity.INFO or len(found.modules) < 2:
        return
    files = Files(facts)
    old, new = (name.rpartition(".")[2] for name in found.modules[:2])
    for span in (found.span, *(place.span for place in found.related)):
        code = files.code(span.path)
        edit = None if code is None else renamed_on_line(code, span.line, old, new)
        yield from unsafe(f"initialize `{new}` here", () if edit is None else (edit,))
