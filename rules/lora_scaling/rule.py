"""INI501: an adapter whose first step is far too large or too small for any usual learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_law, site_of_node

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI501",
    name="lora-scaling",
    severity=Severity.WARNING,
    summary="The scale of a low-rank adapter makes its first step far too large or too small.",
    fix="unsafe",
    explained_by=("lora-cannot-learn", "lora-not-identity"),
)

# Effective alphas (`Adapter.effective_alpha`). Those in use lie between 1 and 256. Of six settings
# (docs/calibration.md) two or more train from 0.5 to 3000, but none of SGD's from 1000 on; two or one at 7000; one at 0.05, 0.2
# and 10000; none at 0.01 and 30000.
FAIL_BELOW = 0.02
WARN_BELOW = 0.5
TELL_ABOVE = 512.0
WARN_ABOVE = 8000.0
FAIL_ABOVE = 20000.0
# Adam moves A as well, by its rate a step: after ten steps at 1e-3 a smaller start is forgotten. The scale stays what it is: with scale·rank
# at 0.016 and below none of six settings trains, however large A (docs/calibration.md), nor B where that is the random one.
FORGOTTEN = 0.01
# σ_A²·n of the usual start is 1/3; A is to blame only where it is farther from that than other good starts are.
USUAL_FAN_VARIANCE = 1 / 3
NEAR_USUAL = 4.0


def check(facts: Facts) -> Iterator[Finding]:
    """Adapters that can learn, by their effective alpha; those that change the model at once, only where they are idle."""
    for adapter in facts.structure.adapters:
        down, up = facts.parameter(adapter.down), facts.parameter(adapter.up)
        held = abs(adapter.scale) * adapter.rank
        silent = down.law.is_zero and (up.law.is_zero or held >= FAIL_BELOW)
        if adapter.embedding or adapter.gates or silent or adapter.scale == 0:
            continue
        alpha = held if held < FAIL_BELOW else adapter.effective_alpha(down.law.second_moment)
        reached = min(adapter.effective_alpha(max(down.law.second_moment, FORGOTTEN**2)), alpha if held < FAIL_BELOW else math.inf)
        if not math.isfinite(alpha):
            continue
        if reached < WARN_BELOW:
            severity = Severity.ERROR if reached < FAIL_BELOW else Severity.WARNING
        elif alpha > TELL_ABOVE and up.law.is_zero:
            severity = Severity.ERROR if alpha > FAIL_ABOVE else Severity.WARNING if alpha > WARN_ABOVE else Severity.INFO
        else:
            continue
        variance = down.law.second_moment * adapter.n
        from_scale = held < FAIL_BELOW or USUAL_FAN_VARIANCE / NEAR_USUAL <= variance <= USUAL_FAN_VARIANCE * NEAR_USUAL
        at = site_of_node(adapter.scale_node, facts) if from_scale else site_of_law(down, facts)
        large = alpha > TELL_ABOVE
        consequence = {
            Severity.ERROR: "and no usual rate trains it",
            Severity.WARNING: "and hardly any usual rate trains it",
            Severity.INFO: "and SGD diverges at them; Adam bears it",
        }[severity]
        yield finding(
            RULE,
            facts,
            at=at,
            severity=severity,
            message=(
                f"the adapter of `{module_of(facts.parameter(adapter.base))}` has an effective alpha of {number(alpha)} "
                f"(scale {number(adapter.scale)}, rank {adapter.rank}{f', A with std {number(down.law.std)}' if held >= FAIL_BELOW else ''}; alphas in use are 1 "
                f"to 256). Its first steps are {number(alpha / 16 if large else 16 / alpha)}x too {'large' if large else 'small'} "
                f"for the learning rates used with LoRA, {consequence}."
            ),
            help=(
                "scale the branch by alpha/rank"
                if from_scale
                else f"draw A with nn.init.kaiming_uniform_(A, a=math.sqrt(5)) on its ({adapter.rank}, {adapter.n}) layout"
            ),
            modules=[module_of(down)],
            evidence={"alpha": alpha, "scale": adapter.scale, "rank": float(adapter.rank)},
            tolerated=severity is Severity.WARNING,  # one or two of six settings train it
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The usual scale, or the usual first factor: what the finding points at first, then the other, then both; the second factor
    at zero where the usual scale would let it disturb the model."""
    from initlint.fixes.starts import ZEROS, lora_start
    from initlint.lint.cures import rescaled, unsafe
    from initlint.lint.starting import Files, merged, started

    files = Files(facts)
    adapters = [item for item in facts.structure.adapters if module_of(facts.parameter(item.down)) in found.modules]
    if not adapters:
        return
    wanted = {item.down: lora_start(facts.parameter(item.down).shape, item.n) for item in adapters}
    drawn = started(facts, wanted, files)
    scaled = list(rescaled(facts, adapters[0], files))
    redrawn = list(unsafe("draw the first factor for its number of inputs", drawn))
    at = site_of_node(adapters[0].scale_node, facts)
    yield from (*scaled, *redrawn) if at is not None and at.line == found.span.line else (*redrawn, *scaled)
    random = {item.up: ZEROS for item in adapters if not facts.parameter(item.up).law.is_zero}
    quiet = started(facts, random, files, together=False)
    for fix in scaled if drawn else ():
        both = (*fix.edits, *(drawn or ()))
        yield from unsafe("scale by alpha/rank, and draw the first factor for its inputs", merged(both))
        if random and quiet is not None:
            yield from unsafe(
                "start the adapters as usual: alpha/rank, A drawn for its inputs, B at zero", merged((*both, *quiet))
            )
