"""How sure a finding may be: what chance alone explains from one draw to the next, and which assumptions do not hold.

Logarithms are decades of root mean square, as in `paths`: a deviation s of ln q is s/(2 ln 10) of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from initlint.lint.finding import Finding, Severity
from initlint.propagate.flags import FLAGS

if TYPE_CHECKING:
    from initlint.lint.facts import Facts
    from initlint.lint.paths import Step

PER_DECADE = 2.0 * math.log(10.0)  # nats of a second moment in a decade of amplitude
CHANCE = 2.0  # deviations within which growth or decay is what another seed may undo
TOLD = 0.2  # decades; a smaller spread is not worth a reader's time
LAGGING = 0.5  # decades by which the typical draw lies below the mean before the difference is told
SURE = 6.0  # decades beyond chance that no bent assumption makes or hides: each is off by a small factor
NAMED = 2  # assumptions that one message names


def spread_over(steps: Iterable[Step]) -> float:
    """Standard deviation, over draws, of the decades that these steps add up to."""
    return math.sqrt(max(sum(step.variance for step in steps), 0.0)) / PER_DECADE


def lag_over(steps: Iterable[Step]) -> float:
    """Decades by which the typical draw falls behind the mean over these steps."""
    return sum(step.lag for step in steps)


def by_chance(decades: float, spread: float) -> bool:
    """Whether so much growth or decay lies within what differs from draw to draw."""
    return abs(decades) < CHANCE * spread


def lowered(severity: Severity, decades: float, spread: float) -> Severity | None:
    """The severity one step down, where chance explains the growth; None: a warning is not worth giving."""
    if not by_chance(decades, spread):
        return severity
    return Severity.WARNING if severity is Severity.ERROR else None


def between_draws(spread: float, lag: float = 0.0) -> str:
    """ " (10^±0.4 between draws)"; says that the typical draw was judged where it lies `lag` decades below the mean."""
    if spread < TOLD:
        return ""
    typical = f"in the typical draw, 10^{lag:.1f} of the mean; " if lag <= -LAGGING else ""
    return f" ({typical}10^±{spread:.1f} between draws)"


# -- assumptions ----------------------------------------------------------------------------------------------------------


def with_assumptions(finding: Finding, facts: Facts) -> Finding:
    """A finding that names what it assumes of the signals it rests on; an error is a warning where that may be far off, unless
    what was found is farther off still."""
    flags = assumed(finding.rests_on, facts)
    if not flags:
        return finding
    evidence = finding.evidence
    sure = abs(evidence.get("decades", 0.0)) - CHANCE * evidence.get("spread_decades", 0.0) >= SURE
    severe = not sure and any(FLAGS[name].severe for name in flags)
    said = " and ".join(FLAGS[name].assuming for name in flags[:NAMED])
    return replace(
        finding,
        severity=min(finding.severity, Severity.WARNING) if severe else finding.severity,
        message=f"{finding.message} (Computed assuming {said}, which does not quite hold here.)",
    )


def assumed(nodes: Iterable[str], facts: Facts) -> Sequence[str]:
    """Flags of some nodes, each once, in the order of their table: those that may mislead most come first."""
    found = {flag for name in nodes if name in facts.signals for flag in facts.signals[name].flags}
    return tuple(name for name in FLAGS if name in found)
