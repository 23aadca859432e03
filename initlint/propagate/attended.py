"""How the size of a query, a key or a token is felt through a softmax: what independence of logits and cotangents misses.

Scaled by 1 + ε, a query moves the logits ℓ_t of its row by ε ℓ_t, a key those of its column, a value what is read of it. With
weights p_t ∝ exp ℓ_t and ḡ_t, what the output's cotangent says of value t, white of variance A, these are felt as

    query    Σ_t p_t (ḡ_t − Σ p ḡ) ℓ_t      of power  A E Σ p² (ℓ − Σ p ℓ)²             =: A Q
    key      Σ_rows p (ḡ − Σ p ḡ) ℓ                   A E Σ p² (1 − 2p + Σp²) ℓ²        =: A K
    value    Σ_rows p ḡ                               A E Σ p²                          =: A P
    key with value, twice                             A E Σ p² (1 − p) ℓ                =: A X

while independence has A s² B for the first two, B = E Σ p² (1 − 2p + Σp²), s² the variance of the logits in a row. Weights are
large where logits are: for small s² and many logits K/(s² B) is 1 + 4s² and Q/(s² B) is 1 + s².

A token whose query, key and value come from one norm changes the output o = Σ p v of a row by p (v + ℓ (v − o)), and of its own
row by Σ p (ℓ − Σ p ℓ) v as well. What of this is along o is not felt where a norm follows: in units of a value's square, and of
values of which c is common to all, it is c p + (1 − c) x with x = p² + p ℓ (p − Σp²).

All of this is of N logits that are Gaussian, or cosines in few dimensions; averages over draws of a fixed seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from initlint.propagate.axes import Array, Axis

if TYPE_CHECKING:
    from initlint.propagate.moments import Moments

DRAWN = 1 << 13  # logits drawn for one row length and variance, each from its own share of the law
OCTAVE = 2.0  # ratio of the variances between which the logarithms of sums are interpolated
SMALLEST, LARGEST = 1e-2, 1e3  # variances of logits beyond which nothing changes but the scale
SEED = 2211


@dataclass(frozen=True, slots=True)
class Attended:
    """A softmax: its logits, the axis along which it is taken, the product of queries and keys in them, of how many cosines."""

    logits: Moments
    axis: int
    product: Moments | None
    cosine: int


@dataclass(frozen=True, slots=True)
class Sums:
    """Averages over rows: Q, K, X over s²; B; P; of x = p² and of x with the key's part Σx², Σpx, Σx; of Σp²(ℓ − Σpℓ) itself and its square."""

    query: Array
    key: Array
    both: Array
    back: Array
    weights: Array
    valued: tuple[Array, Array, Array]
    keyed: tuple[Array, Array, Array]
    own: tuple[Array, Array]


