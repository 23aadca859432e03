"""The values of the graph stage: where code stands, what law a weight has, what was traced.

Nothing here does anything; `weights` records laws, `capture` traces, later stages read. Quantities follow the glossary of
`docs/theory`: *second moment* is E[x²], never the variance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

Family = Literal[
    "normal",
    "uniform",
    "truncated normal",
    "orthogonal",
    "constant",  # every entry equals `mean`
    "identity",  # gain on the diagonal (or the centre tap of a kernel), zero elsewhere
    "exact",  # deterministic values, kept in `Parameter.value`
    "measured",  # moments taken from a real tensor
    "mixture",  # `parts` say which region has which law
    "uninitialized",  # memory nobody ever wrote
    "unknown",  # written by an operator (`source`) whose law nobody knows
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place in the user's own source; lines and columns count from 1, the end column is exclusive."""

    path: str
    line: int
    column: int = 1
    end_line: int | None = None
    end_column: int | None = None
    function: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """The distribution that the entries of one tensor are drawn from, over constructions of the model.

    mean, second_moment   of one entry, averaged over the tensor; nan when uninitialized or unknown
    low, high             bounds of a uniform or truncated law
    gain                  of an orthogonal or identity law
    parts                 for a mixture: (region, law) with region one (start, stop, step) per dimension
    pair                  E[w_u w_v] for entries that differ exactly along the dimensions whose bits are set in the index
                          (bit d for dimension d), length 2**ndim; None means: distinct entries are independent
    source                of an unknown law: the operator that made it so
    fan                   (mode, value) where the call named one, for messages: ("fan_in", 512)
    quantiles             of a measured law: one entry's value at equal steps of probability, where a sample was at hand
    rank                  of a product of matrices: what it is at most, by the sizes of its factors; None: nothing is known to bound it
    """

    family: Family
    mean: float
    second_moment: float
    low: float | None = None
    high: float | None = None
    gain: float | None = None
    parts: tuple[tuple[tuple[tuple[int, int, int], ...], Law], ...] = ()
    pair: tuple[float, ...] | None = None
    fan: tuple[str, int] | None = None
    source: str = ""
    quantiles: tuple[float, ...] = ()
    rank: int | None = None

    @property
    def std(self) -> float:
        """Standard deviation of one entry."""
        return math.sqrt(max(self.second_moment - self.mean**2, 0.0))

    @property
    def is_zero(self) -> bool:
        """Every entry is exactly zero."""
        return self.second_moment == 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One initializing write to a parameter's storage, in the order of execution."""

    op: str  # what a person would call it: "normal_", "nn.init.trunc_normal_", "zero_", "copy_"
    law: Law  # of the whole parameter after this write
    coverage: float  # share of the parameter's entries that this write reached, in (0, 1]
    site: Site | None  # the innermost user frame (never a frame of torch or of initlint)
    stack: tuple[Site, ...] = ()  # all user frames, outermost first
    default: bool = False  # made by the default `reset_parameters` of a library module while it was constructed
    options: Mapping[str, float | str] = field(
        default_factory=dict
    )  # numbers and modes the function of torch.nn.init was given
    shape: tuple[int, ...] = ()  # of the tensor it was given, which may be a view of the parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class LostWrite:
    """A draw into a tensor that is computed anew from parameters at every use, or is a copy of one: it has no effect."""

    write: Write
    sources: tuple[str, ...]  # the parameters that the tensor was computed from


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedState:
    """A `load_state_dict(…, strict=False)` while the model was built, of whose tensors none has a name that the module knows.

    module         path of the module; "" for the model itself
    given, wanted  the first name that was given, and the first that the module has
    count          names that were given
    """

    module: str
    given: str
    wanted: str
    count: int
    site: Site


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenTie:
    """Two parameters that were one for a while.

    name, source     the one that was given the other's, and that other
    tied, broken     the lines that made and unmade the tie
    source_replaced  whether the other was replaced; else the one that had been given it
    """

    name: str
    source: str
    tied: Site
    broken: Site
    source_replaced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter or buffer of the built model: its law, its values when they are deterministic, and who wrote it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    kind: Literal["parameter", "buffer", "constant"]
    trainable: bool
    law: Law
    value: torch.Tensor | None = None  # real values, when deterministic and small (masks, frequencies, index tables)
    made: Site | None = None  # the user's line that constructed the owning module or the bare parameter
    writes: tuple[Write, ...] = ()
    alias_of: str | None = None  # tied: same storage as this earlier name
    copy_of: str | None = None  # entries are a copy of this other parameter's entries (deepcopy, copy_, clone)
    owner: str = ""  # class of the module that holds it, for messages: "torch.nn.modules.linear.Linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLaw:
    """What is assumed of one tensor input: iid N(mean, std²) with a common correlation, or uniform integers."""

    shape: tuple[int, ...]
    dtype: str
    mean: float = 0.0
    std: float = 1.0
    correlation: float = 0.0
    low: int = 0
    high: int = 1  # exclusive, for integer inputs
    value: torch.Tensor | None = None  # a given tensor that is kept as it is (masks, edge indices, position ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedModel:
    """A model as one graph of ATen operators, with a law for every weight and a source line for every node."""

    program: ExportedProgram
    method: Literal["export", "export-strict", "fx", "recorded"]
    parameters: Mapping[str, Parameter]  # by placeholder (or get_attr) node name; several nodes may share a tied one
    inputs: Mapping[str, InputLaw]  # by placeholder node name, in the order of the call
    outputs: tuple[str, ...]  # names of the floating nodes that the model returns
    sites: Mapping[str, Site]  # innermost user line, by node name
    modules: Mapping[str, str]  # module path ("layers.0.fc"), by node name
    module_sites: Mapping[str, Site] = field(default_factory=dict)  # construction line, by module path
    module_types: Mapping[str, str] = field(default_factory=dict)  # class, by module path
    lost: tuple[LostWrite, ...] = ()  # initializations of tensors that are not part of the model
    unused: tuple[UnusedState, ...] = ()  # states that were loaded to no effect
    untied: tuple[BrokenTie, ...] = ()  # parameters that were tied to each other and are no more
    hidden: Mapping[str, int] = field(default_factory=dict)  # trainable parameters in modules of plain lists, by attribute path
    unreached: tuple[str, ...] = ()  # parameters that the traced forward never reads
    notes: tuple[str, ...] = ()  # what was tried before `method` worked, for the report
