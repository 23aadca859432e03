"""INI505: a low-rank adapter with A at zero and B drawn at random."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_law

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI505",
    name="zero-down-projection",
    severity=Severity.WARNING,
    summary="A low-rank adapter starts with A at zero and B random; the other way round it bears larger learning rates.",
    fix="unsafe",
    explained_by=("lora-cannot-learn",),
)


# The effective alpha of such a start, √3·s·√r·σ_B·n: a first step of Adam moves the output by 0.46·rate·alpha_eff, as with the zero in
# B (docs/theory, adapters 2.1 and 3.1). Such adapters train as others do at 7000 and hardly at 28000 (docs/calibration.md).
WARN_ABOVE = 10000.0


def check(facts: Facts) -> Iterator[Finding]:
    """Adapters of layers other than embeddings, whose zero is in the first factor."""
    for adapter in facts.structure.adapters:
        down, up = facts.parameter(adapter.down), facts.parameter(adapter.up)
        if (
            adapter.embedding
            or adapter.gates
            or not down.law.is_zero
            or up.law.is_zero
            or not (down.trainable and up.trainable)
        ):
            continue
        alpha = math.sqrt(3.0 * adapter.rank * up.law.second_moment) * abs(adapter.scale) * adapter.n
        yield finding(
            RULE,
            facts,
            at=site_of_law(down, facts),
            severity=Severity.WARNING if alpha > WARN_ABOVE else Severity.INFO,
            message=(
                f"the adapter of `{module_of(facts.parameter(adapter.base))}` has its zero in A (`{down.name}`) and draws B at "
                f"random (std {number(up.law.std)}). A step of A moves the output by its {adapter.n} inputs at once, so the largest "
                f"stable learning rate is about {number(adapter.n**0.5)}x smaller than with the zero in B, and B hardly learns."
            ),
            help="draw A with nn.init.kaiming_uniform_(A, a=math.sqrt(5)) and start B at zero",
            modules=[module_of(down), module_of(up)],
            evidence={"inputs": float(adapter.n), "rank": float(adapter.rank), "alpha": alpha},
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The first factor drawn, the second at zero."""
    from initlint.fixes.starts import ZEROS, lora_start
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import started

    wanted = {}
    for adapter in facts.structure.adapters:
        down = facts.parameter(adapter.down)
        if module_of(down) in found.modules and down.law.is_zero and not adapter.embedding:
            wanted[adapter.down] = lora_start(down.shape, adapter.n)
            wanted[adapter.up] = ZEROS
    yield from unsafe("draw A and start B at zero", started(facts, wanted, together=False))
