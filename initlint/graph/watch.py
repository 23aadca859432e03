"""Watch a constructor: the recorder switched on, and the functions of `torch.nn.init` that skip meta tensors caught.

Those functions do nothing on a meta tensor, so their code objects are exchanged while a model is built: that reaches every
reference to them, however they were imported.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import torch
from torch import nn

from initlint.graph import laws
from initlint.graph.data_attribute import data_recorded
from initlint.graph.frames import plain, site_of
from initlint.graph.model import Law
from initlint.graph.record import LARGE, Loaded, Record, Recorder, Registered, Step, key_of

SEED = 0x1417


def _named(function: str, tensor: torch.Tensor, options: dict[str, Any]) -> Law:
    shape = tuple(tensor.shape)
    if function == "trunc_normal_":
        return laws.truncated_normal(options["mean"], options["std"], options["a"], options["b"])
    if function == "orthogonal_":
        return laws.orthogonal(shape, options["gain"])
    if function == "sparse_":
        return laws.sparse(shape, options["sparsity"], options["std"])
    if function == "eye_":
        return laws.identity(shape, min(shape))
    groups = int(options.get("groups", 1))
    return laws.identity(shape, groups * min(shape[0] // groups, shape[1]))


SKIPPED = ("trunc_normal_", "orthogonal_", "sparse_", "eye_", "dirac_")
_active: list[Recorder] = []


def _intercept(function: str, original: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    recorder = _active[-1]
    bound = inspect.signature(original).bind(*args, **kwargs)
    bound.apply_defaults()
    tensor = bound.arguments["tensor"]
    recorder.silent += 1
    try:
        result = original(*args, **kwargs)
    finally:
        recorder.silent -= 1
    recorder.write(tensor, _named(function, tensor, bound.arguments), f"nn.init.{function}", options=plain(bound.arguments))
    if function in ("trunc_normal_", "orthogonal_", "sparse_"):
        recorder.record.random.add(key_of(tensor))
    if tensor.is_meta:
        recorder.record.history.append(Step(None, (tensor,), {}, tensor, random=True))
    return result


@contextlib.contextmanager
def _watched_init() -> Iterator[None]:
    """Exchange the code of the functions in SKIPPED, so that every reference to them is watched."""
    saved: list[tuple[types.FunctionType, types.CodeType]] = []
    try:
        for name in SKIPPED:
            function = getattr(nn.init, name)
            original = types.FunctionType(
                function.__code__, function.__globals__, name, function.__defaults__, function.__closure__
            )
            original.__kwdefaults__ = function.__kwdefaults__
            namespace: dict[str, Any] = {}
            exec(  # noqa: S102 - a function whose only constants are ours, to lend its code object
                f"def {name}(*args, **kwargs):\n"
                f"    from initlint.graph import watch\n"
                f"    return watch._intercept({name!r}, watch._originals[{name!r}], args, kwargs)\n",
                namespace,
            )
            _originals[name] = original
            saved.append((function, function.__code__))
            function.__code__ = namespace[name].__code__
        yield
    finally:
        for function, code in saved:
            function.__code__ = code


_originals: dict[str, Callable[..., Any]] = {}


@contextlib.contextmanager
def recording(record: Record, large: int = LARGE) -> Iterator[Recorder]:
    """Watch what a constructor does. Random state, default dtype and grad mode are left as found."""
    from torch.nn.modules import module as registry

    recorder = Recorder(record, large)

    def remember(owner: nn.Module, name: str, value: Any) -> None:
        site, _, stack = record.site(3)
        if isinstance(value, nn.Parameter | nn.Module):
            kind: Literal["parameter", "module"] = "parameter" if isinstance(value, nn.Parameter) else "module"
            record.registered.append(Registered(kind, id(owner), name, value, site))
        if site is not None:
            record.made[id(owner), name] = site
        if id(owner) not in record.constructed:
            record.kept.append(owner)  # its id stays its own
            caller = stack.outside(owner, record.roots)
            if caller is not None:
                record.constructed[id(owner)] = site_of(caller)

    @functools.wraps(nn.Module.load_state_dict)
    def load(owner: nn.Module, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        site, _, _ = record.site(2)
        result = original(owner, state_dict, *args, **kwargs)  # which says itself what cannot be loaded
        if site is not None:
            record.kept.append(owner)
            record.loaded.append(Loaded(id(owner), tuple(state_dict), tuple(owner.state_dict(keep_vars=True)), site))
        return result

    original = nn.Module.load_state_dict
    hooks = [
        registry.register_module_parameter_registration_hook(remember),
        registry.register_module_module_registration_hook(remember),
        registry.register_module_buffer_registration_hook(remember),
    ]
    dtype, grad = torch.get_default_dtype(), torch.is_grad_enabled()
    _active.append(recorder)
    nn.Module.load_state_dict = load  # type: ignore[method-assign,assignment]
    try:
        with torch.random.fork_rng(devices=[]), _watched_init(), data_recorded(), recorder:
            torch.manual_seed(SEED)
            yield recorder
    finally:
        nn.Module.load_state_dict = original  # type: ignore[method-assign]
        _active.pop()
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        for hook in hooks:
            hook.remove()
