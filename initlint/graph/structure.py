"""TRACED GRAPH → its structure: weight layers, normalizations, residual sums, long skips, low-rank adapters.

Everything is found in the dataflow (see `dataflow`), never by class names. A *weight layer* is a linear operator whose one
operand depends on the input and whose other operand is made of parameters. A *residual sum* `u + F(u)` is an addition one
of whose operands is computed from the other; the nodes in between form the branch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlint.graph.adapters import Adapter, find_adapters
from initlint.graph.dataflow import (
    NORMALIZING,
    Dependence,
    dependence_of,
    is_node,
    operands,
    operator,
    shape_of,
    strip,
    unscaled,
)
from initlint.graph.layers import STORED, WeightLayer, find_generated, find_layers

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.model import TracedModel

__all__ = ["Adapter", "Residual", "Skip", "Structure", "WeightLayer", "structure_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """A sum `trunk + branch(fork)`; all fields are node names.

    fork      the node both operands are computed from
    identity  the trunk operand is the fork itself, up to views and dropout
    layers    weight layers inside the branch, in order of execution
    norms     normalizations inside the branch
    gates     parameters that only scale the branch (ReZero, LayerScale)
    """

    add: str
    trunk: str
    branch: str
    fork: str
    identity: bool
    layers: tuple[str, ...]
    norms: tuple[str, ...]
    gates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """A concatenation of an early node with one computed from it, as in a U-Net or a DenseNet."""

    node: str
    early: str
    late: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """What a traced graph is made of. Node names throughout; mappings are in order of execution.

    generated  linear operators whose weight another layer puts out: no layers of their own, but steps of a signal's way like these
    """

    nodes: Mapping[str, Node]
    dependence: Dependence
    layers: Mapping[str, WeightLayer]
    generated: Mapping[str, WeightLayer]
    norms: frozenset[str]
    residuals: tuple[Residual, ...]
    skips: tuple[Skip, ...]
    adapters: tuple[Adapter, ...]

    def in_branch(self, name: str) -> bool:
        """Whether a node lies inside the branch of a residual sum."""
        nodes, dependence = self.nodes, self.dependence
        return any(
            dependence.between(nodes[residual.fork], nodes[residual.branch]) >> dependence.index[name] & 1
            for residual in self.residuals
        )

    def writers(self, residual: Residual) -> frozenset[str]:
        """The weights of a branch after which no other weight of the branch comes: they write the trunk."""
        layers = {self.layers[node].weight: node for node in residual.layers}
        dependence = self.dependence
        return frozenset(
            weight
            for weight, node in layers.items()
            if not any(
                dependence.descendants[node] >> dependence.index[other] & 1 for other in layers.values() if other != node
            )
        )


def structure_of(traced: TracedModel) -> Structure:
    """Find the structure of one traced model; a few passes over its nodes."""
    dependence = dependence_of(traced)
    layers = find_layers(traced, dependence)
    norms = frozenset(find_norms(dependence))
    return Structure(
        nodes={node.name: node for node in dependence.order},
        dependence=dependence,
        layers=layers,
        generated=find_generated(dependence, layers),
        norms=norms,
        residuals=tuple(find_residuals(traced, dependence, layers, norms)),
        skips=tuple(find_skips(dependence)),
        adapters=tuple(find_adapters(traced, dependence, find_layers(traced, dependence, STORED))),  # a frozen base may be a buffer
    )


# -- normalizations -----------------------------------------------------------------------------------------------------

_INVERSE_SCALE = frozenset("rsqrt sqrt reciprocal pow linalg_vector_norm norm std linalg_norm".split())
_THROUGH_SCALE = frozenset("add sub clamp clamp_min maximum expand expand_as unsqueeze to view reshape mul".split())
_SPREAD = frozenset("mean sum var std linalg_vector_norm norm linalg_norm var_mean".split())


def find_norms(dependence: Dependence) -> Iterator[str]:
    """Normalizations: the library's operators, and `x · scale` with the scale an inverse root of a mean of x² itself."""
    for node in dependence.order:
        name = operator(node)
        if name in NORMALIZING:
            yield node.name
        elif name in ("mul", "div") and len(node.args) > 1 and node.name in dependence.data:
            left, right = node.args[0], node.args[1]
            pairs = ((left, right),) if name == "div" else ((left, right), (right, left))
            for value, scale in pairs:
                if is_node(value) and is_node(scale) and _is_scale_of(scale, value, dependence):
                    yield node.name
                    break


