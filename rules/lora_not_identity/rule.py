"""INI502: an adapter that changes the model before it has learned anything."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operands
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.tolerance import UNHURT
from initlint.lint.wording import finding, law_in_words, module_of, number, site_of_law

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.adapters import Adapter
    from initlint.graph.model import Law, Parameter
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI502",
    name="lora-not-identity",
    severity=Severity.ERROR,
    summary="Both factors of a low-rank adapter are random, or its magnitude is not the base's: the adapted model is not the original.",
    fix="unsafe",
)

# Change of the layer's output relative to the output, root mean square. Small random products have been proposed on
# purpose (Li et al. 2025, arXiv:2505.23194). Probes `adapter_start` (docs/calibration.md): all train up to 0.6 and five of six up to
# 0.9; at 1.1 and 1.3 four of six need care, at 1.6 all; at 2.0 all fail: half of what the net had learned is gone.
WARN_AT = 0.1
FAIL_AT = 1.8
ODD = 512.0  # effective alpha, as `lora-scaling` tells of it
# Laws whose entries are drawn independently of every other parameter. Factors computed from each other or from the base
# (PiSSA, OLoRA, orthogonal halves) compensate, and their recorded law is none of these.
INDEPENDENT = ("normal", "uniform", "truncated normal", "constant")
# Laws of a base that was computed, which may have had the product taken off.
COMPUTED = ("measured", "unknown")


def check(facts: Facts) -> Iterator[Finding]:
    """Adapters with two independent non-zero factors, or with a magnitude that is not the base's own."""
    for adapter in facts.structure.adapters:
        magnitude = _magnitude(facts, adapter)
        if magnitude is not None and magnitude[1] >= WARN_AT:
            yield _resized(facts, adapter, *magnitude)
            continue
        down, up, base = (facts.parameter(name) for name in (adapter.down, adapter.up, adapter.base))
        if any(gate_is_zero(facts, gate) for gate in adapter.gates):
            continue
        middle = _middle(facts, adapter)
        if middle is not None and middle.law.is_zero:
            continue
        if not all(law.family in INDEPENDENT and not law.is_zero for law in (down.law, up.law)):
            continue
        if base.law.family in COMPUTED:
            continue
        change = relative_change(adapter, down.law, up.law, base.law)
        if middle is not None:
            change *= math.sqrt(middle.law.second_moment)
        if not math.isfinite(change) or change < WARN_AT:
            continue
        zeroed, side = (middle, "E") if middle is not None else (down, "A") if adapter.embedding else (up, "B")
        factors = "both factors are" if middle is None else "both factors and what stands between them are"
        yield finding(
            RULE,
            facts,
            at=site_of_law(zeroed, facts),
            severity=Severity.ERROR if change >= FAIL_AT else Severity.WARNING,
            message=(
                f"the adapter of `{module_of(base)}` changes its output by {number(100 * change)} % before any training: "
                f"{factors} random (std {number(down.law.std)} and {number(up.law.std)}, scale "
                f"{number(adapter.scale)}). The pretrained function is disturbed and the loss starts too high."
            ),
            help=f"start {side} at zero: nn.init.zeros_({zeroed.name.rpartition('.')[2]})",
            modules=[module_of(down)],
            evidence={"change": change, "scale": adapter.scale, "rank": float(adapter.rank)},
            tolerated=change < UNHURT and adapter.effective_alpha(down.law.second_moment) <= ODD,
        )


