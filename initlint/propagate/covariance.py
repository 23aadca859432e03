"""Two tensors that have something in common: what one element of the first has to do with one of the second.

A tensor knows the second moments of its own pairs of elements. Where two tensors meet (a sum, a product, a stack) that have an
ancestor in common, their covariance Cov(x_u, y_v) by pair state is needed too. It is not carried along but looked up when they
meet, by walking back over the calls that made both, the later one first:

    a tensor with itself        its own pair moments
    two slices of one tensor    the pair moments of that tensor between the two places
    a sum                       Cov(x + x', y) = Cov(x, y) + Cov(x', y)
    a product                   Cov(ab, cd) of Gaussian a, b, c, d with E[a] = α …  (Isserlis 1918):
                                αγ K_bd + αδ K_bc + βγ K_ad + βδ K_ac + K_ac K_bd + K_ad K_bc
    functions of a source       Cov(f(u), g(v)) = Σ_{k>0} a_k b_k ρ(u, v)^k  (Mehler), whatever f and g are
    the same view of both       that view of the covariance
    the same weights on both    Cov(Wu, Wv) from E[u_s v_t], contracted with the moments of W, plus Cov of what is added
    different weights           none: zero-mean weights that the other tensor knows nothing of leave nothing behind
    a normalization             linear in what is normalized: its spread over the normalized axes hardly varies

Everything else counts as independent. A residual branch ends in weights of its own, so in ordinary models a meeting costs one
step. With this the steps of a recurrence share their bias, and a block that is called again adds the same direction again.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.propagate.axes import Array, Axis, Labels, refinement, state_of
from initlint.propagate.moments import Moments, align, outer_means
from initlint.propagate.sources import ORDER, Profile, grid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from initlint.propagate.tape import Tape

DEEPEST = 150  # steps back after which two tensors count as strangers
SMALLEST = 1e-6  # share of the standard deviations below which a covariance is nothing
SUMS = {"add": 1.0, "sub": -1.0}
VIEWS = {
    "view", "reshape", "_unsafe_view", "unsqueeze", "squeeze", "transpose", "permute", "t", "expand", "flatten", "unflatten",
    "movedim", "swapaxes", "expand_as", "view_as", "repeat",
}  # fmt: skip
SLICES = {"select", "slice", "narrow", "unbind", "chunk", "split", "split_with_sizes", "tensor_split"}
MAPS = {"linear", "conv1d", "conv2d", "conv3d", "matmul", "mm", "addmm", "bmm"}
NORMS = {"layer_norm", "rms_norm", "group_norm", "instance_norm", "batch_norm"}


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """The call that a tensor is the result of; `order` is that of the calls, `roots` the ancestors without one, as bits."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    order: int
    roots: int
    piece: int | None = None


def note(
    tape: Tape, name: str, function: Callable[..., Any] | None, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> None:
    """Remember that `result` came from this call."""
    if function is None:
        return
    roots = 0
    for x in tensors_in((args, kwargs)):
        roots |= roots_of(tape, x)
    order = next(tape.calls)
    if name in VIEWS or name in SLICES:  # as old as what they show
        order = max([x.made.order for x in tensors_in(args[:1]) if x.made is not None], default=order)
    pieces = list(enumerate(result)) if isinstance(result, list | tuple) else [(None, result)]
    for piece, x in pieces:
        if isinstance(x, Moments) and x.made is None and all(x is not given for given in tensors_in((args, kwargs))):
            x.made = Made(name, function, args, kwargs, order, roots, piece)


def roots_of(tape: Tape, x: Moments) -> int:
    """The ancestors of x that no call made, a bit each."""
    if x.made is None:
        x.made = Made("", _nothing, (), {}, -1, 1 << next(tape.leaves))
    return x.made.roots


def _nothing(*args: Any) -> None:
    return None


def tensors_in(value: Any) -> Iterator[Moments]:
    """The random tensors among nested arguments."""
    if isinstance(value, Moments):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)


