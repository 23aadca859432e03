"""INI308: an exponential of what a trained layer puts out, which starts so spread out that it covers many orders of magnitude.

Of z ~ N(0, σ²) the exponential has the median 1, but the mean square e^(2σ²), and its slope is itself: few entries carry the value and
the gradient of all. Where what n of them multiply is read by the next one, as in a normalizing flow, the exponents add up to a standard
deviation of √n·σ, and grow by what they multiply: no moment of the last one exists, and σ is that of the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlint.graph.dataflow import NORMALIZING, PASSING, PRODUCTS, REDUCING, SELECTING, operands, operator
from initlint.lint.finding import Severity
from initlint.lint.paths import born_of
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_at, number, site_of_node, site_of_scale, step_at

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI308",
    name="overflowing-exponential",
    severity=Severity.ERROR,
    summary="What a trained layer puts out is exponentiated, and starts so spread out that its exponential covers many orders of magnitude.",
    fix="unsafe",
    explained_by=("half-precision-overflow",),
)

# Standard deviations of one exponent, and of the sum of those of a flow, in nats (doc.md).
WARN_AT = 4.0
FAIL_AT = 8.0
SUM_WARN_AT = 1.2
SUM_FAIL_AT = 1.6
LIKE = 0.25  # of the variance that the first layer of a row adds per unit of what it reads: those that are like it
SEVERAL = 3  # in a row make a flow
BASES = {"exp": 1.0, "expm1": 1.0, "exp2": math.log(2.0)}
TRAINED = ("linear", "convolution", "product")
LARGEST = 700.0  # whose exponential a float holds
STEPS = 32  # from a layer to the exponential of what it puts out
# What keeps an exponential in proportion, so that a quotient by its sum, or a logarithm, takes its scale away.
PROPORTIONAL = PASSING | SELECTING | REDUCING | PRODUCTS | {"mul", "div", "add", "neg", "where", "masked_fill", "clamp", "clamp_min"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exponent:
    """An exponential of what a layer puts out, and the standard deviation of its exponent, in nats.

    row  the layers whose exponentials are like it, one behind the other: its own and those that read what it multiplied, with no
         normalization in between
    """

    node: Node
    layer: WeightLayer
    spread: float
    row: Sequence[WeightLayer]

    @property
    def total(self) -> float:
        """Standard deviation of the sum of a row's exponents, were all like the first."""
        return self.spread * math.sqrt(len(self.row))

    @property
    def severity(self) -> Severity | None:
        """None where nets train."""
        warn, fail = (SUM_WARN_AT, SUM_FAIL_AT) if len(self.row) >= SEVERAL else (WARN_AT, FAIL_AT)
        return Severity.ERROR if self.total >= fail else Severity.WARNING if self.total >= warn else None


def check(facts: Facts) -> Iterator[Finding]:
    """Exponentials of linear functions of layers; of those in a row the first, since their spread is its own and those behind follow."""
    nodes = [node for node in facts.structure.dependence.order if operator(node) in BASES and node.name in facts.structure.dependence.data]
    exponents = [(node, layer) for node in nodes if (layer := _exponentiated(facts, next(operands(node)))) is not None]
    sites: dict[tuple[str, int], _Exponent] = {}
    for node, layer in exponents:
        behind = {other for other, _ in exponents if other is not node and _reads(facts, node, other)}
        if any(_reads(facts, other, node) for other, _ in exponents if other is not node) or _is_relative(facts, node):
            continue
        alike = [other for node, other in exponents if node in behind and _gain(facts, other) >= LIKE * _gain(facts, layer)]
        spread = BASES[operator(node)] * _spread(facts, next(operands(node))) * math.sqrt(1 - _of_biases(facts, layer))
        found = _Exponent(node=node, layer=layer, spread=spread, row=(layer, *alike))
        if found.severity is not None:
            site = site_of_scale(facts, layer)
            key = (site.path, site.line) if site else ("", 0)
            sites[key] = max(sites.get(key, found), found, key=lambda item: (item.severity or Severity.INFO, item.total))
    for found in sites.values():
        yield _finding(facts, found)


def _reads(facts: Facts, early: Node, late: Node) -> bool:
    """Whether an exponential is computed from what another one multiplied, and no normalization in between takes its scale away."""
    between = facts.structure.dependence.between(early, late)
    return bool(between) and not between & facts.structure.dependence.bits(facts.structure.norms)


def _gain(facts: Facts, layer: WeightLayer) -> float:
    """Variance that a layer adds per unit of what it reads."""
    law = facts.parameter(layer.weight).law
    return layer.fan_in * (law.std**2 + law.mean**2)


