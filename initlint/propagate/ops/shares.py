"""What is divided by its own sum: the shares of terms that are about alike, and a softmax written by hand."""

from __future__ import annotations

import math

from initlint.propagate.moments import Moments
from initlint.propagate.ops.arithmetic import MASKED
from initlint.propagate.ops.functions import affine
from initlint.propagate.ops.view import unbroadcast
from initlint.propagate.pointwise import Cotangent, apply, lineage, spread, times
from initlint.propagate.tape import Tape

EVEN = 0.6  # relative variance of the terms of a sum up to which a term's share is taken as linear in them


def part_of_sum(tape: Tape, x: Moments, y: Moments) -> Moments | None:
    """x over its own sum, for terms that are about alike: x/Σx = 1/n + (x − x̄)/(n E[x]) to first order; else None.

    The shares of the chosen experts are of this kind. Their mean is exactly 1/n, and what all terms share has no gradient.
    """
    from initlint.propagate.ops.reduce import centred

    if y.affine is None or y.affine[2] or y.affine[0].averaged_of is None or not x.positive or x.m <= 0:
        return None
    base, dims = y.affine[0].averaged_of
    count = float(math.prod([x.shape[d] for d in dims]))
    if lineage(base) != lineage(x) or abs(y.affine[1] - count) > 1e-9 * count:
        return None
    if x.made is not None and x.made.name == "exp" and len(dims) == 1:
        return softmax_by_hand(tape, x, y, dims[0])
    apart = centred(tape, x, dims)
    if apart.q > EVEN * x.m**2:
        return None
    z = affine(tape, apart, 1.0 / (count * x.m), 1.0 / count)
    z.positive = True
    slope = spread(x).scaled(y.m**-2.0)

    def report(g: Cotangent) -> list[Cotangent]:
        total = g.whole()
        return [g, Cotangent(spent=None if total is None else unbroadcast(times(total, slope), y))]

    return tape.record_coherent([z, y], z.with_(affine=(z, 1.0, 0.0)), report)


def softmax_by_hand(tape: Tape, x: Moments, total: Moments, dim: int) -> Moments:
    """x = e^z over its own sum along a dimension is the softmax of z; e^z and the sum get their cotangents for themselves."""
    from initlint.propagate.masked import in_place
    from initlint.propagate.ops.attention import softmax

    assert x.made is not None
    z = x.made.args[0]
    if z.valid is not None:  # what a softmax does not see, it sends nothing back to, as `masked.prepared` sees to for e^z
        z = in_place(tape, z) if z.fill > MASKED else z.affine[0]
    weights = softmax(tape, z, dim)
    inverse = spread(apply(lambda v: v**-1.0, total))

    def report(g: Cotangent) -> list[Cotangent]:
        sent = g.whole()
        if sent is None:
            return [g, Cotangent(), Cotangent()]
        shared = unbroadcast(times(times(sent, spread(weights)), inverse), total)
        return [g, Cotangent(spent=times(sent, inverse)), Cotangent(spent=shared)]

    whole = next((masked for masked, shown in tape.uncovered.values() if shown is x), x)
    return tape.record_coherent([weights, whole, total], weights.with_(affine=(weights, 1.0, 0.0)), report)
