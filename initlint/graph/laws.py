"""The algebra of laws: what a draw becomes when it is scaled, shifted, cut or joined; and the laws of `torch.nn.init`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from initlint.graph.model import Family, Law

STEPS = 64  # of probability, where a law is kept as quantiles


def normal(mean: float, std: float) -> Law:
    """N(mean, std²)."""
    if std == 0:
        return constant(mean)
    return Law(family="normal", mean=mean, second_moment=mean**2 + std**2)


def uniform(low: float, high: float) -> Law:
    """U(low, high): variance (high − low)²/12."""
    mean = (low + high) / 2
    return Law(family="uniform", mean=mean, second_moment=mean**2 + (high - low) ** 2 / 12, low=low, high=high)


def by_quantiles(values: Sequence[float], mean: float, second_moment: float) -> Law:
    """A law given by its values at equal steps of probability, ascending, and its exact moments."""
    return Law(family="measured", mean=mean, second_moment=second_moment, quantiles=tuple(values))


def coin(share: float) -> Law:
    """One with probability `share`, else zero."""
    return by_quantiles([float(step + 0.5 > STEPS * (1.0 - share)) for step in range(STEPS)], share, share)


def constant(value: float) -> Law:
    """Every entry is `value`."""
    return Law(family="constant", mean=value, second_moment=value**2)


def uninitialized() -> Law:
    """Memory nobody has written."""
    return Law(family="uninitialized", mean=math.nan, second_moment=math.nan)


def unknown(source: str) -> Law:
    """Entries that an operator of unknown effect has made."""
    return Law(family="unknown", mean=math.nan, second_moment=math.nan, source=source)


LOST = ("uninitialized", "unknown")


def truncated_normal(mean: float, std: float, low: float, high: float) -> Law:
    """N(mean, std²) conditioned on [low, high]; the bounds are absolute values, not multiples of std.

    E = μ + σ (φ(α) − φ(β))/Z, Var = σ² [1 + (αφ(α) − βφ(β))/Z − ((φ(α) − φ(β))/Z)²] with α, β the bounds in units of σ.
    """
    if std == 0:
        return constant(min(max(mean, low), high))
    a, b = (low - mean) / std, (high - mean) / std
    mass = (math.erf(b / math.sqrt(2)) - math.erf(a / math.sqrt(2))) / 2
    if mass <= 1e-12:
        return uniform(low, high) if high > low else constant(low)
    pa, pb = (math.exp(-(t**2) / 2) / math.sqrt(2 * math.pi) if math.isfinite(t) else 0.0 for t in (a, b))
    shift = (pa - pb) / mass
    wide_a, wide_b = (t * p if math.isfinite(t) else 0.0 for t, p in ((a, pa), (b, pb)))
    variance = std**2 * (1 + (wide_a - wide_b) / mass - shift**2)
    centre = mean + std * shift
    return Law(family="truncated normal", mean=centre, second_moment=centre**2 + variance, low=low, high=high)


def orthogonal(shape: Sequence[int], gain: float) -> Law:
    """Rows or columns orthonormal times gain: E[w²] = gain²/max(rows, columns) (Saxe et al. 2013)."""
    rows = shape[0]
    columns = math.prod(shape[1:])
    return Law(family="orthogonal", mean=0.0, second_moment=gain**2 / max(rows, columns, 1), gain=gain)


def identity(shape: Sequence[int], copied: int, gain: float = 1.0) -> Law:
    """`copied` entries equal to gain, one in each row and column of the channel matrix, zeros elsewhere."""
    total = math.prod(shape)
    return Law(family="identity", mean=gain * copied / total, second_moment=gain**2 * copied / total, gain=gain)


def sparse(shape: Sequence[int], sparsity: float, std: float) -> Law:
    """Normal entries, ⌈sparsity·rows⌉ of every column set to zero."""
    kept = 1 - math.ceil(sparsity * shape[0]) / shape[0]
    return Law(family="normal", mean=0.0, second_moment=std**2 * kept)


def scaled(law: Law, factor: float) -> Law:
    """factor · w."""
    if factor == 1.0 or law.family in LOST:
        return law
    if factor == 0.0:
        return constant(0.0)
    low, high = law.low, law.high
    if low is not None and high is not None:
        low, high = sorted((low * factor, high * factor))
    return Law(
        family=law.family,
        mean=law.mean * factor,
        second_moment=law.second_moment * factor**2,
        low=low,
        high=high,
        gain=None if law.gain is None else law.gain * factor,
        parts=tuple((region, scaled(part, factor)) for region, part in law.parts),
        pair=None if law.pair is None else tuple(p * factor**2 for p in law.pair),
        quantiles=tuple(sorted(value * factor for value in law.quantiles)),
        rank=law.rank,
    )


def shifted(law: Law, by: float) -> Law:
    """w + by."""
    if by == 0.0 or law.family in LOST:
        return law
    family: Family = "measured" if law.family in ("identity", "orthogonal") else law.family
    return Law(
        family=family,
        mean=law.mean + by,
        second_moment=law.second_moment + 2 * by * law.mean + by**2,
        low=None if law.low is None else law.low + by,
        high=None if law.high is None else law.high + by,
        parts=tuple((region, shifted(part, by)) for region, part in law.parts),
        pair=None if law.pair is None else tuple(p + 2 * by * law.mean + by**2 for p in law.pair),
        quantiles=tuple(value + by for value in law.quantiles),
    )


NARROW = 0.2  # ratio of deviations below which the narrower term of a sum does not change its form


def added(a: Law, b: Law) -> Law:
    """The sum of two independent draws."""
    for law in (a, b):
        if law.family in LOST:
            return law
    if b.family == "constant":
        return shifted(a, b.mean)
    if a.family == "constant":
        return shifted(b, a.mean)
    mean = a.mean + b.mean
    family: Family = "normal" if a.family == b.family == "normal" else "measured"
    # the form of the sum is that of the wider law where the other hardly counts
    wide, narrow = (a, b) if a.std >= b.std else (b, a)
    quantiles = tuple(value + narrow.mean for value in wide.quantiles) if narrow.std < NARROW * wide.std else ()
    second = a.second_moment + b.second_moment + 2 * a.mean * b.mean
    return Law(family=family, mean=mean, second_moment=second, quantiles=quantiles, pair=_added_pairs(a, b))


def _added_pairs(a: Law, b: Law) -> tuple[float, ...] | None:
    """What pairs of entries of an independent sum share; None where those of the two are told by different dimensions."""
    length = len(a.pair or b.pair or ())
    if not length or len(a.pair or b.pair or ()) != len(b.pair or a.pair or ()):
        return None
    one, other = (law.pair or (law.second_moment, *[law.mean**2] * (length - 1)) for law in (a, b))
    return tuple(p + q + 2 * a.mean * b.mean for p, q in zip(one, other, strict=True))


def multiplied(a: Law, b: Law) -> Law:
    """The product of two independent draws."""
    for law in (a, b):
        if law.family in LOST:
            return law
    if b.family == "constant":
        return scaled(a, b.mean)
    if a.family == "constant":
        return scaled(b, a.mean)
    return Law(family="measured", mean=a.mean * b.mean, second_moment=a.second_moment * b.second_moment)


def clamped(law: Law, low: float, high: float) -> Law | None:
    """w limited to [low, high]; None for a law that this changes and that is neither constant nor normal.

    Of a normal law, with α, β the bounds in units of σ and ΔΦ = Φ(β) − Φ(α) (`docs/theory`, section 4, "clip"):
    E = lΦ(α) + h(1 − Φ(β)) + μΔΦ + σ(φ(α) − φ(β)),
    E[·²] = l²Φ(α) + h²(1 − Φ(β)) + (μ² + σ²)ΔΦ + σ[(μ + l)φ(α) − (μ + h)φ(β)].
    """
    if law.family in LOST:
        return law
    if law.family == "constant":
        return constant(min(max(law.mean, low), high))
    reach = (law.low, law.high) if law.low is not None and law.high is not None else (-math.inf, math.inf)
    if reach[0] >= low and reach[1] <= high:
        return law
    if law.family == "truncated normal" and min(law.mean - low, high - law.mean) > 6 * law.std:
        return law
    if law.family != "normal":
        return None
    mean, std = law.mean, law.std
    first = second = 0.0
    inside = 1.0
    for bound, sign in ((low, 1.0), (high, -1.0)):
        if math.isinf(bound):
            continue
        t = (bound - mean) / std
        beyond = math.erfc(-sign * t / math.sqrt(2)) / 2  # the probability beyond this bound
        density = math.exp(-(t**2) / 2) / math.sqrt(2 * math.pi)
        inside -= beyond
        first += bound * beyond + sign * std * density
        second += bound**2 * beyond + sign * std * (mean + bound) * density
    return Law(
        family="measured", mean=first + mean * inside, second_moment=second + (mean**2 + std**2) * inside, low=low, high=high
    )


def same(a: Law, b: Law, tolerance: float = 1e-3) -> bool:
    """Whether two laws are one distribution, up to rounding."""
    if a.family in LOST or b.family in LOST:
        return a.family == b.family
    scale = max(abs(a.second_moment), abs(b.second_moment), 1e-30)
    return (
        a.family == b.family
        and abs(a.second_moment - b.second_moment) <= tolerance * scale
        and (abs(a.mean - b.mean) <= tolerance * math.sqrt(scale))
    )


def pooled(parts: Sequence[tuple[float, Law]]) -> Law:
    """The law of an entry picked at random from parts with these shares; uninitialized or unknown if any part is."""
    if len(parts) == 1:
        return parts[0][1]
    for _, law in parts:
        if law.family in LOST:
            return law
    total = sum(share for share, _ in parts)
    mean = sum(share * law.mean for share, law in parts) / total
    second = sum(share * law.second_moment for share, law in parts) / total
    if all(same(law, parts[0][1]) for _, law in parts):
        return parts[0][1]
    return Law(family="mixture", mean=mean, second_moment=second)