def _spread(facts: Facts, node: Node) -> float:
    """Of the typical draw: the mean over draws may be that of a few."""
    signal = facts.signals.get(node.name)
    if signal is None or signal.mean is None or signal.typical is None or math.isnan(signal.typical):
        return 0.0
    return math.sqrt(max(signal.typical - signal.mean**2, 0.0)) if math.isfinite(signal.mean) else math.inf


def _of_biases(facts: Facts, layer: WeightLayer) -> float:
    """Share of the variance of a layer's output that is its biases': how they are spread is a choice, and the same for all inputs."""
    whole = _spread(facts, facts.structure.nodes[layer.node]) ** 2
    return min(sum(facts.parameter(name).law.std ** 2 for name in layer.others) / whole, 1.0) if 0 < whole < math.inf else 0.0


def _exponentiated(facts: Facts, node: Node) -> WeightLayer | None:
    """The trained layer of which a node is a linear function: nothing bounds it, and nothing is subtracted that depends on the input."""
    data, layers = facts.structure.dependence.data, facts.structure.layers
    for _ in range(STEPS):
        layer = layers.get(node.name)
        if layer is not None:
            trained = layer.kind in TRAINED and facts.parameter(layer.weight).trainable
            return layer if trained else None
        parts = [item for item in operands(node) if item.name in data]
        name = operator(node)
        if not parts or (name != "add" and len(parts) > 1) or name in ("cat", "stack"):
            return None
        if name not in PASSING | SELECTING and name not in ("mul", "div", "neg", "add", "sub"):
            return None
        node = max(parts, key=lambda item: _born(facts, item))
    return None


def _born(facts: Facts, node: Node) -> float:
    signal = facts.signals.get(node.name)
    return (signal and born_of(signal)) or 0.0


def _is_relative(facts: Facts, node: Node) -> bool:
    """Whether an exponential is divided by what is computed from itself, or its logarithm is taken, or a norm reads it: a softmax or
    logsumexp by hand, whose scale does not matter."""
    dependence = facts.structure.dependence
    waiting, seen = [node], {node.name}
    while waiting:
        for user in waiting.pop().users:
            name = operator(user)
            parts = [item for item in operands(user) if dependence.reaches(node, item)]
            if name in ("log", "log2", "log10", "log1p") or name in NORMALIZING or (name == "div" and len(parts) > 1):
                return True
            if name in PROPORTIONAL and user.name not in facts.structure.layers and user.name not in seen:
                seen.add(user.name)
                waiting.append(user)
    return False


def _finding(facts: Facts, found: _Exponent) -> Finding:
    fails, module = found.severity is Severity.ERROR, module_at(found.layer, facts)
    factor = math.exp(found.total) if found.total < LARGEST else math.inf
    return finding(
        RULE,
        facts,
        at=site_of_scale(facts, found.layer),
        severity=found.severity,
        message=(
            f"what `{module}` puts out is exponentiated, and starts with a standard deviation of {number(found.spread)}: "
            + (
                f"{len(found.row)} such exponentials in a row, each of what the one before it has scaled, multiply usual values by {number(factor)} "
                "or its inverse, and large ones by more and more. "
                if len(found.row) >= SEVERAL
                else f"usual values of the exponential are {number(factor)}x above or below its median. "
            )
            + (
                "The first loss is huge or infinite, and a few entries make its whole gradient: no usual rate trains it."
                if fails
                else "A few entries make the whole gradient, and training is slow or unstable."
            )
        ),
        help="start the weight of this layer near zero (nn.init.zeros_, or a std of 0.01), or bound the exponent with tanh or clamp",
        modules=[module_at(layer, facts) for layer in found.row],
        evidence={"std": found.spread, "total": found.total, "row": float(len(found.row))},
        related=step_at(site_of_node(found.node.name, facts), "it is exponentiated here"),
        rests_on=(next(operands(found.node)).name,),
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The weights of the layers near zero, as what they are to scale then starts at one."""
    from initlint.fixes.starts import ZEROS, Start
    from initlint.lint.cures import alike, layers_of, unsafe
    from initlint.lint.starting import Files, started

    files = Files(facts)
    for start in (Start(function="normal_", arguments=("std=0.01",)), ZEROS):
        wanted = {layer.weight: start for layer in alike(facts, layers_of(found, facts))}
        edits = started(facts, wanted, files, together=False)
        yield from unsafe(f"start what is exponentiated near zero, with nn.init.{start}", edits)
