"""INI111: a zero in the middle of a model that lets nothing of the input through in the first step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.liveness import shutting_zeros
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_of, pattern_of, site_of_law

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI111",
    name="zero-bottleneck",
    severity=Severity.INFO,
    summary="Zeros in the middle of a model let nothing of the input through at first, and layers behind them learn a constant.",
    fix="unsafe",
    explained_by=("lora-cannot-learn", "packed-projection-fan"),
)

LAYERS = 2  # a last layer that starts at zero is the usual way to start from nothing, and what it puts out may be resized behind it


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per role of zeros that by itself would let the input through, with layers behind it."""
    if facts.liveness.dead:
        return
    structure = facts.structure
    roles = shutting_zeros(facts.traced)
    matrices = [zeros for zeros in roles if len(facts.parameter(zeros[0]).shape) > 1]
    for zeros in matrices or roles:  # a bias other than zero would let it through as well
        below = structure.dependence.descendants[zeros[-1]] & structure.dependence.bits(structure.layers)
        behind = {
            structure.layers[name].weight for name in structure.dependence.names(below) if structure.layers[name].weight not in zeros
        }
        if not behind or len(behind) + len(zeros) - 1 < LAYERS:  # zeros behind zeros are no last layer
            continue
        parameters = [facts.parameter(name) for name in zeros]
        yield finding(
            RULE,
            facts,
            at=site_of_law(parameters[-1], facts),
            message=(
                f"{pattern_of(item.name for item in parameters)} {'is' if len(zeros) == 1 else 'are'} zero, and all that comes of the "
                f"input passes {'it' if len(zeros) == 1 else 'them'}: in the first step the {counted(len(behind), 'layer')} behind "
                "see the same for all inputs, and what comes before learns nothing."
            ),
            help="start it at the identity (add torch.eye to a predicted matrix, one to a factor), or draw it small at random",
            modules=[module_of(item) for item in parameters],
            evidence={"behind": float(len(behind))},
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The zeros drawn at random, as suits what follows them."""
    from initlint.lint.cures import layers_of, restarts

    yield from restarts(facts, layers_of(found, facts))
