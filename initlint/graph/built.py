"""A constructed model together with the laws of its parameters: from a factory under a recorder, or measured from real weights."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from initlint.graph import laws
from initlint.graph.lost import lost_writes, unused_states
from initlint.graph.measure import law_of_values
from initlint.graph.model import BrokenTie, Law, LostWrite, Parameter, Site, UnusedState
from initlint.graph.op_laws import exact_or_measured
from initlint.graph.record import LARGE, Held, Record, key_of, law_within
from initlint.graph.replay import drawn_again, restore_tables
from initlint.graph.ties import broken_ties
from initlint.graph.watch import recording

FINGERPRINT = 16  # entries by which two draws are told apart
VALUES_KEPT = 1 << 25  # elements; values of a larger deterministic buffer are not kept


class LostLaws(Exception):
    """A meta module built outside has no weights and no laws; the model has to be given as a callable that builds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedModel:
    """A model as built: meta where large, real where small, with what is known of every parameter and buffer by name, and in `plain` of
    tensors that modules have as plain attributes."""

    model: nn.Module
    parameters: Mapping[str, Parameter]
    module_sites: Mapping[str, Site]
    plain: Mapping[str, Parameter] = field(default_factory=dict)
    lost: tuple[LostWrite, ...] = ()
    unused: tuple[UnusedState, ...] = ()
    untied: tuple[BrokenTie, ...] = ()
    roots: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def build_recorded(factory: Callable[[], nn.Module], *, roots: tuple[str, ...] = (), large: int = LARGE) -> RecordedModel:
    """Call `factory` under a recorder; if it cannot live with mixed devices, again with everything on meta, then real.

    Raises whatever the factory raised at the first attempt when no attempt succeeds.
    """
    problem: Exception | None = None
    for attempt in ("mixed", "meta", "real"):
        record = Record(roots=roots)
        limit = large if attempt == "mixed" else 0 if attempt == "meta" else 1 << 24
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with recording(record, limit):
                    if attempt == "meta":
                        with torch.device("meta"):
                            model = factory()
                    else:
                        model = factory()
        except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
            problem = problem or error
            if not _device_trouble(error):
                break
            continue
        if not isinstance(model, nn.Module):
            raise TypeError(f"the factory returned a {type(model).__name__}, not a torch.nn.Module")
        lazy = next((name for name, parameter in model.named_parameters() if nn.parameter.is_lazy(parameter)), None)
        if lazy is not None:
            raise TypeError(
                f"'{lazy}' is a parameter of a lazy layer, which has no shape before its first input: give the layer its sizes, or let a "
                "function without arguments build the model and call it once"
            )
        restore_tables(model, record)
        notes = [f"built on {attempt} device"] if attempt != "mixed" else []
        return RecordedModel(
            model=model,
            parameters=collected(model, record),
            module_sites=_module_sites(model, record),
            plain=_plain(model, record),
            lost=lost_writes(model, record),
            unused=unused_states(model, record),
            untied=broken_ties(model, record),
            roots=roots,
            notes=(*notes, *dict.fromkeys(record.notes)),
        )
    assert problem is not None
    raise problem


def recorded_instance(model: nn.Module, record: Record) -> RecordedModel:
    """A model that user code built while `record` was watching, as a module-level instance is."""
    return RecordedModel(
        model=model,
        parameters=collected(model, record),
        module_sites=_module_sites(model, record),
        plain=_plain(model, record),
        lost=lost_writes(model, record),
        unused=unused_states(model, record),
        untied=broken_ties(model, record),
        roots=record.roots,
        notes=tuple(dict.fromkeys(record.notes)),
    )


def _device_trouble(error: Exception) -> bool:
    text = str(error).lower()
    return any(word in text for word in ("meta", "device", "item()", "data pointer", "storage"))


def _module_sites(model: nn.Module, record: Record) -> dict[str, Site]:
    sites: dict[str, Site] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for name, child in module._modules.items():
            site = record.constructed.get(id(child)) or record.made.get((id(module), name))
            if child is not None and site is not None:
                sites[f"{path}.{name}" if path else name] = site
    return sites


