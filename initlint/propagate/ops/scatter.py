"""Messages along the edges of a known graph: rows gathered by an index, and added up, averaged or compared by another.

A gather and a scatter by known integers are linear maps along one dimension with a single one in every row or column, so
sums and means of messages are exact up to the averaging inside groups of rows. Targets are grouped by how many messages they
get; rows that get none are a group, and stay zero. The largest of n messages follows `reduce.maximum_law`.

A softmax over the messages of one target is written e / Σe with the sum gathered back, as in graph attention (Veličković et
al. 2018). e and its own sum are not independent; the quotient is recognized, and is a softmax over n entries.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from initlint.propagate.axes import Array, Axis, Labels
from initlint.propagate.linear import group_rows, mapped
from initlint.propagate.moments import Moments, constant, replaced
from initlint.propagate.ops.arithmetic import added
from initlint.propagate.ops.gather import flags_of, join, single
from initlint.propagate.ops.maps import returning, single_axis
from initlint.propagate.ops.reduce import maximum_law, selected
from initlint.propagate.ops.registry import CannotPredict, as_moments, transfer
from initlint.propagate.ops.view import relabelled
from initlint.propagate.pointwise import Cotangent, coarsened, lineage, profile_of
from initlint.propagate.sources import COARSE, REACH, grid
from initlint.propagate.sparse import Sparse
from initlint.propagate.tape import Known, Segment, Tape

KINDS = 8  # groups of targets, by number of messages


def kinds_of(features: Array) -> Labels | None:
    """Groups of rows by their weights: few and many messages differ by ratio, none is a group of its own."""
    none = np.asarray(~features.any(axis=1))
    if none.any() and not none.all():
        rest = group_rows(np.log1p(features[~none]), KINDS - 1)
        labels = np.zeros(len(none), dtype=np.int64)
        labels[~none] = 1 if rest is None else 1 + rest
        return labels
    return group_rows(np.log1p(features), KINDS)


def target_rows(index: Known, d: int) -> Labels:
    """The target of each message, where it is the same for all its features."""
    rows = index.tensor
    if rows.dim() > 1:
        rows = rows.movedim(d, 0).reshape(rows.shape[d], -1)
        if not bool((rows == rows[:, :1]).all()):
            raise CannotPredict("indices that differ along other dimensions")
        rows = rows[:, 0]
    return np.asarray(rows.numpy(), dtype=np.int64)


@transfer("scatter_add", "index_add", "scatter_reduce", "index_reduce")
def scattered(
    tape: Tape, x: Any, dim: int, index: Any, source: Any, reduce: str = "sum", *, include_self: bool = True, alpha: float = 1.0
) -> Moments:
    """Rows of `source` brought together where `index` says."""
    if not isinstance(index, Known):
        raise CannotPredict("indices that are not known")
    base, source = as_moments(x), as_moments(source)
    d = base.dim(dim)
    rows = target_rows(index, d)
    size = base.shape[d]
    if any(n < m for k, (n, m) in enumerate(zip(source.shape, base.shape, strict=True)) if k != d):
        raise CannotPredict("a scatter of a part")
    count = np.bincount(rows, minlength=size)
    if reduce in ("amax", "amin", "maximum", "minimum") and not include_self:
        y = extreme(tape, source, d, rows, size, 1.0 if "max" in reduce else -1.0)
        tape.segments[id(y)] = Segment(y, source, rows.tobytes(), "max" if "max" in reduce else "min")
        return y
    if reduce not in ("sum", "mean") or (reduce == "mean" and include_self):
        raise CannotPredict(f"a scatter by {reduce}")
    share = 1.0 / np.maximum(count, 1) if reduce == "mean" else np.ones(size)
    weights = alpha * share[rows]
    y = moved_along(tape, source, d, Sparse((size, len(rows)), rows, np.arange(len(rows)), weights))
    y = from_origin(tape, source, d, rows, size, weights, y)
    if base.is_zero or reduce == "mean":
        tape.segments[id(y)] = Segment(y, source, rows.tobytes(), reduce)
        return y
    return added(tape, base, y)


def moved_along(tape: Tape, x: Moments, d: int, matrix: Sparse) -> Moments:
    """A known sparse map along dimension d; rows are grouped by their weights, and what they take of each group of x."""
    x = single_axis(tape, x, d)
    if not x.dims[d]:
        raise CannotPredict("a map of a single row")
    k = x.position(d)
    like = x.dims[d][0]
    members = np.zeros((like.size, like.groups))
    members[np.arange(like.size), 0 if like.labels is None else like.labels] = 1.0
    features = np.concatenate([matrix @ members, (matrix**2) @ members], axis=1)
    y = mapped(x, k, matrix, Axis(matrix.shape[0], kinds_of(features), like.role))
    empty = matrix.sum(1) == 0
    y.zeros = float(empty.mean()) + float((~empty).mean()) * (x.zeros if int((matrix.values != 0).sum()) == matrix.shape[0] else 0.0)
    y.flags = x.flags

    return returning(tape, x, y, d, matrix)


def from_origin(
    tape: Tape, messages: Moments, d: int, rows: Labels, size: int, weights: Array, y: Moments
) -> Moments:  # fmt: skip
    """y, where the messages are rows of another tensor as they were or times known weights: a product with an adjacency matrix.

    Which messages of one target come from one row is then counted, not left to chance. The messages' own cotangent is that of
    their targets; it is reported, and goes on by the adjacency matrix.
    """
    while id(messages) not in tape.segments and messages.affine is not None and messages.affine[1:] == (1.0, 0.0):
        messages = messages.affine[0]
    found = tape.segments.get(id(messages))
    if found is None or found.kind != "gathered" or tape.blocked:
        return y
    origin = found.source
    if len(origin.shape) != len(y.shape) or not origin.dims[d]:
        return y
    sources = np.frombuffer(found.rows, dtype=np.int64)
    if found.weights is not None:
        weights = weights * found.weights
    raw = messages if found.raw is None else found.raw
    moved_along(tape, raw, d, Sparse((size, len(rows)), rows, np.arange(len(rows)), weights))
    first = tape.entries.pop()
    places, where = np.unique(rows * origin.shape[d] + sources, return_inverse=True)
    total = np.asarray(np.bincount(where, weights), dtype=np.float64)
    matrix = Sparse((size, origin.shape[d]), places // origin.shape[d], places % origin.shape[d], total)
    own = tape.entries.pop()
    result = moved_along(tape, origin, d, matrix)
    onward = tape.entries.pop()
    result.zeros = y.zeros

    def pull(g: Moments) -> list[Moments | Cotangent | None]:
        parts = [entry.pull(g)[0] for entry in (onward, own, first) if entry.pull is not None]
        return [parts[0], *(Cotangent(spent=part) for part in parts[1 : len(inputs)] if isinstance(part, Moments))]

    inputs = [origin, messages] if raw is messages else [origin, messages, raw]
    return tape.record(inputs, result, pull)


def weighted(tape: Tape, x: Moments, table: Known, result: Moments) -> None:
    """Note that messages times a known number each are still rows of what they were gathered from."""
    while id(x) not in tape.segments and x.affine is not None and x.affine[1:] == (1.0, 0.0):
        x = x.affine[0]
    found = tape.segments.get(id(x))
    if found is None or found.kind != "gathered" or table.tensor.numel() != x.shape[0] or table.shape[:1] != x.shape[:1]:
        return
    numbers = table.tensor.double().reshape(-1).numpy()
    weights = numbers if found.weights is None else numbers * found.weights
    raw = found.value if found.raw is None else found.raw
    tape.segments[id(result)] = Segment(result, found.source, found.rows, "gathered", weights, raw)


def extreme(tape: Tape, x: Moments, d: int, rows: Labels, size: int, sign: float) -> Moments:
    """The largest (sign 1) or smallest (sign −1) message of every target; targets without any have zero."""
    x = single_axis(tape, x, d)
    before = x
    k = x.position(d)
    if not x.dims[d]:
        raise CannotPredict("a scatter of a single row")
    x = coarsened(x, [k])
    profile = profile_of(x)
    pair = np.moveaxis(profile.source.correlation, k, 0)
    count = np.bincount(rows, minlength=size)
    kinds = kinds_of(count[:, None].astype(np.float64))
    kinds = np.zeros(size, dtype=np.int64) if kinds is None else kinds
    pieces: list[Moments] = []
    order: list[Labels] = []
    chances: list[Array] = []
    for kind in np.unique(kinds):
        here = np.flatnonzero(kinds == kind)
        n = float(count[here].mean())
        shape = [len(here) if m == d else s for m, s in enumerate(before.shape)]
        order.append(here)
        if n < 1.0:
            pieces.append(constant(shape, 0.0))
            continue
        average = np.moveaxis(np.stack([(pair[0] + (n - 1.0) * pair[1]) / n, pair[1]]), 0, k)
        window = Moments(replaced(x.dims, k, (Axis(len(here), None, x.axes[k].role),)), np.zeros_like(x.mean), average)
        piece, chance = maximum_law(profile, window, n, sign)
        chances.append(chance)
        pieces.append(piece if len(here) > 1 else piece.with_(
            dims=replaced(piece.dims, k, ()), mean=piece.mean.take(0, axis=k), pair=piece.pair.take(0, axis=k)
        ))  # fmt: skip
    y = pieces[0] if len(pieces) == 1 else relabelled(join(pieces, d), d, np.argsort(np.concatenate(order)))
    y = y.with_(flags=flags_of([before]), method="quadrature")
    y.zeros = float((count == 0).mean()) + float((count > 0).mean()) * before.zeros ** max(float(count[count > 0].mean()), 1.0)
    taken = Sparse((len(rows), size), np.arange(len(rows)), rows)
    together = float((count * (count - 1.0)).sum()) / max(len(rows) * (len(rows) - 1.0), 1.0)

    def pull(g: Moments) -> list[Cotangent]:
        g = single(g, d)
        at = g.position(d)
        edges = mapped(g, at, taken, Axis(len(rows), None, x.axes[k].role))
        wide = np.moveaxis(edges.pair, at, 0).copy()
        wide[1] -= together * wide[0]  # two messages of one target are never both the largest
        routed = edges.with_(pair=np.moveaxis(wide, 0, at))
        return [selected(before, routed, np.mean(chances, axis=0), float((count > 0).sum()) / len(rows))]

    return tape.record([before], y, pull)


# -- gathered back: softmax over the messages of one target ---------------------------------------------------------------


def remember(tape: Tape, whole: Moments, d: int, indices: Known, result: Moments) -> None:
    """Note that `result` has, for every message, what the messages of its own target came to."""
    origin = whole
    while id(origin) not in tape.segments and origin.affine is not None:
        origin = origin.affine[0]
    found = tape.segments.get(id(origin))
    if found is None and indices.tensor.dim() == 1 and not indices.distinct:
        rows = indices.tensor.numpy().astype(np.int64) % whole.shape[d]
        tape.segments[id(result)] = Segment(result, whole, rows.tobytes(), "gathered")
    if found is not None and indices.tensor.dim() == 1 and indices.tensor.numpy().astype(np.int64).tobytes() == found.rows:
        tape.segments[id(result)] = Segment(result, found.source, found.rows, f"own {found.kind}", raw=whole)


def own(tape: Tape, x: Moments, y: Any, kind: str) -> Segment | None:
    """What is noted of y, if it comes from the messages x themselves."""
    here = y
    while isinstance(here, Moments) and id(here) not in tape.segments and here.affine is not None:
        here = here.affine[0]
    found = tape.segments.get(id(here)) if isinstance(here, Moments) else None
    if found is None or found.kind != f"own {kind}" or lineage(found.source) != lineage(x) or x.shape != y.shape:
        return None
    return found


def below_largest(tape: Tape, x: Moments, y: Any) -> Moments | None:
    """x minus the largest of its segment: Cov(x, max) = Var(x)/n, by Stein's lemma; None if y is not that."""
    found = own(tape, x, y, "max")
    if found is None:
        return None
    from initlint.propagate.moments import align

    count = mean_count(found)
    a, b = align(x, y)
    spread = np.maximum(a.cells - a.mean**2, 0.0) / count
    pair = a.pair + b.pair - a.mean_products(b) - b.mean_products(a)
    cells = tuple(slice(0, axis.groups) for axis in a.axes)
    pair[cells] -= 2.0 * spread
    z = Moments(a.dims, a.mean - b.mean, pair, method="quadrature", flags=flags_of([x, y]))
    z.sample = apart_from_others(x, found) * law_below_largest(np.bincount(np.frombuffer(found.rows, dtype=np.int64)))
    return tape.record([x, y], z, lambda g: [g, g])


