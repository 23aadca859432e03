"""Which call of the graph a tensor is the result of, and which calls used it: what `covariance` and `returning` walk over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.propagate.axes import Labels
from initlint.propagate.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Callable

    from initlint.propagate.tape import Tape

VIEWS = {
    "view", "reshape", "_unsafe_view", "unsqueeze", "squeeze", "transpose", "permute", "t", "expand", "flatten", "unflatten",
    "movedim", "swapaxes", "expand_as", "view_as", "repeat",
}  # fmt: skip
KEEPING_LENGTHS = VIEWS | {"slice", "mul", "add", "cat", "neg", "clone", "contiguous", "repeat_interleave"}  # rotary embeddings
SLICES = {"select", "slice", "narrow", "unbind", "chunk", "split", "split_with_sizes", "tensor_split"}


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """The call that a tensor is the result of.

    order   that of the calls, a view being as old as what it shows
    roots   the ancestors that no call made, as bits
    piece   which of several results
    called  the number of the call itself
    first   for the first slice at one index of a tensor: what all such have in common, as seen by tensors made before
    """

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    order: int
    roots: int
    piece: int | None = None
    called: int = -1
    first: tuple[int, int, int] | None = None


def note(
    tape: Tape, name: str, function: Callable[..., Any] | None, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> None:
    """Remember that `result` came from this call."""
    if function is None:
        return
    roots = 0
    inputs = tensors_in((args, kwargs))
    for x in inputs:
        roots |= roots_of(tape, x)
    order = called = next(tape.calls)
    if name in VIEWS or name in SLICES:  # as old as what they show
        order = max([x.made.order for x in tensors_in(args[:1]) if x.made is not None], default=order)
    pieces = list(enumerate(result)) if isinstance(result, (list, tuple)) else [(None, result)]
    for piece, x in pieces:
        if isinstance(x, Moments) and x.made is None and all(x is not given for given in inputs):
            x.made = Made(name, function, args, kwargs, order, roots, piece, called)
            if name in SLICES and (first := _first(tape, x)) is not None:
                x.made = replace(x.made, first=first)
            if bare(x)[0] is x:
                for given in inputs:
                    source, scale = bare(given)
                    if id(source) not in tape.uses:
                        tape.used.append(source)
                    tape.uses.setdefault(id(source), []).append((x, scale))


def _first(tape: Tape, x: Moments) -> tuple[int, int, int] | None:
    """The tensor, dimension and group of a slice at one index that nobody took before."""
    found = sliced(x)
    if found is None or len(found[2]) != 1:
        return None
    base, d, index, _ = found
    taken = tape.taken.setdefault((id(base), d), set())
    if int(index[0]) in taken or len(base.dims[d]) != 1:
        return None
    taken.add(int(index[0]))
    labels = base.dims[d][0].labels
    return id(base), d, 0 if labels is None else int(labels[index[0]])


def roots_of(tape: Tape, x: Moments) -> int:
    """The ancestors of x that no call made, a bit each."""
    if x.made is None:
        x.made = Made("", _nothing, (), {}, -1, 1 << next(tape.leaves))
    return x.made.roots


def _nothing(*args: Any) -> None:
    return None


def tensors_in(value: Any) -> list[Moments]:
    """The random tensors among nested arguments."""
    if isinstance(value, Moments):
        return [value]
    found: list[Moments] = []
    if isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, Moments):
                found.append(item)
            elif item and isinstance(item, (list, tuple, dict)):
                found += tensors_in(item)
    return found


def bare(x: Moments) -> tuple[Moments, float]:
    """x as a multiple of the earliest result of a call that it is a multiple of."""
    best, scale, product = x, 1.0, 1.0
    while x.affine is not None:
        product *= x.affine[1]
        x = x.affine[0]
        if x.made is not None:
            best, scale = x, product
    return best, scale


def is_leaf(x: Moments) -> bool:
    """Whether a tensor is a parameter or an input, or a view of one."""
    x = bare(x)[0]
    while x.made is not None and x.made.name in VIEWS:
        x = bare(x.made.args[0])[0]
    return x.made is None or not x.made.name


def length_of(tape: Tape, x: Moments, depth: int = 12) -> int:
    """Over how many elements a tensor was last divided by its own size, if only views, gains or rotations came after; or 0."""
    origin = x
    while origin.affine is not None:
        origin = origin.affine[0]
    if id(origin) in tape.lengths:
        return tape.lengths[id(origin)]
    if depth == 0 or x.made is None or x.made.name not in KEEPING_LENGTHS:
        return 0
    before = next(iter(tensors_in(x.made.args)), None)
    return 0 if before is None else length_of(tape, before, depth - 1)


def cosine_of(x: Moments, depth: int = 6) -> int:
    """Of how many dimensions logits are cosines, scaled and shifted by something that hardly varies (see `Moments`); or 0."""
    if x.cosine or depth == 0 or x.made is None or x.made.name not in VIEWS | {"mul", "div", "add"}:
        return x.cosine
    before = next(iter(tensors_in(x.made.args)), None)
    return 0 if before is None else cosine_of(before, depth - 1)


def same_call(a: Made, b: Made) -> bool:
    """Whether two calls differ in nothing but tensors."""
    return a.name == b.name != "" and len(a.args) == len(b.args) and a.kwargs.keys() == b.kwargs.keys()


def sliced(x: Moments) -> tuple[Moments, int, Labels, bool] | None:
    """(base, dimension, indices, whether the dimension is gone) of a slice."""
    made = x.made
    assert made is not None
    base = made.args[0]
    if not isinstance(base, Moments):
        return None
    options = [*made.args[1:]]
    size_of = base.shape
    if made.name == "select":
        d = base.dim(options[0])
        return base, d, np.array([options[1] % size_of[d]]), True
    if made.name == "unbind":
        d = base.dim(options[0] if options else 0)
        return base, d, np.array([made.piece]), True
    if made.name in ("slice", "narrow"):
        d = base.dim(options[0] if options else 0)
        options += [None] * (4 - len(options))
        start, stop, step = options[1], options[2], options[3] or 1
        if made.name == "narrow":
            stop = options[1] + options[2]
        return base, d, _range(size_of[d])[slice(start, stop, step)], False
    d = base.dim(made.kwargs.get("dim", options[1] if len(options) > 1 else 0))
    total_size, size = size_of[d], options[0]
    if made.name in ("chunk", "tensor_split") and isinstance(size, int):
        size = -(-total_size // size)
    sizes = list(size) if isinstance(size, list | tuple) else [size] * (-(-total_size // size))
    start = int(sum(sizes[: made.piece or 0]))
    return base, d, _range(total_size)[start : start + sizes[made.piece or 0]], False


def picked(x: Moments) -> tuple[Moments, int, Labels, bool] | None:
    """(base, dimension, indices, whether the dimension is gone) of a slice at one index, or of all entries in another order."""
    made = x.made
    if made is None or not made.args or not isinstance(made.args[0], Moments):
        return None
    base = made.args[0]
    if made.name in SLICES:
        found = sliced(x)
        return found if found is not None and len(found[2]) == 1 and (found[1] == 0 or not found[3]) else None
    if made.name in ("channel_shuffle", "native_channel_shuffle"):
        return base, 1, _range(base.shape[1]).reshape(made.args[1], -1).T.reshape(-1), False
    if made.name == "flip" and len(made.args[1]) == 1:
        d = base.dim(made.args[1][0])
        return base, d, _range(base.shape[d])[::-1], False
    return None


def moved(x: Moments) -> tuple[Moments, int, int] | None:
    """(base, dimension, places) where x_t is base_{t − places} along the dimension, but at a border."""
    made = x.made
    if made is None or not made.args:
        return None
    base = made.args[0]
    if made.name in ("constant_pad_nd", "pad") and isinstance(base, Moments):
        widths = zip(made.args[1][::2], made.args[1][1::2], strict=True)
        borders = [(n, low, high) for n, (low, high) in enumerate(widths) if low or high]
        if len(borders) == 1 and borders[0][1] == -borders[0][2]:
            n, places, _ = borders[0]
            return base, len(base.shape) - 1 - n, int(places)
    if made.name == "roll" and isinstance(base, Moments):
        shifts, dims = (v if isinstance(v, list | tuple) else [v] for v in (*made.args, ())[1:3])
        return (base, base.dim(dims[0]), int(shifts[0])) if len(shifts) == len(dims) == 1 else None
    if made.name in ("cat", "concat", "concatenate") and isinstance(base, list | tuple):
        return _joined(x, made)
    return None


def _joined(x: Moments, made: Made) -> tuple[Moments, int, int] | None:
    """A border put before or behind a run of places of one tensor, so that the size stays."""
    pieces = [p for p in made.args[0] if isinstance(p, Moments)]
    d = x.dim(made.kwargs.get("dim", made.args[1] if len(made.args) > 1 else 0))
    start = 0
    for piece in pieces:
        if piece.made is not None and piece.made.name in SLICES and 2 * piece.shape[d] > x.shape[d]:
            found = sliced(piece)
            if found is not None and found[1] == d and found[0].shape == x.shape and not found[3]:
                base, _, indices, _ = found
                return (base, d, start - int(indices[0])) if np.all(np.diff(indices) == 1) else None
        start += piece.shape[d]
    return None


def _range(size: int) -> Labels:
    return np.arange(size, dtype=np.int64)


def summed_up(x: Moments) -> tuple[Moments, int] | None:
    """The terms of running sums and the dimension along which they are summed."""
    if x.made is None or x.made.name != "cumsum" or not isinstance(x.made.args[0], Moments) or x.made.args[0].shape != x.shape:
        return None
    return x.made.args[0], x.dim(x.made.args[1] if len(x.made.args) > 1 else x.made.kwargs["dim"])