def _is_scale_of(scale: Node, value: Node, dependence: Dependence) -> bool:
    """Whether `scale` is a root of a spread (variance, mean square, norm) of what `value` is made of."""
    inverted = False
    for _ in range(12):  # a hand-written scale is a handful of operators long
        name = operator(scale)
        if name in _INVERSE_SCALE:
            inverted = True
        if name in _SPREAD and inverted:
            origin = _unweighted(value, dependence)
            if operator(origin) == "sub":
                origin = strip(next(operands(origin)))
            return dependence.reaches(origin, scale)
        if name not in _INVERSE_SCALE | _THROUGH_SCALE:
            return False
        source = next((item for item in operands(scale) if item.name in dependence.data), None)
        if source is None:
            return False
        scale = source
    return False


def _unweighted(value: Node, dependence: Dependence) -> Node:
    """What is divided, without the gain that was multiplied first: gain * x / rms(x)."""
    origin = strip(value)
    while operator(origin) == "mul":
        moving = [item for item in operands(origin) if item.name in dependence.data]
        if len(moving) != 1:
            break
        origin = strip(moving[0])
    return origin


# -- residual sums and skips --------------------------------------------------------------------------------------------


def find_residuals(
    traced: TracedModel, dependence: Dependence, layers: Mapping[str, WeightLayer], norms: frozenset[str]
) -> Iterator[Residual]:
    """Sums of two tensors of one shape, one of which is computed from the other or both from a common fork."""
    factors = frozenset(name for name, parameter in traced.parameters.items() if parameter.kind == "parameter")
    layer_bits, norm_bits = dependence.bits(layers), dependence.bits(norms)
    for node in dependence.order:
        if operator(node) != "add" or node.name not in dependence.data or len(node.args) < 2:
            continue
        left, right = node.args[0], node.args[1]
        if not (is_node(left) and is_node(right)) or not {left.name, right.name} <= dependence.data:
            continue
        if not shape_of(left) or shape_of(left) != shape_of(right):
            continue
        found = _oriented(left, right, dependence, layer_bits)
        if found is None:
            continue
        trunk, branch, fork, identity = found
        region = dependence.between(fork, branch)
        yield Residual(
            add=node.name,
            trunk=trunk.name,
            branch=branch.name,
            fork=fork.name,
            identity=identity,
            layers=dependence.names(region & layer_bits),
            norms=dependence.names(region & norm_bits),
            gates=tuple(gate.name for gate in unscaled(branch, factors).learned),
        )


def _oriented(left: Node, right: Node, dependence: Dependence, layer_bits: int) -> tuple[Node, Node, Node, bool] | None:
    """(trunk, branch, fork, identity) of a sum, or None when it joins parallel paths of equal standing."""
    for trunk, branch in ((left, right), (right, left)):
        fork = strip(trunk)
        if fork is not strip(branch) and dependence.reaches(fork, branch):
            return trunk, branch, fork, True
    common = dependence.ancestors[left.name] & dependence.ancestors[right.name] & dependence.data_bits
    if not common:
        return None
    fork = dependence.order[common.bit_length() - 1]
    if fork.op == "placeholder":
        return None
    on_left, on_right = ((dependence.between(fork, side) & layer_bits).bit_count() for side in (left, right))
    if on_left == on_right:
        return None
    trunk, branch = (left, right) if on_left < on_right else (right, left)
    return trunk, branch, fork, False


def find_skips(dependence: Dependence) -> Iterator[Skip]:
    """Concatenations with an operand that another operand is computed from."""
    for node in dependence.order:
        if operator(node) != "cat" or node.name not in dependence.data:
            continue
        parts = [part for part in operands(node) if part.name in dependence.data]
        for early in parts:
            late = next((part for part in parts if part is not early and dependence.reaches(strip(early), part)), None)
            if late is not None:
                yield Skip(node=node.name, early=early.name, late=late.name)
