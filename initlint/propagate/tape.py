"""The tape: values, the operators that made them, and how each operator sends cotangents back.

An operator computes its output's moments and records a pullback, side by side, so that the two cannot drift apart.
Operators made of others (attention, layer norm by parts) call those and need no pullback of their own. Every cotangent
has mean zero, because the injected one does and every pullback is linear; so cotangents carry only pair moments.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from initlint.propagate.moments import Moments
from initlint.propagate.pointwise import Cotangent, plus

if TYPE_CHECKING:
    import torch

    from initlint.propagate.attended import Attended
    from initlint.propagate.axes import Array
    from initlint.propagate.joint import Joint

Pull = Callable[[Moments], Sequence["Moments | Cotangent | None"]]
CoherentPull = Callable[[Cotangent], Sequence["Cotangent | None"]]


@dataclass(slots=True, eq=False)
class Known:
    """A tensor whose values are known: a constant, a table, a mask, or one draw of an integer path.

    distinct   for integer inputs drawn uniformly: how many values there are (0 for anything else)
    """

    tensor: torch.Tensor
    distinct: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)


class Unknown:
    """The value of a node nobody could predict."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


Value = Any  # Moments | Known | a list of them | a Python scalar


@dataclass(slots=True)
class Entry:
    """One recorded operator: pullback from the cotangent of `output` to those of `inputs`."""

    inputs: Sequence[Moments]
    output: Moments
    pull: Pull | None
    coherent: CoherentPull | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """That `value` came from rows of `source` brought together by `rows`: "sum", "max" …, or "own sum" where gathered back.

    "gathered": that its rows are those of `source`, at `rows`, times `weights` where there are any (`raw` without).
    """

    value: Moments
    source: Moments
    rows: bytes
    kind: str
    weights: Array | None = None
    raw: Moments | None = None


@dataclass(slots=True)
class Tape:
    """Operators in the order in which they ran; `blocked` while inside a no-grad region."""

    entries: list[Entry] = field(default_factory=list)
    blocked: int = 0
    # values whose cotangent is already accounted for in that of another value (by id): it is reported and goes no further
    severed: dict[int, int] = field(default_factory=dict)
    kept: list[Moments] = field(default_factory=list)  # keeps the ids in `severed` valid
    segments: dict[int, Segment] = field(default_factory=dict)  # what was brought together by an index, by id
    joint: Joint | None = None  # how values are made entry by entry, for cotangents that were drawn
    # covariances of tensors that met, by their ids; counts of calls and of tensors that no call made (see `lineage`)
    covariances: dict[tuple[object, object], Moments | None] = field(default_factory=dict)
    anywhere: dict[tuple[object, object], Moments | None] = field(default_factory=dict)  # of averages over places (see `anyplace`)
    lags: dict[tuple[int, int, int, int], Moments | None] = field(default_factory=dict)  # the same at some distance (see `lagged`)
    met: list[tuple[Moments, Moments]] = field(default_factory=list)  # keeps the ids in `covariances` and `lags` valid
    uses: dict[int, list[tuple[Moments, float]]] = field(default_factory=dict)  # results of calls, by id of an argument
    used: list[Moments] = field(default_factory=list)  # those arguments
    taken: dict[tuple[int, int], set[int]] = field(default_factory=dict)  # indices of slices, by id of the tensor and dimension
    calls: Iterator[int] = field(default_factory=itertools.count)
    leaves: Iterator[int] = field(default_factory=itertools.count)
    # by id, over which dimensions a value was divided by its deviation, and the share of that which is not epsilon
    normalized: dict[int, tuple[frozenset[int], float]] = field(default_factory=dict)
    # by id, who wants to know how the cotangent of what a value is divided to depends on it (see `depthwise`)
    hearing: dict[int, Callable[[Moments, Cotangent, float, Sequence[int]], None]] = field(default_factory=dict)
    lengths: dict[int, int] = field(default_factory=dict)  # by id of what a normalization left, the number of elements it is over
    # ids of roots of terms whose sum over a channel is nothing, so that its gain and shift do not get them (see `depthwise`)
    balanced: set[int] = field(default_factory=set)
    # by id of a root, E[g² | x]/E[g²] on the grid of a source, where the terms themselves do not have it; by id of what a
    # normalization left, what this makes of the power of its cotangent
    bending: dict[int, Array] = field(default_factory=dict)
    swelling: dict[int, float] = field(default_factory=dict)
    # second moments by draw and step of what recurrent operators give and, of its cotangent, of what they read; by id
    steps: dict[int, Array] = field(default_factory=dict)
    steps_back: dict[int, list[Array]] = field(default_factory=dict)
    cotangents: dict[int, Cotangent] = field(default_factory=dict)  # on the way back, those known so far, by id
    # by id of a masked tensor, this tensor, and it with its mask's number in place (see `masked`)
    uncovered: dict[int, tuple[Moments, Moments]] = field(default_factory=dict)
    attended: dict[int, Attended] = field(default_factory=dict)  # by id of its result, a softmax, and an attention
    shown: dict[int, Moments] = field(default_factory=dict)  # by id of what a norm by hand left, the result of the call that it is
    silent: dict[int, Array] = field(default_factory=dict)  # by id, what `scale` found of a stream
    read: Counter[int] | None = None  # by id, the entries that a value is an input of
    broken: list[str] = field(default_factory=list)  # why a pullback failed; nothing is predicted of what lies before it

    def readers(self, value: Moments) -> int:
        """How many operators read a value; asked on the way back, when all have."""
        if self.read is None:
            self.read = Counter(key for entry in self.entries for key in {id(x) for x in entry.inputs})
        return self.read[id(value)]

    def record(self, inputs: Sequence[Moments], output: Moments, pull: Pull) -> Moments:
        """Remember how the cotangent of `output` goes back to `inputs`; returns `output`."""
        if not self.blocked:
            self.entries.append(Entry(tuple(inputs), output, pull))
        return output

    def record_coherent(self, inputs: Sequence[Moments], output: Moments, pull: CoherentPull) -> Moments:
        """As `record`, for operators that keep cotangents coherent (element-wise functions of one source)."""
        if not self.blocked:
            self.entries.append(Entry(tuple(inputs), output, None, pull))
        return output


