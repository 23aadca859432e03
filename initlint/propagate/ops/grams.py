"""A tensor times itself with no weights between: x xᵀ, the logits of attention over what nobody projected.

Of Gaussian entries with means, in second moments E and means μ (Isserlis 1918),

    E[x_a x_b x_c x_d] = E[x_a x_b] E[x_c x_d] + E[x_a x_c] E[x_b x_d] + E[x_a x_d] E[x_b x_c] − 2 μ_a μ_b μ_c μ_d

so with z_ij = Σ_k x_ik x_jk the product z_ij z_i'j' has, beside the second term, which is what independent factors have, the product
of the means of z, and what i has to do with j' and j with i'. Rows i and j may be one and the same, and i and j', and so on: pair
moments of z are averages over all (i, j, i', j') of one pair state of (i, i') and one of (j, j'). The diagonal, |x_i|², stands out
by a table that a softmax sees (`shifted`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from initlint.propagate.axes import Array, Axis, state_of
from initlint.propagate.lineage import SLICES, VIEWS
from initlint.propagate.moments import Moments, outer_means
from initlint.propagate.shifted import Shifted

MOST = 20  # pair states of rows whose meetings are counted

einsum_of: Any = np.einsum  # its stubs do not know operands with lists of axes


@dataclass(frozen=True, slots=True)
class Roles:
    """Dimensions of x in z = x xᵀ: shared by both factors and kept, there once for each factor, summed over; and the factor of z."""

    shared: tuple[int, ...]
    rows: tuple[int, ...]
    summed: tuple[int, ...]
    scale: float


def origin_of(x: Moments) -> tuple[Moments, list[int], float]:
    """What x is a multiple of, dimensions in another order: (base, the dimension of base that each of x is, factor)."""
    order, scale = list(range(len(x.dims))), 1.0
    while True:
        if x.turned is not None:
            x, before = x.turned
            order = [before[d] for d in order]
        elif x.affine is not None and x.affine[2] == 0.0 and x.affine[0] is not x and x.affine[0].shape == x.shape:
            x, factor, _ = x.affine
            scale *= factor
        else:
            return x, order, scale


def same_entries(x: Moments, y: Moments) -> bool:
    """Whether both are one tensor, or the same view of one."""
    a, b = x.made, y.made
    if x is y or a is None or b is None:
        return x is y
    if a.name != b.name or a.name not in VIEWS | SLICES or a.piece != b.piece or a.args[0] is not b.args[0]:
        return False
    return str(a.args[1:]) == str(b.args[1:]) and str(a.kwargs) == str(b.kwargs)


def roles_of(x: Moments, y: Moments, a: str, b: str, out: str) -> Roles | None:
    """Of a product of x, with dimensions named a, and y, which is x in another order and has its dimensions named b; else None."""
    base, of_x, first = origin_of(x)
    other, of_y, second = origin_of(y)
    if not same_entries(base, other) or first == 0.0 or x.complex:
        return None
    shared: list[int] = []
    rows: list[int] = []
    summed: list[int] = []
    for d, letter in enumerate(a):
        same = b[of_y.index(of_x[d])]
        if letter == same:
            (shared if letter in out else summed).append(d)
        elif letter in out and same in out:
            rows.append(d)
        else:
            return None
    if any(axis.states > MOST for d in rows for axis in x.dims[d]):
        return None
    return Roles(tuple(shared), tuple(rows), tuple(summed), second / first)


def places_of(z: Moments, roles: Roles, x: Moments, y: Moments, a: str, b: str, out: str) -> list[int] | None:
    """The axes of z: those that both factors share, those of the rows of the first, those of the second; None if z has others."""
    of_x, of_y = origin_of(x)[1], origin_of(y)[1]
    dims = [(d, a[d]) for d in (*roles.shared, *roles.rows)] + [(d, b[of_y.index(of_x[d])]) for d in roles.rows]
    order: list[int] = []
    for d, letter in dims:
        found = z.dim_axes([out.index(letter)])
        if [z.axes[k] for k in found] != list(x.dims[d]):
            return None
        order += found
    return order


def with_itself(z: Moments, x: Moments, roles: Roles, order: Sequence[int]) -> Moments:
    """z, the product of independent factors, as that of x with itself.

    order  of the axes of z in: those that both factors share, those of the rows of the first, those of the second
    """
    kept, lines, gone = (x.dim_axes(dims) for dims in (roles.shared, roles.rows, roles.summed))
    turn = [*kept, *lines, *gone]
    axes = [x.axes[k] for k in turn]
    pair, mean = x.pair.transpose(turn), x.mean.transpose(turn)
    sides, rows = axes[: len(kept)], axes[len(kept) : len(kept) + len(lines)]
    expected = _diagonal(pair, axes, len(kept), len(lines), roles.scale)
    product = outer_means(axes, mean, mean)
    of_means = _diagonal(product, axes, len(kept), len(lines), roles.scale)
    crossed = _crossed(pair, axes, len(kept), len(lines)) * roles.scale**2
    common = _met(sides, rows, expected, crossed) - 2.0 * _met(sides, rows, of_means, None)
    back = np.argsort(order)
    more = common.transpose(back)
    result = z.with_(mean=_means(rows, expected).transpose(back), pair=z.pair + more)
    if len(rows) == 1 and rows[0].labels is None:
        result.shifted = _about_diagonal(result, z, roles, sides, rows, expected, of_means, crossed, order)
    return result


def _about_diagonal(
    z: Moments, plain: Moments, roles: Roles, sides: Sequence[Axis], rows: Sequence[Axis], expected: Array, of_means: Array,
    crossed: Array, order: Sequence[int],
) -> Shifted | None:  # fmt: skip
    """z as what its diagonal is more than the rest on average, a table, and a rest without it.

    Beside the others of its row, z_ii − z_ij spreads by C_00 + C_11 − 2 C_01 more than z_ij' − z_ij, with C_pq the sums in `crossed`
    for rows that are the same (0) or not (1): the sway of the table.
    """
    step = expected[..., 0] - expected[..., 1]
    weight = step
    for axis in reversed(sides):
        weight = weight @ axis.shares
    height = float(weight)
    flat = expected.copy()
    flat[..., 0] -= height
    common = _met(sides, rows, flat, crossed) - 2.0 * _met(sides, rows, of_means, None)
    back = np.argsort(order)
    extra = crossed[..., 0, 0] + crossed[..., 1, 1] - 2.0 * crossed[..., 0, 1]
    for axis in reversed(sides):
        extra = extra[..., axis.cells] @ axis.shares
    sway = float(np.sqrt(max(float(extra), 0.0)))
    pair = plain.pair + common.transpose(back)
    pair[tuple([axis.cells for axis in plain.axes])] -= sway**2 / rows[0].size
    rest = plain.with_(mean=_means(rows, flat).transpose(back), pair=pair)
    places = [d for d, dim in enumerate(z.dims) if dim and not set(z.dim_axes([d])).isdisjoint(order[-2:])]
    if len(places) != 2:
        return None
    shape = [n if d in places else 1 for d, n in enumerate(z.shape)]
    return Shifted(height * np.eye(rows[0].size).reshape(shape), rest, sway / height if height > 0.0 else 0.0)


def _diagonal(pair: Array, axes: Sequence[Axis], kept: int, lines: int, scale: float) -> Array:
    """Σ_k E[x_ik x_jk] by cell of the shared axes and pair state of the rows (i, j)."""
    for axis in reversed(axes[kept + lines :]):
        pair = pair[..., axis.cells] @ axis.counts
    return np.asarray(pair[tuple([axis.cells for axis in axes[:kept]])] * scale)


def _crossed(pair: Array, axes: Sequence[Axis], kept: int, lines: int) -> Array:
    """Σ_kl E[x_ik x_j'l] E[x_jk x_i'l] by pair state of the shared axes, of (i, j') and of (j, i')."""
    counted = pair
    for n, axis in enumerate(axes[kept + lines :], kept + lines):
        counted = counted * axis.pairs.reshape(-1, *(1,) * (pair.ndim - 1 - n))
    side, first, gone = list(range(kept)), list(range(kept, kept + lines)), list(range(kept + lines, pair.ndim))
    second = [pair.ndim + n for n in range(lines)]
    return np.asarray(einsum_of(counted, [*side, *first, *gone], pair, [*side, *second, *gone], [*side, *first, *second]))


def _met(sides: Sequence[Axis], rows: Sequence[Axis], known: Array, crossed: Array | None) -> Array:
    """known(i, j) known(i', j'), and crossed((i, j'), (j, i')), by pair state of the shared axes, of (i, i') and of (j, j')."""
    left = right = known
    for k, axis in enumerate(sides):
        row, column = axis.rows
        left, right = left.take(row, axis=k), right.take(column, axis=k)
    count, lines = len(sides), len(rows)
    side = list(range(count))
    s, t, p, q = ([count + n * lines + m for m in range(lines)] for n in range(4))
    result = _averaged(left, [*side, *p], right, [*side, *q], rows, 0, (side, s, t, p, q))
    if crossed is not None:
        result = result + _averaged(crossed, [*side, *p, *q], np.array(1.0), [], rows, 1, (side, s, t, p, q))
    return result


def _averaged(
    left: Array, index: list[int], right: Array, other: list[int], rows: Sequence[Axis], which: int, named: tuple[list[int], ...]
) -> Array:
    side, s, t, p, q = named
    operands: list[Any] = [left, index, right, other]
    for n, axis in enumerate(rows):
        operands += [meetings(axis)[which], [s[n], t[n], p[n], q[n]]]
    return np.asarray(einsum_of(*operands, [*side, *s, *t], optimize=True))


def _means(rows: Sequence[Axis], expected: Array) -> Array:
    """E[z_ij] by cell of the shared axes, group of i and group of j: i and j are one row as often as chance has it."""
    lead = expected.ndim - len(rows)
    for n, axis in enumerate(rows):
        k, groups = lead + 2 * n, axis.groups
        front = np.moveaxis(expected, k, 0)
        apart = front[groups:].reshape(groups, groups, *front.shape[1:]).copy()
        for g in range(groups):
            apart[g, g] += (front[g] - apart[g, g]) / axis.counts[g]
        expected = np.moveaxis(apart, (0, 1), (k, k + 1))
    first = [lead + 2 * n for n in range(len(rows))]
    return expected.transpose([*range(lead), *first, *(k + 1 for k in first)])


@lru_cache(maxsize=64)
def meetings(axis: Axis) -> tuple[Array, Array]:
    """For i, i' in one pair state and j, j' in another: how often (i, j) and (i', j') are in which, and (i, j') and (j, i')."""
    straight, across = (np.zeros((axis.states,) * 4) for _ in range(2))
    for s in range(axis.states):
        for t in range(axis.states):
            found = list(_four(axis, s, t))
            total = sum(weight for weight, *_ in found)
            for weight, *names in found:
                i, i_, j, j_ = names
                straight[s, t, _state(axis, i, j), _state(axis, i_, j_)] += weight / total
                across[s, t, _state(axis, i, j_), _state(axis, j, i_)] += weight / total
    return straight, across


Named = tuple[int, int]  # an index: its name, its group


def _state(axis: Axis, u: Named, v: Named) -> int:
    return u[1] if u == v else int(state_of(axis.groups, np.array(u[1]), np.array(v[1])))


def _four(axis: Axis, s: int, t: int) -> Iterator[tuple[float, Named, Named, Named, Named]]:
    """(number, i, i', j, j') for all ways in which these may be one and the same, (i, i') in state s and (j, j') in state t."""
    first = _two(axis, s, [])
    for _, i, i_ in first[-1:]:  # any two in this state
        for weight, j, j_ in _two(axis, t, sorted({i, i_})):
            yield weight, i, i_, j, j_


def _two(axis: Axis, state: int, taken: list[Named]) -> list[tuple[float, Named, Named]]:
    """Pairs of indices in a pair state, each one of those taken or another, with their numbers."""
    g, h = (int(rows[state]) for rows in axis.rows)
    alone = state < axis.groups or (g == h and axis.counts[g] < 2)  # "different" in a group of one cannot happen

    def choices(group: int, used: list[Named]) -> list[tuple[float, Named]]:
        inside = [name for name in used if name[1] == group]
        rest = axis.counts[group] - len(inside)
        fresh = (len(used), group)
        return [*((1.0, name) for name in inside), *([(float(rest), fresh)] if rest > 0 else [])]

    found = []
    for weight, u in choices(g, taken):
        if alone:
            found.append((weight, u, u))
            continue
        used = taken if u in taken else [*taken, u]
        found += [(weight * times, u, v) for times, v in choices(h, used) if v != u]
    return found


__all__ = ["Roles", "meetings", "origin_of", "roles_of", "with_itself"]
