"""INI112: noise that is added to a weight at every pass, and is many times as strong as the weight itself.

Of weights μ + σ·ε the noise alone gives an output the variance fan_in·E[σ²ε²] times what is read: σ has to fall with the root of the
number of inputs as the weight does (Fortunato et al. 2018, σ₀/√fan_in with σ₀ = 0.5).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlint.graph.chance import DRAWING
from initlint.graph.dataflow import operands, operator, strip
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_law, site_of_node, step_at

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Parameter
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI112",
    name="drowned-weight",
    severity=Severity.ERROR,
    summary="Noise that is added to a weight at every pass gives its outputs many times the variance that the weight gives them.",
    fix="unsafe",
    explained_by=("exploding-signal",),
)

# Variance of an output per unit of what is read, from noise alone (doc.md), and how many times that of the weight it has to be.
WARN_AT, FAIL_AT = 30.0, 120.0  # behind norms a large rate of Adam trains some of what fails without
RATIO = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noise:
    """What noise adds to the variance of a layer's output per unit of what it reads, and the trained factor of the noise; whether a
    normalization comes behind."""

    layer: WeightLayer
    node: Node
    factor: Parameter
    gain: float
    ratio: float
    normalized: bool


def check(facts: Facts) -> Iterator[Finding]:
    """Layers whose weight is a sum of parameters and of parameters times noise, by the line that starts the latter."""
    sites: dict[tuple[str, int], list[_Noise]] = {}
    for layer in facts.structure.layers.values():
        found = _noise(facts, layer)
        if found is not None and found.gain >= WARN_AT and found.ratio >= RATIO:
            site = site_of_law(found.factor, facts)
            sites.setdefault((site.path, site.line) if site else ("", 0), []).append(found)
    for group in sites.values():
        yield _finding(facts, group)


def _noise(facts: Facts, layer: WeightLayer) -> _Noise | None:
    data, dependence = facts.structure.dependence.data, facts.structure.dependence
    noises = dependence.bits(node.name for node in dependence.order if operator(node) in DRAWING or _is_kept_noise(facts, node.name))
    fixed = [strip(item) for item in operands(facts.structure.nodes[layer.node]) if item.name not in data]
    weight = next((item for item in fixed if operator(item) == "add" and layer.weight in _sources(facts, item)), None)
    if weight is None:
        return None
    drawn = [item for item in operands(weight) if dependence.ancestors[item.name] & noises]
    kept = [item for item in operands(weight) if item not in drawn]
    factor = next((name for item in drawn for name in _sources(facts, item) if facts.parameter(name).trainable), None)
    if len(drawn) != 1 or len(kept) != 1 or factor is None:
        return None
    noise, mean = facts.signals.get(drawn[0].name), facts.signals.get(kept[0].name)
    if noise is None or mean is None or noise.second_moment is None or mean.second_moment is None:
        return None
    ratio = noise.second_moment / mean.second_moment if mean.second_moment else math.inf
    gain = layer.fan_in * noise.second_moment
    normalized = bool(dependence.descendants[layer.node] & dependence.bits(facts.structure.norms))
    return _Noise(layer=layer, node=drawn[0], factor=facts.parameter(factor), gain=gain, ratio=ratio, normalized=normalized)


def _is_kept_noise(facts: Facts, name: str) -> bool:
    """Whether it is a matrix of random numbers that is no parameter: noise drawn anew between steps, as in Rainbow's code."""
    buffer = facts.traced.parameters.get(name)
    if buffer is None or buffer.kind != "buffer" or len(buffer.shape) < 2 or not math.isfinite(buffer.law.second_moment):
        return False
    return buffer.law.std > 0.0 and abs(buffer.law.mean) < 0.1 * buffer.law.std  # noise is centred


def _sources(facts: Facts, node: Node) -> tuple[str, ...]:
    """The matrices that a node is computed from."""
    dependence = facts.structure.dependence
    names = dependence.names(dependence.ancestors[node.name] | 1 << dependence.index[node.name])
    return tuple(name for name in names if name in facts.traced.parameters and len(facts.parameter(name).shape) > 1)


def _finding(facts: Facts, group: list[_Noise]) -> Finding:
    worst = max(group, key=lambda item: item.gain)
    parameter = worst.factor
    fails = any(item.gain >= FAIL_AT and not item.normalized for item in group)
    return finding(
        RULE,
        facts,
        at=site_of_law(parameter, facts),
        severity=Severity.ERROR if fails else Severity.WARNING,
        message=(
            f"noise with the factor `{parameter.name}` gives the outputs of this layer {number(worst.gain)}x the mean square of its "
            f"{worst.layer.fan_in} inputs, {number(worst.ratio)}x of what its weight gives them. "
            + ("No usual rate trains it." if fails else "Most of what is learned is undone by the next draw, and training is slow.")
        ),
        help="divide its start by the root of the number of inputs: 0.5 / math.sqrt(in_features)",
        modules=[module_of(item.factor) for item in group],
        evidence={"gain": worst.gain, "ratio": worst.ratio, "inputs": float(worst.layer.fan_in)},
        related=step_at(site_of_node(worst.node.name, facts), "noise is multiplied by it here"),
        rests_on=(worst.node.name,),
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The factor's constant divided by the root of the number of inputs; a small one where a function makes the factor of it."""
    from initlint.fixes.starts import Start
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files, started

    layers = [item for layer in facts.structure.layers.values() if (item := _noise(facts, layer)) is not None]
    wanted: dict[str, tuple[float, int]] = {}
    for item in layers:
        if module_of(item.factor) in found.modules:
            side = 1 if item.factor.shape[-1] == item.layer.fan_in else 0
            names = (name for name, parameter in facts.traced.parameters.items() if parameter is item.factor)
            wanted |= dict.fromkeys(names, (item.factor.law.mean, side))
    files = Files(facts)
    for value in (None, -5.0):
        starts = {
            name: Start(
                function="constant_",
                arguments=(f"{mean:g} / {{tensor}}.size({side}) ** 0.5" if value is None else f"{value}",),
            )
            for name, (mean, side) in wanted.items()
        }
        yield from unsafe("start the noise smaller", started(facts, starts, files) if starts else None)
