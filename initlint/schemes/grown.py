"""A grown model and its origin → which new entries must be zero for it to compute the same, and which are not.

Gesmundo, Maile 2023, arXiv:2308.06103. Parameters correspond by name; the roles come from the grown model's graph:

    a layer that writes a residual stream   new output rows and their biases zero (so is what feeds the stream: tables)
    a layer that reads the stream           new input columns free: what they read is zero
    a layer that reads another one          new input columns zero, the rows that feed them free
    attention                               new heads and value sizes: zero columns of the output projection;
                                            new key sizes: key rows zero, old key rows × √(k̂/k) where logits are divided by √k̂
    a whole new branch                      its writers zero
    RMS normalization of a wider stream     old gains × √(h/ĥ); with LayerNorm no recipe is exact

Free entries must not all be zero where what reads them is zero: such a pair never learns.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from initlint.graph.dataflow import NORMALIZING, is_node, operands, operator
from initlint.schemes.carry_out import view_of
from initlint.schemes.plan import DoesNotApply, Place
from initlint.schemes.residual import affine_of

if TYPE_CHECKING:
    from initlint.schemes.anatomy import Anatomy, Weight
    from initlint.schemes.roles import Attention

Demand = Literal["zero", "free", "kept"]
CLOSE = 1e-5  # relative difference up to which an old entry counts as kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What must hold of some entries of a grown parameter.

    rows, columns  their indices, as (out, in) of the layer that uses it; columns () of a vector
    demand         "zero", "free" (anything but all zero), or "kept": `factor` times the origin's entries
    why            which part of the architecture asks for it
    """

    parameter: str
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    demand: Demand
    why: str
    factor: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """A requirement that does not hold, in words; no parameter where no weight can make growth exact."""

    parameter: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What became of a model.

    requirements  by parameter of the grown model, for all that is new or has to be rescaled
    complaints    what does not hold
    difference    largest |grown(x) − origin(x)| relative to the largest |origin(x)|, in double precision; nan where the
                  outputs have different shapes
    """

    requirements: tuple[Requirement, ...]
    complaints: tuple[Complaint, ...]
    difference: float

    @property
    def preserves(self) -> bool:
        """Whether both compute the same, up to rounding."""
        return self.difference < 1e-6


def growth_of(
    origin: nn.Module, grown: nn.Module, before: Anatomy, after: Anatomy, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Growth:
    """Hold a grown model against its origin; both are left as they are.

    Raises:
        DoesNotApply: no parameter of the two corresponds.
    """
    reader = _Reader(before, after)
    requirements = tuple(reader.requirements())
    complaints = [*_unmet(requirements, origin, grown, after), *reader.inexact, *_dead(requirements, grown, after)]
    return Growth(
        requirements=requirements,
        complaints=tuple(complaints),
        difference=_difference(origin, grown, args, kwargs),
    )


@dataclass(slots=True)
class _Axis:
    """Old and new indices of one dimension, and why the new ones are there."""

    old: tuple[int, ...]
    new: tuple[int, ...]


@dataclass(slots=True)
class _Reader:
    before: Anatomy
    after: Anatomy
    inexact: list[Complaint] = field(default_factory=list)

    def requirements(self) -> Iterator[Requirement]:
        old = {weight.name: weight for weight in (*self.before.weights, *self.before.tables)}
        if not old.keys() & {weight.name for weight in (*self.after.weights, *self.after.tables)}:
            raise DoesNotApply("no parameter of the two models has the same name")
        writers = self.after.writers()
        for weight in self.after.tables:
            if weight.name in old:
                yield from self._table(weight, old[weight.name])
        for weight in self.after.weights:
            writes = weight.node in writers
            if weight.name not in old:
                if writes:
                    yield from self._whole(weight, "zero", "a new branch starts at zero")
                else:
                    yield from self._whole(weight, "free", "a new branch")
            elif weight.shape != old[weight.name].shape or self._attention_of(weight):
                yield from self._grown(weight, old[weight.name], writes=writes)
        yield from self._norms()

    def _whole(self, weight: Weight, demand: Demand, why: str) -> Iterator[Requirement]:
        rows, columns = tuple(range(weight.shape[0])), tuple(range(weight.shape[1]))
        yield Requirement(parameter=weight.name, rows=rows, columns=columns, demand=demand, why=why)
        if demand == "zero":
            yield from (Requirement(parameter=b, rows=rows, columns=(), demand=demand, why=why) for b in weight.biases)

    def _table(self, weight: Weight, old: Weight) -> Iterator[Requirement]:
        rows, columns = tuple(range(min(weight.shape[0], old.shape[0]))), tuple(range(old.shape[-1], weight.shape[-1]))
        if columns:
            why = "what feeds the wider stream is zero there"
            yield Requirement(parameter=weight.name, rows=rows, columns=columns, demand="zero", why=why)
        kept = tuple(range(old.shape[-1]))
        yield Requirement(parameter=weight.name, rows=rows, columns=kept, demand="kept", why="an old entry")

    def _attention_of(self, weight: Weight) -> Attention | None:
        """The attention whose output a weight reads."""
        return next(
            (item for item in self.after.attentions if any(base.name == item.node for base in weight.before.bases)), None
        )

    def _grown(self, weight: Weight, old: Weight, *, writes: bool) -> Iterator[Requirement]:
        rows, columns = self._rows(weight, old), self._columns(weight, old)
        roles = {part.role for part in weight.parts}
        if roles & {"query", "key", "value"} and len(weight.parts) > 1 and rows.new:
            raise DoesNotApply(f"{weight.name} packs query, key and value, and grew: split it to have its growth checked")
        factor = self._key_factor(weight)
        free = self._reads_stream(weight)
        if columns.new:
            why = "reads the wider stream, which is zero there" if free else "reads new units, which must not be seen yet"
            yield Requirement(
                parameter=weight.name, rows=rows.old, columns=columns.new, demand="free" if free else "zero", why=why
            )
        if rows.new:
            demand: Demand = "free"
            why = "new units"
            if writes:
                demand, why = "zero", "writes the wider stream, which starts at zero there"
            elif roles == {"key"} and self._widened(weight):
                demand, why = "zero", "new key entries of old heads, which must not change the logits"
            inner = self._inside_old_heads(weight, rows) if demand == "zero" and roles == {"key"} else rows.new
            yield Requirement(parameter=weight.name, rows=inner, columns=(*columns.old, *columns.new), demand=demand, why=why)
            if demand == "zero":
                for bias in weight.biases:
                    yield Requirement(parameter=bias, rows=inner, columns=(), demand="zero", why=why)
        why = "an old entry" if factor == 1.0 else f"an old key: logits are divided by the root of the new size, × {factor:.6g}"
        yield Requirement(parameter=weight.name, rows=rows.old, columns=columns.old, demand="kept", why=why, factor=factor)
        for bias in weight.biases:
            yield Requirement(parameter=bias, rows=rows.old, columns=(), demand="kept", why=why, factor=factor)

    # -- which index is where ------------------------------------------------------------------------------------------

    def _rows(self, weight: Weight, old: Weight) -> _Axis:
        heads = self._heads(weight)
        return _axis(old.shape[0], weight.shape[0], *heads) if heads else _axis(old.shape[0], weight.shape[0])

    def _columns(self, weight: Weight, old: Weight) -> _Axis:
        attention = self._attention_of(weight)
        was = next((item for item in self.before.attentions if any(b.name == item.node for b in old.before.bases)), None)
        if attention is None or was is None:
            return _axis(old.shape[1], weight.shape[1])
        return _axis(old.shape[1], weight.shape[1], was.heads, attention.heads)

    def _heads(self, weight: Weight) -> tuple[int, int] | None:
        """(old, new) number of heads of a projection into an attention; its own number, which may be shared by several."""
        for attention, was in zip(self.after.attentions, self.before.attentions, strict=False):
            for role in ("query", "key", "value"):
                here, there = getattr(attention, role), getattr(was, role)
                if here is not None and there is not None and here.layer == weight.node:
                    if role == "value":
                        return was.heads, attention.heads
                    count = [sum(b - a for a, b in rows.runs) for rows in (there, here)]
                    return count[0] // max(was.width, 1), count[1] // max(attention.width, 1)
        return None

    def _widths(self, weight: Weight) -> tuple[int, int] | None:
        """(old, new) size of a key of the attention that a weight makes keys for."""
        for attention, was in zip(self.after.attentions, self.before.attentions, strict=False):
            if attention.key is not None and attention.key.layer == weight.node:
                return was.width, attention.width
        return None

    def _widened(self, weight: Weight) -> bool:
        widths = self._widths(weight)
        return widths is not None and widths[0] != widths[1]

    def _inside_old_heads(self, weight: Weight, rows: _Axis) -> tuple[int, ...]:
        widths, heads = self._widths(weight), self._heads(weight)
        assert widths is not None and heads is not None
        return tuple(row for row in rows.new if row // widths[1] < heads[0])

    def _key_factor(self, weight: Weight) -> float:
        """√(k̂/k) for old keys where the attention divides by the root of the key's size."""
        widths = self._widths(weight)
        if widths is None or widths[0] == widths[1]:
            return 1.0
        attention = next(item for item in self.after.attentions if item.key is not None and item.key.layer == weight.node)
        fixed = attention.scale is not None and abs(attention.scale * math.sqrt(widths[1]) - 1) > 1e-6
        return 1.0 if fixed else math.sqrt(widths[1] / widths[0])

    def _reads_stream(self, weight: Weight) -> bool:
        """Whether a layer's input is a residual stream or a normalization of one, and not another layer's output."""
        structure, dependence = self.after.facts.structure, self.after.facts.structure.dependence
        sums = {branch.add for branch in self.after.branches}
        forks = {branch.fork for branch in self.after.branches}
        tables = {table.node for table in self.after.tables}
        for base in weight.before.bases:
            node = base
            while node.name in structure.norms or (operator(node) in ("mul", "add") and node.name not in sums | forks | tables):
                sources = [item for item in operands(node) if item.name in dependence.data]
                if not sources:
                    break
                node = sources[0]
            if node.name not in sums | forks | tables:
                return False
        return bool(weight.before.bases)

    def _norms(self) -> Iterator[Requirement]:
        """Gains of RMS normalizations over a dimension that grew; a word about those that subtract the mean."""
        parameters = self.after.facts.traced.parameters
        for name in sorted(
            self.after.facts.structure.norms, key=lambda item: self.after.facts.structure.dependence.index[item]
        ):
            node = self.after.facts.structure.nodes[name]
            gain = affine_of(self.after, name)[0]
            if gain is None and operator(node) not in NORMALIZING:
                for user in node.users:
                    found = [item.name for item in user.all_input_nodes if is_node(item) and item.name in parameters]
                    if operator(user) == "mul" and found and parameters[found[0]].kind == "parameter":
                        gain = Place(parameter=parameters[found[0]].name)
            if gain is None or gain.parameter not in self.before.shapes:
                continue
            size, was = self.after.shapes[gain.parameter][0], self.before.shapes[gain.parameter][0]
            if size == was or operator(node) in ("batch_norm", "instance_norm", "group_norm"):
                continue
            if operator(node) in ("layer_norm", "native_layer_norm"):
                message = "LayerNorm over a wider stream subtracts another mean: no weights make the growth exact"
                self.inexact.append(Complaint(parameter=gain.parameter, message=message))
                continue
            factor = math.sqrt(was / size)
            why = f"the mean square is over more entries: × √({was}/{size})"
            rows = tuple(range(was))
            yield Requirement(parameter=gain.parameter, rows=rows, columns=(), demand="kept", why=why, factor=factor)


