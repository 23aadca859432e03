"""What it costs to draw a model for real: the weights, the values of all nodes, and what is measured of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import fx

    from initlint.graph.model import Parameter, TracedModel

# On one core, the brief draws of 196 models of tests/real fitted: half of the estimates are within 15 %, nine in ten within 60 %. What the other
# quantities of an element cost is from five models.
PER_WEIGHT = 6e-9  # seconds to draw a weight
PER_NODE = 7e-5  # seconds to run and measure a node, however small
PER_ELEMENT = 9e-9  # seconds to compute, differentiate and measure an element
BRIEFLY = 2.5e-9  # the same where only second moments are measured
PER_PRODUCT = 8e-11  # seconds for a multiplication, forward and backward
BYTES = 4  # of an element of float32
HEADROOM = 1.25  # for what autograd and the allocator need beside that


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one draw needs."""

    seconds: float
    brief: float  # seconds, where only second moments are measured
    memory: float  # bytes


def cost_of_weights(parameters: Iterable[Parameter]) -> Cost:
    """Before anything is traced: the weights alone, with their gradients."""
    count = sum(math.prod(p.shape) for p in parameters if p.alias_of is None)
    return Cost(seconds=count * PER_WEIGHT, brief=count * PER_WEIGHT, memory=2.0 * count * BYTES)


def cost_of(traced: TracedModel, parameters: Iterable[Parameter] | None = None) -> Cost:
    """Weights, the values of all nodes (autograd keeps them), and a few copies in float64 of the largest.

    parameters  all of the model, where those that its forward reads are not the whole
    """
    weights = cost_of_weights(traced.parameters.values() if parameters is None else parameters)
    sizes: dict[str, int] = {}
    products = 0.0
    for node in traced.program.graph.nodes:
        shape = getattr(node.meta.get("val"), "shape", None)
        if shape is not None:
            sizes[node.name] = math.prod(int(n) for n in shape)
            products += sizes[node.name] * _terms(node)
    own = sum(size for name, size in sizes.items() if name not in traced.parameters)
    same = weights.seconds + len(sizes) * PER_NODE + products * PER_PRODUCT
    return Cost(
        seconds=same + own * PER_ELEMENT,
        brief=same + own * BRIEFLY,
        memory=HEADROOM * (weights.memory + own * BYTES + 8.0 * BYTES * max(sizes.values(), default=0)),
    )


def _terms(node: fx.Node) -> int:
    """Products in one element of a node."""
    name = str(node.target)
    filters = any(word in name for word in ("conv", "linear"))
    if not filters and not any(word in name for word in ("mm", "matmul", "einsum", "attention")):
        return 0
    shapes = [tuple(map(int, getattr(i.meta.get("val"), "shape", ()))) for i in node.all_input_nodes]
    if filters:
        return math.prod(shapes[1][1:]) if len(shapes) > 1 else 0
    return max((shape[-1] for shape in shapes if shape), default=0)