def apart_from_others(x: Moments, found: Segment) -> float:
    """Deviation of a message from what all messages have in common."""
    count = len(found.rows) // np.dtype(np.int64).itemsize
    d = next(n for n, size in enumerate(x.shape) if size == count)
    x = single(x, d)
    for k in range(len(x.axes)):
        x = x.coarsened(k)
    other = [0] * len(x.axes)
    other[x.position(d)] = 1
    return float(np.sqrt(max(x.q - float(x.pair[tuple(other)]), 0.0)))


def law_below_largest(counts: Labels) -> Array:
    """Values at equal steps of probability of x − max of n independent standard normals, x one of them, over segments of `counts`.

    P(x − max < −s) = ∫ φ(t) (1 − Φ(t + s)^(n−1)) dt; it is zero with probability 1/n.
    """
    import torch

    t, w, _ = grid(COARSE)
    below = np.linspace(0.0, 2 * REACH, 4 * COARSE)
    reached = torch.special.ndtr(torch.from_numpy(t[:, None] + below[None, :])).numpy()
    sizes, number = np.unique(counts[counts > 0], return_counts=True)
    share = sizes * number / float((sizes * number).sum())
    tail = sum(part * (1.0 - w @ reached ** (n - 1.0)) for n, part in zip(sizes, share, strict=True))
    ranks = (np.arange(4 * COARSE) + 0.5) / (4 * COARSE)
    return np.asarray(np.interp(ranks, np.asarray(tail)[::-1], -below[::-1], right=0.0), dtype=np.float64)


