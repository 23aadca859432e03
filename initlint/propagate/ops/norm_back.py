"""What a normalization sends back: cotangents without their part along the result, as functions of the source where they are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from initlint.propagate.axes import Array
from initlint.propagate.moments import Moments, align, outer_means
from initlint.propagate.ops.reduce import marginals
from initlint.propagate.pointwise import Cotangent, Source, Term, profile_of

EVEN = 0.01  # difference of gains that is none


def functions_of(source: Source, g: Cotangent) -> list[Term]:
    """The terms of a cotangent that is nothing but functions of this source; none where it is anything else."""
    terms = list(g.coherent.values())
    return terms if g.plain is None and g.drawn is None and all(term.source is source for term in terms) else []


def shifted_power(terms: Sequence[Term], known: Array | None) -> Moments | None:
    """Pair moments of g·(1 + x̂), for g made of functions of the source of x̂."""
    if known is None:
        return None
    result = Cotangent()
    for term in terms:
        result.add_coherent(term.root, term.source, term.values * (1.0 + known))
    return result.total()


def still_alike(terms: Sequence[Term], sent: Moments, total: Moments) -> Cotangent:
    """What a normalization sends back of a cotangent made of functions of its own input's source, which meet the next function
    back again: the terms on the scale of `sent`, of whose pairs what the projection did to them stays.

    The scale is that of each cell: channels that differ in variance are divided by deviations of their own.
    """
    sent, total = align(sent, total)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.sqrt(np.where(total.cells > 0.0, np.maximum(sent.cells, 0.0) / total.cells, 0.0))
    result = Cotangent()
    if gain.size == 1 or np.ptp(gain) <= EVEN * gain.max():
        even = math.sqrt(max(sent.q / total.q, 0.0)) if total.q > 0.0 else 0.0
        for term in terms:
            result.add_term(Term(term.root, term.source, even * term.values))
    else:
        by_pair = sent.with_(pair=outer_means(sent.axes, gain, gain))
        roots = {}
        for term in terms:  # those with one root still have one
            if id(term.root) not in roots:
                root, factor = align(term.root, by_pair)
                roots[id(term.root)] = root.with_(pair=root.pair * factor.pair)
            result.add_term(Term(roots[id(term.root)], term.source, term.values))
    for term in result.coherent.values():
        sent, own = align(sent, term.moments)
        sent = sent.with_(pair=sent.pair - own.pair)
    result.plain = sent
    return result


def take_along(
    result: Cotangent, x: Moments, known: Array, gain: Array, along: Array, crossed: Array | None, even: Array | None
) -> None:
    """What a cotangent has along x itself, and along what is even of it, taken away; all by pair state of x."""
    source = profile_of(x).source
    taken = x.with_(mean=np.zeros(x.mean.shape), pair=-along * gain, valid=None, gram=None)
    if crossed is not None and even is not None:
        add_cross(result, taken.with_(pair=(crossed - along - even) / 2 * gain), known, source)
    result.add_coherent(taken, source, known)


def add_cross(result: Cotangent, cross: Moments, known: Array, source: Source) -> None:
    """ḡ and g·x̂/n are not independent where the power of g hangs on x̂: −c (x̂ + x̂') in pairs, as −c ((1 + x̂)(1 + x̂') − 1 − x̂ x̂')."""
    result.add_coherent(cross.with_(pair=-cross.pair), source, 1.0 + known)
    result.add_coherent(cross, source, known)
    assert result.plain is not None
    plain, more = align(result.plain, cross)
    result.plain = plain.with_(pair=plain.pair + more.pair)


def unevenly(sent: Moments, source: Source, uneven: Array, axes: Sequence[int]) -> Cotangent:
    """What is sent back as k(z), a function of the source, times a root. Its sum over `axes` is nothing, but that of channels that
    weigh unlike is not quite: the rest is taken from all pairs evenly, as an average is that was subtracted."""
    result = Cotangent()
    result.add_coherent(sent, source, uneven)
    whole = result.whole()
    assert whole is not None
    rest = np.broadcast_to(marginals(whole.pair, whole, axes)[2], whole.pair.shape)
    result.add_plain(whole.with_(pair=-rest))
    return result


def along_itself(power: Moments, x: Moments, axes: Sequence[int]) -> Array | None:
    """The power of a cotangent along the direction of y itself, by pair state of x: E[(Σ_w g_w y_w)(Σ_w' g_w' y_w')]/n².

    `power` has the pair moments of g·y. What a normalization sends back has no part along y. Written as the negative of a
    term y_u y_v, it stays known to the function of which x is a value: a shift or scale of that function's argument meets
    it again.
    """
    if tuple(map(len, power.dims)) != tuple(map(len, x.dims)):
        return None
    for k, coarse in enumerate(x.axes):
        if not power.axes[k].same_partition(coarse):
            power = power.coarsened(k, coarse)
    return summed(power, x, axes)


def summed(power: Moments, x: Moments, axes: Sequence[int]) -> Array:
    """The same for a power with the axes of x."""
    pair = power.pair
    for k in axes:
        axis = x.axes[k]
        last = pair.transpose(*range(k), *range(k + 1, pair.ndim), k)
        total = last.reshape(-1, axis.states).dot(axis.pair_shares[:, None])
        pair = total.reshape((*pair.shape[:k], 1, *pair.shape[k + 1 :])).repeat(axis.states, axis=k)
    return pair


def less(fine: Moments, pair: Array, part: Array) -> Array:
    """pair − part, where no element loses more than all it has."""
    cells = tuple(slice(0, axis.groups) for axis in fine.axes)
    part = np.broadcast_to(part, pair.shape)
    kept = pair - part
    kept[cells] = np.maximum(kept[cells], 0.0)
    return kept
