"""INI304: a stack whose second moment has no stable fixed point, so that every draw drifts away from what was meant."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.stacks import Stack, stacks
from initlint.lint.wording import counted, finding, module_at, number, pattern_of, places_of_layers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from initlint.fixes.edit import Fix
    from initlint.fixes.starts import Start
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding
    from initlint.lint.stacks import Function, Stage

    Values = NDArray[np.float64]

RULE = Rule(
    code="INI304",
    name="unstable-activation",
    severity=Severity.ERROR,
    summary="The activation amplifies the small differences between draws until the signal explodes or dies.",
    fix="unsafe",
)

# Decades of root mean square by which one draw in six has left what the average predicts. Measured on plain nets of width 128
# (doc.md): below these Adam and SGD train, above the first Adam loses accuracy and SGD does not start at any usual rate.
WARN_UP, WARN_DOWN = 1.5, -2.5
FAIL_UP, FAIL_DOWN = 3.5, -7.0  # the same as of growth and decay that were predicted: exploding-signal, vanishing-signal
DRAWS = 128  # of the map of one number, not of the model
NUDGE = 1.5  # factor of the second moment, to either side, by which a stable map is told from an unstable one
WIDENED = 1.5  # so many times farther apart at the end
LAYERS = 6
SIXTHS = (1 / 6, 5 / 6)
DECADE = 2.0 * math.log(10.0)
LOWEST, HIGHEST = 1e-24, 1e24
LEVELS = tuple(math.log(LOWEST) + number * math.log(HIGHEST / LOWEST) / 480 for number in range(481))


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per stack that does not hold its level."""
    for stack in stacks(facts):
        if len(stack.stages) >= LAYERS and _widens(stack):
            found = _judged(facts, stack)
            if found is not None:
                yield found


def _widens(stack: Stack) -> bool:
    """Whether a somewhat larger or smaller input drifts away from the middle one; half a millisecond per layer."""
    q = stack.stages[0].q
    low, middle, high = (levels[-1] for levels in stack.followed(q / NUDGE, q, q * NUDGE))
    if min(low, middle, high) <= 0:
        return False
    return max(math.log(high / middle), math.log(middle / low)) > WIDENED * math.log(NUDGE)


def _judged(facts: Facts, stack: Stack) -> Finding | None:
    low, high = _drift(stack)
    if high < WARN_UP and low > WARN_DOWN:
        return None
    fails = high >= FAIL_UP or low <= FAIL_DOWN
    layers = [stage.layer for stage in stack.stages]
    at, others = places_of_layers(facts, [(layer, 1.0) for layer in layers])
    modules = [module_at(layer, facts) for layer in layers]
    function = stack.stages[len(layers) // 2 - 1].named
    ends = f"{number(10**high)}x larger" if high >= WARN_UP else f"{number(10**-low)}x smaller"
    both = f"; another sixth {number(10**-low)}x smaller" if high >= WARN_UP and low <= WARN_DOWN else ""
    return finding(
        RULE,
        facts,
        at=at,
        severity=Severity.ERROR if fails else Severity.WARNING,
        message=(
            f"{function} amplifies the difference between one draw of {pattern_of(modules)} and the next over "
            f"{counted(len(layers), 'layer')} without normalization: on average the signal may keep its size, but one draw in six "
            f"ends {ends} than the weights were scaled for{both}. "
            + (
                "Training does not start from there."
                if fails
                else "Adam loses accuracy, and SGD does not start at any usual rate."
            )
        ),
        help=(
            "add normalization or residual connections; a function with a threshold can be clipped from above (at about one "
            "standard deviation), others exchanged for one that holds its level (SELU, tanh)"
        ),
        modules=modules,
        evidence={"decades_up": high, "decades_down": low, "layers": float(len(layers))},
        related=others,
        rests_on=(layers[0].node,),
    )


def _drift(stack: Stack) -> tuple[float, float]:
    """Decades below and above the middle that one draw in six leaves behind it, beyond what chance does to a linear net.

    In one draw of n inputs the mean of φ² deviates by √(κ/n) of itself, κ = E[φ⁴]/E[φ²]² − 1 (docs/theory, section 15).
    """
    import numpy as np

    draws = np.random.default_rng(0)
    tables: dict[tuple[Function, float], tuple[Values, Values]] = {}
    first = stack.stages[0]
    aside = math.sqrt(2.0 / first.layer.fan_in) * draws.standard_normal(DRAWS)
    levels = max(first.q - first.square, 0.0) * np.exp(aside) + first.square
    read = levels
    for before, stage in pairwise(stack.stages):
        key = before.function, before.mean
        if key not in tables:
            tables[key] = _table(before)
        second, fourth = (np.exp(np.interp(np.log(levels), LEVELS, table)) for table in tables[key])
        relative = np.log1p(np.clip(fourth / second**2 - 1.0, 0.0, 1e3) / stage.layer.fan_in)
        noise = np.sqrt(relative) * draws.standard_normal(DRAWS) - relative / 2
        read = np.clip(second * np.exp(noise), LOWEST, HIGHEST)
        levels = np.clip(stage.gain * read + stage.square, LOWEST, HIGHEST)
        aside = aside + noise
    # judged by what the last layer reads: its bias would hide that nothing arrives
    middle = max(stack.stages[-2].expected([stack.followed(first.q)[0][-2]])[0], LOWEST)
    low, high = (float(value) / DECADE for value in np.quantile(np.log(read / middle), SIXTHS))
    least, most = (float(value) / DECADE for value in np.quantile(aside, SIXTHS))
    return low - min(least, 0.0), high - max(most, 0.0)


def _table(stage: Stage) -> tuple[Values, Values]:
    """ln E[φ²] and ln E[φ⁴] at all levels: the map is asked for some thousand times."""
    import numpy as np

    levels = [math.exp(level) for level in LEVELS]
    second, fourth = (np.log(np.clip(stage.expected(levels, power), 1e-290, 1e290)) for power in (2, 4))
    return second, fourth


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """Weights and biases of variances to which the stack returns: at the edge of chaos if any of it is stable, else near it.

    The last layer keeps its own start: what it gives is no activation.
    """
    from initlint.fixes.starts import Start
    from initlint.lint.cures import scaled_start, unsafe
    from initlint.lint.level import levels
    from initlint.lint.starting import Files, started

    files = Files(facts)
    for stack in stacks(facts):
        stages = stack.stages[:-1]
        if {module_at(stage.layer, facts) for stage in stack.stages} != set(found.modules):
            continue
        read = facts.signals.get(stages[0].layer.source)
        if read is None or not read.second_moment or any(len(stage.layer.others) != 1 for stage in stages):
            return
        for level in levels(stack, _holds):
            wanted: dict[str, Start] = {}
            for stage in reversed(stages):  # the first one is started last: of a tied weight it is the exception
                gain = level.gain if stage is not stages[0] else (level.q - level.shift) / read.second_moment
                wanted[stage.layer.weight] = scaled_start(facts, stage.layer, gain)
                wanted[stage.layer.others[0]] = Start(function="normal_", arguments=(f"std={math.sqrt(level.shift):.3g}",))
            said = f"draw weights and biases with the variances that lead back to a second moment of {level.q:g}"
            yield from unsafe(said, started(facts, wanted, files, together=False))


def _holds(stack: Stack) -> bool:
    if not _widens(stack):
        return True
    low, high = _drift(stack)
    return high < WARN_UP and low > WARN_DOWN
