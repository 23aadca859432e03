"""INI716: gains of a normalization drawn around zero, as if they were weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import NORMALIZING, is_node, operands, operator, strip
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_call, site_of_law

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI716",
    name="random-norm-gain",
    severity=Severity.WARNING,
    summary="The gain of a normalization is drawn around zero instead of starting at one.",
    fix="unsafe",
)

GAIN = {"layer_norm": 2, "native_layer_norm": 2, "rms_norm": 2}  # where the gain stands among the arguments; elsewhere 1


def check(facts: Facts) -> Iterator[Finding]:
    """Gains whose mean is smaller than their standard deviation; N(1, 0.02²), as in DCGAN, is a gain of one."""
    for name in sorted(facts.structure.norms, key=facts.structure.dependence.index.__getitem__):
        node = _gain_of(facts.structure.nodes[name])
        parameter = None if node is None else facts.traced.parameters.get(node.name)
        if parameter is None or parameter.kind != "parameter":
            continue
        law = parameter.law
        if law.family not in ("normal", "uniform", "truncated normal") or not law.std > 0 or abs(law.mean) >= law.std:
            continue
        size = math.sqrt(law.second_moment)
        own = bool(parameter.writes) and site_of_call(parameter.writes[-1], facts) is not None
        yield finding(
            RULE,
            facts,
            at=site_of_law(parameter, facts),
            severity=Severity.WARNING if own else Severity.INFO,  # a package's own start can be mended by nobody here
            message=(
                f"the gain of `{module_of(parameter)}` is drawn around zero (std {number(law.std)}) instead of starting at one: "
                f"what the normalization puts out is {number(size)} where one was meant, with a random sign and size for every "
                "unit."
            ),
            help="start gains at one (nn.init.ones_); leave normalizations out of the general initialization",
            modules=[module_of(parameter)],
            evidence={"mean": law.mean, "std": law.std},
        )


def _gain_of(norm: Node) -> Node | None:
    """The parameter that multiplies a normalized value: an argument of the operator, or a factor of the product after it."""
    if operator(norm) in NORMALIZING:
        place = GAIN.get(operator(norm), 1)
        gain = norm.args[place] if len(norm.args) > place else norm.kwargs.get("weight")
        return strip(gain) if is_node(gain) else None
    for user in norm.users:
        if operator(user) == "mul":
            factor = next((strip(item) for item in operands(user) if item is not norm), None)
            if factor is not None and factor.op == "placeholder":
                return factor
    return None


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The gain at one: made so, or set so behind the general initialization."""
    from initlint.fixes.starts import ONES
    from initlint.lint.cures import refilled, unsafe
    from initlint.lint.starting import Files, started

    files = Files(facts)
    nodes = (_gain_of(facts.structure.nodes[name]) for name in sorted(facts.structure.norms))
    names = {node.name for node in nodes if node is not None and node.name in facts.traced.parameters}
    gains = [name for name in sorted(names) if module_of(facts.parameter(name)) in found.modules]
    edits = [edit for name in gains for edit in refilled(facts, facts.parameter(name), "ones", files) or ()]
    yield from unsafe("make the gain of ones", tuple(dict.fromkeys(edits)))
    yield from unsafe("start the gain at one", started(facts, dict.fromkeys(gains, ONES), files, together=False))
