"""SIGNALS → how many directions a stack of layers passes, one behind the other with nothing beside them.

Of a product of independent Gaussian matrices of n columns every next singular value falls behind the one before it: the Lyapunov
exponents of σ² are ψ((n − k)/2) apart, about 1/n a layer (Newman 1986, Comm. Math. Phys. 103:121). A function of one number between two layers lets
some entries through and others not, as if there were n/κ of them, κ = E[φ'⁴]/E[φ'²]² (two for ReLU; the κ of Pennington, Schoenholz,
Ganguli 2017, arXiv:1711.04735, and Hanin & Nica 2018, arXiv:1812.05994). Behind L layers the second direction is left with e^(−Σ κ/n)
of the energy of the first. Orthogonal weights alone lose nothing; with a function in between, κ − 1 in place of κ is less than what
they lose; identities mix nothing, so that a unit's own slopes are all it meets. Normalization within a sample sets the scale and leaves this as it is. Held against Jacobians in tests/lint.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from initlint.graph.dataflow import RECURRENT, operands, operator
from initlint.lint.paths import main_path

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts

REACH = 8.0  # standard deviations to either side
POINTS = 480  # even: no place at zero, where functions have their corners
SHIFT = 1e-3  # relative step in standard deviation of the derivative


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """Layers one behind the other.

    layers  those that read what another one of them put out
    width   columns of most of them
    lost    Σ κ/n: the second direction is left with e^−lost of the energy of the first
    """

    layers: tuple[WeightLayer, ...]
    width: int
    lost: float


def narrowings(facts: Facts) -> Iterator[Narrowing]:
    """One per run of linear layers on the way to an output that no trunk, no other branch and no batch norm passes or divides."""
    for output in facts.traced.outputs:
        for run in _runs(facts, main_path(facts, output)):
            if len(run) < 2:
                continue
            width = int(median(layer.fan_in for layer, _ in run))
            yield Narrowing(
                layers=tuple(layer for layer, _ in run),
                width=width,
                lost=sum(bent / max(layer.fan_in, width) for layer, bent in run),  # one bottleneck is not what depth does
            )


def _runs(facts: Facts, path: Sequence[Node]) -> Iterator[list[tuple[WeightLayer, float]]]:
    """Runs of layers behind a first one, with κ of what is before each."""
    structure = facts.structure
    run: list[tuple[WeightLayer, float]] = []
    seen: set[str] = set()
    begun, bent = False, 1.0
    for node in path:
        layer = structure.layers.get(node.name)
        if layer is not None and layer.kind == "linear" and not structure.in_branch(node.name):
            if begun and layer.weight not in seen:
                family = facts.parameter(layer.weight).law.family
                run.append((layer, 0.0 if family == "identity" else max(bent - (family == "orthogonal"), 0.0)))
            seen.add(layer.weight)
            begun, bent = True, 1.0
        elif layer is not None or _parts(facts, node):
            yield run
            run, begun, bent = [], False, 1.0
        else:
            bent *= _bend(facts, node)
    yield run


def _parts(facts: Facts, node: Node) -> bool:
    """Whether other layers than those before it go into a node, or other samples."""
    if operator(node) == "batch_norm" or operator(node) in RECURRENT:
        return True
    dependence = facts.structure.dependence
    bits = dependence.bits(facts.structure.layers)
    behind = {
        (dependence.ancestors[item.name] | 1 << dependence.index[item.name]) & bits
        for item in operands(node)
        if item.name in dependence.data
    }
    return len(behind) > 1


def _bend(facts: Facts, node: Node) -> float:
    """E[φ'⁴]/E[φ'²]² of a function of one number, of a Gaussian with the mean and the variance that it reads."""
    from initlint.propagate.ops.functions import UNARY, torch_function

    if operator(node) not in UNARY or not node.all_input_nodes:
        return 1.0
    signal = facts.signals.get(node.all_input_nodes[0].name)
    if signal is None or signal.second_moment is None or signal.mean is None:
        return 1.0
    variance = signal.second_moment - signal.mean**2
    if not (math.isfinite(variance) and variance > 0.0):
        return 1.0
    import torch

    places = torch.linspace(-REACH, REACH, POINTS, dtype=torch.float64)
    weights = torch.exp(-(places**2) / 2)
    spread = math.sqrt(variance)
    function = torch_function(operator(node), tuple(node.args[1:]), dict(node.kwargs))
    z = signal.mean + spread * places
    slope = (function(z + SHIFT * spread) - function(z - SHIFT * spread)) / (2 * SHIFT * spread)
    second, fourth = (float((slope**power * weights).sum() / weights.sum()) for power in (2, 4))
    return fourth / second / second if second > 0.0 and math.isfinite(fourth) else 1.0