def _axis(old: int, new: int, heads: int = 1, new_heads: int = 1) -> _Axis:
    """Old units keep their place in their head: (head, i) of `old/heads` entries goes to head·(new/new_heads) + i."""
    was, size = old // max(heads, 1), new // max(new_heads, 1)
    kept = tuple(head * size + i for head in range(heads) for i in range(min(was, size)))
    return _Axis(kept, tuple(sorted(set(range(new)) - set(kept))))


# -- against the weights ---------------------------------------------------------------------------------------------------


def _part(model: nn.Module, anatomy: Anatomy, item: Requirement, rows: Sequence[int], columns: Sequence[int]) -> torch.Tensor:
    places = {weight.name: weight.place for weight in (*anatomy.weights, *anatomy.tables)}
    tensor = model.get_parameter(item.parameter).detach()
    if not item.columns:
        return tensor[torch.tensor(rows)].double()
    if item.parameter in places:
        tensor = view_of(tensor, places[item.parameter])
    tensor = tensor.reshape(tensor.shape[-2], tensor.shape[-1]) if tensor.dim() == 3 and tensor.shape[0] == 1 else tensor
    return tensor[torch.tensor(rows)][:, torch.tensor(columns)].double()


def _unmet(requirements: Sequence[Requirement], origin: nn.Module, grown: nn.Module, after: Anatomy) -> Iterator[Complaint]:
    names = dict(origin.named_parameters())
    for item in requirements:
        if not item.rows or item.demand == "free":
            continue
        here = _part(grown, after, item, item.rows, item.columns)
        if item.demand == "zero":
            wrong = int((here != 0).sum())
            if wrong:
                message = f"{wrong} of {here.numel()} new entries are not zero ({item.why})"
                yield Complaint(parameter=item.parameter, message=message)
            continue
        if item.parameter not in names:
            continue
        there = _part(origin, after, item, range(len(item.rows)), range(len(item.columns))) * item.factor
        scale = max(float(there.abs().max()), 1e-30) if there.numel() else 1.0
        wrong = int(((here - there).abs() > CLOSE * scale).sum())
        if wrong:
            message = f"{wrong} of {here.numel()} old entries are not what they must be ({item.why})"
            yield Complaint(parameter=item.parameter, message=message)


