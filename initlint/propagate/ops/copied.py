"""Weights that start as the identity: what they are multiplied with is handed on as it is, times a number.

By its moments alone an identity is a permutation, whose result has nothing in common with what it is made of at one index. A
`nn.init.eye_` or `dirac_` is no such stranger: x + W x is 2x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from initlint.propagate.moments import Moments, align
from initlint.propagate.ops.functions import affine
from initlint.propagate.pointwise import Cotangent
from initlint.propagate.sparse import Sparse
from initlint.propagate.tape import Tape, pull_back


def through_identity(tape: Tape, x: Moments, weight: Moments, run: Callable[[Tape, Moments, Moments], Moments]) -> Moments:
    """W x = a x for W = a·I; `run` is the operator by moments alone, by which W gets its gradient."""
    base = affine(tape, x, weight.eye, 0.0)
    y = base.with_(affine=(base, 1.0, 0.0))
    y.profile = base.profile

    def pull(g: Cotangent) -> list[Cotangent]:
        whole = g.whole()
        if whole is None:
            return [g, Cotangent()]
        scratch, plain = Tape(), weight.with_()
        out = run(scratch, x.with_(), plain)
        return [g, Cotangent(pull_back(scratch, [(out, align(whole, out)[0])]).get(id(plain)))]

    return tape.record_coherent([base, weight], y, pull)


def stays(weight: Moments, taps: Sequence[Sequence[Sparse]]) -> bool:
    """Whether a kernel that is one at its centre leaves every position where it is."""
    middle = [matrices[len(matrices) // 2] for matrices in taps]
    odd = all(len(matrices) % 2 for matrices in taps)
    return bool(weight.eye) and odd and all(m.shape[0] == m.shape[1] and np.array_equal(m.rows, m.columns) and m.ones for m in middle)
