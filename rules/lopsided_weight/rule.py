"""INI610: weights that are nearly all of one sign, as torch.rand and uniform_(w) draw them: all units say nearly the same."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import PASSING, operator
from initlint.graph.layers import groups_of
from initlint.lint.finding import Severity
from initlint.lint.paths import main_path
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_at, number, pattern_of, site_of_law

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI610",
    name="lopsided-weight",
    severity=Severity.ERROR,
    summary="Weights with a mean that outweighs their deviation: every unit computes nearly the same sum of its inputs.",
    fix="unsafe",
    explained_by=("exploding-signal", "unscaled-residual", "symmetric-initialization", "std-passed-as-mean", "dead-relu"),
)

# How many times larger the singular value that the mean makes is than those of the rest: |m|·√n/(2σ), 6.9 for 64 inputs in [0, 1).
OUTLYING = 2.0
SMALLEST = 8  # inputs and units of a layer that is told of
# Natural logarithms of it summed over the layers that no trunk passes. Nets of 64 units train at 10, and at 16 of three layers; five layers
# and more need care from 12 on, and from 26 on thirteen or more fail, nine of ten. Where a norm takes the mean over the units away at once they
# train at 17, need care at 25 and fail at 40 (docs/calibration.md).
WARN_AT = 11.0
FAIL_AT = 26.0
WARN_LAYERS = 5
FAIL_LAYERS = 13
CENTRED = 20.0
RANDOM = frozenset({"uniform", "normal", "truncated normal"})


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per output whose path has such layers."""
    told: set[str] = set()
    for output in facts.traced.outputs:
        path = main_path(facts, output)
        on_path = {node.name for node in path}
        layers: dict[str, WeightLayer] = {}
        for node in path:
            layer = facts.structure.layers.get(node.name)
            if layer is not None and outlying(facts, layer) >= OUTLYING:
                layers.setdefault(layer.weight, layer)
        if layers.keys() <= told:
            continue
        told |= layers.keys()
        alone = [layer for layer in layers.values() if not facts.structure.in_branch(layer.node)]
        total = sum(math.log(outlying(facts, layer)) for layer in alone)
        centred = sum(_is_centred(facts.structure.nodes[layer.node], on_path) for layer in alone) * 2 > len(alone)
        yield _finding(facts, list(layers.values()), _severity(total, len(alone), centred=centred))


def outlying(facts: Facts, layer: WeightLayer) -> float:
    """|m|·√n/(2σ): the singular value that the mean makes, of all units alike, over the largest of what differs between them
    (Füredi & Komlós 1981, doi:10.1007/BF02579329); 0 where it is no matrix drawn at random."""
    parameter, law = facts.parameter(layer.weight), facts.parameter(layer.weight).law
    depthwise = groups_of(facts.structure.nodes[layer.node]) > 1 and parameter.shape[1] == 1  # its units differ by their inputs
    usable = layer.kind in ("linear", "convolution") and len(layer.weights) == 1 and parameter.trainable and not depthwise
    if not usable or law.family not in RANDOM or min(layer.fan_in, layer.fan_out) < SMALLEST or not law.std > 0.0:
        return 0.0
    return abs(law.mean) * math.sqrt(layer.fan_in) / (2 * law.std)


def _is_centred(node: Node, on_path: set[str]) -> bool:
    """Whether a layer norm reads a layer at once."""
    while True:
        users = [user for user in node.users if user.name in on_path]
        if len(users) != 1:
            return False
        node = users[0]
        if operator(node) not in PASSING:
            return operator(node) in ("layer_norm", "native_layer_norm")


def _severity(total: float, layers: int, *, centred: bool) -> Severity:
    if layers < WARN_LAYERS or total < (CENTRED if centred else WARN_AT):
        return Severity.INFO
    return Severity.ERROR if total >= FAIL_AT and layers >= FAIL_LAYERS and not centred else Severity.WARNING


def _finding(facts: Facts, layers: list[WeightLayer], severity: Severity) -> Finding:
    parameter = facts.parameter(layers[0].weight)
    modules = [module_at(layer, facts) for layer in layers]
    largest = max(outlying(facts, layer) for layer in layers)
    return finding(
        RULE,
        facts,
        at=site_of_law(parameter, facts),
        severity=severity,
        message=(
            f"the weights of {pattern_of(modules)} have a mean of {number(parameter.law.mean)} with a standard deviation of "
            f"{number(parameter.law.std)}: what all units have in common, the sum of their inputs, is {number(largest)}x as strong as the "
            "strongest of what they differ by. "
            + {
                Severity.INFO: "The units tell few things apart at the start.",
                Severity.WARNING: f"Behind {counted(len(layers), 'layer')} hardly anything else is left; training is slow at best.",
                Severity.ERROR: f"Behind {counted(len(layers), 'layer')} nothing else is left, and training does not start.",
            }[severity]
        ),
        help="draw the weights around zero: nn.init.kaiming_normal_, or uniform_(-bound, bound)",
        modules=modules,
        evidence={"outlying": largest, "layers": float(len(layers)), "mean": parameter.law.mean, "std": parameter.law.std},
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """All of these layers, started as suits what follows them."""
    from initlint.lint.cures import layers_of, restarts

    yield from restarts(facts, layers_of(found, facts))