def covariance(tape: Tape, x: Moments, y: Moments, depth: int = 0) -> Moments | None:
    """Cov(x_u, y_v) by pair state as the pair of a tensor, over the axes that either needs; None where it is zero."""
    x, scale = bare(x)
    y, other = bare(y)
    if x.made is None or y.made is None or not x.made.roots & y.made.roots or depth > DEEPEST or x.complex or y.complex:
        return None
    key = (id(x), id(y))
    if key not in tape.covariances:
        tape.covariances[key] = None  # whoever asks while it is being found gets no answer
        tape.met.append((x, y))
        found = _found(tape, x, y, depth)
        if found is not None and not _matters(found, x, y):
            found = None
        tape.covariances[key] = found
        tape.covariances[key[::-1]] = None if found is None else swapped(found)
    found = tape.covariances[key]
    return None if found is None else found.with_(pair=found.pair * (scale * other))


def bare(x: Moments) -> tuple[Moments, float]:
    """x as a multiple of the earliest result of a call that it is a multiple of."""
    best, scale, product = x, 1.0, 1.0
    while x.affine is not None:
        product *= x.affine[1]
        x = x.affine[0]
        if x.made is not None:
            best, scale = x, product
    return best, scale


def _matters(found: Moments, x: Moments, y: Moments) -> bool:
    size = np.sqrt(max(x.q - x.m**2, 0.0) * max(y.q - y.m**2, 0.0))
    return bool(np.abs(found.pair).max() > SMALLEST * size)


def swapped(c: Moments) -> Moments:
    """Cov(y_u, x_v) from Cov(x_u, y_v)."""
    pair = c.pair
    for k, axis in enumerate(c.axes):
        if axis.labels is not None:
            row, column = axis.rows
            states = state_of(axis.groups, column, row)
            states[: axis.groups] = np.arange(axis.groups)
            pair = np.take(pair, states, axis=k)
    return c.with_(pair=pair)


def alone(x: Moments) -> Moments:
    """Cov(x_u, x_v)."""
    return _plain(x.dims, x.centered())


def _plain(dims: Any, pair: Array) -> Moments:
    return Moments(dims, np.zeros([axis.groups for dim in dims for axis in dim]), pair)


def total(terms: list[Moments | None]) -> Moments | None:
    """The sum of covariances."""
    found = [t for t in terms if t is not None]
    if not found:
        return None
    aligned = align(*found)
    return _plain(aligned[0].dims, sum((t.pair for t in aligned[1:]), aligned[0].pair))


def _found(tape: Tape, x: Moments, y: Moments, depth: int) -> Moments | None:
    if x is y:
        return alone(x)
    assert x.made is not None and y.made is not None
    source, target = _source(x), _source(y)
    if source is not None or target is not None:
        return _of_functions(tape, x, y, source, target, depth)
    if _same_call(x.made, y.made):
        found = _of_twins(tape, x, y, depth)
        if found is not NotImplemented:
            return found  # type: ignore[no-any-return]
    if x.made.order < y.made.order:
        x, y, turned = y, x, True
    else:
        turned = False
    found = _stepped(tape, x, y, depth)
    if found is NotImplemented:  # what the later one is made of does not lead back to the earlier one, but perhaps the reverse
        found = _stepped(tape, y, x, depth)
        turned = not turned
    if found is None or found is NotImplemented:
        return None
    return swapped(found) if turned else found


