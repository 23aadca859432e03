"""Two tensors that have something in common: what one element of the first has to do with one of the second.

A tensor knows the second moments of its own pairs of elements. Where two tensors meet (a sum, a product, a stack) that have an
ancestor in common, their covariance Cov(x_u, y_v) by pair state is needed too. It is not carried along but looked up when they
meet, by walking back over the calls that made both, the later one first:

    a tensor with itself        its own pair moments
    two slices of one tensor    the pair moments of that tensor between the two places
    a sum                       Cov(x + x', y) = Cov(x, y) + Cov(x', y)
    a dropout                   that of what was dropped
    a product                   Cov(ab, cd) of Gaussian a, b, c, d with E[a] = α …  (Isserlis 1918):
                                αγ K_bd + αδ K_bc + βγ K_ad + βδ K_ac + K_ac K_bd + K_ad K_bc
    functions of a source       Cov(f(u), g(v)) = Σ_{k>0} a_k b_k ρ(u, v)^k  (Mehler), whatever f and g are
    the same view of both       that view of the covariance
    two look-ups in one table   that of the same row where the indices agree, of two rows elsewhere
    the same weights on both    Cov(Wu, Wv) from E[u_s v_t], contracted with the moments of W, plus Cov of what is added
    different weights           none: zero-mean weights that the other tensor knows nothing of leave nothing behind
    entries of one of both      at one index or in another order: the average over the places where both meet
    a softmax, an attention     what it makes of cross moments: rows of two tensors share weights as rows of one do
    a normalization             linear in what is normalized: its spread over the normalized axes hardly varies

Everything else counts as independent. A residual branch ends in weights of its own, so in ordinary models a meeting costs one
step. With this the steps of a recurrence share their bias, and a block that is called again adds the same direction again.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.propagate.axes import Array, Axis, state_of
from initlint.propagate.lineage import SLICES, VIEWS, Made, bare, moved, picked, roots_of, same_call, sliced
from initlint.propagate.meeting import alone, apart, correlation, of_picked, plain, series_on, swapped, total, weighed
from initlint.propagate.moments import Moments, align, outer_means
from initlint.propagate.sources import ORDER, Profile, Source

if TYPE_CHECKING:
    from initlint.propagate.tape import Tape

BROKEN = logging.getLogger("initlint.propagate.broken")  # rules that raised; the tests of structures allow none
Look = Callable[[Moments, Moments], "Moments | None"]

FEW = 4  # pieces of unlike size whose places are compared
BLOCKS = 8  # stretches of a long stack over which a covariance at one distance counts as the same
DEEPEST = 150  # steps back after which two tensors count as strangers
SMALLEST = 1e-6  # share of the standard deviations below which a covariance is nothing
SUMS = {"add": 1.0, "sub": -1.0}
MAPS = {"linear", "conv1d", "conv2d", "conv3d", "matmul", "mm", "addmm", "bmm"}
SOFTMAXES = {"softmax", "_softmax", "_safe_softmax", "scaled_dot_product_attention"}
CHANCE = {"dropout", "feature_dropout"}
NORMS = {"layer_norm", "rms_norm", "group_norm", "instance_norm", "batch_norm"}


def covariance(tape: Tape, x: Moments, y: Moments, depth: int = 0) -> Moments | None:
    """Cov(x_u, y_v) by pair state as the pair of a tensor, over the axes that either needs; None where it is zero."""
    x, scale = bare(x)
    y, other = bare(y)
    if x.made is None or y.made is None or not x.made.roots & y.made.roots or depth > DEEPEST or x.complex or y.complex:
        return None
    # tensors made before see all slices of one tensor that were taken since alike
    key = (_seen(x, y), _seen(y, x))
    if key not in tape.covariances:
        tape.covariances[key] = None  # whoever asks while it is being found gets no answer
        tape.met.append((x, y))
        try:
            found = _found(tape, x, y, depth)
        except Exception:  # noqa: BLE001 - a rule that breaks is as good as none: they count as strangers
            BROKEN.debug("no covariance", exc_info=True)
            found = None
        if found is not None and not _matters(found, x, y):
            found = None
        tape.covariances[key] = found
        tape.covariances[key[::-1]] = None if found is None else swapped(found)
    found = tape.covariances[key]
    return None if found is None else found.with_(pair=found.pair * (scale * other))


def _seen(x: Moments, y: Moments) -> object:
    assert x.made is not None and y.made is not None
    return x.made.first if x.made.first is not None and y.made.called < x.made.called else id(x)


def _matters(found: Moments, x: Moments, y: Moments) -> bool:
    size = np.sqrt(max(x.q - x.m**2, 0.0) * max(y.q - y.m**2, 0.0))
    return bool(np.abs(found.pair).max() > SMALLEST * size)


def _found(tape: Tape, x: Moments, y: Moments, depth: int) -> Moments | None:
    if x is y:
        return alone(x)
    assert x.made is not None and y.made is not None
    if moved(x) is not None or moved(y) is not None:
        from initlint.propagate.lagged import at_places

        return at_places(tape, x, y)
    source, target = source_of(x), source_of(y)

    def look(u: Moments, v: Moments) -> Moments | None:
        return alone(u) if u is v else covariance(tape, u, v, depth + 1)

    if source is not None or target is not None:
        return of_functions(x, y, source, target, look)
    if same_call(x.made, y.made) and not (copied(x) or copied(y)):
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
    if found is NotImplemented:
        from initlint.propagate.anyplace import by_pieces

        found = by_pieces(tape, *((y, x) if turned else (x, y)))
        turned = False
    if found is None:
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
        return total([weighed(covariance(tape, b, y, depth + 1), a, y), weighed(covariance(tape, a, y, depth + 1), b, y)])
    if made.name in MAPS:
        bias = made.args[0] if made.name == "addmm" else (*made.args, None, None)[2] if made.name == "linear" else None
        if factor := copied(x):
            given = covariance(tape, made.args[1 if made.name == "addmm" else 0], y, depth + 1)
            return total([_times(given, factor), covariance(tape, bias, y, depth + 1) if isinstance(bias, Moments) else None])
        if any(roots_of(tape, w) & y.made.roots for w in _weights(made)):
            return NotImplemented
        return covariance(tape, bias, y, depth + 1) if isinstance(bias, Moments) else None
    if made.name in CHANCE and isinstance(made.args[0], Moments):  # a factor of average one, of nobody else's
        return covariance(tape, made.args[0], y, depth + 1)
    if made.name in NORMS and isinstance(made.args[0], Moments):
        return normalized(x, covariance(tape, made.args[0], y, depth + 1))
    if (found := picked(x)) is not None and found[0].shape == y.shape:
        base, d, indices, gone = found
        c = covariance(tape, base, y, depth + 1)
        return None if c is None else of_picked(_shaped(c, base), d, indices, gone)
    return NotImplemented


def copied(x: Moments) -> float:
    """What x is a multiple of its input by, where that is multiplied by weights that are an identity; else zero."""
    made = x.made
    if made is None or made.name not in MAPS:
        return 0.0
    weights = _weights(made)
    given = made.args[1 if made.name == "addmm" else 0]
    return weights[0].eye if weights and isinstance(given, Moments) and given.shape == x.shape else 0.0


def _weights(made: Made) -> list[Moments]:
    """The second factor of a product of matrices, unless it has a mean (then nothing is said to be left of it)."""
    weight = made.args[2 if made.name == "addmm" else 1]
    return [weight] if isinstance(weight, Moments) else []


def _times(c: Moments | None, factor: float) -> Moments | None:
    return None if c is None else c.with_(pair=c.pair * factor)


def source_of(x: Moments) -> Profile | None:
    """What x is a function of, unless that is x itself."""
    if x.profile is None or type(x.profile.source) is not Source:
        return None
    origin = x.profile.source.origin
    return None if origin is x or origin.made is None or origin.shape != x.shape else x.profile


def of_functions(x: Moments, y: Moments, left: Profile | None, right: Profile | None, look: Look) -> Moments | None:
    """Cov(f(u), g(v)) by Mehler's series; f or g is the identity where there is no profile. `look` finds Cov(u, v)."""
    u = x if left is None else left.source.origin
    v = y if right is None else right.source.origin
    c = look(u, v)
    if c is None:
        return None
    c, u, v, x, y = align(c, u, v, x, y)
    a, b = _series(left, u, c.axes), _series(right, v, c.axes)
    if a is None or b is None:
        return None
    rho = correlation(c, u, v)
    if left is None or right is None:  # only the linear part meets
        return plain(c.dims, outer_means(c.axes, a[1], b[1]) * rho)
    pair = np.zeros_like(rho)
    for k in range(ORDER - 1, 0, -1):
        pair = (pair + outer_means(c.axes, a[k], b[k])) * rho
    return plain(c.dims, pair)


