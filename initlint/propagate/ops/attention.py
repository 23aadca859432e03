"""Softmax, masks, and scaled dot-product attention.

For logits that are N(0, s²) within a row of N valid entries, the participation P₂ = E[Σ p²] is exactly

    P₂(N, s²) = N ∫₀^∞ t E[e^{2z − t e^z}] E[e^{−t e^z}]^{N−1} dt,       z ~ N(0, s²)

Queries and keys of one length each have logits s√d cos, whose tails end: for d dimensions E[e^{tz}] is Γ(d/2)(2/τ)^{d/2−1}
I_{d/2−1}(τ), τ = t√d, less than e^{t²/2} by about t⁴/(4(d + 2)) in its logarithm. Only the spread inside a row counts. Two rows whose logits correlate by ρ share their weights as if s² were ρ s². The
output of attention is the contraction of these weights with the values (`matrix`), so near-uniform attention averages
tokens and needs their correlation. Backward, z̄ = p (ȳ − Σ p ȳ), so that E[z̄²] = E[p²(1 − 2p + Σp²)]·(spread of ȳ).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from initlint.propagate.attended import Attended
from initlint.propagate.axes import Array, Axis, from_front, to_front
from initlint.propagate.known import from_array, numbers
from initlint.propagate.lineage import cosine_of
from initlint.propagate.linear import group_rows, octaves
from initlint.propagate.moments import Moments, align
from initlint.propagate.ops.arithmetic import MASKED, add, added
from initlint.propagate.ops.choice import dropout
from initlint.propagate.ops.functions import affine
from initlint.propagate.ops.gather import gate_of, single
from initlint.propagate.ops.matrix import matmul, shared_length
from initlint.propagate.ops.norm import same_rows
from initlint.propagate.ops.registry import as_moments, scalar_of, transfer
from initlint.propagate.ops.view import expanded, repeat_interleave, transpose
from initlint.propagate.pointwise import times
from initlint.propagate.shifted import Shifted, known_weights, with_table
from initlint.propagate.tape import Known, Tape

if TYPE_CHECKING:
    import torch

SPREADS = np.concatenate([[0.0], np.geomspace(1e-3, 1e4, 36)])  # s² at which these integrals are evaluated
NODES = np.log(SPREADS + 1e-4)
LEVELS: list[float] = NODES.tolist()
LEAST_DIMENSIONS = 2  # in which the density of a cosine is finite


@lru_cache(maxsize=8192)
def _integrals(entries: float, node: int, cosine: int) -> tuple[float, float]:
    """For a (possibly fractional) number of entries, at SPREADS[node]: P₂ = E Σp², and E Σ p²(1 − 2p + Σp²) / (P₂ − P₂²).

    Logits are Gaussian, or s√d times the cosines of random angles in d dimensions, with density ∝ (1 − c²)^((d−3)/2).
    E[Σ p^k] = N ∫ t^{k−1}/(k−1)! E[e^{kz} e^{−te^z}] E[e^{−te^z}]^{N−1} dt; (Σp²)² has in addition the pairs of entries.
    """
    if node == 0:
        return 1.0 / entries, 1.0
    if cosine > LEAST_DIMENSIONS:
        reach = min(7.0, cosine**0.5)
        z = np.linspace(-reach, reach, 142)[:-1] + reach / 141
        weight = np.maximum(1.0 - z**2 / cosine, 0.0) ** ((cosine - 3) / 2)
    else:
        z = np.linspace(-7.0, 7.0, 141)
        weight = np.exp(-(z**2) / 2)
    weight /= weight.sum()
    s = np.sqrt(SPREADS[node])
    # t = e^u: the integrand lives where t·e^z is of order one for the largest of the entries
    u = np.linspace(-7 * s - np.log(entries) - 9.0, 7 * s + 4.0, 240)
    step = u[1] - u[0]
    with np.errstate(over="ignore"):
        power = np.minimum(np.multiply.outer(np.exp(u), np.exp(s * z)), 1e152)  # whose square is finite; decay is zero long before
    decay = np.exp(-power)
    base = decay @ weight
    tilted, term = [], decay * power
    for _ in range(3):
        term = term * power  # finite: where a power of it would not be, decay is zero
        tilted.append(term @ weight)
    with np.errstate(divide="ignore"):
        logarithm = np.log(np.maximum(base, 1e-300))
    rest, pairs = np.exp((entries - 1.0) * logarithm), np.exp(max(entries - 2.0, 0.0) * logarithm)
    second, third, fourth = (entries * np.sum(t * rest) * step / f for t, f in zip(tilted, (1.0, 2.0, 6.0), strict=True))
    squares = fourth + entries * (entries - 1.0) * np.sum(tilted[0] ** 2 * pairs) * step / 6.0
    back = (second - 2.0 * third + squares) / (second - second**2) if second < 1.0 - 1e-9 else 1.0
    return float(np.clip(second, 1.0 / entries, 1.0)), float(np.clip(back, 0.0, 1.0))


def participation(entries: Array, spread: Array, cosine: int = 0) -> tuple[Array, Array]:
    """P₂, and the factor of the pullback, for arrays of row lengths and of logit variances within the row (broadcast).

    cosine  the number of dimensions in which logits are cosines of angles, 0 where they are Gaussian
    """
    entries, spread = np.broadcast_arrays(np.maximum(entries, 1.0), np.maximum(spread, 0.0))
    result, back = np.ones(entries.shape), np.ones(entries.shape)
    first, second = result.reshape(-1), back.reshape(-1)
    points = np.clip(np.log(spread + 1e-4), NODES[0], NODES[-1]).reshape(-1).tolist()
    found: dict[tuple[float, float], tuple[float, float]] = {}
    for n, key in enumerate(zip(np.round(entries, 1).reshape(-1).tolist(), points, strict=True)):
        count, point = key
        if count <= 1.0:
            continue
        if key not in found:
            node = min(max(bisect_left(LEVELS, point), 1), len(LEVELS) - 1)
            share = (point - LEVELS[node - 1]) / (LEVELS[node] - LEVELS[node - 1])
            low, high = _levels(count, node - 1, cosine), _levels(count, node, cosine)
            found[key] = math.exp(low[0] + share * (high[0] - low[0])), low[1] + share * (high[1] - low[1])
        first[n], second[n] = found[key]
    told = np.round(entries, 1) > 1.0
    np.copyto(result, np.minimum((1.0 + result * -np.expm1(-spread)) / np.round(entries, 1), 1.0), where=told)
    return result, back


@lru_cache(maxsize=8192)
def _levels(entries: float, node: int, cosine: int) -> tuple[float, float]:
    """At a node, ln of the ratio of P₂ N − 1, which is s² for small s², to a function that starts alike and levels off; the factor back."""
    at = max(node, 1)
    ratio = (_integrals(entries, at, cosine)[0] * entries - 1.0) / max(-math.expm1(-float(SPREADS[at])), 1e-300)
    return math.log(max(ratio, 1e-12)), _integrals(entries, node, cosine)[1]


@transfer("softmax", "_softmax", "_safe_softmax", "special_softmax")
def softmax(tape: Tape, x: Any, dim: int, *args: Any, **kwargs: Any) -> Moments:
    x = as_moments(x)
    d = x.dim(dim)
    if not x.dims[d]:
        y = x.with_(mean=np.ones_like(x.mean), pair=np.ones_like(x.pair), zeros=0.0, valid=None)
        return tape.record([x], y, lambda g: [g.scaled(0.0)])
    before, cosine = x, cosine_of(x)
    x = single(x, d)
    k = x.position(d)
    axis = x.axes[k]
    y, cross = _weights(x, k, axis, cosine)
    noise = 0.0 if x.shifted is None or not x.shifted.sway else max(apart_from_others(x.shifted.rest, k), 0.0)
    if x.shifted is not None and (weights := known_weights(x.shifted, d, noise)) is not None:
        y, cross = _weights_about(x, k, weights, x.shifted, noise)
    y.flags, y.positive = x.flags, True
    if x.gram is not None and k in x.gram.axes:
        # of what the weights do not share, e^{s²} − 1 over N², only s²/N² follows the inner products
        own = max(apart_from_others(x, k), 0.0) / max(axis.size**2 * apart_from_others(y, k), 1e-300)
        y.gram = replace(x.gram, scale=x.gram.scale * min(own, 1.0), norm=0.0)

    def pull(g: Moments) -> list[Moments]:
        g, weights, factor = align(single(g, d), y, cross)
        return [_pull_softmax(g, weights, factor.pair, g.position(d))]

    tape.attended[id(y)] = Attended(x, k, None, cosine)
    tape.kept.append(y)
    return tape.record([before], y, pull)


def apart_from_others(x: Moments, k: int) -> float:
    """E[x²] less E[x x'] of entries that differ along axis k alone."""
    groups = x.axes[k].groups
    others = x.pair[(slice(None),) * k + (slice(groups, None, groups + 1),)]
    return x.q - x.average(others[tuple(slice(0, a.groups) for a in x.axes)])


def within_rows(x: Moments, k: int) -> tuple[Array, Array, Array, Array]:
    """Of logits along axis k: the share of valid ones in each group of keys, and the weight of that group, by cell; by cell of the
    other axes how many are valid in a row, and by pair state how much those of a row spread, or of two rows covary; the averages of
    groups apart."""
    axis = x.axes[k]
    groups = axis.groups
    others = [a for n, a in enumerate(x.axes) if n != k]
    pair = to_front(x.pair, k)
    same, different = pair[:groups], pair[groups:].reshape(groups, groups, *pair.shape[1:])
    means = to_front(x.mean, k)
    cells = np.ones_like(means) if x.valid is None else np.broadcast_to(to_front(x.valid, k), means.shape)
    counts = axis.counts.reshape(-1, *(1,) * (means.ndim - 1))
    number = np.maximum((cells * counts).sum(0), 1e-9)
    # weight of each group of keys in a row: its number of valid entries times e^{mean logit}
    level = means - (means * cells * counts).sum(0) / number
    share = cells * counts * np.exp(np.clip(level, -50, 50))
    share /= np.maximum(share.sum(0), 1e-300)
    wu, wv = _both(others, cells * counts / number)
    within = (same * np.sqrt(wu * wv)).sum(0)
    between = np.einsum("a...,b...,ab...->...", wu, wv, different)
    mu = _both(others, level)
    structure = (np.sqrt(wu * wv) * mu[0] * mu[1]).sum(0) - (wu * mu[0]).sum(0) * (wv * mu[1]).sum(0)
    return cells, share, number, np.maximum(within - between - structure, 0.0)


def _weights(x: Moments, k: int, axis: Axis, cosine: int) -> tuple[Moments, Moments]:
    """The softmax along axis k; and E[p_u p_v]·(1 − participation) for the pullback."""
    groups = axis.groups
    others = [a for n, a in enumerate(x.axes) if n != k]
    cells, share, number, spread = within_rows(x, k)
    nu, nv = _both(others, number[None])
    size = np.sqrt(nu[0] * nv[0])
    p2, slope = participation(size, spread, cosine)
    su, sv = _both(others, share)
    per_u, per_v = su / counts_like(axis, su), sv / counts_like(axis, sv)
    cu, cv = _both(others, cells)
    seen = np.minimum(cu, cv) if x.both is None else to_front(x.both, k)[:groups]
    overlap = seen / np.maximum(cu * cv, 1e-300)
    overlap = np.where(cu * cv > 0, overlap, 0.0)
    equal = per_u * per_v * overlap * (p2 * size)
    # whatever the equal keys take is missing from the different ones, so that rows still sum to one
    taken = (equal * counts_like(axis, equal)).sum(0)
    plain = np.einsum("a...,b...->ab...", per_u, per_v)
    states = axis.pairs[groups:].reshape(groups, groups, *(1,) * (plain.ndim - 2))
    total = (plain * states).sum((0, 1))
    rest = plain * np.maximum(1.0 - taken, 0.0) / np.maximum(total, 1e-300)
    new = np.concatenate([equal, rest.reshape(groups * groups, *rest.shape[2:])])
    mean = share / counts_like(axis, share)
    y = Moments(x.dims, from_front(mean, k), from_front(new, k), method="quadrature")
    y.zeros = 0.0 if x.valid is None else y.average(1.0 - from_front(cells, k))
    back = np.concatenate([equal * ((1.0 - np.minimum(p2, 1.0)) * slope), np.zeros_like(rest.reshape(groups * groups, *rest.shape[2:]))])
    return y, Moments(x.dims, np.zeros(y.mean.shape), from_front(back, k))


def crowded(shifted: Shifted, d: int, noise: float) -> Array:
    """What random logits multiply the squares of weights by that do not stand out: N times the participation of N such."""
    seen = np.isfinite(shifted.values)
    level = np.where(seen, shifted.values, 0.0)
    others = np.maximum((seen & (level == 0.0)).sum(d, keepdims=True).astype(np.float64), 1.0)
    return np.asarray(np.where(level != 0.0, 1.0, others * participation(others, np.array(noise))[0]))


def _weights_about(x: Moments, k: int, known: Array, shifted: Shifted, noise: float) -> tuple[Moments, Moments]:
    """The softmax of a table plus random logits, from that of the table alone; and the factor of its pullback, as in `_weights`.

    Moments of p₀, its squares and p₀²(1 − 2p₀ + Σp₀²) are those of the table. Random logits of variance s² in a row multiply Σp²
    as they do for 1/Σp₀² equal entries, exactly to first order in s². Where the table sways they are in it (see `shifted`).
    """
    axis = x.axes[k]
    groups = axis.groups
    dims = tuple(dim if n > 1 else () for dim, n in zip(x.dims, known.shape[1:], strict=True))
    d = next(n for n, dim in enumerate(x.dims) if dim and x.position(n) == k)
    own_square = known**2 if len(known) == 1 else known**2 * crowded(shifted, d, noise)
    squares = own_square.sum(d + 1, keepdims=True)
    tables = [from_array(a, dims, draws=True) for a in (known, own_square, own_square * (1.0 - 2.0 * known + squares))]
    _, plain, own, back, unlike = align(x, *tables, from_array(known.mean(0), dims))
    if len(known) > 1:  # every row has a ξ of its own
        plain = plain.with_(pair=np.where(same_rows(x, [k]), plain.pair, unlike.pair))
        plain.pair[tuple([a.cells for a in x.axes])] = np.broadcast_to(own.mean, x.mean.shape)
    entries = 1.0 / float(squares.mean())
    others = [a for n, a in enumerate(x.axes) if n != k]
    pair = to_front(align(x, shifted.rest)[1].pair, k)
    apart = pair[groups:].reshape(groups, groups, *pair.shape[1:])
    share = axis.counts / axis.size
    spread = np.einsum("a...,a->...", pair[:groups], share) - np.einsum("ab...,a,b->...", apart, share, share)
    p2, slope = participation(np.full_like(spread, entries), np.maximum(spread, 0.0))
    if len(known) > 1:  # the noise is in the table
        p2 = np.full_like(spread, 1.0 / entries)
    p = to_front(plain.pair, k)
    equal = p[:groups] * (p2 * entries)
    different = p[groups:].reshape(groups, groups, *p.shape[1:])
    states = axis.pairs[groups:].reshape(groups, groups, *(1,) * (p.ndim - 1))
    left = 1.0 - (equal * counts_like(axis, equal)).sum(0)
    different = different * np.maximum(left, 0.0) / np.maximum((different * states).sum((0, 1)), 1e-300)
    new = np.concatenate([equal, different.reshape(groups * groups, *p.shape[1:])])
    y = Moments(x.dims, plain.mean, from_front(new, k), method="quadrature")
    y.zeros = float(np.mean(known == 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = to_front(np.where(own.mean > 0, back.mean / own.mean, 0.0), k)
    first, second = _both(others, np.sqrt(np.maximum(kept, 0.0)))
    changed = slope * (1.0 - p2) / max(1.0 - 1.0 / entries, 1e-9) if entries > 1.0 + 1e-9 and len(known) == 1 else np.ones_like(p2)
    slopes = np.concatenate([equal * first * second * changed, np.zeros((groups * groups, *p.shape[1:]))])
    return y, Moments(x.dims, np.zeros(y.mean.shape), from_front(slopes, k))


def counts_like(axis: Axis, array: Array) -> Array:
    """Group sizes along the first dimension of `array`."""
    return axis.counts.reshape(-1, *(1,) * (array.ndim - 1))


def _both(others: list[Axis], by_cell: Array) -> tuple[Array, Array]:
    """A quantity by (first, cell of the other axes) at u and at v, by pair state of the other axes."""
    rows = columns = by_cell
    for k, axis in enumerate(others, 1):
        row, column = axis.rows
        alike = rows is columns and axis.labels is None
        rows = rows.take(row, axis=k)
        columns = rows if alike else columns.take(column, axis=k)
    return rows, columns


def _pull_softmax(g: Moments, p: Moments, back: Array, k: int) -> Moments:
    """Cotangent of the logits, z̄ = p (ḡ − Σ p ḡ), for weights p along axis k.

    ḡ is a part that keys of one group have in common, with covariances C by pair of groups, and a white rest. With w the share
    of each group of keys in a row, the first gives E[p p'] (C − C w − w C + w C w), which is how keys that differ in what they
    are (first and last ones, class tokens) move logits together; it is exact for weights that do not depend on ḡ. The rest
    gives `back` = E[p²](1 − 2p + Σp²) by group, and what keeps the sum over a row at zero. Where ḡ ḡ' follows the inner products
    of tokens, z̄ z̄' does by E[p p'], which is less than E[p²].
    """
    axis = g.axes[k]
    groups = axis.groups
    others = [a for n, a in enumerate(g.axes) if n != k]
    pair, both = to_front(g.pair, k), to_front(p.pair, k)
    pair = np.broadcast_to(pair, np.broadcast_shapes(pair.shape, both.shape))
    apart = pair[groups:].reshape(groups, groups, *pair.shape[1:])
    meeting = both[groups:].reshape(groups, groups, *both.shape[1:])
    left, right = _both(others, to_front(p.mean, k) * counts_like(axis, to_front(p.mean, k)))
    rows = np.einsum("ab...,b...->a...", apart, right)
    columns = np.einsum("a...,ab...->b...", left, apart)
    centre = (left * rows).sum(0)
    common = apart - rows[:, None] - columns[None] + centre
    diagonal = np.arange(groups)
    equal = to_front(back, k)[:groups] * (pair[:groups] - apart[diagonal, diagonal]) + both[:groups] * common[diagonal, diagonal]
    different = meeting * common
    states = axis.pairs[groups:].reshape(groups, groups, *(1,) * (pair.ndim - 1))
    total = (equal * counts_like(axis, equal)).sum(0) + (different * states).sum((0, 1))
    different = different - meeting * total / np.maximum((meeting * states).sum((0, 1)), 1e-300)
    new = np.concatenate([equal, different.reshape(groups * groups, *pair.shape[1:])])
    z = Moments(g.dims, np.zeros(g.mean.shape), from_front(new, k), gram=g.gram)
    if g.gram is not None and k in g.gram.axes:
        follows = from_front(meeting[diagonal, diagonal] * (pair[:groups] - apart[diagonal, diagonal]), k)
        own = apart_from_others(z, k)
        share = z.average(follows[tuple(slice(0, a.groups) for a in z.axes)]) / own if own > 0.0 else 1.0
        z.gram = replace(g.gram, scale=g.gram.scale * min(max(share, 0.0), 1.0))
    return z


# -- masks --------------------------------------------------------------------------------------------------------------


def hide(tape: Tape, x: Moments, mask: torch.Tensor, fill: float, added: bool = False) -> Moments:
    """x with the entries where the (known) mask holds taken out of a later softmax; `fill` is put there, or added to x.

    Positions that see different numbers of others become groups of their own: a causal mask makes the first tokens differ
    from the last ones. A mask that leaves what an earlier one left, of all entries and of all pairs, is that one once more;
    any other is taken as independent of it.
    """
    values: npt.NDArray[np.bool_] = mask.numpy()
    shifted = None if x.shifted is None else x.shifted.hidden(values)
    if x.shape != (shape := np.broadcast_shapes(x.shape, values.shape)):
        x = expanded(tape, x, shape)
    if not values.any():
        return x
    values = values.reshape((1,) * (len(x.dims) - values.ndim) + values.shape)
    sizes: tuple[int, ...] = values.shape
    before = x
    seen = ~values
    labels: dict[int, Any] = {}
    for d in range(values.ndim):
        if values.shape[d] == 1 or not x.dims[d]:
            continue
        x = single(x, d)
        others = tuple(n for n in range(values.ndim) if n != d)
        labels[d] = seen.mean(axis=others)
    square = [d for d in labels if d >= values.ndim - 2]
    if len(square) == 2 and sizes[-1] == sizes[-2]:
        shared = octaves(labels[values.ndim - 2] * sizes[-1])
        classes = dict.fromkeys(square, shared)
        classes |= {d: group_rows(share[:, None], 3) for d, share in labels.items() if d not in square}
    else:
        classes = {d: octaves(share * values.size / values.shape[d]) for d, share in labels.items()}
    for d, label in classes.items():
        if label is None:
            continue
        k = x.position(d)
        from initlint.propagate.axes import common

        x = x.refined(k, common(x.axes[k], Axis(values.shape[d], label, x.axes[k].role)))
    share = seen.astype(np.float64)
    groups = []
    for d in range(len(x.dims)):
        if values.shape[d] == 1 or not x.dims[d]:
            groups += [1] * len(x.dims[d])
            continue
        axis = x.dims[d][0]
        member = np.zeros((axis.size, axis.groups))
        member[np.arange(axis.size), 0 if axis.labels is None else axis.labels] = 1.0
        share = np.moveaxis(np.tensordot(share, member / axis.counts, (d, 0)), -1, d)
        groups.append(axis.groups)
    cells = np.broadcast_to(share.reshape(groups), x.mean.shape)
    both = seen_together(x, seen)
    again = x.valid is not None and np.allclose(cells, x.valid) and (x.both is None or np.allclose(both, x.both))
    if added:
        fill += x.m if x.valid is None else x.fill if again else 0.0
    if x.valid is None or again:
        y = x.with_(valid=cells, both=both, fill=fill)
    else:
        y = x.with_(valid=cells * x.valid, both=None, fill=fill)
    y.shifted = shifted
    if y.fill <= MASKED:  # a softmax sends nothing back to what it does not see
        return tape.record([before], y, lambda g: [g])
    gate = gate_of(y)
    return tape.record([before], y, lambda g: [times(g, gate)])


def seen_together(x: Moments, seen: npt.NDArray[np.bool_]) -> Array:
    """Share of pairs of entries that are both seen, by pair state of x."""
    rank = len(x.dims)
    dims = tuple([x.dims[d] if seen.shape[d] > 1 else () for d in range(rank)])
    table = from_array(seen.astype(np.float64), dims)
    if table.dims != dims:  # a large one was thinned, and has no groups
        cells = [axis.groups for dim in dims for axis in dim]
        like = Moments(dims, np.zeros(cells), np.zeros([axis.states for dim in dims for axis in dim]))
        table = align(like, table)[1]
    states = [axis.states if dims[d] else 1 for d in range(rank) for axis in x.dims[d]]
    return np.broadcast_to(table.pair.reshape(states), x.pair.shape)


def with_bias(tape: Tape, x: Moments, bias: Any) -> Moments:
    """x + bias, entries of a known bias far below zero taken as masked."""
    import torch

    if isinstance(bias, Known):
        if bias.tensor.dtype.is_floating_point:
            mask = bias.tensor <= MASKED
            floor = float(bias.tensor.min())
            if x.valid is not None and bool((x.valid < 1.0).any()) and x.fill + floor < torch.finfo(bias.tensor.dtype).min:
                floor = float("-inf")  # what two masks hide is below all numbers
            before = x
            x = hide(tape, x, mask, floor, added=True)
            rest = bias.tensor.masked_fill(mask, 0.0)
            if not bool(rest.any()):
                return x
            y = added(tape, x, as_moments(Known(rest), x))
            if before.valid is None and y.shape == before.shape:
                y.shifted = with_table(before, numbers(rest)).hidden(mask.numpy())
            return y
        return hide(tape, x, ~bias.tensor.bool(), float("-inf"))
    number = scalar_of(bias)
    if number is not None and not isinstance(bias, Moments):
        return affine(tape, x, 1.0, number)
    if isinstance(bias, Moments) and bias.mean.min() <= MASKED:  # a mask whose entries were computed from a random input
        return x
    return add(tape, x, bias)


@transfer("scaled_dot_product_attention")
def attention(
    tape: Tape, q: Any, k: Any, v: Any, mask: Any = None, p: float = 0.0, causal: bool = False, *, scale: float | None = None,
    enable_gqa: bool = False,
) -> Moments:  # fmt: skip
    q, k, v = as_moments(q), as_moments(k), as_moments(v)
    if enable_gqa and q.shape[-3] != k.shape[-3]:
        times = q.shape[-3] // k.shape[-3]
        k, v = repeat_interleave(tape, k, times, -3), repeat_interleave(tape, v, times, -3)
    return attended(tape, q, k, v, mask, p, causal, scale)[0]


def attended(
    tape: Tape, q: Any, k: Any, v: Any, mask: Any, p: float, causal: bool, scale: float | None
) -> tuple[Moments, Moments]:
    """The values, averaged with the weights of a softmax; and its logits."""
    import torch

    q, k, v = as_moments(q), as_moments(k), as_moments(v)
    factor = q.shape[-1] ** -0.5 if scale is None else float(scale)
    logits = affine(tape, matmul(tape, q, transpose(tape, k, -2, -1)), factor, 0.0)
    logits.cosine = shared_length(tape, q, k, q.shape[-1])
    product = logits
    if causal:
        rows, columns = logits.shape[-2:]
        logits = hide(tape, logits, torch.ones(rows, columns, dtype=torch.bool).triu(1), float("-inf"))
    if mask is not None:
        logits = with_bias(tape, logits, mask)
    weights = softmax(tape, logits, -1)
    y = matmul(tape, dropout(tape, weights, p, True), v)
    if id(weights) in tape.attended:
        tape.attended[id(y)] = replace(tape.attended[id(weights)], product=product)
    return y, logits
