"""INI108: hidden weights of one fixed deviation, whatever their number of inputs, in a stack that this width and depth happen to suit.

A layer multiplies differences between inputs by √χ, χ = fan_in·E[w²]·E[φ'²]. With a fixed E[w²] that is √k times as much in every
layer of a net k times as wide: over L layers k^(L/2).
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.stacks import Stack, Stage, stacks
from initlint.lint.wording import (
    counted,
    finding,
    law_in_words,
    module_at,
    number,
    pattern_of,
    places_of_layers,
    site_of_call,
)

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI108",
    name="std-without-fan",
    severity=Severity.INFO,
    summary="Hidden weights have one fixed deviation: the signal keeps its size at this width and depth, and not at others.",
    fix="unsafe",
    explained_by=(
        "exploding-signal",
        "vanishing-signal",
        "exploding-gradient",
        "vanishing-gradient",
        "saturated-activation",
        "dead-relu",
        "unstable-activation",
        "far-from-edge-of-chaos",
        "symmetric-initialization",
        "miscounted-fan",
        "mismatched-fan",
        "std-passed-as-mean",
    ),
)

TIMES = 4  # as wide, as deep: what a person tries next
LAYERS = 4
UP, DOWN = 2.0, -4.5  # decades of root mean square: where exploding-signal and vanishing-signal begin to warn
DRAWS = frozenset({"normal_", "uniform_", "trunc_normal_"})


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per stack that holds now and would not, four times as wide or as deep."""
    calls: Mapping[tuple[str, int], Sequence[ast.Call]] | None = None
    for stack in stacks(facts):
        if len(stack.stages) <= LAYERS + 1:
            continue
        calls = _draws(facts) if calls is None else calls
        fixed = {stage.layer.node for stage in stack.stages[1:-1] if _is_fixed(facts, stage.layer, calls)}
        if len(fixed) < LAYERS:
            continue
        now = _decades(stack)
        wider = _decades(Stack(stages=tuple(_widened(stage, fixed) for stage in stack.stages)))
        inner = stack.stages[1:-1]
        deeper = _decades(Stack(stages=(stack.stages[0], *inner * TIMES, stack.stages[-1])))
        if None in (now, wider, deeper) or not DOWN < (now or 0.0) < UP:
            continue
        found = _finding(facts, stack, fixed, now or 0.0, wider or 0.0, deeper or 0.0)
        if found is not None:
            yield found


def _finding(facts: Facts, stack: Stack, fixed: set[str], now: float, wider: float, deeper: float) -> Finding | None:
    steps = len(stack.stages) - 2
    told = []
    if wider >= UP:
        told.append(
            f"{TIMES} times as wide, they would multiply it by {number(10 ** (wider / steps))} each, {number(10**wider)} in all"
        )
    if not DOWN < deeper < UP:
        told.append(f"{TIMES} times as deep, by {number(10**deeper)} in all")
    if not told:
        return None
    layers = [stage.layer for stage in stack.stages if stage.layer.node in fixed]
    at, others = places_of_layers(facts, [(layer, 1.0) for layer in layers])
    modules = [module_at(layer, facts) for layer in layers]
    middle = layers[len(layers) // 2]
    most = math.ceil((UP if now > 0 else DOWN) / (now / steps)) if abs(now) > 0.01 else 0  # layers
    return finding(
        RULE,
        facts,
        at=at,
        message=(
            f"{counted(len(layers), 'layer')} of {pattern_of(modules)} are drawn from {law_in_words(facts.parameter(middle.weight).law)}, "
            f"whatever their number of inputs. With {middle.fan_in} inputs they multiply the signal by "
            f"{number(10 ** (now / steps))} each, {number(10**now)} in all, which trains; {'; '.join(told)}, which does not "
            f"at usual rates{f' (at this width the limit is {most} layers)' if steps < most <= TIMES * steps else ''}."
        ),
        help="let the deviation follow the number of inputs, as nn.init.kaiming_normal_ does, or add normalization",
        modules=modules,
        evidence={"decades": now, "wider": wider, "deeper": deeper, "layers": float(len(layers)), "exponent": len(layers) / 2},
        related=others,
        rests_on=(layers[0].node,),
    )


def _decades(stack: Stack) -> float | None:
    """log10 of the factor by which the stack multiplies small differences between inputs, and gradients on the way back."""
    slopes = stack.slopes()[:-1]  # the step to the last layer belongs to what is learned, not to the depth
    if min(slopes) <= 0 or not all(map(math.isfinite, slopes)):
        return None
    return sum(math.log10(slope) for slope in slopes) / 2


def _widened(stage: Stage, fixed: set[str]) -> Stage:
    return replace(stage, gain=TIMES * stage.gain) if stage.layer.node in fixed else stage


# -- what the source says -----------------------------------------------------------------------------------------------


def _draws(facts: Facts) -> Mapping[tuple[str, int], Sequence[ast.Call]]:
    """The calls that draw with numbers alone, by file and line."""
    found: dict[tuple[str, int], list[ast.Call]] = {}
    for path, tree in facts.sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                if name in DRAWS and _has_numbers_only(node):
                    found.setdefault((path, node.lineno), []).append(node)
    return found


def _has_numbers_only(call: ast.Call) -> bool:
    """Whether all arguments behind the tensor are literal numbers; a method has none before them."""
    given = [*call.args, *(item.value for item in call.keywords)]
    numbers = [item for item in given if _is_literal(item)]
    return bool(numbers) and len(given) - len(numbers) <= 1


def _is_literal(node: ast.expr) -> bool:
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(inner, ast.Constant) and isinstance(inner.value, int | float)


def _is_fixed(facts: Facts, layer: WeightLayer, calls: Mapping[tuple[str, int], Sequence[ast.Call]]) -> bool:
    """Whether the last write of a weight is such a call."""
    parameter = facts.parameter(layer.weight)
    write = parameter.writes[-1] if parameter.writes else None
    site = None if write is None or write.default else site_of_call(write, facts)
    if write is None or site is None or write.op.rpartition(".")[2] not in DRAWS:
        return False
    here = calls.get((site.path, site.line), ())
    return len(here) == 1


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The layers that take part, started as suits the functions behind them."""
    from initlint.lint.cures import alike, layers_of, restarts

    yield from restarts(facts, alike(facts, layers_of(found, facts)))