@lru_cache(maxsize=4096)
def _sums(entries: int, step: int, cosine: int) -> Array:
    """The numbers of `Sums`, one after the other, at the variance of this step."""
    s = np.sqrt(SMALLEST * OCTAVE**step)
    random = np.random.default_rng(SEED)
    rows = max(DRAWN // entries, 8)
    shares = torch.from_numpy((random.permutation(rows * entries) + 0.5) / (rows * entries))
    z = torch.special.ndtri(shares).numpy().reshape(rows, entries)
    if cosine > 1:
        z = z * np.sqrt(cosine / (z**2 + random.chisquare(cosine - 1, z.shape)))
    logits = s * z
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    square = (p**2).sum(1, keepdims=True)
    back = p**2 * (1.0 - 2.0 * p + square)
    apart = logits - (p * logits).sum(1, keepdims=True)
    valued = p**2
    keyed = valued + p * logits * (p - square)
    own = (valued * apart).sum(1)
    sums = [(valued * apart**2) / s**2, (back * logits**2) / s**2, valued * (1.0 - p) * logits / s**2, back, valued]
    sums += [valued**2, p * valued, valued, keyed**2, p * keyed, keyed]
    return np.array([*(x.sum(1).mean() for x in sums), own.mean() / s**2, (own**2).mean() / s**2])


def sums(entries: Array, variance: Array, cosine: int = 0) -> Sums:
    """For rows of so many logits of these variances, interpolated between variances an octave apart."""
    rows = list(zip(np.maximum(np.round(entries), 1.0).astype(int).tolist(), np.clip(variance, SMALLEST, LARGEST).tolist(), strict=True))
    known: dict[tuple[int, float], Array] = {}
    for count, square in set(rows):
        low = math.floor(math.log(square / SMALLEST, OCTAVE) + 1e-9)
        share = (square / (SMALLEST * OCTAVE**low) - 1.0) / (OCTAVE - 1.0)
        first = known[count, square] = _sums(count, low, cosine)
        if share > 1e-9:
            second = _sums(count, low + 1, cosine)
            known[count, square] = first * np.where(first * second > 0.0, second / np.where(first == 0.0, 1.0, first), 1.0) ** share
    q, k, x, b, p, *rest = np.array([known[row] for row in rows]).T
    square = np.minimum(variance, LARGEST)
    return Sums(q, k, x, b, p, (rest[0], rest[1], rest[2]), (rest[3], rest[4], rest[5]), (square * rest[6], square * rest[7]))


@dataclass(frozen=True, slots=True)
class Rows:
    """By place of a row: how many logits it has, how they spread. The share of that which is the product's, and the share of the
    product's square that spreads in a row. By place of a key and of a row, its share in what happens in that row; None for all alike.
    """

    entries: Array
    variance: Array
    share: float
    spreading: float
    seen: Array | None


def rows_of(attended: Attended) -> Rows:
    """The rows of a softmax."""
    from initlint.propagate.ops.attention import within_rows

    x, k = attended.logits, attended.axis
    others = [axis for n, axis in enumerate(x.axes) if n != k]
    cells, _, number, spread = within_rows(x, k)
    place = x.position(len(x.dims) - 2) if len(x.dims) > 1 and len(x.dims[-2]) == 1 else -1
    at = place - (place > k) if place >= 0 else -1
    entries = by_place(number, others, at)
    variance = by_place(spread[tuple([axis.cells for axis in others])], others, at)
    seen = None
    if x.valid is not None and place >= 0 and x.axes[place].size == x.axes[k].size:
        labels = x.axes[k].labels
        seen = np.stack([by_place(row, others, at) for row in cells])
        seen = seen.take(np.zeros(len(entries), dtype=np.int64) if labels is None else labels, axis=0) / np.maximum(entries, 1e-9)
    if attended.product is None:
        return Rows(entries, variance, 1.0, 1.0, seen)
    product = attended.product
    k = product.position(len(product.dims) - 1)
    own = within_rows(product, k)[3][tuple([axis.cells for n, axis in enumerate(product.axes) if n != k])]
    inside = product.average(np.expand_dims(own, k).repeat(product.axes[k].groups, axis=k))
    return Rows(
        entries, variance, min(inside / max(float(variance.mean()), 1e-300), 1.0), min(inside / max(product.q, 1e-300), 1.0), seen
    )


def by_place(values: Array, axes: Sequence[Axis], k: int) -> Array:
    """A quantity by cell as one by index of axis k, averaged over the others; one number where there is no such axis."""
    for n in reversed(range(len(axes))):
        if n != k:
            values = np.tensordot(values, axes[n].shares, (n, 0))
    if k < 0:
        return np.asarray(values).reshape(1)
    labels = axes[k].labels
    return values.take(np.zeros(axes[k].size, dtype=np.int64) if labels is None else labels)


def squares_of(x: Moments) -> Array:
    """E[x²] by index of the last dimension but one."""
    dims = len(x.dims)
    fits = dims > 1 and len(x.dims[-2]) == 1
    return by_place(x.cells, x.axes, x.position(dims - 2) if fits else -1)


def meeting(first: Array, *others: Array) -> list[Array]:
    """Quantities by place of tensors that have the same places, as one array each; averages of those that have others."""
    size = len(first)
    return [first, *(x if len(x) == size else np.full(size, float(x.mean())) for x in others)]


def felt_through(attended: Attended, parts: Mapping[str, float], power: Array, common: float, heads: float, silent: Array) -> Array:
    """The power felt by place of a token whose query, key or value changes.

    parts   what changes, and the power of each by independence, on average over tokens
    power   of the output's cotangent, by place
    common  what values have in common, of one; heads that one output comes from
    silent  by place of a row, what the norms behind do not feel of a change along the output, of the square of a value's power
    """
    rows = rows_of(attended)
    entries, variance, power, silent = meeting(rows.entries, rows.variance, power, silent)
    s = sums(entries, variance, attended.cosine)
    weight = power / max(float(power.mean()), 1e-300)
    weight, apart = weight * (s.weights > 0.0), 1.0 - common
    back = weight * variance * s.back
    level = max(float(back.mean()), 1e-300)
    query = parts.get("query", 0.0) * (rows.share * weight * variance * s.query + (1.0 - rows.share) * back) / level
    share = rows.share * rows.spreading
    moved = parts.get("key", 0.0) * (share * weight * variance * s.key + (1.0 - share) * back) / level
    value = weight * s.weights
    if "key" in parts:
        value = value + 2.0 * rows.share * apart * weight * variance * s.both
    moved = moved + parts.get("value", 0.0) * value / max(float((weight * s.weights).mean()), 1e-300)
    mean = np.zeros(len(entries))
    if "value" in parts:
        square, product, total = s.keyed if "key" in parts else s.valued
        mean = (common + apart * total) / entries
        along = (common**2 * s.weights + 2.0 * common * apart * product + apart**2 * square - entries * mean**2) / heads
        moved = moved - silent * (along + entries * mean**2)
    if "query" in parts:
        own, its_square = s.own
        query = query - silent * (apart**2 * (own**2 + (its_square - own**2) / heads) + 2.0 * apart * own * mean)
    return query + (np.full(len(entries), moved.mean()) if rows.seen is None else rows.seen @ moved)


def scaled_by_place(x: Moments, power: Array) -> Moments:
    """x times √power, which is given by index of the last dimension but one."""
    dims = len(x.dims)
    if dims < 2 or len(x.dims[-2]) != 1 or x.shape[-2] != len(power):
        return x.scaled(math.sqrt(float(power.mean())))
    k = x.position(dims - 2)
    axis = x.axes[k]
    groups = np.bincount(np.zeros(axis.size, dtype=np.int64) if axis.labels is None else axis.labels, power) / axis.counts
    row, column = axis.rows
    factor = np.sqrt(groups[row] * groups[column]).reshape([-1 if n == k else 1 for n in range(x.pair.ndim)])
    return x.with_(pair=x.pair * factor)
