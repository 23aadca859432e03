"""Build a model without allocating its large weights, and remember the law that every tensor was drawn from.

A dispatch mode sees every operator of the constructor. Large factory calls go to the meta device; small tensors stay real,
so that constructors which look at values work. For each storage the record keeps which stretch of it has which law, and who
wrote it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from initlint.graph import laws
from initlint.graph.frames import Stack, site_of
from initlint.graph.model import Law, Site, Write
from initlint.graph.op_laws import NoLaw, law_of_result, measured
from initlint.graph.repeats import Draw, broadcast, layout_of, row_of, rows_alike, seen
from initlint.graph.stretches import Stretch, overlaid, span_of, spans_of

LARGE = 65_536  # elements; a tensor above this is never allocated

aten = torch.ops.aten


@dataclass(slots=True)
class Held:
    """What one storage holds, and the writes that made it so. `alive` keeps the storage's address from being reused.

    sources   storages that it was computed from
    unread    the writes since something was last computed from it
    """

    size: int
    stretches: list[Stretch]
    alive: torch.Tensor
    writes: list[Write] = field(default_factory=list)
    version: int = 0
    sources: frozenset[int] = frozenset()
    unread: list[Write] = field(default_factory=list)


@dataclass(slots=True)
class Step:
    """One operator on meta tensors, as it was called; `random` ones cannot be repeated."""

    func: Any
    args: Any
    kwargs: dict[str, Any]
    result: Any
    random: bool


@dataclass(frozen=True, slots=True)
class Registered:
    """A parameter or a module that was given to a module; it is kept, and so is its id."""

    kind: Literal["parameter", "module"]
    owner: int  # id of the module
    name: str
    value: Any
    site: Site | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A state that a module was given, with the names of both."""

    owner: int  # id of the module
    given: tuple[str, ...]
    wanted: tuple[str, ...]
    site: Site


@dataclass(slots=True)
class Record:
    """Everything noticed while a model was constructed."""

    held: dict[int, Held] = field(default_factory=dict)
    history: list[Step] = field(default_factory=list)  # what was done to meta tensors, so that tables can be recomputed
    made: dict[tuple[int, str], Site] = field(default_factory=dict)  # (id of module, name) → line that registered it
    constructed: dict[int, Site] = field(default_factory=dict)  # id of module → line that called its class
    registered: list[Registered] = field(default_factory=list)  # in the order of execution
    loaded: list[Loaded] = field(default_factory=list)
    kept: list[Any] = field(default_factory=list)
    random: set[int] = field(default_factory=set)  # storages whose values were drawn, directly or not
    restored: set[int] = field(default_factory=set)  # ids of tensors whose values were computed again afterwards
    roots: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    def site(self, depth: int = 2) -> tuple[Site | None, tuple[Site, ...], Stack]:
        """The user's line that is running, and all user frames above it, outermost first."""
        stack = Stack(depth + 1)
        frame = stack.chosen(self.roots)
        outer = tuple(
            Site(path=f.f_code.co_filename, line=f.f_lineno, function=f.f_code.co_name) for f in reversed(stack.frames[:12])
        )
        return (None if frame is None else site_of(frame)), outer, stack


