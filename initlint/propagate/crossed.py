"""Two calls of one operator: its law on cross moments E[u_s v_t] says what the results of both have to do with each other.

A softmax of logits z and one of z' share weights as two rows of one tensor do: by the participation at the covariance of z and z'
(`ops.attention`). An attention contracts those with E[v v']. On the way back its pullback, on cross moments, makes Cov(g, g') of the
results those of queries, keys and values. Assumed: both see the same mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.propagate.covariance import covariance
from initlint.propagate.lineage import Made
from initlint.propagate.meeting import alone, plain, total
from initlint.propagate.moments import Moments, align
from initlint.propagate.rows import cross_rows
from initlint.propagate.tape import Known, Tape

if TYPE_CHECKING:
    from collections.abc import Sequence


def of_softmaxes(tape: Tape, x: Moments, y: Moments, depth: int) -> Any:
    """Cov of two softmaxes, or attentions; NotImplemented where their arguments do not match."""
    a, b = x.made, y.made
    assert a is not None and b is not None
    given = cross_arguments(tape, a, b, depth)
    if given is None:
        return NotImplemented
    out, x, y = align(a.function(Tape(), *given, **a.kwargs), x, y)
    return plain(out.dims, out.pair - x.mean_products(y))


def cross_arguments(tape: Tape, a: Made, b: Made, depth: int = 0) -> list[Any] | None:
    """The arguments of two calls as those of one, with cross moments in place of moments; None where they do not match."""
    if not all(_equal(u, v) for u, v in _others(a, b)):
        return None
    given: list[Any] = []
    for u, v in zip(a.args, b.args, strict=True):
        if not isinstance(u, Moments):
            given.append(u)
        elif u.shape != v.shape or u.complex or v.complex:
            return None
        else:
            given.append(cross_moments(tape, u, v, depth))
    return given


def _others(a: Made, b: Made) -> Sequence[tuple[Any, Any]]:
    """The arguments that are not random in one of two calls, side by side."""
    every = zip((*a.args, *a.kwargs.values()), (*b.args, *b.kwargs.values()), strict=True)
    return [(u, v) for u, v in every if not (isinstance(u, Moments) and isinstance(v, Moments))]


def _equal(u: Any, v: Any) -> bool:
    """Whether two arguments that are not random are one."""
    if isinstance(u, Known) and isinstance(v, Known):
        return u is v or (u.shape == v.shape and bool((u.tensor == v.tensor).all()))
    return u is v or (not isinstance(u, Known | Moments) and type(u) is type(v) and bool(u == v))


def cross_moments(tape: Tape, u: Moments, v: Moments, depth: int = 0) -> Moments:
    """E[u_s v_t] as the pair moments of a tensor, with what masks hide and the mean where that of both is one."""
    p, q = align(u, v)
    mean = plain(p.dims, p.mean_products(q))
    found = total([alone(u) if u is v else covariance(tape, u, v, depth + 1), mean])
    assert found is not None
    found.gram = cross_rows(found, u, v, u.gram, v.gram)
    if np.any(p.mean) or p.valid is not None:
        found, p, q = align(found, p, q)
        if np.allclose(p.mean, q.mean, rtol=1e-6, atol=0.0):
            found = found.with_(mean=p.mean)
        if p.valid is not None and q.valid is not None:
            found = found.with_(valid=p.valid, both=p.both, fill=p.fill)
    return found
