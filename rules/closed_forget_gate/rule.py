"""INI407: a recurrent state that is forgotten within a step or two, because the biases of the gate that keeps it start negative."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.gates import levels_of, states_kept, write_of
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, innermost, module_of, number, site_made, site_of_node, step_at

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.model import Site
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding
    from initlint.lint.gates import Kept, Stretch

RULE = Rule(
    code="INI407",
    name="closed-forget-gate",
    severity=Severity.WARNING,
    summary="The gate that keeps a recurrent state starts nearly closed: what was read is forgotten in the next step.",
    fix="unsafe",
)

# Share of the state that a step keeps, the mean over units (doc.md).
CLOSED = 0.2
NEGATIVE = -0.5  # a bias from here on is meant to shut a gate


def check(facts: Facts) -> Iterator[Finding]:
    """States whose factor is small, by the bias that makes it so."""
    told: set[tuple[str, int]] = set()
    for kept in states_kept(facts):
        lowest = min(kept.biases, key=lambda item: item.mean * item.sign)
        if kept.share > CLOSED or lowest.mean * lowest.sign > NEGATIVE:
            continue
        at = _site(facts, lowest)
        key = (at.path, at.line) if at is not None else ("", 0)
        if key not in told:
            told.add(key)
            yield _finding(facts, kept, lowest, at)


def _site(facts: Facts, stretch: Stretch) -> Site | None:
    """The user's line that gave the bias this value."""
    parameter = facts.parameter(stretch.bias)
    write = write_of(parameter, stretch)
    found = None if write is None or write.default else innermost((write.site, *reversed(write.stack)), facts)
    return found or site_made(parameter, facts)


def _finding(facts: Facts, kept: Kept, lowest: Stretch, at: Site | None) -> Finding:
    parameter = facts.parameter(lowest.bias)
    part = "" if lowest.stop - lowest.start == parameter.shape[0] else f", entries {lowest.start} to {lowest.stop - 1},"
    keeps = "shuts the gate that keeps" if lowest.sign > 0 else "opens the gate that replaces"
    return finding(
        RULE,
        facts,
        at=at,
        message=(
            f"`{parameter.name}`{part} starts at {number(lowest.mean)} on average and {keeps} the state: {number(100 * kept.share)} % of it "
            "is left after one step. What was read is gone two steps later, and no gradient comes back from there to teach the gate "
            "otherwise."
        ),
        help="start the gate open: a bias of 1, or for long memories the logarithm of a number of steps, with a positive sign",
        modules=[module_of(parameter)],
        evidence={"share": kept.share, "bias": lowest.mean, "start": float(lowest.start), "stop": float(lowest.stop)},
        related=step_at(site_of_node(kept.node, facts), "the state is multiplied here"),
        rests_on=(kept.node,),
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The number at this place with the other sign, or the whole of a bias that is the gate's alone started open; else the signs of all
    entries turned, as where those of two gates were taken for each other."""
    from initlint.fixes.expressions import number_replaced
    from initlint.fixes.starts import Start
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files, multiplied, started

    files, value = Files(facts), found.evidence["bias"]
    code = files.code(found.span.path)
    wanted = 1.0 if value < 0 else -1.0
    edit = None if code is None else number_replaced(code, found.span.line, value, f"{wanted}")
    yield from unsafe("start the gate open", () if edit is None else (edit,))
    for name, parameter in facts.traced.parameters.items():
        if module_of(parameter) not in found.modules or len(parameter.shape) != 1:
            continue
        own = [mean for begin, end, mean in levels_of(parameter) if begin < found.evidence["stop"] and end > found.evidence["start"]]
        if not own or min(own) > value or found.evidence["stop"] > parameter.shape[0]:
            continue
        if found.evidence["stop"] - found.evidence["start"] == parameter.shape[0]:
            start = Start(function="constant_", arguments=(f"{wanted}",))
            yield from unsafe("start the gate open", started(facts, {name: start}, files, together=False))
        yield from unsafe("turn the signs of the biases", multiplied(facts, {name: "-1"}, files))
