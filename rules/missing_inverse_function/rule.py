"""INI727: values drawn evenly over decades, as step sizes are, and written where softplus, exp or a sigmoid makes nearly one number of them.

softplus(0.001) = 0.694 and softplus(0.1) = 0.744: what was drawn over two decades comes out as 0.7. The inverse belongs before the write.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from initlint.graph.dataflow import PASSING, SELECTING, operator
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_law

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.model import Parameter
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI727",
    name="missing-inverse-function",
    severity=Severity.WARNING,
    summary="A parameter is drawn over decades, and the function it goes through makes nearly one number of them.",
    fix="unsafe",
)

# Ratios of the largest to the smallest value: what counts as drawn over decades, and what is left of it. Step sizes of state space
# models span a hundred, of which softplus leaves 1.07.
SPANNED, LEFT = 10.0, 1.25
LARGEST = 1.0  # beyond it softplus and exp spread values rather than flatten them
EVENLY = 0.25  # of the sum of both ends: values even in the logarithm have their median below it, uniform ones at 0.5
FUNCTIONS: Mapping[str, Callable[[float], float]] = {
    "softplus": lambda x: math.log1p(math.exp(x)),
    "exp": math.exp,
    "sigmoid": lambda x: 1.0 / (1.0 + math.exp(-x)),
}
INVERSES = {"softplus": "log(expm1(x))", "exp": "log(x)", "sigmoid": "log(x / (1 - x))"}


def check(facts: Facts) -> Iterator[Finding]:
    """Biases and other added or transformed parameters, one finding for a line."""
    told: set[tuple[str, int]] = set()
    for parameter, function, (low, high) in _flattened(facts):
        left = FUNCTIONS[function](low), FUNCTIONS[function](high)
        at = site_of_law(parameter, facts)
        if at is None or (at.path, at.line) in told:
            continue
        told.add((at.path, at.line))
        yield finding(
            RULE,
            facts,
            at=at,
            message=(
                f"`{parameter.name}` is drawn evenly in its logarithm, from {number(low)} to {number(high)}, but {function} makes "
                f"{number(left[0])} to {number(left[1])} of it: the scales are lost, and are {number(left[0] / math.sqrt(low * high))}x "
                "what was drawn. A state that decays by such steps forgets what came a few steps before."
            ),
            help=f"write the inverse of {function}, x → {INVERSES[function]}, of what is drawn",
            modules=[module_of(parameter)],
            evidence={"low": low, "high": high, "left": left[1] / left[0]},
        )


def _flattened(facts: Facts) -> Iterator[tuple[Parameter, str, tuple[float, float]]]:
    """Parameters drawn over decades of which a function leaves next to nothing; that function, and the ends of the draw."""
    for name, parameter in facts.traced.parameters.items():
        ends = _ends(parameter) if parameter.kind == "parameter" else None
        function = None if ends is None else _function_of(facts.structure.nodes[name])
        if ends is not None and function is not None and FUNCTIONS[function](ends[1]) <= LEFT * FUNCTIONS[function](ends[0]):
            yield parameter, function, ends


def _ends(parameter: Parameter) -> tuple[float, float] | None:
    """The smallest and the largest value of a positive law that is even in the logarithm over SPANNED or more; else None."""
    values = parameter.law.quantiles or _known(parameter)
    if len(values) < 3:
        return None
    low, middle, high = values[0], values[len(values) // 2], values[-1]
    if not 0.0 < low * SPANNED <= high <= LARGEST or middle > EVENLY * (low + high):
        return None
    return low, high


def _known(parameter: Parameter) -> tuple[float, ...]:
    """The sorted values of a tensor that is the same in every draw."""
    value = parameter.value
    if parameter.law.family != "exact" or value is None or value.is_meta or not value.is_floating_point():
        return ()
    return tuple(value.detach().double().flatten().sort().values.tolist())


def _function_of(node: Node) -> str | None:
    """The function that all of a parameter goes through, by itself or added to a signal; None where there is none, or several."""
    found: set[str | None] = set()
    for user in node.users:
        name = operator(user)
        if name in FUNCTIONS:
            found.add(name)
        elif name in PASSING | SELECTING | {"add"} or (name == "linear" and len(user.args) > 2 and user.args[2] is node):
            found.add(_function_of(user))
        elif name not in ("sym_size", "detach"):
            found.add(None)
    return found.pop() if len(found) == 1 else None


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The inverse of the function, of what is written."""
    from initlint.fixes.expressions import inverse_written
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files

    code = Files(facts).code(found.span.path)
    function = next((name for parameter, name, _ in _flattened(facts) if module_of(parameter) in found.modules), None)
    if code is not None and function is not None:
        yield from unsafe("write the inverse of what is drawn", inverse_written(code, found.span.line, INVERSES[function]))
