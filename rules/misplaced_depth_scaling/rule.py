"""INI402: the 1/√depth start on a tensor that does not write the residual stream."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, pattern_of, site_of_last_write

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.model import Parameter
    from initlint.graph.structure import Residual
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI402",
    name="misplaced-depth-scaling",
    severity=Severity.WARNING,
    summary="A weight inside a residual branch has the depth-scaled start, and the one that writes the residual has not.",
    fix="unsafe",
)

SAME = 0.02  # relative; laws that are given by one formula agree far better
BLOCKS = 2


def check(facts: Facts) -> Iterator[Finding]:
    """Branches whose inner weight is smaller than usual by just the root of the number of sums, and whose last one is not."""
    residuals = [item for item in facts.structure.residuals if item.layers]
    if len(residuals) < 2 * BLOCKS:
        return
    deviations = _deviations(facts)
    if not deviations:
        return
    usual, many = Counter(round(math.log(value), 3) for value in deviations.values()).most_common(1)[0]
    scaled = {name for name, value in deviations.items() if _is_depth_scaled(math.exp(usual) / value, len(residuals))}
    if 2 * many < len(deviations.keys() - scaled):
        return  # deviations that differ by layer are those of fans: that one is just so much smaller is chance
    plain = [name for name, value in deviations.items() if round(math.log(value), 3) == usual]
    scaled = {name for name in scaled if not any(_by_fans(facts, deviations, name, other) for other in plain)}
    wrong: list[Parameter] = []
    missed: list[Parameter] = []
    for residual in residuals:
        writers = facts.structure.writers(residual)
        inner = {facts.structure.layers[node].weight for node in residual.layers} - writers
        if inner & scaled and not writers & scaled and writers <= deviations.keys():
            wrong += [facts.parameter(name) for name in sorted(inner & scaled)]
            missed += [facts.parameter(name) for name in sorted(writers)]
    if len(wrong) < BLOCKS:
        return
    modules = [module_of(item) for item in wrong]
    yield finding(
        RULE,
        facts,
        at=site_of_last_write(wrong[0], facts),
        message=(
            f"{pattern_of(modules)} starts {number(math.exp(usual) / deviations[_name_of(facts, wrong[0])])}x smaller than the other "
            f"weights, the scale 1/sqrt(depth) of residual projections, but it does not write the residual stream: "
            f"{pattern_of([module_of(item) for item in missed])} does, and starts at the usual size."
        ),
        help=f"scale {pattern_of([module_of(item) for item in missed])} instead",
        modules=modules,
        evidence={"sums": float(len(residuals))},
    )


def _deviations(facts: Facts) -> Mapping[str, float]:
    """Standard deviation of the matrices that the user's own lines drew, by node name."""
    found = {}
    for name, item in facts.traced.parameters.items():
        explicit = bool(item.writes) and not item.writes[-1].default and len(item.shape) > 1
        if item.kind == "parameter" and explicit and math.isfinite(item.law.std) and item.law.std > 0:
            found[name] = item.law.std
    return found


def _is_depth_scaled(ratio: float, sums: int) -> bool:
    """Whether a ratio of deviations is √(number of sums), or of blocks with two sums each."""
    return any(abs(ratio / math.sqrt(depth) - 1) < SAME for depth in (sums, sums / 2, 2 * sums) if depth > 1)


def _by_fans(facts: Facts, deviations: Mapping[str, float], one: str, other: str) -> bool:
    """Whether two matrices are drawn by one formula in their inputs, their outputs or both."""

    def fans(name: str) -> tuple[int, int, int]:
        out, into, *kernel = facts.parameter(name).shape
        area = math.prod(kernel)
        return into * area, out * area, (into + out) * area

    return any(
        abs(deviations[one] * math.sqrt(a) / (deviations[other] * math.sqrt(b)) - 1) < SAME
        for a, b in zip(fans(one), fans(other), strict=True)
    )


def _name_of(facts: Facts, parameter: Parameter) -> str:
    return next(name for name, item in facts.traced.parameters.items() if item is parameter)


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The name of the weight that writes the residual stream, in the place of the other one's."""
    import libcst as cst

    from initlint.fixes.calls import draw_of
    from initlint.lint.cures import draw_of_finding, unsafe
    from initlint.lint.starting import Files

    code = Files(facts).code(found.span.path)
    pairs = [pair for residual in facts.structure.residuals for pair in _mistaken(facts, residual, set(found.modules))]
    place = draw_of_finding(found, Files(facts))
    if code is None or place is None or not pairs:
        return
    draw = draw_of(code, place[1].call)
    call = next((item for item in code.all(cst.Call) if code.span(item) == place[0].span(place[1].call)), None)
    test = None if call is None else code.around(call, cst.If)
    said = "scale the weight that writes the residual stream instead"
    for string in () if test is None else code.all(cst.SimpleString, test.test):
        text = str(string.evaluated_value)
        for wrong, missed in pairs:
            if text and wrong.endswith(text) and not missed.endswith(text):
                inner = text.lstrip(".")
                new = text[: len(text) - len(inner)] + ".".join(missed.split(".")[-len(inner.split(".")) :])
                quote = string.quote
                yield from unsafe(said, [code.replaced(string, f"{string.prefix}{quote}{new}{quote}")])
                return
    written = "" if draw is None else code.text(draw.tensor)
    for wrong, missed in pairs:
        differing = [(a, b) for a, b in zip(wrong.split("."), missed.split("."), strict=False) if a != b]
        if draw is not None and len(differing) == 1 and f".{differing[0][0]}." in f"{written}.":
            changed = f"{written}.".replace(f".{differing[0][0]}.", f".{differing[0][1]}.").removesuffix(".")
            yield from unsafe(said, [code.replaced(draw.tensor, changed)])
            return


def _mistaken(facts: Facts, residual: Residual, modules: set[str]) -> Iterator[tuple[str, str]]:
    """(the scaled weight inside a branch, the one that should have been), by full names."""
    writers = facts.structure.writers(residual)
    for node in residual.layers:
        weight = facts.structure.layers[node].weight
        if weight not in writers and module_of(facts.parameter(weight)) in modules:
            yield from ((facts.parameter(weight).name, facts.parameter(name).name) for name in sorted(writers))