def _series(profile: Profile | None, x: Moments, axes: tuple[Axis, ...]) -> Array | None:
    """Hermite coefficients by cell, on finer or equal `axes`, of x itself where there is no profile."""
    if profile is not None:
        return series_on(profile, axes)
    deviation = np.sqrt(np.maximum(x.cells - x.mean**2, 0.0))
    return np.stack([np.zeros_like(deviation), deviation])


def normalized(x: Moments, c: Moments | None) -> Moments | None:
    """Cov of a normalized tensor: that of the tensor before, less its average, over the deviation."""
    made = x.made
    assert made is not None
    u = made.args[0]
    if c is None or made.name not in ("layer_norm", "rms_norm"):
        return None
    dims = range(len(u.dims) - len(made.args[1]), len(u.dims))
    c, u, _ = align(c, u, x)
    if made.name == "layer_norm":
        c = plain(c.dims, apart(c.pair, c.axes, c.dim_axes(dims)))
    ratio = ratio_of(x)
    return None if ratio is None else c.with_(pair=c.pair * ratio)


def ratio_of(x: Moments) -> float | None:
    """The deviation of a normalized tensor to that, over the normalized dimensions, of the tensor before."""
    made = x.made
    assert made is not None
    u = made.args[0]
    axes = u.dim_axes(range(len(u.dims) - len(made.args[1]), len(u.dims)))
    if made.name == "layer_norm":
        u = plain(u.dims, apart(u.centered(), u.axes, axes))
    return float(np.sqrt(max(x.q - x.m**2, 0.0) / u.q)) if u.q > 0 else None


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
    if a.name == "embedding" and a.args[0] is b.args[0]:
        from initlint.propagate.ops.embed import covariance_of_look_ups

        return covariance_of_look_ups(a.args[0], a.args[1], b.args[1])
    if a.name in SOFTMAXES:
        from initlint.propagate.crossed import of_softmaxes

        return of_softmaxes(tape, x, y, depth)
    if a.name in MAPS:
        factors = factors_of(a, b)
        if factors is None:
            return NotImplemented
        crossed = [alone(u) if u is v else covariance(tape, u, v, depth + 1) for u, v in factors]
        return mapped(tape, x, y, factors, crossed)
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
    return plain(a.dims, pair)