def collected(model: nn.Module, record: Record) -> dict[str, Parameter]:
    """What the record says of every parameter and buffer of a model, by qualified name."""
    result: dict[str, Parameter] = {}
    first_name: dict[int, str] = {}
    by_storage: dict[int, str] = {}
    prototypes: dict[int, str] = {}
    by_values: dict[tuple[float, ...], str] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for kind, table in (("parameter", module._parameters), ("buffer", module._buffers)):
            for short, tensor in table.items():
                if tensor is None:
                    continue
                name = f"{path}.{short}" if path else short
                held = record.held.get(key_of(tensor))
                alias = first_name.setdefault(id(tensor), name)
                if alias == name and not tensor.is_meta:
                    alias = by_storage.setdefault(key_of(tensor), name)
                copied = None
                if held is not None and len(held.stretches) == 1 and held.stretches[0].copied is not None:
                    # of a prototype that was not kept, the first copy; what else lies at its address now is no alias
                    origin = held.stretches[0].copied
                    copied = by_storage.get(origin) or prototypes.setdefault(origin, name)
                by_storage.setdefault(key_of(tensor), name)
                law = law_of_held(held, tensor) if held is not None else _outside(tensor)
                if id(tensor) in record.restored or _computed(tensor, law, record):
                    law = exact_or_measured(tensor)
                if copied is None and alias == name and (values := _drawn_values(tensor, law)):
                    copied = by_values.setdefault(values, name)
                if law.family == "unknown" and tensor.is_meta and (again := drawn_again(tensor, record.history)) is not None:
                    law = law_of_values(again)
                result[name] = Parameter(
                    name=name,
                    shape=tuple(tensor.shape),
                    dtype=str(tensor.dtype),
                    kind="parameter" if kind == "parameter" else "buffer",
                    trainable=bool(tensor.requires_grad),
                    law=law,
                    value=_value(tensor, law),
                    made=record.made.get((id(module), short)) if _own(module) else _maker(record, model, path, module, short),
                    writes=tuple(held.writes) if held is not None else (),
                    alias_of=None if alias == name else alias,
                    copy_of=None if copied == name else copied,
                    owner=f"{type(module).__module__}.{type(module).__qualname__}",
                )
    return result


def _drawn_values(tensor: torch.Tensor, law: Law) -> tuple[float, ...]:
    """The first entries of what was drawn, which no two draws share unless the generator was set back in between; () if it was not drawn."""
    if tensor.is_meta or law.family not in ("normal", "uniform", "truncated normal") or not tensor.numel():
        return ()
    return (*map(float, tensor.shape), *tensor.detach().reshape(-1)[:FINGERPRINT].tolist())


def _plain(model: nn.Module, record: Record) -> dict[str, Parameter]:
    """Tensors that are neither parameters nor buffers of the modules that have them, where the record knows more than their values:
    a law, or that they ask for a gradient (`trainable`)."""
    result: dict[str, Parameter] = {}
    for path, module in model.named_modules():
        for short, tensor in vars(module).items():
            if not isinstance(tensor, torch.Tensor) or not tensor.dtype.is_floating_point:
                continue
            held = record.held.get(key_of(tensor))
            if not tensor.requires_grad and (held is None or not tensor.is_meta):
                continue
            name = f"{path}.{short}" if path else short
            result[name] = Parameter(
                name=name,
                shape=tuple(tensor.shape),
                dtype=str(tensor.dtype),
                kind="constant",
                trainable=tensor.requires_grad,
                law=law_of_held(held, tensor) if held is not None else _outside(tensor),
                value=None if tensor.is_meta else tensor.detach(),
                writes=tuple(held.writes) if held is not None else (),
            )
    return result


def _own(module: nn.Module) -> bool:
    return not type(module).__module__.startswith("torch.nn.modules")


def _maker(record: Record, model: nn.Module, path: str, module: nn.Module, short: str) -> Site | None:
    """Where a library module was constructed: the line that made it, which registered its first parameter."""
    return record.made.get((id(module), short))


