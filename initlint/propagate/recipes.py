"""Draws of values made by element-wise operators, and what such an operator is (see `joint`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.propagate.axes import Axis
from initlint.propagate.known import from_array
from initlint.propagate.lineage import tensors_in
from initlint.propagate.moments import Dims, Moments, replaced
from initlint.propagate.ops.gather import single
from initlint.propagate.pointwise import profile_of
from initlint.propagate.sampling import draw
from initlint.propagate.tape import Known

if TYPE_CHECKING:
    import torch

    from initlint.propagate.axes import Labels

Place = tuple[Any, ...]  # an index behind the draws

ENOUGH = 1 << 13  # entries over all draws: a second moment of Gaussian ones is then known to 0.02 bits
MOST, FEWEST = 64, 2  # draws
UNTAGGED = {"__and__", "__or__", "__xor__", "floor_divide", "hardswish", "log_sigmoid", "masked_fill", "special_expit", "where"}
SAME_VALUE = {"to", "_to_copy", "clone", "contiguous", "alias", "lift_fresh_copy", "copy_"}


@dataclass(slots=True)
class Ensemble:
    """Several draws, along dimension 0, of a tensor with axes `dims`; `gathers` if slices of it add to it what flows back."""

    values: torch.Tensor
    dims: Dims
    gathers: bool = False

    def moments(self) -> Moments:
        return from_array(self.values.double().numpy(), self.dims, draws=True)

    def cotangent(self) -> Moments:
        """Its moments as those of a cotangent, which has no mean."""
        found = self.moments()
        return found.with_(mean=np.zeros_like(found.mean))

    def lagged(self, x: Moments, d: int, k: int) -> Moments | None:
        """Cov(x_t, x_{t−k}) along dimension d, of a tensor with these draws and the moments of x."""
        from initlint.propagate.lagged import spaced

        work = single(x, d)
        axis, size = work.position(d), x.shape[d]
        if size - k < 2 or not work.dims[d]:
            return None
        work = work.coarsened(axis)
        dims = replaced(work.dims, axis, (Axis(size - k),))
        first, second = (self.values.narrow(d + 1, start, size - k).double().numpy() for start in (k, 0))
        both, one, other = (from_array(v, dims, draws=True).pair for v in (first + second, first, second))
        near = (both - one - other).take([0], axis=axis) / 2.0
        return spaced(work, axis, near - work.mean_products().take([1], axis=axis))

    def plus(self, other: Ensemble) -> Ensemble:
        """Their sum, in the draws that both have; in the place of the one that gathers."""
        whole, part = (other, self) if other.gathers else (self, other)
        fewer = min(len(self.values), len(other.values))
        if not whole.gathers:
            return Ensemble(whole.values[:fewer] + part.values[:fewer], self.dims)
        whole.values = whole.values[:fewer]
        whole.values += part.values[:fewer]
        return whole

    def gather(self, place: Place, values: torch.Tensor) -> None:
        """Add values to those at a place."""
        fewer = min(len(self.values), len(values))
        self.values = self.values[:fewer]
        self.values[place] += values[:fewer].reshape(self.values[place].shape)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a value is made of others, entry by entry or (`entrywise` false) by moving them."""

    result: Moments
    function: Callable[..., Any] | None  # None where it changes nothing
    args: Sequence[Any]
    kwargs: dict[str, Any]
    operands: tuple[Moments, ...]
    entrywise: bool
    blocked: bool
    place: Place | None = None  # of a slice in its operand
    joins: bool = False  # pieces to one tensor; the function takes and gives all draws at once


@dataclass(frozen=True, slots=True)
class Piece:
    """What was written at some indices of a dimension of a larger tensor."""

    d: int
    indices: Labels
    value: Moments


