"""Element-wise functions of Gaussian tensors, and whole regions of them, by quadrature and Hermite series.

A tensor that comes out of a wide linear map is Gaussian: a `Source`. Everything computed from it element by element is a
function of one standard normal variable z and is carried as such, as values on a grid of z (`Profile`). So a hand-written
GELU, `x * sigmoid(x)` or `x + relu(x)` is one function of z however many nodes it takes, with all correlations exact.

    E[f]            Σ w_i f(z_i)                                      midpoint rule, spectral for smooth f
    E[f(u) f(v)]    Σ_k a_k(u) a_k(v) ρ^k,  a_k = E[f He_k]/√k!       Mehler's formula; ρ the correlation of u and v

The tail of the series beyond ORDER is replaced by one power of ρ that has the right value and slope at ρ = 1; the slope,
E[f'²], is what decides whether two inputs are told apart after many layers (Poole et al. 2016; Schoenholz et al. 2017).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from initlint.propagate import near, rows, views
from initlint.propagate.axes import GROUP_LIMIT, Array
from initlint.propagate.moments import Dims, Moments, align, outer_means
from initlint.propagate.sources import COARSE, ORDER, REACH, Profile, Source, grid, scale_by_state, shape_of

if TYPE_CHECKING:
    from initlint.propagate.recipes import Ensemble

OTHER = 0.3  # share of the variance above which a bias of another law makes the sum no normal one
MOST = 0.7  # share of entries that are there from which a normal tensor among zeros is about normal

def sample_of_sum(normal: Moments, other: Moments) -> Array | None:
    """Values at equal steps of probability of a centred normal entry plus one of another law, a good part of the whole."""
    if other.sample is None or np.any(normal.mean) or normal.profile is not None or normal.affine is not None:
        return None
    if other.q - other.m**2 < OTHER * normal.q:
        return None
    z, w, _ = grid(COARSE)
    ranks = (np.arange(COARSE) + 0.5) / COARSE
    values = np.interp(ranks, (np.arange(len(other.sample)) + 0.5) / len(other.sample), other.sample)
    total = (np.sqrt(normal.q) * z[:, None] + values[None, :]).reshape(-1)
    weight = np.repeat(w, COARSE) / COARSE
    order = np.argsort(total)
    reached = np.cumsum(weight[order]) - weight[order] / 2
    return np.asarray(np.interp((np.arange(4 * COARSE) + 0.5) / (4 * COARSE), reached, total[order]), dtype=np.float64)


def profile_of(x: Moments) -> Profile:
    """x as a function of its source; x becomes a source of its own where it is none."""
    if x.profile is None and x.affine is not None:
        base, factor, shift = x.affine
        before = profile_of(base)
        x.profile = Profile(before.source, factor * before.values + shift, before.normal)
    note_law(x)
    if x.profile is None:
        source = Source(x)
        z = grid(source.points)[0].reshape(-1, *(1,) * x.mean.ndim)
        if x.sample is not None:
            import torch

            share = torch.special.ndtr(torch.from_numpy(z.reshape(-1).copy())).numpy()
            ranks = (np.arange(len(x.sample)) + 0.5) / len(x.sample)
            values = np.interp(share, ranks, x.sample).reshape(z.shape)
            x.profile = Profile(source, np.broadcast_to(values, (len(values), *x.mean.shape)))
        elif has_one_sign(x):
            # an average of squares and its like: log-normal with the same mean and variance, so that 1/x has moments
            ratio = np.divide(source.deviation, x.mean, out=np.zeros_like(x.mean), where=x.mean != 0)
            width = np.log1p(ratio**2)
            x.profile = Profile(source, x.mean * np.exp((1.0 if x.positive else -1.0) * np.sqrt(width) * z - width / 2))
        else:
            x.profile = Profile(source, x.mean + source.deviation * with_tails(z, *x.tails), normal=not any(x.tails))
    return x.profile


def note_law(x: Moments) -> None:
    """Makes a sum, or pieces one after the other, or what is there or zero by chance, known as a function where it is not normal."""
    if x.profile is None and x.parts and x.sample is None:
        from initlint.propagate.sums import law_of_sum

        x.profile = law_of_sum(x)
    if x.profile is None and x.thinned is not None and is_among_zeros(x):
        from initlint.propagate.sums import law_among_zeros

        x.profile = law_among_zeros(x, *x.thinned)
    if x.profile is None and x.sample is None and x.made is not None:
        from initlint.propagate.pieces import law_of_pieces

        x.profile = law_of_pieces(x)


def has_one_sign(x: Moments) -> bool:
    """Whether entries are known to be of one sign, those of some cells perhaps all zero, and not all of them."""
    return bool(np.any(x.mean)) and ((x.positive and bool(np.all(x.mean >= 0))) or (x.negative and bool(np.all(x.mean <= 0))))


def with_tails(z: Array, kurtosis: float, skewness: float) -> Array:
    """A standard normal variable bent into one with this excess kurtosis and, of either sign, this squared skewness.

    The Edgeworth series 1 + κ₄/24 He₄ + κ₃²/72 He₆ of its density, to first order (Cornish & Fisher 1938): d(He_n φ) = −He_{n+1} φ dz.
    """
    if not kurtosis and not skewness:
        return z
    a, b = kurtosis / 24.0, skewness / 72.0
    bent = z + a * (z**3 - 3.0 * z) + b * (z**5 - 10.0 * z**3 + 15.0 * z)
    return np.asarray(bent / np.sqrt(1.0 + 6.0 * a**2 + 120.0 * b**2))


def values_of(x: Moments) -> Array | None:
    """x on the grid of its source; None where it is normal, and no source of its own is needed to say so."""
    factor, shift = 1.0, 0.0
    while x.profile is None and x.affine is not None:
        x, a, b = x.affine
        factor, shift = factor * a, shift + factor * b
    known = x.profile is not None or x.sample is not None or has_one_sign(x) or joins_known(x)
    if not known and not is_among_zeros(x):
        return None
    values = factor * profile_of(x).values + shift
    if values.shape[1:] != x.mean.shape:  # many functions of one entry (see `views`)
        return None
    bend = np.abs(np.diff(values, 2, axis=0)).max() if len(values) > 2 else 0.0
    return values if bend > 1e-6 * np.abs(values).max() else None


def is_among_zeros(x: Moments) -> bool:
    """Whether entries are those of another tensor or zero, and one of the two says more than a variance: a normal tensor of which
    dropout takes a few is about normal."""
    return x.thinned is not None and (x.thinned[1] < MOST or values_of(x.thinned[0]) is not None)


def joins_known(x: Moments) -> bool:
    """Whether x has pieces one after the other of which one is not normal."""
    from initlint.propagate.pieces import pieces_of

    found = pieces_of(x)
    return found is not None and any(values_of(piece) is not None for piece in found[0])


def pair_of(dims: Dims | None, profile: Profile) -> Array:
    """E[f(u) f(v)] by pair state; of a view's new axes by their groups in `dims` where those are given."""
    source = profile.source
    if isinstance(source, views.View):
        chosen = source.dims if dims is None else dims
        return views.pair_of_view(source, profile.values, [axis for dim in chosen for axis in dim])
    if source.deviation.size == 1 and source.correlated.powers is not None:
        return _pair_of_one(source, profile.values.reshape(-1))
    _, w, transform = grid(source.points)
    values = profile.values.reshape(source.points, -1)
    series = transform @ values
    total = w @ values**2
    squares = series**2
    rest = np.maximum(total - squares.sum(0), 0.0)
    groups = source.deviation.shape
    met = source.correlated
    summed = met.summed(series)
    if (rest > 1e-12 * total).any() and len(met.strong):
        slope = w @ slopes(values, 2 * REACH / source.points) ** 2 - np.arange(ORDER) @ squares
        power = np.clip(slope / np.maximum(rest, 1e-300), ORDER, 1e3)
        left, right = met.left[met.strong], met.right[met.strong]
        summed[met.strong] += np.sqrt(rest[left] * rest[right]) * met.strong_rho ** np.sqrt(power[left] * power[right])
    means = series[0].reshape(groups)
    pair = outer_means([axis for dim in source.dims for axis in dim], means, means)  # all there is of uncorrelated pairs
    pair.reshape(-1)[met.near] = met.unfolded(summed)
    if source.wander is not None:  # E[ρ²] is more than E[ρ]²
        second = series[2].reshape(groups)
        pair = pair + source.wander * outer_means([axis for dim in source.dims for axis in dim], second, second)
    same = tuple([slice(0, g) for g in groups])
    if met.spread:
        pair[same] = total.reshape(groups)
    else:  # cells without spread have correlation 0 by convention: their second moment is the square of their value
        pair[same] = np.where(source.deviation > 0, total.reshape(groups), (profile.values[0] ** 2).reshape(groups))
    return pair


