"""Where the rows of a table lie in tensors that are computed from it, and how far these are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from initlint.graph.dataflow import PASSING, SELECTING, is_node, operands, operator, shape_of

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.model import TracedModel


@dataclass(frozen=True, slots=True)
class Along:
    """Where the rows lie in a tensor: index start + (o · count + i) · inner + j of dimension `dim` belongs to row i."""

    dim: int
    count: int
    start: int = 0
    outer: int = 1
    inner: int = 1

    @property
    def plain(self) -> bool:
        """Each row at one index."""
        return self.outer == self.inner == 1

    def at(self, dim: int) -> Along:
        """The same in another dimension."""
        return replace(self, dim=dim)


Places = frozenset[Along]
NOWHERE: Places = frozenset()


class ToldApart(Exception):
    """What a node computes depends on which row is which."""


@dataclass(frozen=True, slots=True)
class Walk:
    """The places of the rows by node name, None where they are told apart, and the nodes that pick one row of several."""

    traced: TracedModel
    places: dict[str, Places | None]
    picks: list[str] = field(default_factory=list)

    def of(self, value: object) -> Places:
        """Of an argument, which has none where it is no node computed from the table."""
        found = self.places.get(value.name, NOWHERE) if is_node(value) else NOWHERE
        if found is None:
            raise ToldApart
        return found


Law = Callable[[Walk, "Node"], Places]
POINTWISE = frozenset(
    "add sub rsub mul div neg abs relu relu6 gelu silu sigmoid tanh exp expm1 log log1p sqrt rsqrt pow square clamp clamp_min "
    "clamp_max maximum minimum where masked_fill leaky_relu elu selu softplus mish hardswish hardsigmoid hardtanh erf sin cos "
    "reciprocal addcmul addcdiv lerp to _to_copy contiguous clone detach alias type_as lift_fresh_copy logical_not eq ne gt lt ge "
    "le logsigmoid log_sigmoid softsign sign".split()
)
_FILLED = frozenset("zeros ones full empty zeros_like ones_like full_like new_zeros new_ones new_full scalar_tensor".split())


def flat(walk: Walk, node: Node, dim: int) -> bool:
    """Whether all entries along a dimension are one: broadcast, filled with a number, or computed from such."""
    shape, name = shape_of(node), operator(node)
    if dim < 0 or not shape or shape[dim] == 1:
        return True
    if name in _FILLED:
        return not _is_written(node)
    parameter = walk.traced.parameters.get(node.name)
    if parameter is not None:
        return not parameter.trainable and parameter.law.family == "constant"
    if name in POINTWISE or name in ("expand", "expand_as"):
        given = [item for item in operands(node) if name in POINTWISE or item is node.args[0]]
        return all(flat(walk, item, dim - len(shape) + len(shape_of(item))) for item in given)
    return False


def writes(node: Node) -> bool:
    """Whether an operator changes its operand in place."""
    text = str(node.target).split(".")
    return len(text) > 1 and text[1].endswith("_") and not text[1].endswith("__")


def _is_written(node: Node) -> bool:
    """Whether something is written into a tensor, or into a view of it, after it was made."""
    return any(writes(user) or (operator(user) in PASSING | SELECTING and _is_written(user)) for user in node.users)


def agreed(walk: Walk, places: Places, node: Node, others: Sequence[Node]) -> Places:
    """`places`, seen from the last dimension of what `node` gives, where every other operand is the same for all rows."""
    ndim = len(shape_of(node))
    for along in places:
        for item in others:
            dim = along.dim - ndim + len(shape_of(item))
            own = {place for place in walk.of(item) if place.dim == dim}
            if own - {along.at(dim)} or (not own and not flat(walk, item, dim)):
                raise ToldApart
    if len({along.dim for along in places}) < len(places):
        raise ToldApart
    return places


def lifted(walk: Walk, item: Node, ndim: int) -> Places:
    """Of an operand, by the dimensions of a result with which its last ones are aligned."""
    return frozenset(along.at(along.dim + ndim - len(shape_of(item))) for along in walk.of(item))


def numbers(value: Any) -> list[int]:
    """Dimensions or sizes, of which one may stand by itself."""
    return [value] if isinstance(value, int) else [int(item) for item in value]


def same(walk: Walk, node: Node) -> Places:
    """As in the first operand, where no other one is made of the table."""
    if any(walk.of(item) for item in list(operands(node))[1:]):
        raise ToldApart
    return walk.of(node.args[0])
