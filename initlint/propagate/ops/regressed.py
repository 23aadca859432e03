"""What a layer's cotangent has to do with its own weights: it may be a function of W x, and goes back through W, and to W.

Behind y = W x + b a cotangent is r f(ŷ) with ŷ = (y − E y)/σ, as far as it is known as a function of y. For Gaussian y
f(ŷ) = a₀ + a₁ ŷ + …, and by Stein's lemma (1981) E[f(ŷ) h] = a₁ Cov(ŷ, h) for h that is jointly Gaussian with it. Given W, an entry
of x has Cov(y_o, x_i) = Σ_i' W_oi' C_ii', so that the gradient Σ_s r_s f(ŷ_s) x_si of W_oi has beside what independence gives

    Σ_{s≠s'} E[r_s r_s'] (a₁/σ)² σ_w² Σ_i' C_ii'²

places s and s' being independent given W: of N places with one r, a global average, N a₁²/(n E f²) of the whole, for a fan-in n.
So has what comes back to x, Σ_o W_oi r_o f(ŷ_o), a part along x itself:

    Σ_{o≠o'} E[r_so r_s'o'] (a₁/σ)² E[w²]² x_si x_s'j

of M units with one r, a norm or an average over features, M a₁²/(n E f²) of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from initlint.propagate import views
from initlint.propagate.axes import Array, weighed
from initlint.propagate.moments import Moments, align, outer_means
from initlint.propagate.pointwise import Cotangent, Source, times
from initlint.propagate.sources import grid
from initlint.propagate.tape import Tape


def tell_weight(tape: Tape, z: Moments, x: Moments, weight: Moments, unit: int, taps: int = 1) -> None:
    """The cotangent of z, made of x by `weight`, also tells the weight what is known of it as a function of z.

    unit  the dimension of z that is a row of the weight's own; every other entry of z is a place. A unit reads x along the same
          dimension, and at so many places
    """

    def pull(g: Cotangent) -> list[Cotangent | None]:
        shared = summed_pairs(g, z, unit) if g.coherent else 0.0
        if not shared:
            return [None]
        pair = np.zeros_like(weight.pair)
        spread = weight.q - weight.m**2
        pair[tuple([axis.cells for axis in weight.axes])] = shared * spread * squares(x, unit, taps)
        return [Cotangent(Moments(weight.dims, np.zeros_like(weight.mean), pair))]

    tape.record_coherent([weight], z, pull)


def tell_input(tape: Tape, z: Moments, x: Moments, weight: Moments) -> None:
    """The cotangent of z = W x + b also tells x what units of z have to do with each other as functions of z."""
    unit = len(z.dims) - 1

    def pull(g: Cotangent) -> list[Cotangent | None]:
        back = Cotangent()
        for root, pair in linear_terms(g, z):
            axes = root.dim_axes([unit])
            every, same = pair, pair
            for k in reversed(axes):
                every = weighed(every, root.axes[k].pairs, k)
                same = weighed(same[(slice(None),) * k + (root.axes[k].cells,)], root.axes[k].counts, k)
            dims = (*root.dims[:unit], ())
            cells = [axis.groups for dim in dims for axis in dim]
            between = Moments(dims, np.zeros(cells), (every - same) * weight.q**2)
            back.add_plain(times(between, Moments(x.dims, np.zeros_like(x.mean), x.pair)))
        return [back]

    tape.record_coherent([x], z, pull)


def summed_pairs(g: Cotangent, z: Moments, unit: int) -> float:
    """Σ over different places of E[r r'] (a₁/σ)(a₁/σ)' of one unit, averaged over units."""
    whole = 0.0
    for root, pair in linear_terms(g, z):
        own = root.dim_axes([unit])
        every, same = pair, pair[tuple([axis.cells for axis in root.axes])]
        for k in reversed(range(len(root.axes))):
            axis = root.axes[k]
            every = every[..., axis.cells] @ axis.shares if k in own else weighed(every, axis.pairs, k)
            same = same @ (axis.shares if k in own else axis.counts)
        whole += float(every - same)
    return whole


def linear_terms(g: Cotangent, z: Moments) -> Iterator[tuple[Moments, Array]]:
    """The roots of what is known of g as functions of z, and E[r r'] (a₁/σ)(a₁/σ)' by pair state."""
    if z.profile is None or isinstance(z.profile.source, views.View):
        return
    source = z.profile.source
    for term in g.coherent.values():
        if term.source is source and term.root.q > 0.0:
            root, factor = align(term.root, Moments(z.dims, linear_part(term.values, source), z.pair))
            yield root, root.pair * outer_means(root.axes, factor.mean, factor.mean)


def linear_part(values: Array, source: Source) -> Array:
    """a₁/σ by cell of the source."""
    z, w, _ = grid(source.points)
    flat = np.broadcast_to(values, (source.points, *source.deviation.shape)).reshape(source.points, -1)
    first = ((w * z) @ flat).reshape(source.deviation.shape)
    return np.divide(first, source.deviation, out=np.zeros_like(first), where=source.deviation > 0)


def squares(x: Moments, unit: int, taps: int) -> float:
    """Σ_i' C_ii'² over what a unit reads, averaged over i: entries along dimension `unit`, at `taps` places of a sample."""
    c = x.centered()
    inside = x.dim_axes([unit])
    places = [k for k, axis in enumerate(x.axes) if k not in inside and axis.role == "position"]
    total = 0.0
    for apart in (False, True) if taps > 1 and places else (False,):
        square = c**2
        for k in reversed(range(len(x.axes))):
            axis = x.axes[k]
            if k in inside:
                square = weighed(square, axis.pairs, k) / axis.size
            elif apart and k in places:
                square = weighed(square, axis.pair_shares, k)
            else:
                square = weighed(square[(slice(None),) * k + (axis.cells,)], axis.shares, k)
        total += float(square) * (taps - 1.0 if apart else 1.0)
    return total
