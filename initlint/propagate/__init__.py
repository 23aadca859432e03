"""Signals: what happens to mean, second moment, correlation and gradient at every node of a traced model.

Read in this order: `axes` (pair states), `moments` (the domain and its algebra), `pointwise` (functions of Gaussians), `near` (neighbouring pixels),
`tape` (pullbacks), `ops` (a file per operator family), `laws` (weights and inputs), `forward` and `backward` (the passes),
`spread` (one construction from the next), `flags` and `assumptions` (bent ones), `signals` (what comes out), `oracle` (Monte Carlo, the judge of it all),
`trial` (which asks it, where a prediction is doubtful and the model small).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from initlint.graph.model import TracedModel
    from initlint.propagate.backward import Propagation


def propagate(traced: TracedModel) -> Propagation:
    """Predict the signal of every floating node of a traced model; doubtful numbers of small ones are held against real draws."""
    import numpy as np

    from initlint.propagate.backward import run
    from initlint.propagate.trial import tried

    with _uncollected(), np.errstate(all="ignore"):  # what is no number is found and said by the coverage
        return tried(traced, run(traced))


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for cycles meanwhile: it goes through everything torch holds, which takes as long as a third of all formulas."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