def _magnitude(facts: Facts, adapter: Adapter) -> tuple[Parameter, float] | None:
    """The trained parameter that sets the size of W + s·BA before it is used (DoRA), and by how much this differs from W:
    ‖W' − W‖ ≥ |‖W'‖ − ‖W‖|, relative to ‖W‖. A magnitude that was computed from the base fits it."""
    dependence = facts.structure.dependence
    base = facts.parameter(adapter.base)
    if adapter.add in dependence.data or base.trainable or not base.law.second_moment:
        return None
    inside = dependence.ancestors[adapter.add]
    readers = [layer.node for layer in facts.structure.layers.values() if {adapter.base, adapter.up} <= set(layer.weights)]
    for weight in (
        item for name in readers for item in operands(facts.structure.nodes[name]) if item.name not in dependence.data
    ):
        used = facts.signals.get(weight.name)
        beside = dependence.names(dependence.ancestors[weight.name] & ~inside)
        trained = [
            facts.parameter(name) for name in beside if name in facts.traced.parameters and facts.parameter(name).trainable
        ]
        if adapter.add in beside and len(trained) == 1 and used is not None and used.second_moment is not None:
            if trained[0].law.family in INDEPENDENT:
                return trained[0], abs(math.sqrt(used.second_moment / base.law.second_moment) - 1.0)
    return None


def _resized(facts: Facts, adapter: Adapter, magnitude: Parameter, change: float) -> Finding:
    down, base = facts.parameter(adapter.down), facts.parameter(adapter.base)
    return finding(
        RULE,
        facts,
        at=site_of_law(magnitude, facts),
        severity=Severity.ERROR if change >= FAIL_AT else Severity.WARNING,
        message=(
            f"the adapter of `{module_of(base)}` changes its output by {number(100 * change)} % before any training: "
            f"`{magnitude.name}` ({law_in_words(magnitude.law)}) sets the size of the adapted weight, and is not that of the base. "
            "The pretrained function is disturbed and the loss starts too high."
        ),
        help="start the magnitude at the norms of the base: weight.detach().norm(dim=1, keepdim=True)",
        modules=[module_of(down)],
        evidence={"change": change},
    )


def relative_change(adapter: Adapter, down: Law, up: Law, base: Law) -> float:
    """‖s·BAx‖/‖Wx‖ = s·√r·σ_A·σ_B/σ_W for independent factors (docs/theory, adapters 2.2)."""
    if not base.second_moment or not math.isfinite(base.second_moment):
        return math.inf
    product = adapter.rank * down.second_moment * up.second_moment
    return abs(adapter.scale) * math.sqrt(product / base.second_moment)


def _middle(facts: Facts, adapter: Adapter) -> Parameter | None:
    """The diagonal between the factors, one entry for each rank (AdaLoRA's E), where there is one."""
    names = {name for layer in facts.structure.layers.values() if layer.weight == adapter.down for name in layer.weights}
    between = (facts.parameter(name) for name in sorted(names) if name not in (adapter.down, adapter.up))
    return next((item for item in between if math.prod(item.shape) == adapter.rank), None)


def gate_is_zero(facts: Facts, gate: str) -> bool:
    """A learned scale that starts at zero keeps the identity."""
    return facts.parameter(gate).law.is_zero


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The second factor at zero; where its scale is odd as well, which a zero no longer hides, the usual scale, too."""
    from initlint.fixes.starts import ZEROS
    from initlint.lint.cures import rescaled, unsafe
    from initlint.lint.starting import Files, merged, started

    files = Files(facts)
    wanted = {}
    adapters = [item for item in facts.structure.adapters if module_of(facts.parameter(item.down)) in found.modules]
    for adapter in adapters:
        name = adapter.down if adapter.embedding else adapter.up
        if not facts.parameter(name).law.is_zero:
            wanted[name] = ZEROS
    if not wanted:
        return
    edits = started(facts, wanted, files, together=False)
    zeroed = list(unsafe("start the second factor at zero", edits))
    both = [
        fix
        for scaled in (rescaled(facts, adapters[0], files) if adapters else ())
        for fix in unsafe("start the second factor at zero, and scale by alpha/rank", merged((*(edits or ()), *scaled.edits)))
    ]
    odd = any(item.effective_alpha(facts.parameter(item.down).law.second_moment) > ODD for item in adapters)
    if edits is not None:
        yield from (*both, *zeroed) if odd else (*zeroed, *both)