def factors_of(a: Made, b: Made) -> list[tuple[Moments, Moments]] | None:
    """The two factors of either product of matrices, side by side; None where they do not match."""
    first = 1 if a.name == "addmm" else 0
    factors = list(zip(a.args[first : first + 2], b.args[first : first + 2], strict=True))
    fit = all(isinstance(u, Moments) and isinstance(v, Moments) and u.shape == v.shape for u, v in factors)
    return factors if fit else None


def mapped(
    tape: Tape, x: Moments, y: Moments, factors: Sequence[tuple[Moments, Moments]], crossed: Sequence[Moments | None]
) -> Moments | None:
    """Cov(Au + b, Bv + b'): the products' law for (A, B) independent of (u, v), on the cross moments E[A B] and E[u v]."""
    from initlint.propagate.tape import Tape as Scratch

    a, b = x.made, y.made
    assert a is not None and b is not None
    first = 1 if a.name == "addmm" else 0
    terms: list[Moments | None] = []
    whole, means = [], []
    for (u, v), c in zip(factors, crossed, strict=True):
        p, q = align(u, v)
        mean = plain(p.dims, p.mean_products(q))
        means.append(mean)
        whole.append(total([c, mean]))
    later = a.args[first + 2 :] if first == 0 else ()
    convolution = a.name.startswith("conv")
    if all(np.any(w.pair) for w in whole if w is not None):
        for given, sign in ((whole, 1.0), (means, -1.0)):
            if all(np.any(g.pair) for g in given if g is not None):
                rest = (None, *later[1:]) if convolution else ()
                out = a.function(Scratch(), *((0.0,) * first), *given, *rest)
                terms.append(plain(out.dims, out.pair * sign))
    if a.name == "linear" or first or convolution:
        bias, other = ((made.args[0] if first else (*made.args, None, None)[2]) for made in (a, b))
        if isinstance(bias, Moments) and isinstance(other, Moments):
            c = covariance(tape, bias, other)
            if c is not None and convolution:
                c = c.reshaped([*c.shape, *[1] * (len(x.dims) - 2)])
            terms.append(c)
    return total(terms)


