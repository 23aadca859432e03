"""Sums of two parts of one tensor: known linear maps of it, which two independent terms would not be."""

from __future__ import annotations

import numpy as np

from initlint.propagate.axes import Axis
from initlint.propagate.moments import Moments
from initlint.propagate.ops.gather import single
from initlint.propagate.ops.view import unbroadcast
from initlint.propagate.pointwise import Cotangent
from initlint.propagate.tape import Tape


def of_slices(tape: Tape, x: Moments, y: Moments, alpha: float) -> Moments:
    """x + alpha·y for two slices of one tensor along one dimension: a known linear map of that tensor."""
    from initlint.propagate.ops.maps import along

    assert x.slice_of is not None and y.slice_of is not None
    base, d, first = x.slice_of
    second = y.slice_of[2]
    matrix = np.zeros((len(first), base.shape[d]))
    matrix[np.arange(len(first)), first] += 1.0
    matrix[np.arange(len(first)), second] += alpha
    return instead(tape, along(tape, base, d, matrix), x, y, alpha)


def rest_of_running_sum(tape: Tape, x: Moments, y: Moments, alpha: float) -> Moments | None:
    """x + alpha·y for running sums y and one of them x: a known linear map of the terms, which keeps their sign for x − y of the last.

    Decays of state-space models are exponentials of such differences (Dao & Gu 2024, listing 1); of sums as long as theirs,
    taken as normal, exponentials would have no moments.
    """
    from initlint.propagate.lineage import summed_up
    from initlint.propagate.linear import mapped, octaves
    from initlint.propagate.ops.maps import along

    if x.slice_of is None or x.slice_of[0] is not y or len(x.slice_of[2]) != 1 or (found := summed_up(y)) is None:
        return None
    terms, d = found
    if d != x.slice_of[1]:
        return None
    matrix = np.tril(np.ones((y.shape[d], y.shape[d])))
    matrix = matrix[x.slice_of[2]] + alpha * matrix
    source = single(terms, d)
    like = source.axes[source.position(d)] if source.dims[d] else None
    if like is None or like.labels is not None:
        return instead(tape, along(tape, terms, d, matrix), x, y, alpha)
    k, axis = source.position(d), Axis(y.shape[d], octaves(1.0 + np.abs(matrix).sum(1)), like.role)

    def pull(g: Moments) -> list[Moments]:
        g = single(g, d)
        return [mapped(g, g.position(d), matrix.T, like)]

    return instead(tape, tape.record([terms], mapped(source, k, matrix, axis), pull), x, y, alpha)


def instead(tape: Tape, z: Moments, x: Moments, y: Moments, alpha: float) -> Moments:
    """z in place of x + alpha·y, which it equals: cotangents go through z, and x and y are told of theirs."""
    shared = z.with_(affine=(z, 1.0, 0.0))

    def report(g: Cotangent) -> list[Cotangent]:
        total = g.whole()
        told = unbroadcast(total, x) if total is not None else None, None if total is None else total.scaled(alpha)
        return [g, *(Cotangent(spent=item) for item in told)]

    return tape.record_coherent([z, x, y], shared, report)
