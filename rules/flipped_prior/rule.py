"""INI113: a head whose bias says that nearly everything is there, where the odds of a rare class were meant.

The bias −ln((1 − π)/π) makes a sigmoid start at the share π of the rare class (Lin et al. 2017, section 4.1). Without its sign it starts at
1 − π, and nearly every place counts against the loss with ln(1/π) in place of π.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import CONVOLUTIONS, is_node, operands, operator, strip
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_law

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI113",
    name="flipped-prior",
    severity=Severity.WARNING,
    summary="The bias of a dense head makes nearly all of its probabilities one, where the log-odds of a rare class were meant.",
    fix="unsafe",
)

RARE = (0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.002, 0.001)  # shares that are written down for rare classes
CLOSE = 0.01  # of such a share: 4.6 for ln 99
STEADY = 0.5  # of the bias: by how much logits may deviate from it and still all be of one sign


def check(facts: Facts) -> Iterator[Finding]:
    """Convolutions that put out a model's output, up to a sigmoid; one finding for a line."""
    told: set[tuple[str, int]] = set()
    for output in facts.traced.outputs:
        node = strip(facts.structure.nodes[output])
        node = strip(next(operands(node))) if operator(node) == "sigmoid" else node
        name = _bias_of(node)
        signal, parameter = facts.signals.get(node.name), facts.traced.parameters.get(name)
        if parameter is None or signal is None or not signal.second_moment or parameter.law.family != "constant":
            continue
        bias = parameter.law.mean
        share = next((rare for rare in RARE if abs(rare - 1.0 / (1.0 + math.exp(min(bias, 99.0)))) <= CLOSE * rare), None)
        deviation = math.sqrt(max(signal.second_moment - bias**2, 0.0))
        at = site_of_law(parameter, facts)
        if share is None or deviation > STEADY * bias or at is None or (at.path, at.line) in told:
            continue
        told.add((at.path, at.line))
        yield finding(
            RULE,
            facts,
            at=at,
            message=(
                f"`{parameter.name}` starts at {number(bias)}, so that a sigmoid of this head is {number(1.0 - share)} at every place and "
                f"for every class. The log-odds of a share of {number(share)} have the other sign: with a rare class, each of the many "
                f"places without it costs {number(math.log(1.0 / share))} at first, and their gradients drown all others."
            ),
            help="start the bias at the negative of this number, -log((1 - p) / p)",
            modules=[module_of(parameter)],
            evidence={"bias": bias, "share": share},
            rests_on=(node.name,),
        )


def _bias_of(node: Node) -> str:
    """The bias of a convolution, by node name; "" where it has none, or the node is none."""
    if operator(node) not in CONVOLUTIONS or len(node.args) < 3 or not is_node(node.args[2]):
        return ""
    return strip(node.args[2]).name


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The number with the other sign."""
    from initlint.fixes.expressions import negated
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files

    code = Files(facts).code(found.span.path)
    yield from unsafe("start the bias at the negative of this number", () if code is None else negated(code, found.span.line))
