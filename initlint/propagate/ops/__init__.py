"""Transfer functions of ATen operators, a file per family; importing this package fills the registry.

In reading order: `registry`, `gather`, `view`, `windows` and `fills` (moving elements), `functions` (of one tensor),
`arithmetic`, `choice` (conditions, masks), `reduce`, `matrix`, `norm`, `maps` (known linear ones), `conv`, `pool`, `resize`,
`attention`, `logits`, `embed`, `picked`, `ranked` (sorted values), `scatter`, `chance` (dropout and kin), `spectral`, `recurrent`.
"""

from initlint.propagate.ops import (
    arithmetic,
    attention,
    chance,
    choice,
    conv,
    embed,
    fills,
    functions,
    logits,
    maps,
    matrix,
    norm,
    picked,
    pool,
    ranked,
    recurrent,
    reduce,
    resize,
    scatter,
    spectral,
    view,
    windows,
)  # fmt: skip
from initlint.propagate.ops.registry import TRANSFERS, CannotPredict

__all__ = [
    "TRANSFERS",
    "CannotPredict",
    "arithmetic",
    "attention",
    "chance",
    "choice",
    "conv",
    "embed",
    "fills",
    "functions",
    "logits",
    "maps",
    "matrix",
    "norm",
    "picked",
    "pool",
    "ranked",
    "recurrent",
    "reduce",
    "resize",
    "scatter",
    "spectral",
    "view",
    "windows",
]  # fmt: skip