def _pair_of_one(source: Source, values: Array) -> Array:
    """The same for a source whose elements are all alike, as most are: numbers in place of arrays by cell."""
    _, w, transform = grid(source.points)
    met = source.correlated
    assert met.powers is not None
    series = transform @ values
    total, squares = float(w @ values**2), series**2
    rest = max(total - float(squares.sum()), 0.0)
    summed = squares @ met.powers
    if rest > 1e-12 * total and len(met.strong):
        slope = float(w @ slopes(values, 2 * REACH / source.points) ** 2) - float(np.arange(ORDER) @ squares)
        summed[met.strong] += rest * met.strong_rho ** min(max(slope / max(rest, 1e-300), ORDER), 1e3)
    pair = np.full(source.correlation.shape, squares[0])
    pair.reshape(-1)[met.near] = met.unfolded(summed)
    if source.wander is not None:
        pair += source.wander * squares[2]
    pair.reshape(-1)[0] = total if source.deviation.item() > 0 else values[0] ** 2
    return pair


def slopes(values: Array, step: float) -> Array:
    """Derivatives along the first dimension, as np.gradient finds them."""
    result = np.empty_like(values)
    np.subtract(values[2:], values[:-2], out=result[1:-1])
    result[1:-1] /= 2.0 * step
    result[0] = (values[1] - values[0]) / step
    result[-1] = (values[-1] - values[-2]) / step
    return result