def draws_for(shape: Sequence[int]) -> int:
    return int(min(max(ENOUGH // max(math.prod(shape), 1), FEWEST), MOST))


def several(x: Moments, count: int, generator: np.random.Generator) -> torch.Tensor:
    """Independent draws along a first dimension: those of one tensor with one more axis, along which nothing is shared."""
    import torch

    def wide(t: Moments) -> Moments:
        pair = np.stack([t.pair, t.mean_products()])
        return Moments(((Axis(count),), *t.dims), t.mean[None], pair, positive=t.positive, zeros=t.zeros)

    if count < 2:
        return torch.from_numpy(np.asarray(draw(x, generator))).float()[None]
    if x.sample is not None:
        profile_of(x)
    if x.profile is None:
        return torch.from_numpy(np.asarray(draw(wide(x), generator))).float()
    values = [torch.from_numpy(np.asarray(draw(x, generator))).float() for _ in range(count)]
    return torch.stack(values)


@lru_cache(maxsize=4096)
@lru_cache(maxsize=4096)
def pointwise(target: Any) -> bool:
    """Whether torch calls the operator element-wise, and it draws nothing itself."""
    import torch

    packet = getattr(target, "overloadpacket", None)
    if packet is not None and packet.__name__ in UNTAGGED and target.namespace == "aten":
        return True
    tags = getattr(target, "tags", ())
    return torch.Tag.pointwise in tags and torch.Tag.nondeterministic_seeded not in tags


def read_by_functions(node: Any) -> bool:
    """Whether a result is a signal: a condition that only chooses among signals is one, an index is not."""
    import torch

    from initlint.propagate.calls import CHECKS, name_of

    value = node.meta.get("val")
    if not isinstance(value, torch.Tensor):
        return False
    if value.is_floating_point():
        return True
    readers = [user for user in node.users if not name_of(user.target).startswith(CHECKS)]
    return all((pointwise(user.target) or name_of(user.target) in SAME_VALUE) and read_by_functions(user) for user in readers)


def floating(node: Any) -> bool:
    import torch

    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def flat(*values: Any) -> list[Any]:
    """All items of nested arguments."""
    found: list[Any] = []
    for value in values:
        if isinstance(value, (list, tuple)):
            found += flat(*value)
        elif isinstance(value, dict):
            found += flat(*value.values())
        else:
            found.append(value)
    return found


def joining(function: Callable[..., Any]) -> Callable[..., Any]:
    """stack or cat with draws along a first dimension; pieces that are known are the same in all."""

    def run(tensors: Sequence[torch.Tensor], dim: int = 0) -> Any:
        rank = max(t.dim() for t in tensors)
        count = next(len(t) for t in tensors if t.dim() == rank)
        full = [t if t.dim() == rank else t.expand(count, *t.shape) for t in tensors]
        return function(full, dim if dim < 0 else dim + 1)

    return run


def place_of(name: str, args: Sequence[Any]) -> Place | None:
    """Where the entries of a slice lie; None where it is none."""
    if name == "select":
        x, d, index = args
        return (*(slice(None),) * (x.dim(d) + 1), index)
    if name == "slice":
        x, d = (*args, 0)[:2]
        start, stop, step = (*args[2:], None, None, None)[:3]
        return (*(slice(None),) * (x.dim(d) + 1), slice(start, stop, step))
    if name == "narrow":
        x, d, start, length = args
        return (*(slice(None),) * (x.dim(d) + 1), slice(start, start + length)) if isinstance(start, int) else None
    return None


def operands_of(args: Any, kwargs: Any) -> tuple[Moments, ...]:
    """The random operands, each once."""
    return tuple({id(v): v for v in tensors_in((args, kwargs))}.values())


def padded(values: torch.Tensor, rank: int) -> torch.Tensor:
    """With dimensions of size one behind the draws, so that draws stay in front when shapes are broadcast."""
    return values.reshape(len(values), *(1,) * (rank + 1 - values.dim()), *values.shape[1:])


def filled(value: Any, by_id: dict[int, torch.Tensor]) -> Any:
    """Arguments with draws in place of moments, values in place of what is known."""
    if isinstance(value, Moments):
        return by_id[id(value)]
    if isinstance(value, Known):
        return value.tensor
    if isinstance(value, dict):
        return {k: filled(v, by_id) for k, v in value.items()}
    return type(value)(filled(v, by_id) for v in value) if isinstance(value, list | tuple) else value
