"""The function between two layers, as the graph computes it → its expectations under a Gaussian.

However many operators it takes (`x * sigmoid(x)`, a hand-written GELU, a gate of two halves), a maximal region of elementwise
operators is one function of the tensors it begins with. It is run as it stands, on a grid of standard normal values: one
grid for one tensor, a product of grids for two, a sample beyond. Its slope is taken by autograd.

    E[φ(√q z)²], E[φ(√q z)], E[φ'(√q z)²], z ~ N(0, 1)     midpoint rule, ±8 standard deviations
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from initlint.graph.dataflow import PASSING, REDUCING, is_node, operands, operator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch.fx import Node

    from initlint.graph.dataflow import Dependence
    from initlint.graph.model import Parameter

REACH, POINTS, POINTS_OF_TWO, SAMPLE = 8.0, 4096, 256, 1 << 16
# Pooling and resizing between an activation and the next layer: the published gains look through them.
LOOKED_THROUGH = PASSING | frozenset(
    name for name in REDUCING if "pool" in name or "upsample" in name or name in ("mean", "interpolate")
)
COMPOSED = frozenset("prelu log_sigmoid hardswish where".split())  # elementwise, though torch does not tag them so


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Of φ at one second moment of its input: E[φ], E[φ²], E[φ'²], E[φ'] and the share of exact zeros."""

    mean: float
    square: float
    slope_square: float
    zeros: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """What is computed, element by element, from the tensors `bases` to the tensor `end`; node names by `name`.

    nodes  the operators, in order of execution; none for the identity
    """

    end: Node
    bases: tuple[Node, ...]
    nodes: tuple[Node, ...]
    parameters: Mapping[str, Parameter]

    @property
    def is_identity(self) -> bool:
        """Nothing but views lies between."""
        return not self.nodes

    @property
    def name(self) -> str:
        """What a person would call it."""
        return "·".join(dict.fromkeys(operator(node) for node in self.nodes)) or "identity"

    def __call__(self, *values: torch.Tensor) -> torch.Tensor:
        """φ of one tensor per base."""
        known: dict[str, Any] = {base.name: value for base, value in zip(self.bases, values, strict=True)}

        def filled(argument: Any) -> Any:
            if not is_node(argument):
                return [filled(item) for item in argument] if isinstance(argument, (list, tuple)) else argument
            if argument.name in known:
                return known[argument.name]
            parameter = self.parameters.get(argument.name)
            if parameter is not None:
                return torch.tensor(parameter.law.mean, dtype=torch.float64).reshape(1)
            if operator(argument) in LOOKED_THROUGH:
                return filled(next(operands(argument)))
            raise _NotAFunction(argument.name)

        for node in self.nodes:
            options = {key: filled(value) for key, value in node.kwargs.items() if key not in ("device", "dtype", "layout")}
            known[node.name] = node.target(*(filled(value) for value in node.args), **options)  # type: ignore[operator]
        return known[self.end.name] if self.nodes else values[0]

    def at(self, q: float = 1.0) -> Moments:
        """Its expectations for independent centred Gaussian bases of second moment q."""
        z, weight = _points(len(self.bases))
        inputs = [(math.sqrt(q) * column).requires_grad_() for column in z]
        with torch.enable_grad():
            value = self(*(item.clone() for item in inputs))  # an operator may write in place
            slopes = (
                torch.autograd.grad(value.sum(), inputs, allow_unused=True) if value.requires_grad else (None,) * len(inputs)
            )
        value = value.detach()
        slope = sum((weight * part**2).sum() for part in slopes if part is not None)
        return Moments(
            mean=float((weight * value).sum()),
            square=float((weight * value**2).sum()),
            slope_square=float(slope),
            zeros=float((weight * (value == 0)).sum()),
        )

    def at_zero(self) -> tuple[float, float, bool]:
        """φ(0), φ'(0) and whether φ is differentiable there, of a function of one tensor."""
        step = 1e-5
        x = torch.tensor([-step, 0.0, step], dtype=torch.float64)
        low, middle, high = self(x).detach().tolist()
        left, right = (middle - low) / step, (high - middle) / step
        return middle, (left + right) / 2, abs(left - right) < 1e-2 * max(abs(left), abs(right), 1e-9)

    @property
    def is_homogeneous(self) -> bool:
        """φ(s z) = s φ(z) for s > 0: the second moment of its input plays no part."""
        z = torch.tensor([-1.3, -0.4, 0.7, 1.9], dtype=torch.float64)
        values = [z.roll(n) for n in range(len(self.bases))]
        one, scaled = self(*values), self(*(3 * value for value in values))
        return bool(torch.allclose(scaled, 3 * one, rtol=1e-6, atol=1e-12))


class _NotAFunction(Exception):
    """A node of the region needs more than the values of its bases."""


def _points(count: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Points and weights of a standard normal law in `count` dimensions."""
    if count > 2:
        generator = torch.Generator().manual_seed(0)
        z = torch.randn(count, SAMPLE, dtype=torch.float64, generator=generator)
        return list(z), torch.full((SAMPLE,), 1 / SAMPLE, dtype=torch.float64)
    points = POINTS if count < 2 else POINTS_OF_TWO
    line = (torch.arange(points, dtype=torch.float64) + 0.5) * (2 * REACH / points) - REACH
    density = torch.exp(-line * line / 2)
    density = density / density.sum()
    if count < 2:
        return [line], density
    left, right = torch.meshgrid(line, line, indexing="ij")
    return [left.reshape(-1), right.reshape(-1)], torch.outer(density, density).reshape(-1)


def function_before(
    node: Node, ends: frozenset[str], dependence: Dependence, parameters: Mapping[str, Parameter]
) -> Activation:
    """The elementwise function whose value `node` hands on.

    ends  nodes where a region begins whatever their operator is: sums of residual branches, layers, normalizations
    """
    data, index = dependence.data, dependence.index
    end = node
    while end.name not in ends and end.op == "call_function" and operator(end) in LOOKED_THROUGH:
        end = next((item for item in operands(end) if item.name in data), end)
    bases: dict[str, Node] = {}
    region: dict[str, Node] = {}

    def visit(item: Node) -> None:
        if item.name in region or item.name in bases:
            return
        name = operator(item)
        if item.name in ends or item.op != "call_function":
            bases[item.name] = item
        elif name in LOOKED_THROUGH:
            visit(next(operands(item)))
        elif _pointwise(item):
            region[item.name] = item
            for source in operands(item):
                if source.name in data:
                    visit(source)
        else:
            bases[item.name] = item

    visit(end)
    order = tuple(sorted(region.values(), key=lambda item: index[item.name]))
    found = Activation(end=end, bases=tuple(bases.values()), nodes=order, parameters=parameters)
    try:
        if order:
            found(*(torch.ones(4, dtype=torch.float64) for _ in bases))
    except Exception:  # noqa: BLE001 - an operator that needs more than values (a mask, a size): no function of these alone
        return Activation(end=end, bases=(end,), nodes=(), parameters=parameters)
    return found


def _pointwise(node: Node) -> bool:
    tags = getattr(node.target, "tags", ())
    return torch.Tag.pointwise in tags or operator(node) in COMPOSED