def _stepped(tape: Tape, x: Moments, y: Moments, depth: int) -> Any:
    """Cov(x, y) by one step back from x; NotImplemented where x is made in a way that y has a part in."""
    from initlint.propagate.ops.arithmetic import pair_up

    made = x.made
    assert made is not None and y.made is not None
    if made.name in SUMS:
        factor = SUMS[made.name] * float(made.kwargs.get("alpha", 1.0))
        terms = [(a, 1.0 if n == 0 else factor) for n, a in enumerate(made.args[:2]) if isinstance(a, Moments)]
        return total([_times(covariance(tape, a, y, depth + 1), f) for a, f in terms])
    if made.name == "mul" and any(isinstance(a, Moments) for a in made.args):
        a, b = pair_up(*made.args)
        return total([_weighed(covariance(tape, b, y, depth + 1), a, y), _weighed(covariance(tape, a, y, depth + 1), b, y)])
    if made.name in MAPS:
        if any(roots_of(tape, w) & y.made.roots for w in _weights(made)):
            return NotImplemented
        bias = made.args[0] if made.name == "addmm" else (*made.args, None, None)[2] if made.name == "linear" else None
        return covariance(tape, bias, y, depth + 1) if isinstance(bias, Moments) else None
    if made.name in NORMS and isinstance(made.args[0], Moments):
        return _normalized(tape, x, covariance(tape, made.args[0], y, depth + 1))
    return NotImplemented


def _weights(made: Made) -> list[Moments]:
    """The second factor of a product of matrices, unless it has a mean (then nothing is said to be left of it)."""
    weight = made.args[2 if made.name == "addmm" else 1]
    return [weight] if isinstance(weight, Moments) else []


def _times(c: Moments | None, factor: float) -> Moments | None:
    return None if c is None else c.with_(pair=c.pair * factor)


def _weighed(c: Moments | None, a: Moments, y: Moments) -> Moments | None:
    """E[a_u] Cov(b_u, y_v) for the product a·b."""
    if c is None or not np.any(a.mean):
        return None
    c, a, _ = align(c, a, y)
    return _plain(c.dims, c.pair * outer_means(c.axes, a.mean, np.ones_like(a.mean)))


def _source(x: Moments) -> Profile | None:
    """What x is a function of, unless that is x itself."""
    if x.profile is None or x.profile.source.origin is x or x.profile.source.origin.made is None:
        return None
    return x.profile


def _of_functions(
    tape: Tape, x: Moments, y: Moments, left: Profile | None, right: Profile | None, depth: int
) -> Moments | None:
    """Cov(f(u), g(v)) by Mehler's series; f or g is the identity where there is no profile."""
    u = x if left is None else left.source.origin
    v = y if right is None else right.source.origin
    c = alone(u) if u is v else covariance(tape, u, v, depth + 1)
    if c is None:
        return None
    c, u, v, x, y = align(c, u, v, x, y)
    a, b = _series(left, u, c.axes), _series(right, v, c.axes)
    if a is None or b is None:
        return None
    spread = [np.sqrt(np.maximum(w.cells - w.mean**2, 0.0)) for w in (u, v)]
    scale = outer_means(c.axes, *spread)
    rho = np.clip(np.divide(c.pair, scale, out=np.zeros_like(c.pair), where=scale > 0), -1.0, 1.0)
    if left is None or right is None:  # only the linear part meets
        return _plain(c.dims, outer_means(c.axes, a[1], b[1]) * rho)
    pair = np.zeros_like(rho)
    for k in range(ORDER - 1, 0, -1):
        pair = (pair + outer_means(c.axes, a[k], b[k])) * rho
    return _plain(c.dims, pair)


def _series(profile: Profile | None, x: Moments, axes: tuple[Axis, ...]) -> Array | None:
    """Hermite coefficients by cell, on finer or equal `axes`; None where they do not fit."""
    if profile is None:
        deviation = np.sqrt(np.maximum(x.cells - x.mean**2, 0.0))
        return np.stack([np.zeros_like(deviation), deviation])
    own = [axis for dim in profile.source.dims for axis in dim]
    if [axis.size for axis in own] != [axis.size for axis in axes]:
        return None
    series = np.tensordot(grid(profile.source.points)[2], profile.values, (1, 0))
    for k, (coarse, fine) in enumerate(zip(own, axes, strict=True)):
        if not coarse.same_partition(fine):
            series = np.take(series, refinement(coarse, fine), axis=k + 1)
    return np.asarray(series)


