"""What masks hide: a number in place of some entries, kept apart from the others as long as that can be.

A masked tensor has the moments of the entries that are seen, and the number that stands for the others (`Moments.fill`). Element-wise
functions act on both, views move both. A number that takes an entry out of a softmax stays where it is; any other is put in its
place where an operator reads the tensor that mixes entries, or meets another tensor: with s = 1 where an entry is seen,

    y = s x + (1 − s) f,   E[y_u y_v] = E[s_u s_v] E[x_u x_v] + f (E[s_u (1 − s_v)] m_u + E[(1 − s_u) s_v] m_v) + f² E[(1 − s_u)(1 − s_v)]
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.propagate.calls import VIEWS, functional, name_of
from initlint.propagate.moments import Moments, outer_means
from initlint.propagate.ops.arithmetic import MASKED
from initlint.propagate.ops.gather import gate_of, shown
from initlint.propagate.pointwise import Cotangent, times
from initlint.propagate.tape import Known

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initlint.propagate.tape import Tape


def prepared(tape: Tape, target: Any, args: Any, kwargs: Any) -> tuple[Any, Any, float | None]:
    """The arguments of an operator, with what masks hide in its place where it reads that, and what becomes of a number left hidden."""
    found = [x for x in _tensors((args, kwargs)) if isinstance(x, Moments) and x.valid is not None]
    if not found:
        return args, kwargs, None
    if _alone(target, args, kwargs):
        fill = _refilled(target, args, kwargs, found[0])
        if fill is not None and fill > MASKED >= found[0].fill:  # where that leads nothing comes back from
            return *_put(args, kwargs, {id(found[0]): _closed(tape, found[0])}), fill
        return args, kwargs, fill
    if name_of(target).removesuffix("_") in VIEWS:
        return args, kwargs, None
    replaced = {id(x): in_place(tape, x) for x in found if x.fill > MASKED}
    return (*_put(args, kwargs, replaced), None) if replaced else (args, kwargs, None)


def _put(args: Any, kwargs: Any, replaced: Mapping[int, Moments]) -> tuple[Any, Any]:
    def put(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(put(v) for v in value)
        return replaced.get(id(value), value)

    return put(args), {key: put(value) for key, value in kwargs.items()}


def _closed(tape: Tape, x: Moments) -> Moments:
    """x, to whose hidden entries nothing comes back."""
    gate = gate_of(x)

    def pull(g: Cotangent) -> list[Cotangent]:
        back = Cotangent(None if g.plain is None else times(g.plain, gate))
        for term in g.coherent.values():
            back.add_coherent(times(term.root, gate), term.source, term.values)
        return [back]

    return tape.record_coherent([x], x.with_(affine=(x, 1.0, 0.0)), pull)


def in_place(tape: Tape, x: Moments) -> Moments:
    """x with the number that stands for its hidden entries among the others: one tensor, whoever asks for it."""
    if id(x) in tape.uncovered:
        return tape.uncovered[id(x)][1]
    z = uncovered(x)
    z.made = x.made
    tape.record([x], z, lambda g: [g])
    if not tape.blocked:  # else it has no way back, which others may need
        tape.uncovered[id(x)] = x, z
    return z


def uncovered(x: Moments) -> Moments:
    """The moments of x with the number that stands for its hidden entries among the others."""
    seen = shown(x)
    ones, kept = np.ones_like(x.mean), seen.mean * x.mean
    pair = seen.pair * x.pair
    if x.fill:
        first = outer_means(x.axes, x.mean, ones) * (outer_means(x.axes, seen.mean, ones) - seen.pair)
        other = outer_means(x.axes, ones, x.mean) * (outer_means(x.axes, ones, seen.mean) - seen.pair)
        neither = 1.0 - outer_means(x.axes, seen.mean, ones) - outer_means(x.axes, ones, seen.mean) + seen.pair
        pair = pair + x.fill * (first + other) + x.fill**2 * neither
    hidden = 1.0 - x.average(np.broadcast_to(seen.mean, x.mean.shape))
    z = x.with_(mean=kept + (1.0 - seen.mean) * x.fill, pair=pair, valid=None, both=None, fill=0.0)
    z.zeros = (1.0 - hidden) * x.zeros + hidden * (x.fill == 0.0)
    z.positive, z.negative = x.positive and x.fill >= 0.0, x.negative and x.fill <= 0.0
    return z


def _refilled(target: Any, args: Any, kwargs: Any, masked: Moments) -> float | None:
    """An element-wise function of the number that stands for hidden entries; None where it is none."""
    import torch

    def number(value: Any) -> Any:
        if value is masked:
            return torch.tensor(masked.fill, dtype=torch.float64)
        return value.tensor if isinstance(value, Known) else value

    try:
        fill = float(functional(target)(*map(number, args), **{key: number(value) for key, value in kwargs.items()}))
    except (RuntimeError, TypeError, ValueError):
        return None
    return None if math.isnan(fill) else fill


def _alone(target: Any, args: Any, kwargs: Any) -> bool:
    """Whether an operator is an element-wise function of one random tensor, and of numbers."""
    import torch

    if torch.Tag.pointwise not in getattr(target, "tags", ()):
        return False
    tensors = _tensors((args, kwargs))
    return sum(isinstance(x, Moments) for x in tensors) == 1 and all(x.tensor.dim() == 0 for x in tensors if isinstance(x, Known))


def _tensors(value: Any) -> list[Moments | Known]:
    if isinstance(value, Moments | Known):
        return [value]
    if isinstance(value, list | tuple):
        return [x for item in value for x in _tensors(item)]
    return [x for item in value.values() for x in _tensors(item)] if isinstance(value, dict) else []
