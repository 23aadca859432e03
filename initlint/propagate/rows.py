"""How the rows of a tensor fluctuate: the features of one token, whose inner products and length are those of few numbers.

A token that a layer made of n independent features has u_s·u_s' with a relative variance 1/n, and u_s·u_s with 2/n. A random
linear map keeps both, and adds its own 1/n; so a token embedded from four latent channels, or a state of three numbers, has
about four or three degrees of freedom in every layer after. It matters where inner products or lengths are squared: a
normalization divides by a length that fluctuates, and gradients through attention add k_s (v_s·g) over tokens s, where k and v
are images of one tensor. The infinite-width limit takes both as fixed.

    sum of independent x_i     Σ (q_i/q)² of each
    f(x) of a Gaussian         inner products: (a_1²/E f²)²; lengths: (E[(z² − 1) f²]/(2 E f²))², a logarithmic derivative
    normalized                 lengths are fixed, angles are as they were
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from initlint.propagate.axes import Array, Labels, average_of_states
from initlint.propagate.moments import Gram, Moments
from initlint.propagate.sources import Profile, grid

LEAST = 1e-9  # inverse degrees of freedom of what does not fluctuate
TABLE_ROWS = 256  # of a known table that are compared with each other


def image_of_rows(x: Moments, axes: frozenset[int], features: float, base: object, alike: float = 1.0) -> Gram:
    """A random linear image of rows over `axes` with this many features; `alike` of the fluctuation of x's own rows is left."""
    before = x.gram if x.gram is not None and x.gram.axes == axes else None
    while isinstance(base, Moments) and base.affine is not None:
        base = base.affine[0]
    if before is None:
        return Gram(base, axes, features, norm=2.0 / features)
    inner = 1.0 / features + alike * before.scale**2 / before.freedom
    return Gram(base, axes, 1.0 / inner, norm=before.norm * alike)


def kernel_rows(kurtosis: float, shape: Sequence[int]) -> Gram | None:
    """How the lengths of a depthwise convolution's kernels vary, for independent entries with this kurtosis; None for other weights."""
    taps = math.prod(shape[2:])
    if len(shape) < 3 or shape[0] == 1 or shape[1] != 1 or taps == 1:
        return None
    return Gram(None, frozenset({0}), 1.0 / LEAST, norm=(kurtosis - 1.0) / taps)


def shifted_rows(y: Moments, z: Moments) -> Gram | None:
    """The rows of z = y + b for a vector b that all rows share."""
    return None if y.gram is None else replace(y.gram, norm=y.gram.norm * (y.q / z.q) ** 2 if z.q > 0 else 0.0)