def _normalized(tape: Tape, x: Moments, c: Moments | None) -> Moments | None:
    """Cov of a normalized tensor: that of the tensor before, less its average, over the deviation."""
    made = x.made
    assert made is not None
    u = made.args[0]
    if c is None or made.name not in ("layer_norm", "rms_norm"):
        return None
    dims = range(len(u.dims) - len(made.args[1]), len(u.dims))
    c, u, _ = align(c, u, x)
    axes = u.dim_axes(dims)
    if made.name == "layer_norm":
        c, u = (_plain(w.dims, _apart(w.pair if w is c else w.centered(), w.axes, axes)) for w in (c, u))
    size = u.averaged([]).q
    return None if size <= 0 else c.with_(pair=c.pair * np.sqrt(max(x.q - x.m**2, 0.0) / size))


def _apart(pair: Array, axes: tuple[Axis, ...], over: list[int]) -> Array:
    """Covariances of a tensor less its average over whole axes: those of the averages, taken off."""
    shared = pair
    for k in over:
        axis = axes[k]
        weight = axis.pairs / axis.size**2
        shared = np.expand_dims(np.tensordot(shared, weight, (k, 0)), k)
    return np.asarray(pair - shared)


def _same_call(a: Made, b: Made) -> bool:
    """Whether two calls differ in nothing but tensors."""
    return a.name == b.name != "" and len(a.args) == len(b.args) and a.kwargs.keys() == b.kwargs.keys()


def _of_twins(tape: Tape, x: Moments, y: Moments, depth: int) -> Any:
    """Two results of one operator: what is known of both at once; NotImplemented where that is nothing."""
    from initlint.propagate.tape import Tape as Scratch

    a, b = x.made, y.made
    assert a is not None and b is not None
    if a.name in SLICES:
        return _of_slices(tape, x, y, depth)
    if a.name in VIEWS and _numbers(a) == _numbers(b):
        c = covariance(tape, a.args[0], b.args[0], depth + 1)
        return None if c is None else a.function(Scratch(), _shaped(c, a.args[0]), *a.args[1:], **a.kwargs)
    if a.name == "mul":
        return _of_products(tape, a.args, b.args, depth)
    if a.name in MAPS:
        return _of_maps(tape, x, y, depth)
    return NotImplemented


def _numbers(made: Made) -> str:
    return str([v for v in (*made.args, *made.kwargs.items()) if not isinstance(v, Moments)])


def _shaped(c: Moments, like: Moments) -> Moments:
    """A covariance with all axes of a tensor."""
    return align(c, like)[0] if c.dims != like.dims else c


def _of_products(tape: Tape, left: tuple[Any, ...], right: tuple[Any, ...], depth: int) -> Any:
    """Cov(ab, cd) by Isserlis' theorem; a with b, and c with d, as if they were independent."""
    if not all(isinstance(v, Moments) for v in (*left[:2], *right[:2])):
        return NotImplemented
    a, b, c, d = *left[:2], *right[:2]
    known = {
        (i, j): covariance(tape, u, v, depth + 1) for i, u in enumerate((a, b)) for j, v in enumerate((c, d))
    }
    if all(k is None for k in known.values()):
        return None
    aligned = align(*(k for k in known.values() if k is not None), a, b, c, d)
    a, b, c, d = aligned[-4:]
    remaining = iter(aligned[:-4])
    k = {key: None if value is None else next(remaining).pair for key, value in known.items()}
    pair = np.zeros([axis.states for axis in a.axes])
    for i, j in itertools.product((0, 1), repeat=2):
        one, other = k[i, j], k[1 - i, 1 - j]
        if one is not None:
            pair = pair + one * outer_means(a.axes, (b, a)[i].mean, (d, c)[j].mean)
            if other is not None and i == 0:
                pair = pair + one * other
    return _plain(a.dims, pair)


