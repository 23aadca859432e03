"""`Signal`: what initlint knows about one node, as a person and a rule read it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import sympy

Method = Literal["closed", "quadrature", "sampled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The typical draw at one group of neighbouring steps of a recurrence.

    step           their mean index
    second_moment  e to the mean, over draws and these steps, of ln q
    spread         standard deviation over draws of ln q here less that of the first step: nats of a second moment
    """

    step: float
    second_moment: float
    spread: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Per-element statistics of one tensor at initialization, over redrawn parameters and inputs.

    mean, second_moment     E[x], E[x²], averaged over the elements; None where not predicted. Of complex tensors the real part of
                            E[x], E[|x|²], and E[Re(x x̄')] in place of E[x x'] below
    grad_second_moment      E[(∂L/∂x)²] averaged over the elements, L = Σ⟨output, cotangent⟩; None where there is no gradient
    k_batch   E[x x'] of the same unit and position for two samples; None without a batch
    k_pos     E[x x'] of the same unit and sample at two positions; None without positions
    zero_fraction           share of entries that are exactly zero
    rank                    upper bound of the rank of the Jacobian input → node
    method                  how second_moment was found
    flags                   assumptions that no longer hold exactly, () while all do (`flags` has their meaning)
    spread                  standard deviation of ln q over initializations, from finite width (`spread`): nats of a second moment
    levels, grad_levels     by group of steps, of what a recurrent operator gives and, its gradient, of what it reads; () elsewhere
    lag                     mean of ln q over initializations less ln E[q]: how far the typical draw lies below, ≤ 0
    """

    mean: float | None
    second_moment: float | None
    grad_second_moment: float | None = None
    k_pos: float | None = None
    k_batch: float | None = None
    zero_fraction: float = 0.0
    rank: int | None = None
    method: Method = "closed"
    flags: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    spread: float = 0.0
    lag: float = 0.0
    levels: tuple[Level, ...] = ()
    grad_levels: tuple[Level, ...] = ()
    _formula: Callable[[], sympy.Expr | None] | None = field(default=None, repr=False, compare=False)

    @property
    def correlation(self) -> float | None:
        """Cosine between two samples' values of the same unit, k_batch / q."""
        if self.k_batch is None or not self.second_moment:
            return None
        return self.k_batch / self.second_moment

    @property
    def input_born(self) -> float | None:
        """q − k_batch: the part of the second moment that still depends on the input; None without a batch."""
        if self.k_batch is None or self.second_moment is None:
            return None
        return max(self.second_moment - self.k_batch, 0.0)

    @property
    def typical(self) -> float | None:
        """The second moment of the typical draw, e^(mean of ln q): the middle of a skewed law whose mean is E[q]."""
        return None if self.second_moment is None else self.second_moment * math.exp(self.lag)

    @property
    def formula(self) -> sympy.Expr | None:
        """The law of `second_moment` in the operator's inputs, as a sympy expression; computed when asked for."""
        return None if self._formula is None else self._formula()
