"""Entries of a tensor at other places along a dimension, and zeros around them: what is a function of a source stays one.

A slice of f(z) is f of the slice of z, and zero padding puts cells without spread around both. What a later operator sends back
as a function of these entries is one of z again when it arrives at f, and meets f' there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from initlint.propagate import views
from initlint.propagate.moments import Moments, align
from initlint.propagate.pointwise import Cotangent
from initlint.propagate.sources import Profile, Source
from initlint.propagate.tape import Tape

Move = Callable[[Moments], Moments]


def carried(tape: Tape, x: Moments, y: Moments, move: Move, back: Move) -> Moments:
    """y = move(x), on the tape; `move` copies entries of any tensor like x, or leaves zeros, and `back` is its transpose."""
    before = x.profile
    if before is None or before.normal or isinstance(before.source, views.View) or before.source.dims != x.dims:
        return tape.record([x], y, lambda g: [back(g)])
    source, values = before.source, before.values
    numbers = np.arange(1, x.mean.size + 1).reshape(x.mean.shape)
    cells = np.rint(move(Moments(x.dims, numbers.astype(np.float64), np.zeros_like(x.pair))).mean).astype(np.int64).reshape(-1)
    inside = cells > 0
    at = Source(move(source.origin))
    at.points = source.points
    flat = np.zeros((source.points, cells.size))
    flat[:, inside] = values.reshape(source.points, -1)[:, cells[inside] - 1]
    y.profile = Profile(at, flat.reshape(-1, *at.deviation.shape))

    def pull(g: Cotangent) -> list[Cotangent]:
        own = {key: term for key, term in g.coherent.items() if term.source is at}
        rest = Cotangent(g.plain)
        rest.coherent = {key: term for key, term in g.coherent.items() if key not in own}
        total = rest.total()
        result = Cotangent(None if total is None else back(total))
        roots = {id(term.root): back(align(term.root, y)[0]) for term in own.values()}
        for term in own.values():
            root = roots[id(term.root)]
            tape.kept.append(root)
            if id(term.root) in tape.balanced:
                tape.balanced.add(id(root))
            if id(term.root) in tape.bending:
                tape.bending[id(root)] = tape.bending[id(term.root)]
            sent = np.zeros((source.points, x.mean.size))
            sent[:, cells[inside] - 1] = np.broadcast_to(term.values, (source.points, *at.deviation.shape)).reshape(source.points, -1)[:, inside]
            result.add_coherent(root, source, sent.reshape(-1, *x.mean.shape))
        return [result]

    return tape.record_coherent([x], y, pull)