def _dead(requirements: Sequence[Requirement], grown: nn.Module, after: Anatomy) -> Iterator[Complaint]:
    """Free entries that are all zero: with zero readers neither side gets a gradient."""
    for item in requirements:
        if item.demand == "free" and item.rows and item.why.startswith("new"):
            if not _part(grown, after, item, item.rows, item.columns).any():
                message = "all new entries are zero, and so is what reads them: neither will ever get a gradient"
                yield Complaint(parameter=item.parameter, message=message)


def _difference(origin: nn.Module, grown: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> float:
    outputs = []
    for model in (origin, grown):
        trial = copy.deepcopy(model).double().eval()
        generator = torch.Generator().manual_seed(0)

        def real(value: Any, generator: torch.Generator = generator) -> Any:
            if not isinstance(value, torch.Tensor):
                return value
            if value.is_floating_point():
                return torch.randn(value.shape, dtype=torch.float64, generator=generator)
            return torch.zeros(value.shape, dtype=value.dtype) if value.is_meta else value

        with torch.no_grad():
            result = trial(*(real(value) for value in args), **{name: real(value) for name, value in kwargs.items()})
        leaves = tree_leaves(result)
        outputs.append([item for item in leaves if isinstance(item, torch.Tensor) and item.is_floating_point()])
    if [item.shape for item in outputs[0]] != [item.shape for item in outputs[1]]:
        return math.nan
    size = max((float(item.abs().max()) for item in outputs[0]), default=0.0)
    apart = max((float((a - b).abs().max()) for a, b in zip(*outputs, strict=True)), default=0.0)
    return apart / size if size else apart
