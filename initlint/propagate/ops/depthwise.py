"""Convolutions with a kernel of its own for every channel: what few taps have to do with a normalization and a function behind them.

y_c = Σ_t w_ct A_t x_c for n taps. Six things that a sum over many channels averages out are of order 1/n here, or of order one:

    scale     y divided by its own deviation is x divided by its own: g·y = 0 and so (Aᵀg)·x = g·(A x) = 0
    spread    a channel's variance is that of x times |w_c|², so that E[1/σ_c²] E[σ_c²] = f/(f − 2), f = 2/Var(|w|²)·E[|w|²]². The
              cotangent of y has it; that of x has not, since E[w²/|w|²] = 1/n
    tails     y is not normal: κ₄(y) = κ₄(x) E[Σ w⁴/|w|⁴], κ₃(y)² = κ₃(x)² E[(Σ w³)²/|w|⁶] (cumulants of a sum of independent terms)
    wander    E[ρ] of two positions is that of pair moments, zero for white x, but E[ρ²] is of order 1/n for neighbours: what is even
              in y is alike at both (Mehler's second term), so that averages over a channel fluctuate by (n − 1)/(n + 2) more
    bend      g_y = f'(y) γ, and y has a share ρ_t² = w_t²/|w|² of its variance from x under tap t, which is where w_t γ goes back
              to. With κ = E[f'²(ŷ)(ŷ² − 1)]/E[f'²], Mehler's formula gives to second order
              E[g_x² | x] = E[g_x²] (1 + c (x̃² − 1)),     c = κ/2 · E[Σ w⁴/|w|⁴],     x̃ = (x − m)/s
              What follows meets this again where x is a function of something: a function behind a depthwise convolution
              bends the gradient of the one before.
    lean      where γ is alike at neighbouring positions, what comes back through the taps has a part along x,
              Σ_t E[w_t f'(ŷ)] γ = E[w²] n E[f''] (x − m)/σ_y · γ (Stein's lemma), as large as all the rest
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from initlint.propagate.axes import Array, Axis
from initlint.propagate.linear import pair_map
from initlint.propagate.moments import Gram, Moments, align, outer_means
from initlint.propagate.ops.norm import LEAST_FREEDOM
from initlint.propagate.ops.norm_back import along_itself
from initlint.propagate.ops.reduce import project
from initlint.propagate.pointwise import Cotangent, Profile, pair_of, plus, profile_of
from initlint.propagate.rows import LEAST
from initlint.propagate.sources import grid
from initlint.propagate.sparse import Sparse, total
from initlint.propagate.tape import Tape

NOT_AT_ALL: tuple[Sequence[int], float, float] = ((), 0.0, 0.0)


@dataclass(slots=True)
class Passage:
    """What the two ends of a depthwise convolution tell each other.

    kernel, taps   its weight, and where each tap reads
    y              its result
    bent           κ, once the cotangent of y is known
    leaning        then also, what (x − m) is multiplied by
    """

    kernel: Moments
    taps: Sequence[Sequence[Sparse]]
    y: Moments | None = None
    bent: float = 0.0
    leaning: Moments | None = None
    read: float = 1.0  # what its taps read of one position, as `strength` says
    uneven: float = field(init=False)  # relative variance of |w|², over the taps that are not in the padding

    def __post_init__(self) -> None:
        gram = self.kernel.gram
        self.uneven = 0.0 if gram is None else gram.norm * math.prod(map(len, self.taps)) / self.places

    @property
    def places(self) -> float:
        """The number of taps, those that are often in the padding counted less."""
        read = [np.array([t.values.sum() for t in dim]) for dim in self.taps]
        return float(np.prod([n.sum() ** 2 / (n**2).sum() for n in read]))

    @property
    def kurtosis(self) -> float:
        """E[w⁴]/E[w²]²."""
        return 1.0 + self.uneven * self.places

    def strength(self, x: Moments) -> float:
        """E[Σ w²] over the taps under which a position is read, on average over those where x varies."""
        result, varying = self.kernel.q, x.cells - x.mean**2
        for j, taps in enumerate(self.taps):
            if not x.dims[2 + j]:
                continue
            axis, reads = x.dims[2 + j][0], np.sum([t.sum(0) for t in taps], axis=0)
            others = tuple(k for k in range(varying.ndim) if k != x.position(2 + j))
            kinds = varying.mean(others)
            weights = np.full(axis.size, 1.0) if axis.labels is None else kinds[axis.labels]
            if weights.sum() > 0.0:
                result *= float(reads @ weights / weights.sum())
        return result

    @property
    def share(self) -> float:
        """E[Σ w⁴]/E[|w|⁴]."""
        return self.kurtosis / (self.places + self.kurtosis - 1.0)

    def tails(self, x: Moments) -> tuple[float, float]:
        """Excess kurtosis and squared skewness of a channel of Σ w_t x_t, averaged over kernels, for independent x_t.

        κ₄ E[Σ w⁴]/E[|w|⁴] and κ₃² E[(Σ w³)²]/E[|w|⁶], where E[w⁶] is that of a Pearson law (normal and uniform are two) with the
        kurtosis of w.
        """
        values = profile_of(x).values
        if values.shape[1:] != x.mean.shape:
            return 0.0, 0.0
        w = grid(len(values))[1]
        second, third, fourth = (np.tensordot(w, (values - x.mean) ** n, 1) for n in (2, 3, 4))
        varying = x.average(second)
        if varying <= 0.0:
            return 0.0, 0.0
        least = np.where(second > 0.0, second, 1.0)  # cells by their share of the variance
        kurtosis, skewness = x.average(fourth / least) / varying - 3.0, x.average((third / least) ** 2) / varying
        n, k = self.places, self.kurtosis
        sixth = 5.0 * k**2 / max(6.0 - k, 1.0)
        cubes = sixth / (sixth + 3.0 * (n - 1.0) * k + (n - 1.0) * (n - 2.0))
        return kurtosis * self.share, skewness * cubes

    def wander(self, y: Moments) -> Array | None:
        """E[ρ²] of two positions p and q of a channel: Σ_t w_t w_{t+p−q} is nothing on average, but its square is not.

        With E[w_s² w_t²]/E[|w|⁴] = 1/(n (n + κ − 1)) for two of n taps, times the number of entries that both positions read; at a
        border both have less variance, too.
        """
        if not self.uneven or len(y.dims) != 2 + len(self.taps) or any(len(dim) > 1 for dim in y.dims):
            return None
        result = np.ones(())
        for d, dim in enumerate(y.dims):
            if not dim:
                continue
            axis = dim[0]
            if d < 2:
                shared = (np.arange(axis.states) < axis.groups).astype(np.float64)
            else:
                every = total(self.taps[d - 2])
                places = Axis(every.shape[1])
                shared = pair_map(every, places, axis)[:, 0]
            result = np.multiply.outer(result, shared)
        same = tuple([slice(0, axis.groups) for axis in y.axes])
        both = outer_means(y.axes, result[same], result[same])
        result = np.divide(result, both, out=np.zeros_like(result), where=both > 0.0) * self.places / (self.places + self.kurtosis - 1.0)
        result[same] = 0.0
        return result

    def hear(self, y: Moments, g: Cotangent, scale: float, dims: Sequence[int] = ()) -> None:
        """Take in how the cotangent of the result depends on it, or on `scale` times it as a normalization over `dims` leaves it."""
        self.bent = _bend(y, g)
        self.leaning = _leaning(y, g, self.read * scale**2 * (1.0 - 1.0 / self.places) ** 0.5, 0 in dims)

    def normalized(self, tape: Tape, x: Moments) -> tuple[Sequence[int], float, float]:
        """If the result is only divided by its deviation, channel by channel: over what, the share of that which is not ε, and
        how unevenly channels are divided."""
        y = self.y
        while y is not None and tape.readers(y) == 1:
            dims, share = tape.normalized.get(id(y), (frozenset(), 0.0))
            if dims:
                uneven = self.uneven if y.gram is None else y.gram.norm
                return (sorted(dims), share, uneven) if 1 not in dims and dims.issuperset(range(2, len(x.dims))) else NOT_AT_ALL
            uses = tape.uses.get(id(y), ())  # kernels of several sizes, one after the other
            y = uses[0][0] if len(uses) == 1 and uses[0][0].made is not None and uses[0][0].made.name == "cat" else None
        return NOT_AT_ALL


def entering(tape: Tape, x: Moments, passage: Passage) -> Moments:
    """x on its way into the convolution: what comes back has no part along x, and leans and bends with it.

    These are terms that are functions of x, which meet the function again that x is of what a normalization left. What leans and
    bends is not for the gain and shift of that: a sum over all of a channel of g·φ(x) is one of g·(φ(x) − a x), since g·x = 0,
    and has none of it (`norm.by_channel`).
    """
    y = x.with_(affine=(x, 1.0, 0.0))
    y.profile, passage.read = x.profile, passage.strength(x)

    def pull(g: Cotangent) -> list[Cotangent]:
        total = g.total()
        dims, share, _ = passage.normalized(tape, x)
        profile = profile_of(x)
        if total is None or profile.values.shape[1:] != x.mean.shape:
            return [Cotangent(total)]
        apart = profile.values - _level(x)
        back = Cotangent()
        root = _kept(tape, total)
        tape.bending[id(root)] = _bending(x, apart, passage)
        back.add_coherent(root, profile.source, np.ones_like(apart))
        part = _along(x, back, apart, dims, share) if share else None
        if passage.leaning is not None:
            leaning = _kept(tape, align(_channels(passage.leaning, total), total)[0])
            tape.balanced.add(id(leaning))
            back.add_coherent(leaning, profile.source, apart)
        if part is not None:
            back.add_coherent(Moments(x.dims, np.zeros_like(x.mean), -part), profile.source, apart)
        return [back]

    return tape.record_coherent([x], y, pull)


def leaving(tape: Tape, y: Moments, x: Moments, passage: Passage) -> Moments:
    """y on its way out of the convolution of x, with the spread of its channels and the tails of few terms."""
    z = passage.y = y.with_()
    if x.profile is not None:
        z.tails = passage.tails(x)
    z.wander = passage.wander(z)
    tape.hearing[id(z)] = passage.hear
    if passage.uneven:
        z.gram = Gram(None, frozenset(z.dim_axes([1])), 1.0 / LEAST, norm=passage.uneven)

    def pull(g: Cotangent) -> list[Cotangent]:
        _, share, uneven = passage.normalized(tape, z)
        freedom = max(2.0 / max(uneven, LEAST), 2.0 + LEAST_FREEDOM)
        wobble = 1.0 + share * (freedom / (freedom - 2.0) - 1.0)
        if g.coherent:
            passage.hear(z, g, 1.0)
        total = g.total()
        return [Cotangent(None if total is None else total.scaled(wobble**-0.5))]

    return tape.record_coherent([y], z, pull)


def _bend(y: Moments, g: Cotangent) -> float:
    """κ = E[g² (ŷ² − 1)]/E[g²] of a cotangent, of which only functions of y depend on it."""
    source = profile_of(y).source
    z, w, _ = grid(source.points)
    known = rest = bent = 0.0
    for term in g.coherent.values():
        if term.source is source:
            known += _expected(y, w, term.values**2) * term.root.q
            bent += _expected(y, w * (z**2 - 1.0), term.values**2) * term.root.q
        else:
            rest += term.moments.q
    rest += 0.0 if g.plain is None else g.plain.q
    return bent / (known + rest) if known + rest > 0.0 else 0.0


def _leaning(y: Moments, g: Cotangent, strength: float, centred: bool) -> Moments | None:
    """What the part along x of a cotangent is a multiple of: for each sample and channel what γ has at any two positions.

    A normalization over the samples takes away what these have in common.
    """
    source = profile_of(y).source
    z, w, _ = grid(source.points)
    result = None
    for term in g.coherent.values():
        if term.source is source and len(term.root.dims) == len(y.dims):
            curved = _expected(y, w * z, term.values)
            root = _apart(term.root)
            root = root.with_(pair=root.pair * curved**2)
            result = root if result is None else plus(result, root)
    if result is not None and centred:
        result = result.with_(pair=project(result, result.dim_axes([0]), -1.0)[1])
    deviation = y.average(source.deviation**2) ** 0.5
    return None if result is None or deviation == 0.0 else result.scaled(strength / deviation)


def _level(x: Moments) -> float:
    """The mean of entries that vary at all: zeros around a map are read less often than the rest."""
    varying = x.cells - x.mean**2
    total = x.average(varying)
    return x.average(varying * x.mean) / total if total > 0.0 else x.m


def _expected(x: Moments, weights: Array, values: Array) -> float:
    """E of values on the grid of the source of x, times weights of the grid, averaged over all entries."""
    by_cell = np.tensordot(weights, values, 1)
    return x.average(by_cell) if by_cell.shape == x.mean.shape else float(by_cell.mean())


def _channels(leaning: Moments, like: Moments) -> Moments:
    """The same for channels of which others were normalized together with these."""
    if leaning.shape[1] == like.shape[1]:
        return leaning
    while len(leaning.dims[1]) > 1:
        leaning = leaning.merged(1)
    leaning = leaning.coarsened(leaning.position(1))
    return leaning.with_(dims=(leaning.dims[0], (Axis(like.shape[1], None, leaning.dims[1][0].role),), *leaning.dims[2:]))


def _apart(root: Moments) -> Moments:
    """What a tensor has in common at two positions that differ in every dimension, as one without positions."""
    pair = root
    for d in range(2, len(root.dims)):
        for k in reversed(pair.dim_axes([d])):
            pair = pair.coarsened(k)
            state = 1 if pair.axes[k].size > 1 else 0
            pair = Moments(
                tuple([dim if n != d else tuple(a for a in dim if a is not pair.axes[k]) for n, dim in enumerate(pair.dims)]),
                np.asarray(pair.mean.take(0, axis=k)),
                np.asarray(pair.pair.take(state, axis=k)),
            )
    return pair


def _kept(tape: Tape, root: Moments) -> Moments:
    """A root of its own, whose id stays its own."""
    root = root.with_()
    tape.kept.append(root)
    return root


def _bending(x: Moments, apart: Array, passage: Passage) -> Array:
    """E[g² | x]/E[g²] on the grid of the source of x, where most entries are; `apart` is x − m there."""
    counts = np.ones(())
    for axis in x.axes:
        counts = np.multiply.outer(counts, axis.counts)
    values = apart.reshape(len(apart), -1)[:, int(np.argmax(counts))]
    variance = float(grid(len(values))[1] @ values**2)
    if variance <= 0.0:
        return np.ones_like(values)
    return np.maximum(1.0 + passage.bent / 2.0 * passage.share * (values**2 / variance - 1.0), 0.0)


def _along(x: Moments, g: Cotangent, apart: Array, dims: Sequence[int], share: float) -> Array | None:
    """The part of a cotangent along x itself, by pair state, as a factor of `apart`², x − m; None where it is not known.

    What all entries have in common is nothing to g, which has sum zero.
    """
    axes, profile = x.dim_axes(dims), profile_of(x)
    both = Cotangent()
    for term in g.coherent.values():
        both.add_coherent(term.root, term.source, term.values * profile.values)
    power = both.total()
    square = pair_of(None, Profile(profile.source, apart * profile.values))
    if power is None or square.shape != x.pair.shape:
        return None
    along, size = along_itself(power, x, axes), along_itself(Moments(x.dims, np.zeros_like(x.mean), square), x, axes)
    if along is None or size is None:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(share * (2.0 - share) * np.where(size > 0, along / size, 0.0))