def pull_back(tape: Tape, seeds: Sequence[tuple[Moments, Moments]]) -> dict[int, Moments]:
    """Cotangents by id of the value, from (output, its cotangent) seeds; values no gradient reaches are absent."""
    from initlint.propagate.returning import Returning

    cotangents = tape.cotangents = {}
    tape.read = None
    result: dict[int, Moments] = {}
    meeting = Returning(tape, cotangents)
    lost: set[int] = set()
    met: set[int] = set()  # of an output that several entries read, the cotangents of all its readers meet once
    if tape.joint is not None:
        tape.joint.gathered.clear()
    for output, seed in seeds:
        cotangents.setdefault(id(output), Cotangent()).add_plain(seed)
    for entry in reversed(tape.entries):
        if id(entry.output) in lost:
            lost.update(map(id, entry.inputs))
            continue
        cotangent = cotangents.get(id(entry.output))
        if cotangent is None:
            continue
        try:
            again = id(entry.output) in met
            met.add(id(entry.output))
            if not again and len(tape.uses.get(id(entry.output), ())) > 1 and (extra := meeting.surplus(entry.output)) is not None:
                cotangent.add_plain(extra)
            _pull(entry, cotangent, cotangents, tape.severed.get(id(entry.output)), tape.joint)
        except Exception as problem:  # noqa: BLE001 - what lies before is not predicted, and that is said
            tape.broken.append(f"{type(problem).__name__} in a pullback: {problem}")
            lost.update(map(id, entry.inputs))
    for x in tape.used:
        if x.made is not None and not x.made.name and (known := cotangents.get(id(x))) is not None:
            if len(tape.uses[id(x)]) > 1 and (extra := meeting.surplus(x)) is not None:
                known.add_plain(extra)
    for key, cotangent in cotangents.items():
        if key in lost:
            continue
        total = cotangent.total()
        if cotangent.spent is not None:
            total = cotangent.spent if total is None else plus(total, cotangent.spent)
        if total is not None:
            result[key] = total
    return result


def _pull(
    entry: Entry, cotangent: Cotangent, cotangents: dict[int, Cotangent], accounted: int | None, joint: Joint | None
) -> None:
    """Send the cotangent of one operator's output to its inputs; only to be reported, if another value accounts for it."""
    if accounted is not None:
        if entry.coherent is not None and all(id(x) != accounted for x in entry.inputs):
            for target, term in zip(entry.inputs, entry.coherent(cotangent), strict=True):
                total = None if term is None else term.total()
                if total is not None:
                    _join(cotangents.setdefault(id(target), Cotangent()), Cotangent(spent=total))
        return
    if cotangent.drawn is not None:
        terms = None if joint is None else joint.pulled(entry.output, cotangent)
        if terms is not None:
            for target, term in terms:
                _join(cotangents.setdefault(id(target), Cotangent()), term)
            return
        cotangent = cotangent.measured()
    if entry.coherent is not None:
        onward = Cotangent(cotangent.plain)  # without what is accounted for further back
        onward.coherent = cotangent.coherent
        for target, term in zip(entry.inputs, entry.coherent(onward), strict=True):
            if term is not None:
                _join(cotangents.setdefault(id(target), Cotangent()), term)
        return
    total = cotangent.total()
    if total is None or entry.pull is None:
        return
    for target, moments in zip(entry.inputs, entry.pull(total), strict=True):
        if isinstance(moments, Cotangent):
            _join(cotangents.setdefault(id(target), Cotangent()), moments)
        elif moments is not None:
            cotangents.setdefault(id(target), Cotangent()).add_plain(moments)


def _join(into: Cotangent, term: Cotangent) -> None:
    for coherent in term.coherent.values():
        into.add_term(coherent)
    if term.plain is not None:
        into.add_plain(term.plain)
    if term.drawn is not None:
        into.drawn = term.drawn if into.drawn is None else into.drawn.plus(term.drawn)
    if term.spent is not None:
        into.spent = term.spent if into.spent is None else plus(into.spent, term.spent)