def image_of_patches(x: Moments, y: Moments, taps: int, groups: int = 1, base: object = None) -> Gram | None:
    """The same for the patches under a kernel: a patch of t positions averages the fluctuations of its rows.

    base  x, where every position has one place of its own under the kernel: a linear layer at every position. With groups of
          channels every part of the result is an image of its own part of x.
    """
    axes = frozenset(y.dim_axes([d for d in range(len(y.dims)) if d != 1]))
    if not axes or not y.dims[1]:
        return None
    same = x.gram is not None and x.gram.axes == axes and len(x.axes) == len(y.axes)
    known = x if same else x.with_(gram=None)
    return image_of_rows(known, axes, float(x.shape[1] // groups * taps), base, 1.0 / taps)


def sum_of_rows(z: Moments, *terms: tuple[Moments, float]) -> Gram | None:
    """The rows of z = Σ factor·x of independent terms with the axes of z; a term whose rows are not known does not fluctuate."""
    known = [(x, factor**2, x.gram) for x, factor in terms if x.gram is not None]
    whole = z.q
    if not known or whole <= 0:
        return None
    axes = max((gram.axes for _, _, gram in known), key=len)
    near = compared(axes, [x for x, _ in terms])
    own = max(own_part(z, near), LEAST * whole)
    known = [term for term in known if term[2].axes == axes]
    inner = sum((square * own_part(x, near) / own) ** 2 / gram.freedom for x, square, gram in known)
    return Gram(None, axes, 1.0 / min(max(inner, LEAST), 1.0), norm=sum((square * x.q / whole) ** 2 * gram.norm for x, square, gram in known))


def sum_of_dependent_rows(z: Moments, x: Moments, y: Moments, alpha: float, shared: Moments) -> Gram | None:
    """The rows of z = x + alpha·y for two with the axes of z and a covariance, given both ways.

    The one with the smaller own part is its regression on the other, b of it by their covariance in own parts, and an independent rest.
    """
    axes = next((t.gram.axes for t in (x, y) if t.gram is not None), None)
    if axes is None or z.q <= 0:
        return None
    axes = compared(axes, [x, y])
    terms = sorted(((x, 1.0), (y, alpha)), key=lambda term: -(term[1] ** 2) * own_part(term[0], axes))
    (first, factor), (second, other) = terms
    own, rest, whole = own_part(first, axes), own_part(second, axes), max(own_part(z, axes), LEAST * z.q)
    b = 0.5 * part_of_pair(shared, axes) / own if own > LEAST * first.q else 0.0
    shares = (factor + other * b) ** 2 * own / whole, other**2 * max(rest - b**2 * own, 0.0) / whole
    sizes = (factor + other * b) ** 2 * first.q / z.q, other**2 * max(second.q - b**2 * first.q, 0.0) / z.q
    known = [(s, q, t.gram) for s, q, t in zip(shares, sizes, (first, second), strict=True) if t.gram is not None and t.gram.axes == axes]
    inner = sum(share**2 / gram.freedom for share, _, gram in known)
    return Gram(None, axes, 1.0 / min(max(inner, LEAST), 1.0), norm=sum(size**2 * gram.norm for _, size, gram in known))


def rows_of_table(values: Array, table: Moments) -> Gram | None:
    """The rows of a known table: how its inner products vary from one pair of places to another, beyond 1/features.

    Sinusoids of few places are a curve of few dimensions: C_ss' of their centred rows is far from C_ss δ_ss', and that is what
    Σ (u_s·u_s')² has in it, whether the rows are drawn or given. An image of the table adds 1/features of its own, which is
    taken away here.
    """
    if values.ndim < 2 or not table.dims[-1] or not np.isfinite(values).all():
        return None
    axes = frozenset(range(len(table.axes))) - set(table.dim_axes([len(table.dims) - 1]))
    rows = values.reshape(-1, values.shape[-1])
    rows = rows[:: -(-len(rows) // TABLE_ROWS)]
    count = len(rows)
    centred = rows - rows.mean(0)
    products = centred @ centred.T
    own = float(np.trace(products)) / max(count - 1, 1)
    if not axes or count < 3 or own <= LEAST * float((rows**2).sum()) / count:
        return None
    lengths = np.square(rows).sum(1)
    apart = float((products**2).sum() - (np.diagonal(products) ** 2).sum()) / (count * (count - 1)) - (own / count) ** 2
    return Gram(None, axes, 1.0 / max(apart / own**2 - 1.0 / rows.shape[1], LEAST), norm=float(lengths.var() / lengths.mean() ** 2))


def product_of_rows(z: Moments, x: Moments, y: Moments) -> Gram | None:
    """The rows of z = x·y, factor by factor independent, where those of one are known.

    Its inner products follow those of x by E[y_s y_s'] of one feature in two rows: all of it for a gain, none of what dropout adds,
    and with a rotary table the average cosine of the angle between two places.
    """
    if (x.gram is None) == (y.gram is None):
        return None
    if x.gram is None:
        x, y = y, x
    assert x.gram is not None
    axes = compared(x.gram.axes, [y])
    count = float(math.prod([y.axes[k].size for k in axes]))
    if count < 2 or len(x.axes) != len(z.axes):
        return x.gram
    apart = (average_product(y, axes) * count - y.q) / (count - 1.0)
    share = apart * own_part(x, axes) / max(own_part(z, axes), 1e-300)
    return part_of_rows(x.gram, min(max(share, -1.0), 1.0))


def part_of_rows(gram: Gram, share: float) -> Gram:
    """The rows of a tensor whose own part follows these by this share."""
    if gram.base is not None:
        return replace(gram, scale=gram.scale * share)
    return replace(gram, freedom=min(gram.freedom / max(share**2, LEAST), 1.0 / LEAST))


def compared(axes: frozenset[int], terms: Sequence[Moments]) -> frozenset[int]:
    """The axes along which rows are compared: those of one sample where a gain or a shift is the same for all of these.

    Attention contracts rows over the last axes. What differs from sample to sample alone, as a modulation by a condition does,
    leaves the angles between rows of one sample as they are, though rows of two samples have less in common.
    """
    for x in terms:
        same = [k for k in axes if k < len(x.axes) and x.axes[k].labels is None and constant_along(x, k)]
        if max(axes) in same and len(same) < len(axes):
            axes = frozenset(same)
    return axes


def constant_along(x: Moments, k: int) -> bool:
    """Whether the entries along an axis are copies."""
    same, different = np.moveaxis(x.pair, k, 0)[:2]
    return bool(np.array_equal(same, different))


def image_in_sum(x: Moments, y: Moments) -> Gram | None:
    """What the sum of two independent tensors is an image of, in part."""
    if same_image(x, y):
        return sum_of_images(x, y)
    for term, other in ((x, y), (y, x)):
        if term.gram is not None and term.gram.base is not None:
            own, rest = (own_part(part, term.gram.axes) for part in (term, other))
            if other.gram is None or other.gram.base is None or own >= rest:
                return replace(term.gram, scale=term.gram.scale * own / max(own + rest, 1e-300))
    return None


def same_image(x: Moments, y: Moments) -> bool:
    """Whether both are images of one tensor, row by row."""
    first, second = x.gram, y.gram
    return first is not None and second is not None and first.base is not None and first.base is second.base and first.axes == second.axes


def sum_of_images(x: Moments, y: Moments, alpha: float = 1.0) -> Gram | None:
    """The rows of x + alpha·y for two that are images of one tensor by weights that have no inner product."""
    assert x.gram is not None and y.gram is not None
    first, second = own_part(x, x.gram.axes), alpha**2 * own_part(y, y.gram.axes)
    scale = (first * x.gram.scale + second * y.gram.scale) / max(first + second, 1e-300)
    return replace(x.gram, scale=scale)


def cross_rows(c: Moments, x: Moments, y: Moments, first: Gram | None, second: Gram | None) -> Gram | None:
    """The rows of cross moments c = E[x_s y_t], for x and y that are images of one tensor each, by these: the base is that of x.

    With u_s and v_t the rows of the two, u_s·v_t has the variance |u|²|v|²/n whatever u and v have in common, so that relative to the own
    part of c it is more than that of x or y.
    """
    if first is None or second is None or first.base is None or second.base is None or first.axes != second.axes:
        return None
    if not len(c.axes) == len(x.axes) == len(y.axes):
        return None
    own = own_part(c, first.axes)
    if own <= LEAST * math.sqrt(x.q * y.q):
        return None
    sizes = first.scale * own_part(x, first.axes) * second.scale * own_part(y, second.axes)
    return replace(first, freedom=math.sqrt(first.freedom * second.freedom), scale=math.sqrt(max(sizes, 0.0)) / own)


def own_part(x: Moments, axes: frozenset[int]) -> float:
    """E[x²] less what two rows have in common, to which the freedom of rows refers."""
    return max(part_of_pair(x, axes), 0.0)


def part_of_pair(x: Moments, axes: frozenset[int]) -> float:
    """The same of a covariance, which may be negative."""
    count = float(math.prod([x.axes[k].size for k in axes]))
    return x.q if count <= 1 else (x.q - average_product(x, axes)) / (1.0 - 1.0 / count)


def average_product(x: Moments, axes: frozenset[int]) -> float:
    """E[x x'] of entries of any two rows, one and the same among them: the second moment of the average over `axes`."""
    return average_of_states(x.axes, x.pair, axes)


def function_of_rows(gram: Gram, profile: Profile, second: float) -> Gram:
    """The rows of a function, element by element, of a Gaussian tensor with these rows."""
    z, w, _ = grid(profile.source.points)
    flat = profile.values.reshape(len(z), -1)
    own = max(second - float(((w @ flat) ** 2).mean()), LEAST * second, 1e-300)
    linear = float((((w * z) @ flat) ** 2).mean()) / own
    steep = float(((w * (z**2 - 1.0)) @ flat**2).mean()) / (2.0 * max(second, 1e-300))
    return Gram(None, gram.axes, gram.freedom / max(linear**2, LEAST), norm=gram.norm * steep**2)


def freedom_of_rows(x: Moments, axes: Sequence[int], freedom: Array) -> Array:
    """Degrees of freedom of the average square over `axes`, those of x's rows counted."""
    gram = x.gram
    if gram is None or not gram.norm or gram.axes | set(axes) != set(range(len(x.axes))) or gram.axes & set(axes):
        return freedom
    return np.asarray(1.0 / (1.0 / np.maximum(freedom, LEAST) + gram.norm / 2.0))


def normalized_rows(x: Moments, axes: Sequence[int]) -> Gram | None:
    """The rows of x divided by their length, where `axes` are their features."""
    rest = frozenset(range(len(x.axes))) - set(axes)
    if x.gram is not None:
        return replace(x.gram, norm=0.0) if x.gram.axes == rest else x.gram
    return Gram(None, rest, 1.0 / LEAST) if rest else None


def rows_at(gram: Gram, size: int, indices: Labels) -> Gram:
    """The rows at some indices of an axis of this size: those of one of the tensors that were joined, or any."""
    if isinstance(gram.base, tuple) and sum(count for _, count, _ in gram.base) == size:
        start = 0
        for base, count, freedom in gram.base:
            if np.array_equal(indices, np.arange(start, start + count)):
                return replace(gram, base=base, freedom=freedom)
            start += count
    return gram.law


def joined_rows(pieces: Sequence[Moments], k: int, size: int) -> Gram | None:
    """Rows one after the other, or features one after the other, along axis k of this size in all; others do not fluctuate.

    Images by different weights have no inner product, so that rows of one piece alone fluctuate together.
    """
    known = [(piece, piece.gram, piece.axes[k].size / size) for piece in pieces if piece.gram is not None]
    if not known:
        return None
    axes = known[0][1].axes
    known = [entry for entry in known if entry[1].axes == axes]
    if k in axes:
        inner = sum(gram.scale * share**2 / gram.freedom for _, gram, share in known)
        norm = sum(gram.norm * share for _, gram, share in known)
        bases = tuple((gram.base, piece.axes[k].size, gram.freedom) for piece, gram, _ in known)
        complete = all(base is not None for base, *_ in bases) and sum(share for *_, share in known) > 1.0 - 1e-9
        return Gram(bases if complete else None, axes, 1.0 / max(inner, LEAST), norm=norm)
    first = known[0][1]
    if first.base is not None and len(known) == len(pieces) and all(gram.base is first.base for _, gram, _ in known):
        return first  # features of one image, as the halves that rotary embeddings turn
    whole = sum(piece.q * piece.axes[k].size / size for piece in pieces)
    parts = [(gram, (share * piece.q / max(whole, 1e-300)) ** 2) for piece, gram, share in known]
    inner = sum(square / gram.freedom for gram, square in parts)
    return Gram(None, axes, 1.0 / min(max(inner, LEAST), 1.0), norm=sum(square * gram.norm for gram, square in parts))
