"""Answers `bool(t)`, `t.item()` and the like while a model is traced, for tensors that are made of constants alone.

Traced tensors have no values. But a mask built from sizes, a comparison of two such masks or an index table is the same in
every run, and code that asks for its value is not dynamic. This mode computes such tensors for real beside the traced ones.
What depends on inputs, weights or chance has no such shadow: asking for its value still fails, as it must. Two questions have
the same answer in nearly every run and are answered too: activations at the start are finite (`isfinite(x).all()`), and one
random number drawn to decide whether something is dropped (`torch.rand(1) < p`) is its median.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

from initlint.graph.chance import COUNTING, DRAWING, DROPPING, with_in_place

LARGEST = 1 << 20  # elements of a shadow
ASKING = {"__bool__", "item", "__int__", "__float__", "__index__", "tolist", "is_nonzero", "equal", "__contains__", "allclose"}
FINITE = {"isfinite": True, "isnan": False, "isinf": False}
CHANCE = with_in_place(DRAWING | COUNTING | DROPPING) | {"empty", "empty_like", "new_empty", "empty_strided", "Parameter"}


class ConstantShadows(TorchFunctionMode):
    """Keeps a real tensor beside each traced one that no input, weight or random number went into."""

    def __init__(self) -> None:
        super().__init__()
        self.shadows: dict[int, torch.Tensor] = {}
        self.alive: list[torch.Tensor] = []

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        if name in FINITE:
            result = func(*args, **kwargs)
            self.assume(result, FINITE[name])
            return result
        if name in ("rand", "rand_like", "uniform_") and not tensors:
            result = func(*args, **kwargs)
            if result.numel() == 1:
                self.assume(result, 0.5)
            return result
        constant = name not in CHANCE and all(id(tensor) in self.shadows for tensor in tensors)
        if name in ASKING and tensors and constant:
            return self.real(func, args, kwargs)
        result = func(*args, **kwargs)
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        if constant and (made or name == "__setitem__"):
            self.learn(func, args, kwargs, made)
        elif tensors and (name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))):
            self.forget(tensors[0])
        return result

    def learn(self, func: Callable[..., Any], args: Any, kwargs: Any, made: list[torch.Tensor]) -> None:
        """Do the same for real; a result without shadow is simply not known."""
        if any(tensor.numel() > LARGEST or not all(isinstance(n, int) for n in tensor.shape) for tensor in made):
            return
        try:
            result = self.real(func, args, kwargs)
        except (RuntimeError, TypeError, ValueError, NotImplementedError, IndexError):
            return
        copies = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        for tensor, copy in zip(made, copies, strict=False):
            if tensor.shape == copy.shape:
                self.shadows[id(tensor)] = copy
                self.alive.append(tensor)

    def assume(self, result: torch.Tensor, value: bool | float) -> None:
        """All elements of a traced tensor have this value."""
        if result.numel() <= LARGEST:
            with torch._C.DisableTorchFunction(), _disable_current_modes():
                self.shadows[id(result)] = torch.full(tuple(result.shape), value, dtype=result.dtype)
            self.alive.append(result)

    def forget(self, written: torch.Tensor) -> None:
        """Something unknown was written into a tensor: it and all that share its memory are constants no more."""
        shadow = self.shadows.get(id(written))
        if shadow is not None:
            memory = shadow.untyped_storage()._cdata
            self.shadows = {k: s for k, s in self.shadows.items() if s.untyped_storage()._cdata != memory}

    def real(self, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """The call on shadows, outside of all tracing, on the CPU."""

        def shadow(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                return self.shadows[id(value)]
            return torch.device("cpu") if isinstance(value, torch.device) else value

        with torch._C.DisableTorchFunction(), _disable_current_modes(), torch.no_grad():
            plain = {**tree_map(shadow, kwargs)}
            if "device" in plain:
                plain["device"] = torch.device("cpu")
            return func(*tree_map(shadow, args), **plain)


@contextlib.contextmanager
def constant_shadows(model: nn.Module) -> Iterator[None]:
    """Inside, the model's forward runs under `ConstantShadows`."""
    original = model.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        with ConstantShadows():
            return original(*args, **kwargs)

    own = "forward" in model.__dict__
    forward.__signature__ = _signature(original)  # type: ignore[attr-defined]
    model.__dict__["forward"] = forward
    try:
        yield
    finally:
        if own:
            model.__dict__["forward"] = original
        else:
            del model.__dict__["forward"]


def _signature(function: Callable[..., Any]) -> Any:
    import inspect

    return inspect.signature(function)
