"""Which nodes bend an assumption of the propagation: a pass over the graph that sets the flags of `flags.FLAGS`.

A node that is known to break one gets its flag, and so does what is computed from it: up to the next normalization, which sets
the scale whatever came before, and in sums as far as the flagged term matters.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.graph.dataflow import (
    CONVOLUTIONS,
    NORMALIZING,
    PASSING,
    PRODUCTS,
    RECURRENT,
    dependence_of,
    operands,
    operator,
    shape_of,
    strip,
)
from initlint.graph.structure import find_norms
from initlint.propagate.flags import FLAGS
from initlint.propagate.moments import Moments

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.model import TracedModel
    from initlint.propagate.spread import Spread

WIDE = 8  # terms of a sum beyond which it counts as Gaussian; values a batch norm's channel needs
UNLIKE = 2.0  # ratio of second moments of positions that are not alike
TAILS = math.log(4.0)  # √Var(ln q) beyond which the typical draw is another one than the mean: a factor of four in q
PARTS = frozenset({"real", "imag"})
NEAR_ZERO = 8.0  # E[x²/y²] E[y²] / E[x²] from which a divisor counts as wide; a χ² of five degrees of freedom has 12, of six 6
STEADY = 0.1  # variance in second moment up to which a factor keeps a Gaussian one
NOTED = 0.05  # share of a sum below which a flagged term does not matter
HOMOGENEOUS = frozenset(
    {"relu", "abs", "leaky_relu", "neg", "mul", "div", "add", "sub", "clone", "where", "sign", "sgn", "detach"}
)
EXACT_ZERO = frozenset({"uninitialized_weight"})
SELECTIONS = frozenset("topk sort argsort kthvalue median nanmedian mode amax amin max min cummax cummin".split())
MESSAGES = frozenset("scatter_add index_add scatter_reduce index_reduce".split())
RUNNING = frozenset("cumsum cumprod logcumsumexp".split())
AVERAGES = frozenset("mean sum avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d".split())
MOVING = frozenset("slice select expand chunk split split_with_sizes unbind getitem detach neg narrow".split())
SUMS = frozenset({"add", "sub", "cat", "stack"})
QUOTIENTS = PRODUCTS | {"div", "mul"}
SCALED = PASSING | MOVING | {"mul", "add", "clamp", "clamp_min"}  # what a divisor goes through on its way
LAYERS = CONVOLUTIONS | PRODUCTS | {"linear"}
FAITHFUL = HOMOGENEOUS | NORMALIZING | PASSING | MOVING  # what they read need not be Gaussian


@dataclass(slots=True)
class _Seen:
    """flags; whether the law is Gaussian; the weights that are used more than once and have made this value; second moment."""

    flags: frozenset[str]
    gaussian: bool
    weights: frozenset[str]
    q: float


def flags_of(
    traced: TracedModel, produced: Mapping[Node, Any], sampled: Collection[str], spreads: Mapping[str, Spread]
) -> dict[str, tuple[str, ...]]:
    """Flags by node name, in the order of `FLAGS`; nodes without any are absent."""
    return _Pass(traced, produced, sampled, spreads).run()


class _Pass:
    def __init__(
        self, traced: TracedModel, produced: Mapping[Node, Any], sampled: Collection[str], spreads: Mapping[str, Spread]
    ) -> None:
        self.traced, self.produced, self.sampled, self.spreads = traced, produced, sampled, spreads
        self.seen: dict[Node, _Seen] = {}
        self.made_by: dict[int, Node] = {}
        self.repeated = _repeated(traced)
        self.dependence = dependence_of(traced)
        self.norms = frozenset(find_norms(self.dependence))
        parts = (node for node in self.dependence.order if operator(node) in PARTS and operator(node.all_input_nodes[0]).startswith("fft_"))
        self.parts = self.dependence.bits(node.name for node in parts)

    def run(self) -> dict[str, tuple[str, ...]]:
        result: dict[str, tuple[str, ...]] = {}
        for node in self.traced.program.graph.nodes:
            if node.op == "output":
                break
            value = self.produced.get(node)
            self.seen[node] = state = self.state_of(node, value)
            if isinstance(value, Moments):
                self.made_by.setdefault(id(value), node)
                found = state.flags.union(value.flags)
                if found:
                    result[node.name] = tuple(name for name in (*FLAGS, *sorted(found - FLAGS.keys())) if name in found)
        return result

    def state_of(self, node: Node, value: Any) -> _Seen:
        name = operator(node)
        q = value.q if isinstance(value, Moments) else 0.0
        if node.op != "call_function":
            parameter = self.traced.parameters.get(node.name)
            lost = parameter is not None and parameter.law.family == "uninitialized"
            return _Seen(frozenset({"uninitialized_weight"} if lost else ()), True, frozenset(), q)
        before = [(item, self.seen[item]) for item in operands(node) if item in self.seen]
        weights = frozenset().union(*[state.weights for _, state in before if state.weights])
        own = set(self.own(node, name, value, before, weights))
        if name in LAYERS or name in ("embedding", "embedding_bag"):
            weights = weights.union(key for item, _ in before if (key := self._weight(item)) in self.repeated)
        kept: list[_Seen] = [state for _, state in before]
        if node.name in self.norms:
            kept = []
        elif name in SUMS and len(kept) > 1:
            total = sum(state.q for state in kept)
            kept = [state for state in kept if state.q > NOTED * total]
        flags = frozenset(own).union(*[state.flags for state in kept if state.flags])
        if isinstance(value, Moments) and q == 0.0:
            flags &= EXACT_ZERO  # zero whatever came before, unless that is what was assumed
        return _Seen(flags, self.gaussian(node, name, before), weights, q)

    def own(self, node: Node, name: str, value: Any, before: list[tuple[Node, _Seen]], weights: frozenset[str]) -> list[str]:
        """What this operator itself bends."""
        found: list[str] = []
        q = value.q if isinstance(value, Moments) else 0.0
        if node.name in self.sampled:
            found.append("sampled_operator")
        by_order = name in SELECTIONS or name in RUNNING or name in MESSAGES
        random = by_order and any(isinstance(self.produced.get(item), Moments) for item, _ in before)
        if name in SELECTIONS and random:
            found.append("selected")
        if name == "div" and len(before) == 2 and q * before[1][1].q > NEAR_ZERO * before[0][1].q:
            found.append("wide_divisor")
        if name == "reciprocal" and q * before[0][1].q > NEAR_ZERO:
            found.append("wide_divisor")
        if name in QUOTIENTS and self.shares_factor(node, name):
            found.append("shared_divisor")
        if name.startswith("fft_") and self.dependence.ancestors[node.name] & self.parts:
            found.append("even_transform")
        if name in RUNNING and random:
            found.append("running_sum")
        if name in MESSAGES and random:
            found.append("messages")
        if name in LAYERS and any(self._weight(item) in weights for item, _ in before):
            found.append("shared_weight")
        if "batch_norm" in name and before:
            shape = shape_of(before[0][0])
            if len(shape) > 1 and math.prod(shape) < WIDE * shape[1]:
                found.append("few_samples")
        if name in PASSING and before and _averaged(self.produced.get(before[0][0]), value):
            found.append("averaged_groups")
        if (
            isinstance(value, Moments)
            and value.profile is not None
            and name not in FAITHFUL
        ):
            source = self.made_by.get(id(value.profile.source.origin))
            if source is not None:
                if not self.seen[source].gaussian:
                    found.append("non_gaussian")
                spread = self.spreads.get(source.name)
                if spread is not None and spread.deviation > TAILS:
                    found.append("heavy_tailed")
        return found

    def shares_factor(self, node: Node, name: str) -> bool:
        """Whether a product, or a factor, is divided by a product of the same factor."""
        given = [strip(item) for item in operands(node)]
        for n, item in enumerate(given):
            if name == "div":
                divisor = strip(item, SCALED) if n == 1 else None
            else:
                inverse = strip(item, SCALED)
                divisor = strip(next(operands(inverse)), SCALED) if operator(inverse) == "reciprocal" else None
            below = set() if divisor is None else set(_factors(divisor))
            above = {factor for m, other in enumerate(given) if m != n for factor in (other, *_factors(other))}
            if any(isinstance(self.produced.get(factor), Moments) and factor.op == "call_function" for factor in below & above):
                return True
        return False

    def gaussian(self, node: Node, name: str, before: list[tuple[Node, _Seen]]) -> bool:
        """Whether the values have nearly a Gaussian law: inputs, weights, wide sums, and what only moves or scales those."""
        if name in LAYERS:
            return _terms(node) >= WIDE and bool(before) and all(0 not in shape_of(item) for item, _ in before[:2])
        if name in RECURRENT:
            return False
        if name in ("embedding", "embedding_bag"):
            return True
        if name in AVERAGES:
            inside = math.prod(shape_of(before[0][0])) if before else 0
            return inside >= WIDE * max(math.prod(shape_of(node)), 1) or all(state.gaussian for _, state in before)
        if node.name in self.norms:
            return any(state.gaussian for _, state in before)
        if name in PASSING or name in SUMS or name in MOVING:
            return all(state.gaussian for _, state in before)
        if name == "scaled_dot_product_attention":
            return True
        random = [state for item, state in before if isinstance(self.produced.get(item), Moments) and not self._fixed(item)]
        return name in ("mul", "div") and len(random) == 1 and random[0].gaussian

    def _fixed(self, item: Node) -> bool:
        """Whether a factor is hardly random: a constant, or the scale of a normalization."""
        value = self.produced.get(item)
        return isinstance(value, Moments) and bool(np.all(value.cells - value.mean**2 <= STEADY * value.cells))

    def _weight(self, item: Node) -> str:
        parameter = self.traced.parameters.get(strip(item).name)
        return "" if parameter is None else parameter.alias_of or parameter.name


def _repeated(traced: TracedModel) -> frozenset[str]:
    """Matrices that are used by more than one layer, by their first name."""
    uses: dict[str, int] = {}
    for node in traced.program.graph.nodes:
        if node.op == "call_function" and (operator(node) in LAYERS or operator(node) in ("embedding", "embedding_bag")):
            for item in operands(node):
                parameter = traced.parameters.get(strip(item).name)
                if parameter is not None and len(parameter.shape) > 1 and parameter.law.family != "constant":
                    key = parameter.alias_of or parameter.name
                    uses[key] = uses.get(key, 0) + 1
    return frozenset(key for key, count in uses.items() if count > 1)


def _factors(item: Node) -> list[Node]:
    """What a product of matrices, or a product that is added up, is made of."""
    if operator(item) == "sum" and operator(before := strip(next(operands(item)))) == "mul":
        item = before
    elif operator(item) not in PRODUCTS:
        return []
    return [strip(factor) for factor in operands(item)]


def _terms(node: Node) -> int:
    """Products in one element of a layer's output, from the sizes of its tensors."""
    shapes = [shape for item in operands(node) if len(shape := shape_of(item)) > 1]
    if len(shapes) < 2:
        return 0
    if operator(node) in CONVOLUTIONS:
        return math.prod(shapes[1][1:])
    if operator(node) == "linear":
        return shapes[1][-1]
    return shapes[-2][-1]


def _averaged(before: Any, after: Any) -> bool:
    """Whether a view had to take unlike positions for alike."""
    if not isinstance(before, Moments) or not isinstance(after, Moments) or before.cells.size < 2:
        return False
    cells, left = before.cells[before.cells > 0], after.cells[after.cells > 0]
    if not cells.size or not left.size:
        return False
    return bool(np.min(left) > UNLIKE * np.min(cells) or np.max(cells) > UNLIKE * np.max(left))


__all__ = ["flags_of"]
