"""INI609: a stack with more layers than units a layer, and nothing beside it, of which chance leaves a single direction."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.directions import narrowings
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_at, number, pattern_of, site_made, site_of_node, step_at

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI609",
    name="too-narrow-for-depth",
    severity=Severity.ERROR,
    summary="A stack so deep for its width, with nothing beside it, that one direction outweighs all others.",
    fix="unsafe",
    explained_by=(
        "exploding-signal",
        "vanishing-signal",
        "dead-relu",
        "symmetric-initialization",
        "unstable-activation",
    ),
)

# Σ κ/n over the layers: stacks of 16 to 64 units with a norm over each sample train up to 1.0 and some at 2.0, and need care from 2.1 on
# or fail. The deeper ones fail sooner: none of those whose Σ κ/n times the number of layers exceeds 260 trains, of those at 180 to 256
# every other one does not (docs/calibration.md).
WARN_AT = 2.1
FAIL_AT = 260.0
LAYERS = 12


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per stack."""
    for found in narrowings(facts):
        if found.lost < WARN_AT or len(found.layers) < LAYERS:
            continue
        fails = found.lost * len(found.layers) >= FAIL_AT
        modules = [module_at(layer, facts) for layer in found.layers]
        yield finding(
            RULE,
            facts,
            at=site_made(facts.parameter(found.layers[0].weight), facts),
            severity=Severity.ERROR if fails else Severity.WARNING,
            message=(
                f"{counted(len(found.layers), 'layer')} of {found.width} units one behind the other, {pattern_of(modules)}, with nothing beside "
                "them: from layer to layer chance stretches some directions more than others, and behind all of them all but "
                f"{number(100 * math.exp(-found.lost))} % of what tells inputs apart lies along one. Normalization sets the scale, not this. "
                + ("Training does not start." if fails else "Few learning rates train, and slowly.")
            ),
            help="add residual connections, or make the layers wider than there are layers",
            modules=modules,
            evidence={"lost": found.lost, "layers": float(len(found.layers)), "width": float(found.width)},
            related=step_at(site_of_node(found.layers[-1].node, facts), "here one direction is left"),
            rests_on=(found.layers[-1].node,),
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """Orthogonal weights of the same size, which lose less; where that is not enough, the input of each layer added to its output."""
    from initlint.lint.cures import connected, layers_of, restarts, starts_of

    layers = layers_of(found, facts)
    yield from restarts(facts, layers, lambda facts, layer: starts_of(facts, layer)[-1:])
    yield from connected(facts, layers)
