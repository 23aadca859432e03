"""INI705: a truncated normal whose bounds, absolute values, lie so far out that nothing is ever cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_call

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI705",
    name="ineffective-truncation",
    severity=Severity.INFO,
    summary="The bounds of a truncated normal lie so many deviations out that nothing is cut.",
    fix="unsafe",
)

FAR = 10.0  # deviations; of a billion weights none lies beyond six


def check(facts: Facts) -> Iterator[Finding]:
    """Draws by nn.init.trunc_normal_ whose nearer bound is farther than FAR deviations from the mean."""
    for parameter in facts.traced.parameters.values():
        if parameter.alias_of is not None or not parameter.writes:
            continue
        write = parameter.writes[-1]
        given = [write.options.get(name) for name in ("mean", "std", "a", "b")]
        if write.default or write.op != "nn.init.trunc_normal_" or not all(isinstance(value, int | float) for value in given):
            continue
        mean, std, low, high = (float(value) for value in given)  # type: ignore[arg-type]
        site = site_of_call(write, facts)
        if site is None or std <= 0 or min(mean - low, high - mean) < FAR * std:
            continue
        yield finding(
            RULE,
            facts,
            at=site,
            message=(
                f"`{parameter.name}`: the bounds {number(low)} and {number(high)} of this truncated normal are absolute values, "
                f"{number((high - mean) / std)} standard deviations out: nothing is ever cut, the draw is a plain normal one."
            ),
            help=(
                f"to cut at two deviations give a={number(mean - 2 * std)}, b={number(mean + 2 * std)} (the deviation is then "
                "0.88 of std), or use normal_, which says what happens"
            ),
            modules=[module_of(parameter)],
            evidence={"deviations": min(mean - low, high - mean) / std},
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """Bounds at two deviations."""
    from initlint.fixes.calls import with_argument
    from initlint.lint.cures import draw_of_finding, parameters_drawn_at, unsafe
    from initlint.lint.starting import Files, merged

    place = draw_of_finding(found, Files(facts))
    names = parameters_drawn_at(facts, found.span)
    if place is None or not names:
        return
    code, draw = place
    given = facts.parameter(names[0]).writes[-1].options
    mean, std = float(given["mean"]), float(given["std"])
    written = draw.argument("std", 1)
    text = None if written is None or mean else code.text(written.value)
    simple = text is not None and text.replace(".", "").isidentifier()  # a name stays a name
    low, high = (f"-2 * {text}", f"2 * {text}") if simple else (f"{mean - 2 * std:g}", f"{mean + 2 * std:g}")
    edits = [with_argument(code, draw, "a", low, 2), with_argument(code, draw, "b", high, 3)]
    yield from unsafe("cut at two deviations", merged(edits))