def share_of_sum(tape: Tape, x: Moments, y: Any) -> Moments | None:
    """x over the sum of its segment: entries of a softmax over as many as the target has messages; None if y is not that."""
    found = own(tape, x, y, "sum")
    if found is None or not x.positive:
        return None
    rows = np.frombuffer(found.rows, dtype=np.int64)
    count = np.bincount(rows)[rows].astype(np.float64)
    d = next(n for n, size in enumerate(x.shape) if size == len(rows))
    z = single(x, d)
    k = z.position(d)
    labels = kinds_of(count[:, None])
    axis = Axis(len(rows), labels, z.axes[k].role)
    n = np.array([count.mean()]) if labels is None else np.bincount(labels, count) / np.bincount(labels)
    relative = float(x.q - x.m**2) / max(float(x.m) ** 2, 1e-300)
    square = np.minimum((1.0 + relative * np.maximum(1.0 - 1.0 / n, 0.0)) / n**2, 1.0 / n)  # E[p²] = (1 + spread of e)/n²
    row, column = axis.rows
    states = np.concatenate([square, (1.0 / np.outer(n, n)).ravel()])
    shape = [-1 if m == k else 1 for m in range(z.pair.ndim)]
    z = z.coarsened(k)
    ones = np.ones([a.states for m, a in enumerate(z.axes) if m != k])
    pair = np.multiply.outer(states, ones)
    for m, other in enumerate(a for m, a in enumerate(z.axes) if m != k):
        apart = [slice(None)] * pair.ndim
        apart[m + 1] = slice(other.groups, None)
        pair[tuple(apart)] = (1.0 / (n[row] * n[column])).reshape([-1] + [1] * (pair.ndim - 1))
    mean = np.broadcast_to((1.0 / n).reshape(shape), [axis.groups if m == k else a.groups for m, a in enumerate(z.axes)])
    dims = replaced(z.dims, k, (axis,))
    result = Moments(dims, np.array(mean), np.moveaxis(pair, 0, k), method="quadrature", flags=x.flags)
    result.positive = True
    # p(ȳ − Σ p ȳ) / e goes back to e: E[p²](1 − p) for logits, over E[e²]
    back = float(np.mean(square[0 if labels is None else labels] * (1.0 - 1.0 / count))) / max(float(x.q), 1e-300)

    # and −p ȳ / Σe to the sum: targets of few messages have large p and small sums, so that messages are counted one by one
    of_message = square[np.zeros(len(rows), dtype=np.int64) if labels is None else labels]
    through = float(np.mean(of_message / np.maximum(by_message(y, d) ** 2, 1e-300)))

    sums = sums_before(tape, found)
    targets = Sparse((int(rows.max()) + 1, len(rows)), rows, np.arange(len(rows)))

    def pull(g: Moments) -> list[Moments | Cotangent]:
        g = single(g, d)
        at = g.position(d)
        g = g.coarsened(at)
        white = np.zeros_like(g.pair)
        cells = tuple(slice(0, a.groups) for a in g.axes)
        white[cells] = g.pair[cells] * back
        spent = Moments(g.dims, np.zeros_like(g.mean), white * (through / back))
        together = Cotangent(spent=mapped(spent, at, targets))
        return [Moments(g.dims, np.zeros_like(g.mean), white), Cotangent(spent=g.scaled(through**0.5)), *[together] * len(sums)]

    return tape.record([x, y, *sums], result, pull)


def by_message(x: Moments, d: int) -> Array:
    """Mean at each index of dimension d."""
    x = single(x, d)
    k = x.position(d)
    for n in range(len(x.axes)):
        if n != k:
            x = x.coarsened(n)
    mean = np.moveaxis(x.mean, k, 0).reshape(-1)
    labels = x.axes[k].labels
    return np.broadcast_to(mean, (x.axes[k].size,)) if labels is None else mean[labels]


def sums_before(tape: Tape, found: Segment) -> list[Moments]:
    """The sums of a segment, as they were gathered back and as they were before a small number was added."""
    sums: list[Moments] = []
    here = found.raw
    while here is not None:
        sums.append(here)
        here = None if id(here) in tape.segments or here.affine is None else here.affine[0]
    return sums


def mean_count(found: Segment) -> float:
    """Messages of the target of a message, on average."""
    rows = np.frombuffer(found.rows, dtype=np.int64)
    return float(np.bincount(rows)[rows].mean())
