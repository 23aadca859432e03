"""INI606: different inputs become nearly the same activations, short of what vanishing-signal reports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.paths import main_path, segments_of, steps_of
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_at, number, pattern_of, places_of_layers

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI606",
    name="collapsing-correlation",
    severity=Severity.INFO,
    summary="Different inputs become nearly the same activations on the way to an output.",
    fix="unsafe",
    explained_by=("vanishing-signal", "dead-relu", "rank-collapse", "symmetric-initialization", "unstable-activation", "unmatched-module-class"),
)

TOLD_AT = -2.0  # decades of the share of root mean square that tells inputs apart: a correlation of 0.9999
WITHOUT_WORST = -1.0  # one layer alone (a head started small beside a bias) is a choice
LAYERS = 4
FALLING = -0.02


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per output."""
    for output in facts.traced.outputs:
        steps = steps_of(facts, main_path(facts, output))
        parts = segments_of(steps)
        falling = [(part.layer, part.share) for part in parts if part.share <= FALLING]
        total = sum(part.share for part in parts)
        if total > TOLD_AT or len(falling) < LAYERS or total - min(change for _, change in falling) > WITHOUT_WORST:
            continue
        at, others = places_of_layers(facts, falling)
        modules = [module_at(layer, facts) for layer, _ in falling]
        rate = 10 ** (sum(change for _, change in falling) / len(falling))
        yield finding(
            RULE,
            facts,
            at=at,
            message=(
                f"different inputs become alike over {counted(len(falling), 'layer')} of {pattern_of(modules)}: what tells them apart "
                f"shrinks {number(rate)}x per layer, to {number(10**total)} of the activations at the output; the rest is the same for "
                "every input. SGD starts slowly from there, and more layers stop it."
            ),
            help="start biases at zero and weights larger (nn.init.kaiming_normal_ for ReLU-like activations), or add normalization",
            modules=modules,
            evidence={"decades": total, "per_layer": rate, "layers": float(len(falling))},
            related=others,
            rests_on=(steps[-1].node,),
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """These layers started as suits what follows them; with their biases at zero, where these have a mean."""
    from initlint.lint.cures import alike, layers_of, restarts, unbiased

    layers = alike(facts, layers_of(found, facts))
    yield from restarts(facts, layers)
    yield from unbiased(facts, layers)
