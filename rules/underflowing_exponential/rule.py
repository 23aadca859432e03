"""INI307: an exponential of large negative numbers, as of radial basis functions that are too narrow for their dimension.

Of squared distances between n standard normal numbers, exp(-γ·d²) has a second moment of (1 + 8γ)^(-n/2): with γ = 1 and n = 32 a
root mean square of 2e-8, and the typical value is far smaller.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operands, operator, strip
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_at, number, site_of_node

if TYPE_CHECKING:
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI307",
    name="underflowing-exponential",
    severity=Severity.ERROR,
    summary="A layer reads nothing but an exponential that is next to zero for nearly all inputs.",
)

# Root mean squares (doc.md): at 2e-4 one of four settings trains, at 2e-6 the same one a little worse, at 2e-8 none.
WARN_AT = 1e-5
FAIL_AT = 1e-7


def check(facts: Facts) -> Iterator[Finding]:
    """Weight layers whose whole input is an exponential of something that depends on the input."""
    told: set[str] = set()
    for layer in facts.structure.layers.values():
        node = strip(facts.structure.nodes[layer.source])
        signal = facts.signals.get(node.name)
        if operator(node) != "exp" or node.name in told or signal is None or signal.second_moment is None:
            continue
        size = math.sqrt(max(signal.second_moment, 0.0))
        inner = facts.signals.get(next(operands(node)).name)
        if size > WARN_AT or inner is None or inner.mean is None or not math.isfinite(inner.mean):
            continue
        told.add(node.name)
        fails = size <= FAIL_AT
        yield finding(
            RULE,
            facts,
            at=site_of_node(node.name, facts),
            severity=Severity.ERROR if fails else Severity.WARNING,
            message=(
                f"all that `{module_at(layer, facts)}` reads is an exponential of numbers around {number(inner.mean)}: it is next to "
                f"zero for nearly all inputs (root mean square {number(size)}), and so are the gradients of what is exponentiated. "
                + ("No usual rate trains it." if fails else "Only large rates of Adam train it.")
            ),
            help="divide what is exponentiated by the number of terms that it sums: widths near the root of the dimension",
            modules=[facts.traced.modules.get(node.name, "") or module_at(layer, facts)],
            evidence={"size": size, "exponent": inner.mean},
            rests_on=(node.name,),
        )
