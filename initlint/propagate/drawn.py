"""Weights computed from weights by operators whose operands depend on each other are drawn for real.

A spectral norm multiplies a matrix by a vector that the same matrix has made; an orthogonal parametrization takes a matrix
exponential; the kernel of a state space is a sum of decays and oscillations of tables. Independence is false there and no pair
of moments knows it. But such values are small and need no input: their parameters are drawn from their laws a few times, and
the operators run on the draws. Gradients end at what was drawn.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.propagate.axes import Axis
from initlint.propagate.known import from_array, numbers
from initlint.propagate.moments import Moments

if TYPE_CHECKING:
    import torch
    from torch import fx

    from initlint.graph.model import Parameter

DRAWS = 16
LARGEST = 1 << 22  # elements of all parameters that a value is made of
RESULT = 1 << 20  # elements of a value
WORK = 1 << 20  # elements of a value over all its draws: many entries need few draws
THIN = 1 << 14  # entries of one draw that are looked at
SEED = 0xD2A3

PRODUCTS = {"dot", "vdot", "mv", "mm", "matmul", "inner", "linalg_vecdot"}  # false where both operands share a parameter
DECOMPOSITIONS = {
    "linalg_matrix_exp", "matrix_exp", "linalg_householder_product", "linalg_inv", "inverse", "linalg_qr", "linalg_solve",
    "linalg_cholesky", "linalg_svd", "linalg_eigh", "linalg_matrix_power",
}  # fmt: skip

# Far from linear in what they are given; roots and powers, of which norms are made, concentrate and have formulas.
FUNCTIONS = {"exp", "expm1", "sin", "cos", "tan", "tanh", "sigmoid", "softplus"}

Draw = Callable[[str, int], "torch.Tensor | None"]


def draws_of(parameters: Mapping[str, Parameter]) -> Draw:
    """A function that draws the parameter of a placeholder: the same for the same number, tied ones alike."""

    def draw(name: str, number: int) -> torch.Tensor | None:
        import torch

        parameter = parameters.get(name)
        if parameter is None:
            return None
        if parameter.value is not None:
            return parameter.value.to(torch.float64) if parameter.value.is_floating_point() else parameter.value
        law = parameter.law
        if law.family in ("uninitialized", "unknown"):
            return None
        generator = torch.Generator().manual_seed(SEED + number + zlib.crc32((parameter.alias_of or parameter.name).encode()))
        shape, options = parameter.shape, {"generator": generator, "dtype": torch.float64}
        if law.family == "uniform" and law.low is not None and law.high is not None:
            return law.low + (law.high - law.low) * torch.rand(shape, **options)  # type: ignore[call-overload]
        noise = torch.randn(shape, **options)  # type: ignore[call-overload]
        if law.family == "orthogonal" and len(shape) > 1:
            flat = noise.reshape(shape[0], -1)
            tall = flat if flat.shape[0] >= flat.shape[1] else flat.T
            q, r = torch.linalg.qr(tall)
            q = q * r.diagonal().sign()
            return (law.gain or 1.0) * (q if flat.shape[0] >= flat.shape[1] else q.T).reshape(shape)
        if law.family == "identity" and len(shape) == 2:
            return (law.gain or 1.0) * torch.eye(*shape, dtype=torch.float64)
        return law.mean + law.std * noise

    return draw


class Drawn:
    """Which nodes are made of parameters alone, and their values in a few draws, computed where they are asked for."""

    def __init__(self, draw: Draw | None) -> None:
        self.draw = draw
        self.origin: dict[fx.Node, frozenset[fx.Node]] = {}  # the leaves that a node is made of
        self.wiring: dict[fx.Node, dict[fx.Node, fx.Node]] = {}  # operand → the node that last wrote it
        self.current: dict[fx.Node, fx.Node] = {}
        self.same: dict[fx.Node, fx.Node] = {}  # inside and outside of a wrapped region
        self.outputs: dict[fx.Node, Any] = {}  # of a wrapped region
        self.made: set[fx.Node] = set()  # drawn, or computed from what was drawn
        self.values: list[dict[fx.Node, Any]] = [{} for _ in range(DRAWS)]

    def leaf(self, node: fx.Node) -> None:
        """A parameter, buffer or constant."""
        self.origin[node] = frozenset({node})

    def alias(self, node: fx.Node, other: Any) -> None:
        """Two nodes for one value: a region's placeholder and what it is given, its output and what takes it out."""
        other = self.current.get(other, other)
        if other in self.origin:
            self.same[node] = other
            self.origin[node] = self.origin[other]

    def note(self, node: fx.Node, *, chance: bool) -> None:
        """A call is about to run; `chance` when it draws random numbers."""
        operands = node.all_input_nodes
        if len(operands) == 1 and operands[0] in self.outputs and len(node.args) > 1:
            self.alias(node, self.outputs[operands[0]][node.args[1]])
            return
        wiring = {operand: self.current.get(operand, operand) for operand in operands}
        self.wiring[node] = wiring
        if not chance and all(source in self.origin for source in wiring.values()):
            self.origin[node] = frozenset().union(*(self.origin[source] for source in wiring.values()))

    def wrote(self, node: fx.Node, memory: fx.Node) -> None:
        """The node's result now stands in the memory of another one."""
        self.current[memory] = node

    def needed(self, node: fx.Node, name: str) -> bool:
        """Whether moments would multiply what is not independent, or know nothing of the operator."""
        origin = self.origin.get(node)
        value = node.meta.get("val")
        shape = getattr(value, "shape", None)
        if not origin or self.draw is None or shape is None or not 0 < int(np.prod(tuple(shape))) <= RESULT:
            return False
        if value is None or not value.is_floating_point():
            return False
        if any(source in self.made for source in self.wiring.get(node, {}).values()):
            self.made.add(node)
        elif name in FUNCTIONS:
            if int(np.prod(tuple(shape))) == 1 or not any(self.random(leaf) for leaf in origin):
                return False
            self.made.add(node)
        elif name in PRODUCTS:
            sides = [self.origin[source] for source in self.wiring[node].values()]
            if not any(self.random(leaf) for n, side in enumerate(sides) for other in sides[:n] for leaf in side & other):
                return False
        elif name not in DECOMPOSITIONS:
            return False
        return sum(int(np.prod(tuple(leaf.meta["val"].shape))) for leaf in origin if "val" in leaf.meta) <= LARGEST

    def random(self, leaf: fx.Node) -> bool:
        """Whether two draws of a leaf differ."""
        first, second = self.value(leaf, 0), self.value(leaf, 1)
        return first is None or second is None or not bool((first == second).all())

    def value(self, node: fx.Node, number: int) -> Any:
        """The node's value in one draw; None when a leaf cannot be drawn."""
        memo = self.values[number]
        if node not in memo:
            if node in self.same:
                memo[node] = self.value(self.same[node], number)
            elif node not in self.wiring:
                memo[node] = None if self.draw is None else self.draw(node.name, number)
            else:
                memo[node] = self.computed(node, number)
        return memo[node]

    def computed(self, node: fx.Node, number: int) -> Any:
        import operator

        import torch
        from torch import fx

        from initlint.propagate.forward import functional, without_out

        wiring, missing = self.wiring[node], False

        def real(value: Any) -> Any:
            nonlocal missing
            if isinstance(value, fx.Node):
                found = self.value(wiring[value], number)
                missing = missing or found is None
                return found
            if isinstance(value, list | tuple):
                return type(value)(real(v) for v in value)
            if isinstance(value, torch.device):
                return torch.device("cpu")
            return torch.float64 if value is torch.float32 else value

        args, kwargs = real(node.args), {k: real(v) for k, v in node.kwargs.items() if k != "out"}
        if missing:
            return None
        target: Any = node.target
        if target is not operator.getitem:
            target = functional(without_out(target) if "out" in node.kwargs else target)
        with torch.no_grad():
            return target(*args, **kwargs)

    def moments(self, node: fx.Node) -> Moments | None:
        """Pair moments over the draws; None when they cannot be made."""
        import torch

        try:
            size = int(np.prod(tuple(node.meta["val"].shape)))
            values = [self.value(node, number) for number in range(max(min(DRAWS, WORK // size), 2))]
        except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
            return None
        if not all(isinstance(value, torch.Tensor) for value in values):
            return None
        arrays = [numbers(value) for value in values]
        dims = tuple((Axis(n, None, "channel"),) if n > 1 else () for n in arrays[0].shape)
        each = [from_array(array, dims, THIN) for array in arrays]
        return Moments(
            dims,
            np.mean([m.mean for m in each], axis=0),
            np.mean([m.pair for m in each], axis=0),
            zeros=float(np.mean([m.zeros for m in each])),
            method="sampled",
        )
