"""INI101: activations grow layer by layer, with no normalization to set them right."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operands, operator, strip
from initlint.lint.doubt import between_draws, lag_over, lowered, spread_over
from initlint.lint.finding import Severity
from initlint.lint.paths import Step, main_path, segments_of, steps_of, stretches
from initlint.lint.recurrences import recurrences
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_at, module_of, number, pattern_of, places_of_layers, site_of_law

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI101",
    name="exploding-signal",
    severity=Severity.ERROR,
    summary="Activations grow layer by layer, far beyond the scale of the input.",
    fix="unsafe",
    explained_by=("unscaled-residual", "unstable-activation", "non-isometric-skip", "half-precision-overflow", "overflowing-exponential"),
)

# Growth of the root mean square over layers without normalization, in decades. Calibrated on plain ReLU nets: at 300 the
# best rate still reaches 96 % of what the well-started net does and SGD needs a hundred times smaller rates; at 5000 SGD
# fails at every rate; at 1e6 no optimizer reaches the accuracy of the well-started net.
WARN_AT = 2.0
FAIL_AT = 3.5
# Before a normalization the scale is set right: what is left is overflow in half precision (largest number 65504).
WARN_BEFORE_NORM = 4.0
# A step of a recurrence is a layer. Where the length of a sequence is a guess, one a quarter as long may be meant (doc.md).
SHORTER = 4.0
# One wide layer with unit weights is a matter of taste; growth that comes with depth needs several layers, each of which
# either grows by itself or has at least half of an average layer's part in what they come to together.
LAYERS = 3
GROWING = 0.15
PROBABILITIES = frozenset({"sigmoid", "softmax", "_softmax"})


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per stretch of layers that grows, and per recurrent operator whose state does."""
    yield from _over_time(facts)
    for output in facts.traced.outputs:
        parts = stretches(steps_of(facts, main_path(facts, _unbounded(facts, output))))
        for number_of, steps in enumerate(parts):
            found = _growth(facts, steps, normalized_after=number_of + 1 < len(parts))
            if found is not None:
                yield found


def _unbounded(facts: Facts, output: str) -> str:
    """What an output is a probability of: a function that ends between 0 and 1 hides how large its logits are, not what comes of it."""
    node = strip(facts.structure.nodes[output])
    return next(operands(node)).name if operator(node) in PROBABILITIES else output


def _growth(facts: Facts, steps: Sequence[Step], *, normalized_after: bool) -> Finding | None:
    parts = [part for part in segments_of(steps) if not facts.parameter(part.layer.weight).law.is_zero]  # a bias grows nothing
    total = sum(part.rms for part in parts)
    least = min(GROWING, total / (2 * len(parts))) if parts and total > 0.0 else GROWING
    growing = [(part.layer, part.rms) for part in parts if part.rms >= least]
    spread = spread_over(steps)
    if len(growing) < LAYERS or total - spread < (WARN_BEFORE_NORM if normalized_after else WARN_AT):
        return None  # one draw in six is that much smaller
    rate = 10 ** (sum(change for _, change in growing) / len(growing))
    fails = total >= FAIL_AT and not normalized_after
    severity = lowered(Severity.ERROR if fails else Severity.WARNING, total, spread)
    if severity is None:
        return None
    places = places_of_layers(facts, growing)
    modules = [module_at(layer, facts) for layer, _ in growing]
    consequence = _consequence(normalized_after=normalized_after, fails=fails)
    made = [layer for layer, _ in growing if layer.node in facts.structure.generated]
    return finding(
        RULE,
        facts,
        at=places[0],
        severity=severity,
        message=(
            f"signal grows {number(rate)}x per layer over {counted(len(growing), 'layer')} "
            f"{'whose weights are put out by' if len(made) == len(growing) else 'of'} {pattern_of(modules)}, "
            f"{number(_power(total))}x in all{between_draws(spread, lag_over(steps))}. {consequence}"
        ),
        help="let what is put out have a variance of 2/inputs of the layer that uses it: divide the variance of these weights by "
        "that number, too (hyperfan-in)"
        if made
        else f"start these weights about {number(rate)}x smaller (std near 1/sqrt(fan_in)), or add normalization",
        modules=modules,
        evidence={
            "decades": total,
            "per_layer": rate,
            "layers": float(len(growing)),
            "growth": _power(total),
            "spread_decades": spread,
        },
        related=places[1],
        rests_on=(steps[-1].node,),
    )


def _over_time(facts: Facts) -> Iterator[Finding]:
    """Operators and cells; the steps of others are layers of a path."""
    dependence = facts.structure.dependence
    for found in recurrences(facts):
        decades, spread = found.signal.decades, found.signal.spread
        if found.unrolled or decades < WARN_AT:
            continue
        normalized_after = bool(dependence.descendants[found.node] & dependence.bits(facts.structure.norms))
        severity = lowered(
            _severity_over_time(decades / (SHORTER if facts.guessed else 1.0), normalized_after=normalized_after), decades, spread
        )
        if severity is None:
            continue
        module, rate = module_of(facts.parameter(found.weight)), 10 ** (decades / (found.steps - 1))
        length = f"{'an assumed ' if facts.guessed else ''}{found.steps} steps"
        yield finding(
            RULE,
            facts,
            at=site_of_law(facts.parameter(found.weight), facts),
            severity=severity,
            message=(
                f"the state of `{module}` grows {number(rate)}x per step, {number(_power(decades))}x over {length}{between_draws(spread)}. "
                + _consequence(normalized_after=normalized_after, fails=severity is Severity.ERROR)
            ),
            help="start the factors of the state at most at 1 in modulus: look at the sign of what is exponentiated"
            if found.factors
            else f"start the weights of the states {number(rate)}x smaller (of the identity or an orthogonal matrix: gain 1 at most)",
            modules=[module],
            evidence={"decades": decades, "per_step": rate, "steps": float(found.steps), "spread_decades": spread},
            rests_on=(found.node,),
        )


def _severity_over_time(decades: float, *, normalized_after: bool) -> Severity:
    """Of growth over the shortest length that may be meant."""
    if normalized_after:
        return Severity.WARNING if decades >= WARN_BEFORE_NORM else Severity.INFO
    return Severity.ERROR if decades >= FAIL_AT else Severity.WARNING if decades >= WARN_AT else Severity.INFO


def _consequence(*, normalized_after: bool, fails: bool) -> str:
    if normalized_after:
        return "Activations overflow in half precision before the next normalization."
    if fails:
        return "The loss starts orders of magnitude too large and training diverges or stalls."
    return "Training needs a far smaller learning rate, and with more depth or longer sequences it diverges."


def _power(decades: float) -> float:
    return 10**decades if decades < 300 else math.inf


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The layers that take part, started as suits the functions behind them; with their biases at zero, where these have a mean."""
    from initlint.lint.cures import alike, layers_of, restarts, unbiased

    layers = alike(facts, layers_of(found, facts))
    if {layer.weight for layer in layers} & {layer.weight for layer in facts.structure.generated.values()}:
        return  # what they put out are weights: the usual starts do not know for how many inputs
    yield from restarts(facts, layers)
    yield from unbiased(facts, layers)