def from_profile(profile: Profile, like: Moments, method: str) -> Moments:
    """The tensor with this profile."""
    source = profile.source
    _, w, _ = grid(source.points)
    dims = like.dims if like.shape == shape_of(source.dims) else source.dims

    def mean_of(values: Array) -> Array:
        mean = (w @ values.reshape(len(w), -1)).reshape(values.shape[1:])
        return views.averaged(source, mean, [axis for dim in dims for axis in dim]) if isinstance(source, views.View) else mean

    result = Moments(
        dims, mean_of(profile.values), pair_of(dims, profile), method=method, flags=like.flags, profile=profile, valid=like.valid
    )
    if source.origin.near and not isinstance(source, views.View) and like.shape == source.origin.shape:
        result.near = near.of_function(source, profile.values)
    least, largest = profile.values.min(), profile.values.max()
    result.positive, result.negative = bool(least >= 0), bool(largest <= 0)
    gram = source.origin.gram
    if gram is not None and not isinstance(source, views.View) and len(like.dims) == len(source.dims):
        result.gram = rows.function_of_rows(gram, profile, result.q)
    if not (least > 0 or largest < 0):
        empty = profile.values == 0
        result.zeros = result.average(mean_of(empty)) if empty.any() else 0.0
    return result


def apply(function: Callable[[Array], Array], x: Moments, *, method: str = "quadrature") -> Moments:
    """f(x), element by element; x is taken as Gaussian unless it is itself a function of a Gaussian source."""
    before = profile_of(x)
    with np.errstate(all="ignore"):
        values = finite(function(before.values))
    return from_profile(Profile(before.source, values), x, method)


