"""What neighbours along one dimension have in common: Cov(x_t, y_{t−k}) where x meets a copy that was moved by k places.

Pair moments know of a dimension only "the same index" and "different indices", an average over all distances. Where a tensor
meets its own past (`h_t·m + h_{t−1}·(1 − m)`, token shift, differences of neighbours) the pairs at one distance count, and in
the outputs of a scan neighbours are more alike than others. As in `covariance` nothing is carried along: it is looked up by
walking back over the calls to what was drawn together, and is the average over all distances where nothing else is known.

The result is a covariance whose state "the same index" along that dimension means "k places apart".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.propagate.axes import Array
from initlint.propagate.covariance import SUMS, covariance, factors_of, mapped, normalized, of_functions, ratio_of, source_of
from initlint.propagate.lineage import bare, moved, roots_of, same_call
from initlint.propagate.meeting import alone, plain, total
from initlint.propagate.moments import Moments, align, outer_means
from initlint.propagate.ops.gather import single

if TYPE_CHECKING:
    from initlint.propagate.tape import Tape

DEEPEST = 60
FARTHEST = 8  # places apart up to which neighbours may be more alike than others
LITTLE = 0.02  # share of the second moment below which that is not followed


def at_places(tape: Tape, x: Moments, y: Moments) -> Moments | None:
    """Cov(x_t, y_t) where one of them is another tensor moved along a dimension, or both are."""
    found = moved(x) or moved(y)
    assert found is not None
    base, d, _ = found
    c = lagged(tape, x, y, d - len(base.shape), 0, start=True)
    if c is None:
        return None
    c, u, v = align(c, x, y)  # at a border of zeros nothing is left
    here = outer_means(c.axes, *((w.cells > 0).astype(np.float64) for w in (u, v)))
    return plain(c.dims, c.pair * here)


def lagged(tape: Tape, x: Moments, y: Moments, d: int, k: int, depth: int = 0, start: bool = False) -> Moments | None:
    """Cov(x_t, y_{t−k}) along dimension d, counted from the last, by pair state; None where it is zero."""
    x, scale = bare(x)
    y, other = bare(y)
    if depth > DEEPEST:
        return None
    if not start and (k == 0 or extent(x, d) == 1 or extent(y, d) == 1):
        found = alone(x) if x is y else covariance(tape, x, y)
    elif (before := moved(x)) is not None and before[1] - len(x.shape) == d:
        found = lagged(tape, before[0], y, d, k - before[2], depth + 1)
    elif (before := moved(y)) is not None and before[1] - len(y.shape) == d:
        found = lagged(tape, x, before[0], d, k + before[2], depth + 1)
    else:
        key = (id(x), id(y), d, k)
        if key not in tape.lags:
            tape.lags[key] = None
            tape.met.append((x, y))
            tape.lags[key] = _found(tape, x, y, d, k, depth)
        found = tape.lags[key]
    return None if found is None else found.with_(pair=found.pair * (scale * other))


def extent(x: Moments, d: int) -> int:
    """The size of a dimension counted from the last, 1 where there is none."""
    return x.shape[d] if -d <= len(x.shape) else 1


def _found(tape: Tape, x: Moments, y: Moments, d: int, k: int, depth: int) -> Moments | None:
    if x is y and tape.joint is not None and (drawn := tape.joint.lagged(x, d % len(x.shape), abs(k))) is not None:
        return drawn
    if x.made is None or y.made is None or not roots_of(tape, x) & roots_of(tape, y):
        return average(x, d) if x is y else None
    source, target = source_of(x), source_of(y)

    def look(u: Moments, v: Moments) -> Moments | None:
        return lagged(tape, u, v, d, k, depth + 1)

    if source is not None or target is not None:
        return of_functions(x, y, source, target, look)
    for a, b, turned in ((x, y, False), (y, x, True)):
        if a.made is not None and a.made.name in SUMS and (turned or a.made.order >= y.made.order):
            return _of_sum(a, b, turned, look)
    if x is y or same_call(x.made, y.made):
        found = _of_twins(tape, x, y, d, look)
        if found is not NotImplemented:
            return found  # type: ignore[no-any-return]
    return average(x, d) if x is y else None


def _of_sum(a: Moments, b: Moments, turned: bool, look: Any) -> Moments | None:
    made = a.made
    assert made is not None
    factor = SUMS[made.name] * float(made.kwargs.get("alpha", 1.0))
    found: list[Moments | None] = []
    for n, term in enumerate(made.args[:2]):
        if isinstance(term, Moments):
            c = look(b, term) if turned else look(term, b)
            found.append(None if c is None else c.with_(pair=c.pair * (factor if n else 1.0)))
    return total(found)


def _of_twins(tape: Tape, x: Moments, y: Moments, d: int, look: Any) -> Any:
    """Of two results of one operator; NotImplemented where nothing is known."""
    made, other = x.made, y.made
    assert made is not None and other is not None
    if made.name in ("layer_norm", "rms_norm") and -d > len(made.args[1]):
        c = look(made.args[0], other.args[0])
        found, ratio = normalized(x, c), ratio_of(y)
        return None if found is None or ratio is None else found.with_(pair=found.pair * ratio)
    if made.name == "linear" and d < -1:
        factors = factors_of(made, other)
        if factors is None:
            return NotImplemented
        (u, v), (w, z) = factors
        return mapped(tape, x, y, factors, [look(u, v), alone(w) if w is z else covariance(tape, w, z)])
    if made.name == "mul" and all(isinstance(v, Moments) for v in (*made.args[:2], *other.args[:2])):
        return _of_products(made.args[:2], other.args[:2], look)
    return NotImplemented


def _of_products(left: Any, right: Any, look: Any) -> Moments | None:
    """Cov(ab, cd) of Gaussian factors of which only a with c, and b with d, have something in common."""
    (a, b), (c, d) = left, right
    one, two = look(a, c), look(b, d)
    if one is None and two is None:
        return None
    a, b, c, d, *found = align(a, b, c, d, *(w for w in (one, two) if w is not None))
    remaining = iter(found)
    pair = np.zeros([axis.states for axis in a.axes])
    first = 0.0 if one is None else next(remaining).pair
    second = 0.0 if two is None else next(remaining).pair
    pair = pair + first * second + first * outer_means(a.axes, b.mean, d.mean) + second * outer_means(a.axes, a.mean, c.mean)
    return plain(a.dims, pair)


def average(x: Moments, d: int) -> Moments | None:
    """Cov(x_t, x_{t−k}) where nothing is known of any distance but the average over all."""
    work = average_axes(x, d)
    found = spaced(work, work.position(d % len(x.shape)), work.centered().take([1], axis=work.position(d % len(x.shape))))
    return found if np.any(found.pair) else None


def spaced(x: Moments, axis: int, near: Array) -> Moments:
    """Cov(x_t, x_{s−k}) where that of s = t is `near`, and x has no groups along the axis.

    Two different indices s and t are still the same one where s = t + k, and are all others but those k apart:
    (T − 1)·different = C_0 + (T − 1)·D − C_k, of an average D over all distances but 0, as if the ends were joined.
    """
    same, apart = np.split(x.centered(), 2, axis=axis)
    return plain(x.dims, np.concatenate([near, apart + (same - near) / (x.axes[axis].size - 1)], axis=axis))


def excess(tape: Tape, x: Moments, d: int) -> list[Array]:
    """By how much Cov(x_t, x_{t−k}) is more than that of any two places of dimension d, for k = 1, 2 … until little is left.

    By pair state of the other axes.
    """
    work = average_axes(x, d)
    axis, found = work.position(d), []
    far = work.centered().take([1], axis=axis)
    for k in range(1, min(x.shape[d], FARTHEST + 1)):
        near = lagged(tape, x, x, d - len(x.shape), k)
        more = (0.0 if near is None else align(near, work)[0].pair.take([0], axis=axis)) - far
        if abs(more.flat[0]) < LITTLE * x.q:
            break
        found.append(more.squeeze(axis))
    return found


def average_axes(x: Moments, d: int) -> Moments:
    """x with all indices of dimension d alike."""
    work = single(x, d % len(x.shape))
    return work.coarsened(work.position(d % len(x.shape)))
