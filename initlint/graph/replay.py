"""Values of large deterministic tensors: tables and masks that the constructor computed on the meta device, computed again.

The recorder keeps every operator that touched a meta tensor. For one tensor, the operators that made or wrote its storage,
and those that made what they read, are repeated on the CPU in their order; a random one among them means there are no values,
but a draw, from which the law of a small tensor is measured where no rule tells it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from initlint.graph.record import Record, Step, key_of, overwrites

LARGEST = 1 << 25  # bytes of one table; a larger one is described by its law
TOGETHER = 1 << 28  # bytes of all
SEED = 0x5EED


def restore_tables(model: nn.Module, record: Record) -> None:
    """Put real values in place of the meta buffers and tensor attributes of a model that were computed, not drawn."""
    spent = 0
    done: dict[int, torch.Tensor | None] = {}
    for module in model.modules():
        for table in (module._buffers, module.__dict__):
            for name, tensor in list(table.items()):
                if not isinstance(tensor, torch.Tensor) or not tensor.is_meta or isinstance(tensor, nn.Parameter):
                    continue
                size = tensor.numel() * tensor.element_size()
                if size > LARGEST or spent + size > TOGETHER:
                    continue
                if id(tensor) not in done:
                    done[id(tensor)] = replayed(tensor, record.history)
                    spent += size
                real = done[id(tensor)]
                if real is not None:
                    record.kept.append(tensor)
                    record.restored.add(id(real))
                    if key_of(tensor) in record.held:
                        record.held[key_of(real)] = record.held[key_of(tensor)]
                    table[name] = real


def drawn_again(tensor: torch.Tensor, history: Iterable[Step]) -> torch.Tensor | None:
    """One seeded draw of a meta tensor made of random ones by operators that no law follows; None as in `replayed`."""
    if tensor.numel() * tensor.element_size() > LARGEST:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return replayed(tensor, history, random=True)


def replayed(tensor: torch.Tensor, history: Iterable[Step], random: bool = False) -> torch.Tensor | None:
    """The values of a meta tensor, or None if they are random (and that is not wanted), were never written, or cannot be computed."""
    chain, stale = _needed(tensor, list(history))
    if not chain or any(step.random and id(step) not in stale and not random for step in chain):
        return None
    real: dict[int, torch.Tensor] = {}
    stored: dict[object, torch.Tensor] = {}

    def found(value: torch.Tensor) -> torch.Tensor:
        """Its values; of a view made outside of the recorder, as a parameter is of a tensor, from what shares its storage."""
        if id(value) in real:
            return real[id(value)]
        return torch.as_strided(stored[key_of(value)], value.shape, value.stride(), value.storage_offset())

    def filled(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return found(value) if value.is_meta else value
        return torch.device("cpu") if isinstance(value, torch.device) else value

    try:
        with torch.no_grad():
            for step in chain:
                if id(step) in stale:  # overwritten before anyone read it
                    real[id(step.result)] = torch.empty_like(step.result, device="cpu")
                    stored.setdefault(key_of(step.result), real[id(step.result)])
                    continue
                args, kwargs = torch.utils._pytree.tree_map(filled, (step.args, step.kwargs))
                result = step.func(*args, **kwargs)
                if "empty" in str(step.func):
                    result.zero_()
                before = step.result if isinstance(step.result, list | tuple) else [step.result]
                after = result if isinstance(result, list | tuple) else [result]
                for old, new in zip(before, after, strict=True):
                    if isinstance(old, torch.Tensor):
                        real[id(old)] = new
                        stored.setdefault(key_of(old), new)
            return found(tensor).detach().clone()
    except (KeyError, RuntimeError, NotImplementedError, TypeError):
        return None


def _writes(step: Step) -> bool:
    return bool(step.func is not None and step.func._schema.is_mutable)


def _tensors(value: Any) -> list[torch.Tensor]:
    return [t for t in torch.utils._pytree.tree_leaves(value) if isinstance(t, torch.Tensor)]


def _needed(tensor: torch.Tensor, history: list[Step]) -> tuple[list[Step], set[int]]:
    """The steps that decide a tensor's values, in order, and the ids of those that only made what was later overwritten."""
    wanted = {key_of(tensor)}
    replaced: set[int] = set()
    chain: list[Step] = []
    stale: set[int] = set()
    for step in reversed(history):
        target = {key_of(t) for t in _tensors(step.args[:1])} if step.func is None or _writes(step) else set()
        touched = {key_of(t) for t in _tensors(step.result)} | target
        if not touched & wanted:
            continue
        if target & replaced:
            continue
        chain.append(step)
        if target and step.func is not None and overwrites(step.func, step.args):
            replaced |= target
        elif not target and touched & replaced and step.random:
            stale.add(id(step))
            continue
        wanted |= {key_of(t) for t in _tensors((step.args, step.kwargs)) if t.is_meta}
    return chain[::-1], stale