def _of_slices(tape: Tape, x: Moments, y: Moments, depth: int) -> Any:
    """Cov of two slices along one dimension: a single index each, or ranges of equal length."""
    from initlint.propagate.ops.gather import single, take_axis

    first, second = sliced(x), sliced(y)
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
        return plain((*c.dims[:d], *c.dims[d + 1 :]), c.pair) if gone else c
    axis = c.axes[k]
    labels = np.zeros(axis.size, dtype=np.int64) if axis.labels is None else axis.labels
    if np.array_equal(i, j):
        found = take_axis(c, k, i)
        found = plain(found.dims, found.pair)
    else:
        if np.intersect1d(i, j).size or len(np.unique(labels[i])) > 1 or len(np.unique(labels[j])) > 1:
            return None
        state = int(state_of(axis.groups, labels[i[0]], labels[j[0]]))
        pair = c.pair.take([state] * (1 if len(i) == 1 else 2), axis=k)
        dims = (*c.dims[:d], () if len(i) == 1 else (Axis(len(i)),), *c.dims[d + 1 :])
        found = plain(dims, pair.squeeze(k) if len(i) == 1 else pair)
    if gone:
        found = plain((*found.dims[:d], *found.dims[d + 1 :]), found.pair)
    return found


def joined_covariances(tape: Tape, pieces: list[Moments], d: int, new: bool = False) -> dict[tuple[int, int], Moments]:
    """Covariances of tensors that are put one after the other along dimension d (or a new one there), averaged over it.

    Of a long stack those at distances of powers of two, once for each of some stretches; others are like the nearest.
    """
    count = len(pieces)
    found: dict[tuple[int, int], Moments] = {}
    if not _related(pieces):
        return found
    if any(x.shape != pieces[0].shape for x in pieces):
        return {} if new or count > FEW or len(pieces[0].shape) != 3 else _unlike(tape, pieces, d)
    for i, j in itertools.combinations(range(count), 2):
        start, end = nearest_pair(i, j, count)
        c = covariance(tape, pieces[start], pieces[end])
        if c is not None:
            c = c.with_(dims=((),) * (len(pieces[0].dims) - len(c.dims)) + c.dims)
            c = c.with_(dims=(*c.dims[:d], (), *c.dims[d:])) if new else c.averaged(c.dim_axes([d]))
            found[i, j], found[j, i] = c, swapped(c)
    return found


def _unlike(tape: Tape, pieces: list[Moments], d: int) -> dict[tuple[int, int], Moments]:
    """The same for tokens (sample, place, channel) of unlike number, of which it is known what any two places have in common."""
    from initlint.propagate.anyplace import anywhere

    found: dict[tuple[int, int], Moments] = {}
    last = len(pieces[0].shape) - 1
    for i, j in itertools.combinations(range(len(pieces)), 2):
        if d == last or (c := anywhere(tape, pieces[i], pieces[j])) is None:
            continue
        c = c.with_(dims=((),) * last + c.dims)
        found[i, j], found[j, i] = c, swapped(c)
    return found


def nearest_pair(i: int, j: int, count: int) -> tuple[int, int]:
    """Among many in a row, the pair at a distance of a power of two, at the start of some stretch, that is like (i, j)."""
    if count <= 2 * BLOCKS:
        return i, j
    apart = min(2 ** int(np.log2(j - i) + 0.5), count - 1)
    start = min(i * BLOCKS // count * count // BLOCKS, count - 1 - apart)
    return start, start + apart


def _related(pieces: list[Moments]) -> bool:
    """Whether two neighbours have an ancestor in common."""
    made = [bare(x)[0].made for x in pieces]
    return any(a is not None and b is not None and a.roots & b.roots for a, b in itertools.pairwise(made))
