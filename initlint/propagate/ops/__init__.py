"""Transfer functions of ATen operators, a file per family; importing this package fills the registry.

In reading order: `registry`, `gather` and `view` (moving elements), `elementwise`, `reduce`, `matrix`, `norm`, `conv`,
`attention`, `embed`, `scatter`, `chance` (dropout and kin), `spectral`, `recurrent`.
"""

from initlint.propagate.ops import (
    attention,
    chance,
    conv,
    elementwise,
    embed,
    matrix,
    norm,
    recurrent,
    reduce,
    scatter,
    spectral,
    view,
)  # fmt: skip
from initlint.propagate.ops.registry import TRANSFERS, CannotPredict

__all__ = [
    "TRANSFERS",
    "CannotPredict",
    "attention",
    "chance",
    "conv",
    "elementwise",
    "embed",
    "matrix",
    "norm",
    "recurrent",
    "reduce",
    "scatter",
    "spectral",
    "view",
]  # fmt: skip
