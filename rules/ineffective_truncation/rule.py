"""INI705: a truncated normal whose bounds, absolute values, lie so far out that nothing is ever cut."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_of, number, site_of_call, step_at

if TYPE_CHECKING:
    from initlint.fixes.edit import Edit, Fix
    from initlint.graph.model import Parameter, Site
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding
    from initlint.lint.starting import Files

RULE = Rule(
    code="INI705",
    name="ineffective-truncation",
    severity=Severity.INFO,
    summary="The bounds of a truncated normal lie so many deviations out that nothing is cut.",
    fix="unsafe",
)

FAR = 10.0  # deviations; of a billion weights none lies beyond six


@dataclass(frozen=True, slots=True, kw_only=True)
class _Uncut:
    """A draw of which nothing is cut: where it stands, and what it was given."""

    parameter: Parameter
    site: Site
    mean: float
    std: float
    low: float
    high: float

    @property
    def deviations(self) -> float:
        """From the mean to the nearer bound."""
        return min(self.mean - self.low, self.high - self.mean) / self.std


def check(facts: Facts) -> Iterator[Finding]:
    """Draws by nn.init.trunc_normal_ whose nearer bound is farther than FAR deviations from the mean; one habit, so one finding a file."""
    files: dict[str, list[_Uncut]] = {}
    for parameter in facts.traced.parameters.values():
        uncut = _uncut(parameter, facts)
        if uncut is not None and uncut.deviations >= FAR:
            files.setdefault(uncut.site.path, []).append(uncut)
    for draws in files.values():
        calls = {(draw.site.line, draw.site.column): draw for draw in reversed(draws)}
        first, *others = (calls[place] for place in sorted(calls))
        yield finding(
            RULE,
            facts,
            at=first.site,
            message=(
                f"`{first.parameter.name}`: the bounds {number(first.low)} and {number(first.high)} of this truncated normal are absolute values, "
                f"{number((first.high - first.mean) / first.std)} standard deviations out: nothing is ever cut, the draw is a plain normal one"
                + (
                    f", and so {'is' if len(others) == 1 else 'are'} {counted(len(others), 'other call')} in this file."
                    if others
                    else "."
                )
            ),
            help=(
                f"to cut at two deviations give a={number(first.mean - 2 * first.std)}, b={number(first.mean + 2 * first.std)} (the deviation is then "
                "0.88 of std), or use normal_, which says what happens"
            ),
            modules=[module_of(draw.parameter) for draw in draws],
            evidence={"deviations": first.deviations},
            related=[
                place
                for draw in others
                for place in step_at(draw.site, f"the same for `{draw.parameter.name}`, a plain normal")
            ],
        )


def _uncut(parameter: Parameter, facts: Facts) -> _Uncut | None:
    write = parameter.writes[-1] if parameter.writes and parameter.alias_of is None else None
    if write is None or write.default or write.op != "nn.init.trunc_normal_":
        return None
    given = [write.options.get(name) for name in ("mean", "std", "a", "b")]
    mean, std, low, high = (float(value) if isinstance(value, int | float) else math.nan for value in given)
    site = site_of_call(write, facts)
    return (
        None if site is None or not std > 0 else _Uncut(parameter=parameter, site=site, mean=mean, std=std, low=low, high=high)
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """Bounds at two deviations, in all of these calls."""
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files, merged

    files = Files(facts)
    edits = [_cut(replace(found, span=span), facts, files) for span in (found.span, *(place.span for place in found.related))]
    if all(edits):
        yield from unsafe("cut at two deviations", merged(edit for pair in edits for edit in pair))


def _cut(found: Finding, facts: Facts, files: Files) -> list[Edit]:
    """The two bounds of the call that a finding points at."""
    from initlint.fixes.calls import with_argument
    from initlint.lint.cures import draw_of_finding, parameters_drawn_at

    place = draw_of_finding(found, files)
    names = parameters_drawn_at(facts, found.span)
    if place is None or not names:
        return []
    code, draw = place
    given = facts.parameter(names[0]).writes[-1].options
    mean, std = float(given["mean"]), float(given["std"])
    written = draw.argument("std", 1)
    text = None if written is None or mean else code.text(written.value)
    simple = text is not None and text.replace(".", "").isidentifier()  # a name stays a name
    low, high = (f"-2 * {text}", f"2 * {text}") if simple else (f"{mean - 2 * std:g}", f"{mean + 2 * std:g}")
    return [with_argument(code, draw, "a", low, 2), with_argument(code, draw, "b", high, 3)]
