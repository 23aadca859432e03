"""A model's tensors replaced for a while: by meta ones, fake ones, or real ones that take no memory; afterwards all is as before.

Three ways to run a forward without its weights. On meta there are no values at all, on fake CPU tensors neither but devices
agree, and lent weights have values, though not the model's own: one number seen as a tensor of the full shape.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without torch's warnings and logs: what matters of a failure is in its exception."""
    previous = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)


@contextlib.contextmanager
def exporting() -> Iterator[None]:
    """Code that asks `torch.compiler.is_compiling()` is told what torch.export will tell it."""
    flags = [name for name in ("_is_compiling_flag", "_is_exporting_flag") if hasattr(torch.compiler, name)]
    before = {name: getattr(torch.compiler, name) for name in flags}
    for name in flags:
        setattr(torch.compiler, name, True)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(torch.compiler, name, value)


@contextlib.contextmanager
def moved(model: nn.Module, device: str) -> Iterator[tuple[dict[int, torch.Tensor], Any]]:
    """The model with all tensors on meta (or fake ones on the CPU); restored afterwards.

    Yields real values by id of the stand-in, and a function that moves inputs the same way.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    memo: dict[int, torch.Tensor] = {}
    values: dict[int, torch.Tensor] = {}
    fake = FakeTensorMode(allow_non_fake_inputs=True) if device == "fake" else None

    def stand_in(tensor: torch.Tensor) -> torch.Tensor:
        if id(tensor) in memo:
            return memo[id(tensor)]
        if fake is not None:
            with fake:
                plain = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cpu")
        else:
            plain = tensor.detach() if tensor.is_meta else torch.empty_like(tensor, device="meta")
        moved: torch.Tensor = nn.Parameter(plain, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else plain
        memo[id(tensor)] = moved
        if not tensor.is_meta:
            values[id(moved)] = tensor.detach()
        return moved

    saved: list[tuple[dict[str, Any], str, Any]] = []

    def swap(table: dict[str, Any], name: str, tensor: Any) -> None:
        saved.append((table, name, tensor))
        table[name] = stand_in(tensor)

    for module in list(model.modules()):
        for table in (module._parameters, module._buffers, module.__dict__):
            for name, tensor in list(table.items()):
                if isinstance(tensor, torch.Tensor):
                    swap(table, name, tensor)
        flat = module.__dict__.get("_flat_weights")
        if isinstance(flat, list):
            saved.append((module.__dict__, "_flat_weights", flat))
            module.__dict__["_flat_weights"] = [stand_in(t) if isinstance(t, torch.Tensor) else t for t in flat]

    def place(value: Any) -> Any:
        def move(leaf: Any) -> Any:
            if not isinstance(leaf, torch.Tensor):
                return leaf
            if fake is not None:
                with fake:
                    return torch.empty(leaf.shape, dtype=leaf.dtype, device="cpu")
            return leaf.to("meta")

        return torch.utils._pytree.tree_map(move, value)

    try:
        yield values, place
    finally:
        for table, name, tensor in reversed(saved):
            table[name] = tensor


@contextlib.contextmanager
def lent(model: nn.Module) -> Iterator[tuple[dict[int, torch.Tensor], Callable[[Any], Any]]]:
    """The model with weights on the CPU that take no memory: one number, seen as a tensor of the full shape."""
    memo: dict[int, torch.Tensor] = {}
    saved: list[tuple[dict[str, Any], str, Any]] = []
    real: dict[int, torch.Tensor] = {}
    for module in model.modules():
        own = module.__dict__
        for table in (own["_parameters"], own["_buffers"], own):
            for name, tensor in list(table.items()):
                if isinstance(tensor, torch.Tensor) and tensor.is_meta:
                    saved.append((table, name, tensor))
                    if id(tensor) not in memo:
                        number = torch.full((), 0.01).to(tensor.dtype).expand(tensor.shape)
                        memo[id(tensor)] = (
                            nn.Parameter(number, requires_grad=False) if isinstance(tensor, nn.Parameter) else number
                        )
                    table[name] = memo[id(tensor)]
                elif isinstance(tensor, torch.Tensor):
                    real[id(tensor)] = tensor
        flat = module.__dict__.get("_flat_weights")
        if isinstance(flat, list):
            saved.append((module.__dict__, "_flat_weights", flat))
            module.__dict__["_flat_weights"] = [memo.get(id(t), t) for t in flat]
    try:
        yield real, lambda value: value
    finally:
        for table, name, tensor in reversed(saved):
            table[name] = tensor


@contextlib.contextmanager
def replaced(model: nn.Module, by: Mapping[int, torch.Tensor]) -> Iterator[None]:
    """The model with other tensors, by the id of those that they replace."""
    saved: list[tuple[dict[str, Any], str, Any]] = []
    for module in model.modules():
        own = module.__dict__
        for table in (own["_parameters"], own["_buffers"], own):
            for name, tensor in list(table.items()):
                if isinstance(tensor, torch.Tensor) and id(tensor) in by:
                    saved.append((table, name, tensor))
                    table[name] = by[id(tensor)]
        flat = own.get("_flat_weights")
        if isinstance(flat, list):
            saved.append((own, "_flat_weights", flat))
            own["_flat_weights"] = [by.get(id(t), t) for t in flat]
    try:
        yield
    finally:
        for table, name, tensor in reversed(saved):
            table[name] = tensor


@contextlib.contextmanager
def restored(model: nn.Module) -> Iterator[None]:
    """What the forward stores on its modules, hooks and caches included, is taken off again."""
    owned = [m.__dict__ for m in model.modules()]
    tables = [*owned, *(value for own in owned for value in own.values() if type(value) in (dict, OrderedDict))]
    lists = [(value, list(value)) for own in owned for value in own.values() if type(value) is list]
    saved = [(table, dict(table)) for table in tables]
    try:
        yield
    finally:
        for table, before in saved:
            if table.keys() != before.keys() or any(table[key] is not value for key, value in before.items()):
                table.clear()
                table.update(before)
        for items, earlier in lists:
            items[:] = earlier