def _of_maps(tape: Tape, x: Moments, y: Moments, depth: int) -> Any:
    """Cov(Au + b, Bv + b'): the products' law for (A, B) independent of (u, v), on the cross moments E[A B] and E[u v]."""
    from initlint.propagate.tape import Tape as Scratch

    a, b = x.made, y.made
    assert a is not None and b is not None
    first = 1 if a.name == "addmm" else 0
    factors = list(zip(a.args[first : first + 2], b.args[first : first + 2], strict=True))
    if not all(isinstance(u, Moments) and isinstance(v, Moments) and u.shape == v.shape for u, v in factors):
        return NotImplemented
    terms: list[Moments | None] = []
    whole, means = [], []
    for u, v in factors:
        c = alone(u) if u is v else covariance(tape, u, v, depth + 1)
        p, q = align(u, v)
        mean = _plain(p.dims, p.mean_products(q))
        means.append(mean)
        whole.append(total([c, mean]))
    later = a.args[first + 2 :] if first == 0 else ()
    convolution = a.name.startswith("conv")
    if all(np.any(w.pair) for w in whole if w is not None):
        for given, sign in ((whole, 1.0), (means, -1.0)):
            if all(np.any(g.pair) for g in given if g is not None):
                rest = (None, *later[1:]) if convolution else ()
                out = a.function(Scratch(), *((0.0,) * first), *given, *rest)
                terms.append(_plain(out.dims, out.pair * sign))
    if a.name == "linear" or first or convolution:
        bias, other = ((made.args[0] if first else (*made.args, None, None)[2]) for made in (a, b))
        if isinstance(bias, Moments) and isinstance(other, Moments):
            c = covariance(tape, bias, other, depth + 1)
            if c is not None and convolution:
                c = c.reshaped([*c.shape, *[1] * (len(x.dims) - 2)])
            terms.append(c)
    return total(terms)


def _of_slices(tape: Tape, x: Moments, y: Moments, depth: int) -> Any:
    """Cov of two slices along one dimension: a single index each, or ranges of equal length."""
    from initlint.propagate.ops.gather import single, take_axis

    first, second = _place(x), _place(y)
    if first is None or second is None:
        return NotImplemented
    (u, d, i, gone), (v, e, j, _) = first, second
    if d != e or len(i) != len(j) or u.shape != v.shape:
        return NotImplemented
    c = alone(u) if u is v else covariance(tape, u, v, depth + 1)
    if c is None:
        return None
    c = single(_shaped(c, u), d)
    k = c.position(d)
    if not c.dims[d]:
        return _plain((*c.dims[:d], *c.dims[d + 1 :]), c.pair) if gone else c
    axis = c.axes[k]
    labels = np.zeros(axis.size, dtype=np.int64) if axis.labels is None else axis.labels
    if np.array_equal(i, j):
        found = take_axis(c, k, i)
        found = _plain(found.dims, found.pair)
    else:
        if np.intersect1d(i, j).size or len(np.unique(labels[i])) > 1 or len(np.unique(labels[j])) > 1:
            return None
        state = int(state_of(axis.groups, labels[i[0]], labels[j[0]]))
        pair = c.pair.take([state] * (1 if len(i) == 1 else 2), axis=k)
        dims = (*c.dims[:d], () if len(i) == 1 else (Axis(len(i)),), *c.dims[d + 1 :])
        found = _plain(dims, pair.squeeze(k) if len(i) == 1 else pair)
    if gone:
        found = _plain((*found.dims[:d], *found.dims[d + 1 :]), found.pair)
    return found


def _place(x: Moments) -> tuple[Moments, int, Labels, bool] | None:
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


def _range(size: int) -> Labels:
    return np.arange(size, dtype=np.int64)