def combine(function: Callable[[Array, Array], Array], x: Moments, y: Moments) -> Moments | None:
    """f(x, y) where both are functions of one source; None where they are not."""
    if lineage(x) == lineage(y) and x.shape == y.shape:
        both = profile_of(x), profile_of(y)
    elif x.valid is None and y.valid is None and all(root_of(t).profile is not None for t in (x, y)):
        broadcast = views.joint(profile_of(x), profile_of(y))
        if broadcast is None:
            return None
        both = broadcast
    else:
        return None
    with np.errstate(all="ignore"):
        values = finite(function(both[0].values, both[1].values))
    return from_profile(Profile(both[0].source, values), y if y.shape == shape_of(both[0].source.dims) else x, "quadrature")


def lineage(x: Moments) -> int:
    """Equal for tensors that are functions of one source, element by element."""
    x = root_of(x)
    return id(x) if x.profile is None else id(x.profile.source)


def root_of(x: Moments) -> Moments:
    """What x is a multiple of, plus a number, if it is not known as a function of a source."""
    while x.profile is None and x.affine is not None:
        x = x.affine[0]
    return x


def finite(values: Array) -> Array:
    """Values outside a function's domain, where a Gaussian reaches but the real tensor does not, replaced by the centre's."""
    good = np.isfinite(values)
    if good.all():
        return values
    centre = values[len(values) // 2]
    return np.where(good, values, np.where(np.isfinite(centre), centre, 0.0))


def coarsened(x: Moments, axes: list[int]) -> Moments:
    """x with one group along some axes; what it is a function of is kept, its values averaged over the groups."""
    if all(x.axes[k].labels is None for k in axes):
        profile_of(x)
        return x
    before = profile_of(x)
    source = before.source
    if isinstance(source, views.View):
        for k in axes:
            x = x.coarsened(k)
        return x
    base = Moments(source.dims, np.zeros_like(source.deviation), source.correlation * scale_by_state(x, source.deviation))
    values, coarse = before.values, x
    for k in axes:
        axis = x.axes[k]
        if axis.labels is None:
            continue
        values = np.expand_dims(np.tensordot(values, axis.counts / axis.size, (k + 1, 0)), k + 1)
        base, coarse = base.coarsened(k), coarse.coarsened(k)
    base.near = source.origin.near
    new = Source(base)
    if new.points != source.points:
        z_old, z_new = grid(source.points)[0], grid(new.points)[0]
        flat = values.reshape(len(z_old), -1)
        values = np.stack([np.interp(z_new, z_old, column) for column in flat.T], axis=1).reshape(-1, *values.shape[1:])
    coarse = coarse.with_()
    coarse.profile = Profile(new, values)
    return coarse


@dataclass(slots=True, eq=False)
class Term:
    """A function of a source times a root; its pair moments, found once for all cotangents that have it."""

    root: Moments
    source: Source
    values: Array
    _moments: Moments | None = None

    @property
    def moments(self) -> Moments:
        if self._moments is None:
            root, source = self.root, self.source
            dims = views.matched(source, root)
            pair = pair_of(dims, Profile(source, self.values))
            own = Moments(dims, np.zeros([axis.groups for dim in dims for axis in dim]), pair)
            if root.near and source.origin.near and not isinstance(source, views.View):
                own.near = near.of_function(source, self.values)
            term = times(own, root)
            self._moments = views.arrived(source, term) if isinstance(source, views.View) else term
        return self._moments


class Cotangent:
    """What flows back into one value: independent terms, and terms that are a known function of a source times a root.

    Terms with the same root and the same source are coherent, so their functions add before they are squared; that is
    what makes the gradient of `x * sigmoid(x)` right, whose two paths carry the same cotangent.
    """

    __slots__ = ("_seen", "coherent", "drawn", "plain", "spent")

    def __init__(self, plain: Moments | None = None, spent: Moments | None = None, drawn: Ensemble | None = None) -> None:
        self.plain = plain
        self.drawn = drawn  # terms known by draws, together with those of the values they flow back into (see `joint`)
        self.spent = spent  # to be reported, but already accounted for further back
        self.coherent: dict[tuple[int, int], Term] = {}
        self._seen: tuple[tuple[object, ...], Moments | None] | None = None

    def add_plain(self, term: Moments) -> None:
        if self.plain is None:
            self.plain = term
        elif not term.is_zero or term.pair.any():
            self.plain = plus(self.plain, term)

    def add_coherent(self, root: Moments, source: Source, coefficient: Array) -> None:
        self.add_term(Term(root, source, coefficient))

    def add_term(self, term: Term) -> None:
        key = (id(term.root), term.source.key)
        before = self.coherent.get(key)
        self.coherent[key] = term if before is None else Term(term.root, term.source, before.values + term.values)

    def scaled(self, factor: float) -> Cotangent:
        """The same, multiplied by a number; what was drawn stays."""
        if factor == 1.0 or self.drawn is not None:
            return self
        plain, spent = (None if x is None else x.scaled(factor) for x in (self.plain, self.spent))
        result = Cotangent(plain, spent)
        result.coherent = {key: Term(term.root, term.source, factor * term.values) for key, term in self.coherent.items()}
        return result

    def copied(self) -> Cotangent:
        """The same terms, to be totalled without touching these."""
        result = Cotangent(self.plain)
        result.coherent = dict(self.coherent)
        return result

    def whole(self) -> Moments | None:
        """`total` of what was not drawn, the terms staying as they are; many ask for it."""
        if not self.coherent:
            return self.plain
        terms = (self.plain, *self.coherent.values())
        if self._seen is None or len(self._seen[0]) != len(terms) or any(a is not b for a, b in zip(self._seen[0], terms, strict=True)):
            self._seen = terms, self.copied().total()
        return self._seen[1]

    def total(self) -> Moments | None:
        """Pair moments of the whole cotangent; coherent terms are folded in, so that later terms see one root."""
        for term in self.coherent.values():
            self.add_plain(term.moments)
        self.coherent = {}
        if self.drawn is None:
            return self.plain
        drawn = self.drawn.cotangent()
        return drawn if self.plain is None else plus(self.plain, drawn)

    def measured(self) -> Cotangent:
        """The same, with pair moments in place of what was drawn."""
        result = Cotangent(self.plain, self.spent)
        if self.drawn is not None:
            result.add_plain(self.drawn.cotangent())
        result.coherent = dict(self.coherent)
        return result


def plus(x: Moments, y: Moments) -> Moments:
    """The sum of two independent zero-mean tensors; where their groups are not the same ones, the most alike are averaged."""
    from initlint.propagate.ops.gather import bounded, tidy

    limit = max([GROUP_LIMIT, *(axis.groups for axis in (*x.axes, *y.axes))])
    x, y = align(x, y)
    result = Moments(x.dims, x.mean, x.pair + y.pair, gram=rows.image_in_sum(x, y))
    if x.near or y.near:
        result.near = near.of_sum((x, 1.0), (y, 1.0))
    for k, axis in enumerate(result.axes):
        if axis.groups > limit:
            result = tidy(result, k, limit)
    return bounded(result)


def spread(x: Moments) -> Moments:
    """x as a factor of a zero-mean cotangent: only its pair moments count."""
    return Moments(x.dims, np.zeros(x.mean.shape), x.pair)


def times(x: Moments, y: Moments) -> Moments:
    """The product of two independent tensors, as pair moments (means multiply too)."""
    x, y = align(x, y)
    z = Moments(x.dims, x.mean * y.mean, x.pair * y.pair)
    z.gram = rows.product_of_rows(z, x, y)
    if x.near or y.near:
        z = near.with_products(z, x, y)
        z.near = near.of_product(x, y)
    return z


__all__ = [
    "REACH", "Cotangent", "Profile", "Source", "Term", "apply", "coarsened", "combine", "finite", "from_profile", "grid", "lineage",
    "pair_of", "plus", "profile_of", "root_of", "sample_of_sum", "slopes", "spread", "times",
    "values_of",
]  # fmt: skip