def key_of(tensor: torch.Tensor) -> int:
    """Identity of a tensor's storage."""
    return int(tensor.untyped_storage()._cdata)


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call,unused-ignore]
    """Sends large factories to meta and keeps `record` up to date."""

    def __init__(self, record: Record, large: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.record = record
        self.large = large
        self.silent = 0
        self.draws = itertools.count()

    def __torch_dispatch__(self, func: Any, types_: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = func.overloadpacket.__name__ if hasattr(func, "overloadpacket") else str(func)
        tensors = [t for t in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        called = args
        if name in FACTORIES and "out" not in kwargs and self.elements(name, args, tensors) > self.large:
            kwargs["device"] = torch.device("meta")
            kwargs.pop("pin_memory", None)
        elif name.startswith("new_") and tensors and tensors[0].is_meta and "device" not in kwargs and self.large:
            kwargs["device"] = torch.device("cpu")  # small, and on meta only because we put its model there
        elif any(t.is_meta for t in tensors) and any(not t.is_meta and t.dim() for t in tensors):
            args, kwargs = self.unified(func, args, kwargs)
        result = func(*args, **kwargs)
        first = result[0] if isinstance(result, list | tuple) and result else result
        if (isinstance(first, torch.Tensor) and first.is_meta) or any(t.is_meta for t in tensors):
            self.record.history.append(Step(func, called, kwargs, result, is_random(func)))
        self.spread_chance(func, args, tensors, result)
        if not self.silent:
            self.learn(func, name, called, kwargs, tensors, result)
        return result

    def spread_chance(self, func: Any, args: Any, tensors: Sequence[torch.Tensor], result: Any) -> None:
        """What is computed from random numbers is random."""
        random = self.record.random
        read = tensors[1:] if overwrites(func, args) else tensors
        chance = is_random(func) or (bool(random) and any(key_of(t) in random for t in read))
        changed = [t for t in (result if isinstance(result, list | tuple) else [result]) if isinstance(t, torch.Tensor)]
        if func._schema.is_mutable and args and isinstance(args[0], torch.Tensor):
            changed.append(args[0])
        if chance:
            fresh = [t.untyped_storage() for t in changed if key_of(t) not in random]
            self.record.kept.extend(
                fresh
            )  # else another tensor, whose values were given, may take the place of one that is gone
            random.update(key_of(t) for t in changed)
        elif random:
            known = {key_of(t) for t in read}
            random.difference_update(key for t in changed if (key := key_of(t)) not in known)

    @staticmethod
    def elements(name: str, args: Any, tensors: Sequence[torch.Tensor]) -> int:
        """How many elements a factory call is about to make."""
        if name.endswith("_like") and tensors:
            return tensors[0].numel()
        size = args[1] if name.startswith("new_") and len(args) > 1 else args[0] if args else ()
        if name == "eye":
            return int(args[0]) * int(args[1] if len(args) > 1 and isinstance(args[1], int) else args[0])
        if name == "randint":
            size = next((a for a in args if isinstance(a, list | tuple)), ())
        return math.prod(int(n) for n in size) if isinstance(size, list | tuple | torch.Size) else 0

    def unified(self, func: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Small real tensors next to meta ones become meta; a real tensor that would be written keeps its device."""
        if func._schema.is_mutable and args and isinstance(args[0], torch.Tensor) and not args[0].is_meta:
            return args, kwargs

        def move(value: Any) -> Any:
            if isinstance(value, torch.Tensor) and not value.is_meta and value.dim():
                return torch.empty_like(value, device="meta")
            return value

        self.silent += 1
        try:
            moved: tuple[Any, Any] = torch.utils._pytree.tree_map(move, (args, kwargs))
            return moved
        finally:
            self.silent -= 1

    # -- the algebra ------------------------------------------------------------------------------------------------

    def learn(self, func: Any, name: str, args: Any, kwargs: Any, tensors: Sequence[torch.Tensor], result: Any) -> None:
        """Update what is known after one operator ran."""
        outputs = [t for t in (result if isinstance(result, list | tuple) else [result]) if isinstance(t, torch.Tensor)]
        written = bool(func._schema.is_mutable) and args and isinstance(args[0], torch.Tensor)
        for t in tensors[1:] if written else tensors:
            read = self.record.held.get(key_of(t))
            if read is not None:
                read.unread.clear()
        if written and name.endswith("_"):
            target = args[0]
            law = self.law_after(func, name[:-1], target, args, kwargs)
            draw = self.draw_of(args[1], target) if name == "copy_" and isinstance(args[1], torch.Tensor) else None
            self.write(target, law, name, self.source(name, args), draw=draw)
            return
        if not outputs:
            return
        output = outputs[0]
        drawn = output.is_meta and (output.dtype == torch.bool or name == "randint")  # what masks and signs are made from
        if not output.dtype.is_floating_point and not drawn:
            return
        if any(key_of(output) == key_of(t) for t in tensors):
            return  # a view: its storage is known already
        base = name.removesuffix("_like").removeprefix("new_")
        law = self.law_after(func, base, output, args, kwargs)
        copied = key_of(tensors[0]) if name in COPIES and tensors else None
        self.start(output, law, copied, name, tensors)

    def source(self, name: str, args: Any) -> int | None:
        if name == "copy_" and len(args) > 1 and isinstance(args[1], torch.Tensor) and args[1].shape == args[0].shape:
            return key_of(args[1])
        return None

    def law_of(self, tensor: torch.Tensor) -> Law:
        """The law of a tensor's entries as recorded; measured from its values where nothing was."""
        held = self.record.held.get(key_of(tensor))
        return measured(tensor) if held is None else law_within(held, tensor)

    def draw_of(self, source: torch.Tensor, target: torch.Tensor) -> Draw | None:
        """Where the entries of `target`, a copy of `source`, were first drawn."""
        span, held = row_of(source, target), self.record.held.get(key_of(source))
        if span is None or held is None:
            return None
        stretch = next((s for s in held.stretches if s.start <= span[0] and span[1] <= s.stop), None)
        return None if stretch is None else stretch.cut(*span).draw

    def law_after(self, func: Any, name: str, target: torch.Tensor, args: Any, kwargs: Any) -> Law:
        """The law of an operator's result; `name` without the in-place underscore."""
        spreading = name in COPIES or name in SPREADING or torch.Tag.pointwise in func.tags

        def of(tensor: torch.Tensor) -> Law:
            law = self.law_of(tensor)
            return broadcast(law, target.shape, [tensor]) if spreading else law

        try:
            law = law_of_result(func, name, target, args, kwargs, of)
        except NoLaw:
            return laws.unknown(name)
        if not spreading or law.pair is not None:
            return law
        read = [t for t in (args[1:] if name == "copy" else args) if isinstance(t, torch.Tensor)]
        return broadcast(law, target.shape, [t for t in read if self.law_of(t).family != "constant"])

    # -- writes -----------------------------------------------------------------------------------------------------

    def start(self, output: torch.Tensor, law: Law, copied: int | None, op: str, tensors: Sequence[torch.Tensor]) -> None:
        """A new storage."""
        size = max(output.untyped_storage().nbytes() // max(output.element_size(), 1), output.numel())
        again = self.draw_of(tensors[0], output) if op in COPIES | {"repeat"} and tensors else None
        stretches = [Stretch(0, size, law, copied, layout_of(output), again or Draw(next(self.draws), 0, size))]
        held = Held(size, stretches, output, sources=frozenset(key_of(t) for t in tensors))
        if op in ("cat", "stack") and (op == "stack" or not _inner_cat(tensors, output)):
            position, stretches = 0, []
            for t in tensors:
                draw = self.draw_of(t, t)
                stretches.append(Stretch(position, position + t.numel(), self.law_of(t), None, layout_of(t), draw))
                position += t.numel()
            held.stretches = stretches
        elif op in COPIES and tensors:
            source = self.record.held.get(key_of(tensors[0]))
            span = span_of(tensors[0])
            if source is not None and span is not None and len(source.stretches) > 1:
                parts = [s.cut(*span) for s in source.stretches if s.start < span[1] and s.stop > span[0]]
                held.stretches = [Stretch(s.start - span[0], s.stop - span[0], s.law, copied, s.layout, s.draw) for s in parts]
        self.record.held[key_of(output)] = held
        cast = self.record.held.get(key_of(tensors[0])) if op == "_to_copy" and tensors else None
        if cast is not None and cast.size == output.numel():  # the same numbers in another format: who wrote them did so before
            held.writes = list(cast.writes)
        elif law.family != "uninitialized":
            self.note(held, output, op, 1.0)

    def write(
        self,
        target: torch.Tensor,
        law: Law,
        op: str,
        copied: int | None = None,
        options: Mapping[str, float | str] | None = None,
        draw: Draw | None = None,
    ) -> None:
        """`law` was written to a tensor, which may be a view of part of its storage."""
        held = self.record.held.get(key_of(target))
        if held is None:
            size = max(target.untyped_storage().nbytes() // max(target.element_size(), 1), target.numel())
            law_before = laws.uninitialized() if target.is_meta else measured(target)
            held = Held(size, [Stretch(0, size, law_before, None, layout_of(target))], target)
            self.record.held[key_of(target)] = held
        held.version += 1
        spans = spans_of(target)
        share = target.numel() / max(held.size, 1)
        if spans is None:
            old = laws.pooled([(float(s.stop - s.start), s.law) for s in held.stretches])
            if old.family == "uninitialized":
                blend = law
            else:
                blend = laws.pooled([(1.0 - share, old), (share, law)])
            held.stretches = [Stretch(0, held.size, blend)]
        else:
            drawn = draw or Draw(next(self.draws), 0, target.numel())
            held.stretches = overlaid(held.stretches, spans, Stretch(0, target.numel(), law, copied, layout_of(target), drawn))
        self.note(held, target, op, share, options)

    def note(
        self, held: Held, tensor: torch.Tensor, op: str, share: float, options: Mapping[str, float | str] | None = None
    ) -> None:
        site, stack, frames = self.record.site(3)
        law = laws.pooled([(float(s.stop - s.start), s.law) for s in held.stretches])
        label = f"nn.init.{frames.init}" if frames.init else op
        given = frames.options if options is None else options
        write = Write(
            op=label,
            law=law,
            coverage=share,
            site=site,
            stack=stack,
            default=frames.default,
            options=given,
            shape=tuple(tensor.shape),
        )
        held.writes.append(write)
        held.unread.append(write)


def law_within(held: Held, tensor: torch.Tensor) -> Law:
    """The law of the entries of a tensor, one entry being like another, and what copies of one draw share."""
    start, stop = span_of(tensor) or (0, held.size)
    parts = [s.cut(start, stop) for s in held.stretches if s.start < stop and s.stop > start]
    if not parts:
        return measured(tensor)
    if len(parts) == 1:
        return seen(parts[0].law, parts[0].layout, layout_of(tensor))
    law = laws.pooled([(float(s.stop - s.start), s.law) for s in parts])
    shape = tensor.shape if tensor.is_contiguous() else ()
    return rows_alike(law, [(s.stop - s.start, s.draw) for s in parts], shape)


def overwrites(func: Any, args: Any) -> bool:
    """Whether an operator replaces all of its first argument's storage, whatever was there before."""
    name = func.overloadpacket.__name__ if hasattr(func, "overloadpacket") else ""
    if name not in ("copy_", "fill_", "zero_") or not isinstance(args[0], torch.Tensor):
        return False
    target = args[0]
    return bool(target.numel() * target.element_size() == target.untyped_storage().nbytes())


def is_random(func: Any) -> bool:
    """Whether an operator draws random numbers."""
    return torch.Tag.nondeterministic_seeded in getattr(func, "tags", ())


FACTORIES = {
    "empty", "zeros", "ones", "full", "rand", "randn", "randint", "eye", "empty_strided", "empty_like", "zeros_like", "ones_like",
    "full_like", "rand_like", "randn_like", "new_empty", "new_zeros", "new_ones", "new_full", "empty_permuted",
    "new_empty_strided",
}  # fmt: skip
COPIES = {"clone", "_to_copy", "contiguous"}
SPREADING = {"copy", "repeat", "expand"}


def _inner_cat(tensors: Sequence[torch.Tensor], output: torch.Tensor) -> bool:
    """Whether pieces were joined along another dimension than the first, so that they interleave in memory."""
    return bool(tensors) and output.dim() > 1 and tensors[0].shape[0] == output.shape[0]