def _outside(tensor: torch.Tensor) -> Law:
    if tensor.is_meta:
        return laws.uninitialized()
    return law_of_values(tensor) if tensor.dtype.is_floating_point or tensor.is_complex() else laws.constant(0.0)


def _computed(tensor: torch.Tensor, law: Law, record: Record) -> bool:
    """Whether the values of a real tensor are the same at every construction, though its law does not say so: none was drawn, or all
    that were have been replaced piece by piece."""
    held = record.held.get(key_of(tensor))
    if tensor.is_meta or held is None or law.family not in ("mixture", "measured", "exact") or not tensor.dtype.is_floating_point:
        return False
    return key_of(tensor) not in record.random or all(
        piece.copied is not None and piece.copied not in record.random for piece in held.stretches
    )


def _value(tensor: torch.Tensor, law: Law) -> torch.Tensor | None:
    if tensor.is_meta or tensor.numel() > VALUES_KEPT:
        return None
    if not tensor.dtype.is_floating_point and not tensor.is_complex():
        return tensor.detach()
    if law.family in ("exact", "constant", "identity"):
        return tensor.detach()
    return tensor.detach() if not tensor.requires_grad and law.family == "measured" else None


def law_of_held(held: Held, tensor: torch.Tensor) -> Law:
    """The law of one parameter from the stretches of its storage."""
    start = int(tensor.storage_offset())
    stop = start + tensor.numel()
    parts = [(max(s.start, start), min(s.stop, stop), s.law) for s in held.stretches if s.start < stop and s.stop > start]
    if not parts:
        return laws.uninitialized()
    if len(parts) == 1 or all(laws.same(law, parts[0][2]) for _, _, law in parts):
        return law_within(held, tensor)
    blank = sum(b - a for a, b, law in parts if law.family == "uninitialized")
    if blank:
        return laws.uninitialized()
    mixed = laws.pooled([(float(b - a), law) for a, b, law in parts])
    regions = _regions([(a - start, b - start, law) for a, b, law in parts], tuple(tensor.shape))
    return Law(family="mixture", mean=mixed.mean, second_moment=mixed.second_moment, parts=regions)


Regions = tuple[tuple[tuple[tuple[int, int, int], ...], Law], ...]


def _regions(parts: Sequence[tuple[int, int, Law]], shape: tuple[int, ...]) -> Regions:
    """Stretches of storage as rows of a tensor, or as the same columns in every row; empty where they are neither."""
    row = math.prod(shape[1:]) if shape and shape[0] else 0
    if row and not any(a % row or b % row for a, b, _ in parts):
        rest = tuple((0, n, 1) for n in shape[1:])
        return tuple((((a // row, b // row, 1), *rest), law) for a, b, law in parts)
    inner = math.prod(shape[2:])
    if row <= 1 or not inner or len(parts) < shape[0]:
        return ()
    columns: dict[tuple[int, int], list[Law]] = {}
    for a, b, law in parts:
        for first in range(a - a % row, b, row):
            columns.setdefault((max(a - first, 0), min(b - first, row)), []).append(law)
    if any(len(found) != shape[0] or not all(laws.same(law, found[0]) for law in found) for found in columns.values()):
        return ()
    if any(a % inner or b % inner for a, b in columns):
        return ()
    rest = tuple((0, n, 1) for n in shape[2:])
    return tuple((((0, shape[0], 1), (a // inner, b // inner, 1), *rest), found[0]) for (a, b), found in sorted(columns.items()))


def measured_model(model: nn.Module) -> RecordedModel:
    """A real, already built module; its weights are measured, their writers unknown.

    Raises:
        LostLaws: the module is on the meta device.
    """
    record = Record()
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_meta:
            raise LostLaws(
                f"'{name}' is on the meta device and has lost the law it was drawn from. Pass a callable that builds the "
                "model instead: initlint.analyze(lambda: Model(...), args)"
            )
    return RecordedModel(model=model, parameters=collected(model, record), module_sites={})


def parameter_count(parameters: Mapping[str, Parameter]) -> int:
    """Number of trainable and frozen weights, tied ones once."""
    return sum(math.prod(p.shape) for p in parameters.values() if p.kind == "parameter" and p.alias_of is None)
