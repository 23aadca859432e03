"""INI704: `normal_(w, 0.02)`, which is a mean of 0.02 with a standard deviation of one; `uniform_(w, 0.02)`, bounds 0.02 and 1."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_call
from initlint.source.initializers import tree_of

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.model import Site, Write
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI704",
    name="std-passed-as-mean",
    severity=Severity.WARNING,
    summary="The one number given to normal_ is its mean and the deviation stays one; that of uniform_ is its lower bound.",
    fix="unsafe",
    shows=True,
)

LARGEST = 0.5  # a mean above it is hardly a standard deviation that somebody meant


def check(facts: Facts) -> Iterator[Finding]:
    """Weights whose last draw has the default deviation and a small mean of its own, or the default upper bound and a small lower
    one."""
    layers = {layer.weight for layer in facts.structure.layers.values()}
    for node, parameter in facts.traced.parameters.items():
        if parameter.kind != "parameter" or parameter.alias_of is not None or len(parameter.shape) < 2:
            continue
        write = next((write for write in reversed(parameter.writes) if not write.default), None)
        site = None if write is None else site_of_call(write, facts)
        if write is None or site is None:
            continue
        mean, low = _swapped(write), _bound(write, site) if node in layers else None
        if mean is not None:
            yield finding(
                RULE,
                facts,
                at=site,
                message=(
                    f"`{parameter.name}` is drawn from N({number(mean)}, 1): the only number given is the mean. A standard "
                    f"deviation of {number(mean)} was probably meant; this one is {number(1 / mean)}x larger, and every entry is "
                    "shifted."
                ),
                help=f"name the argument: {write.op.rpartition('.')[2]}(…, mean=0.0, std={number(mean)})",
                modules=[module_of(parameter)],
                evidence={"mean": mean, "std": 1.0},
            )
        elif low is not None:
            yield finding(
                RULE,
                facts,
                at=site,
                message=(
                    f"`{parameter.name}` is drawn from U({number(low)}, 1): the only number given is the lower bound. "
                    f"U(-{number(low)}, {number(low)}) was probably meant; here no weight is negative, and their root mean square "
                    f"is {number(math.sqrt(write.law.second_moment * 3) / low)}x larger."
                ),
                help=f"give both bounds: uniform_(…, -{number(low)}, {number(low)})",
                modules=[module_of(parameter)],
                evidence={"low": low, "high": 1.0},
            )


def _swapped(write: Write) -> float | None:
    """The mean of a normal draw, cut or not, if it is small and positive and the deviation exactly the default."""
    if not write.op.endswith("normal_") or write.law.family not in ("normal", "truncated normal"):
        return None
    mean, std = write.law.mean, write.law.std
    if write.law.family == "truncated normal":  # its law has the moments of what the bounds leave
        mean, std = (float(write.options.get(name, math.nan)) for name in ("mean", "std"))
    return mean if 0.0 < mean <= LARGEST and math.isclose(std, 1.0, rel_tol=1e-6) else None


def _bound(write: Write, site: Site) -> float | None:
    """The lower bound of a uniform draw, if it is small and positive, the upper one the default, and no second number given."""
    law = write.law
    if write.op.rpartition(".")[2] != "uniform_" or law.family != "uniform" or law.low is None or law.high is None:
        return None
    swapped = 0.0 < law.low <= LARGEST and math.isclose(law.high, 1.0, rel_tol=1e-6)
    return law.low if swapped and _numbers(write, site) == 1 else None


def _numbers(write: Write, site: Site) -> int | None:
    """How many numbers the drawing call is given; None where it is not found."""
    tree = tree_of(site.path)
    for item in () if tree is None else ast.walk(tree):
        if isinstance(item, ast.Call) and (item.lineno, item.col_offset + 1, item.end_lineno) == (site.line, site.column, site.end_line):
            return len(item.args) + len(item.keywords) - write.op.startswith("nn.init.")  # of a function, the tensor is one
    return None


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The number given under its name, or for both bounds."""
    from initlint.fixes.calls import outer, renamed_argument
    from initlint.fixes.edit import Edit
    from initlint.lint.cures import draw_of_finding, unsafe
    from initlint.lint.starting import Files

    place = draw_of_finding(found, Files(facts))
    if place is None:
        return
    code, draw = place
    low, mean = draw.argument("a", 0), draw.argument("mean", 0)
    if low is not None and "low" in found.evidence:
        text = code.text(low.value)
        less = f"-{text}" if text.replace(".", "").replace("_", "").isalnum() else f"-({text})"
        content = f"{less}, {'' if low.keyword is None else 'b='}{text}"
        yield from unsafe("give both bounds", [Edit(span=outer(code, low.value), content=content)])
    elif mean is not None:
        yield from unsafe("give the number as the standard deviation", [renamed_argument(code, mean, "std")])
