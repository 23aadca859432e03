"""CALLABLE → the arguments that it can be called with when nobody gave any: defaults, and configurations that build themselves.

A required parameter is filled when its annotation is a class that is itself default-constructible, or when it is named like
a configuration and the file has one that fits. Nothing is constructed here: a `Filled` constructs afresh at each call.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

CONFIG_PARAMETER = re.compile(
    r"^(config|configuration|conf|cfg|args|opts?|options|hparams|hps?|params|settings|c|.+_(config|cfg|args))$", re.IGNORECASE
)
CONFIG_CLASS = re.compile(
    r"(config|configuration|conf|cfg|args|arguments|hparams|hyperparameters|params|settings|options|opts)$", re.IGNORECASE
)
DEPTH = 4  # nesting of configurations inside configurations

Maker = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Filled:
    """A call that can be made: `target(*args, **kwargs)` with every argument made anew, and how a person would write it."""

    target: Callable[..., Any]
    given: tuple[tuple[str | None, Maker, str], ...]  # (keyword or None, maker, text)
    name: str

    def __call__(self) -> Any:
        """Make the arguments and the call."""
        positional = [make() for keyword, make, _ in self.given if keyword is None]
        named = {keyword: make() for keyword, make, _ in self.given if keyword is not None}
        return self.target(*positional, **named)

    @property
    def text(self) -> str:
        """The call as source code."""
        return f"{self.name}({', '.join(text if keyword is None else f'{keyword}={text}' for keyword, _, text in self.given)})"


@dataclass(frozen=True, slots=True)
class Missing:
    """The call cannot be made: these required parameters have no value that anything suggests."""

    names: tuple[str, ...]
    parameters: tuple[inspect.Parameter, ...] = ()


def fill(
    target: Callable[..., Any],
    namespace: Mapping[str, Any],
    *,
    name: str | None = None,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    depth: int = DEPTH,
) -> Filled | Missing:
    """How to call `target`; what is given stays as given, the remaining required parameters are looked for in `namespace`."""
    kwargs = dict(kwargs or {})
    called = name or str(getattr(target, "__name__", "call"))
    given: list[tuple[str | None, Maker, str]] = [(None, _constant(value), _shown(value)) for value in args]
    missing: list[inspect.Parameter] = []
    hints = _hints(target, namespace)
    for position, parameter in enumerate(parameters_of(target)):
        if position < len(args) or parameter.name in kwargs or parameter.default is not parameter.empty:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        found = _value_for(target, parameter, hints.get(parameter.name), namespace, depth)
        if found is None:
            missing.append(parameter)
            continue
        make, text = found
        positional = parameter.kind is not parameter.KEYWORD_ONLY and not missing and all(k is None for k, _, _ in given)
        given.append((None if positional and position == len(given) else parameter.name, make, text))
    given += [(key, _constant(value), _shown(value)) for key, value in kwargs.items()]
    if missing:
        return Missing(tuple(p.name for p in missing), tuple(missing))
    return Filled(target, tuple(given), called)


def parameters_of(target: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters a caller sees; none when the signature cannot be read."""
    try:
        if isinstance(target, type) and issubclass(target, nn.Module):
            return list(inspect.signature(target.__init__).parameters.values())[1:]
        return list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return []


def is_config_class(value: object) -> bool:
    """A class whose instances configure a model: by its form (dataclass, pydantic, transformers) or by its name."""
    if not isinstance(value, type) or issubclass(value, nn.Module | torch.Tensor):
        return False
    return dataclasses.is_dataclass(value) or CONFIG_CLASS.search(value.__name__) is not None or hasattr(value, "model_fields")


def _value_for(
    target: Callable[..., Any], parameter: inspect.Parameter, hint: Any, namespace: Mapping[str, Any], depth: int
) -> tuple[Maker, str] | None:
    if depth <= 0:
        return None
    named = CONFIG_PARAMETER.match(parameter.name) is not None
    for wanted in _classes_of(hint):
        made = _constructed(wanted, namespace, depth)
        if made is not None and not (named and wanted.__name__ in ("PretrainedConfig", "PreTrainedConfig")):
            return made
        instance = _instance_of(wanted, parameter.name, namespace)
        if instance is not None:
            return instance
    declared = getattr(target, "config_class", None)
    if named and isinstance(declared, type):
        made = _constructed(declared, namespace, depth)
        if made is not None:
            return made
    if not named:
        return None
    return _named_instance(parameter.name, namespace) or _only_config(target, namespace, depth)


def _constructed(wanted: type, namespace: Mapping[str, Any], depth: int) -> tuple[Maker, str] | None:
    if (
        wanted.__module__ in ("builtins", "typing", "collections.abc")
        or wanted is nn.Module
        or issubclass(wanted, torch.Tensor)
    ):
        return None
    if issubclass(wanted, torch.device | torch.dtype):
        return None
    filled = fill(wanted, namespace, depth=depth - 1)
    return (filled, filled.text) if isinstance(filled, Filled) else None


def _only_config(target: Callable[..., Any], namespace: Mapping[str, Any], depth: int) -> tuple[Maker, str] | None:
    """The configuration class that goes by the target's name, or the only one there is."""
    own = getattr(target, "__name__", "").lower()
    choices: dict[type, tuple[Maker, str]] = {}
    for value in namespace.values():
        if is_config_class(value) and value not in choices:
            made = _constructed(value, namespace, depth)
            if made is not None:
                choices[value] = made

    def stem(cls: type) -> str:
        return CONFIG_CLASS.sub("", cls.__name__).lower()

    exact = [made for cls, made in choices.items() if stem(cls) and stem(cls) == own]
    alike = [made for cls, made in choices.items() if stem(cls) and (own.startswith(stem(cls)) or stem(cls).startswith(own))]
    for found in (exact, list(choices.values()), alike):
        if len(found) == 1:
            return found[0]
    return None


def _instance_of(wanted: type, name: str, namespace: Mapping[str, Any]) -> tuple[Maker, str] | None:
    """A module-level instance of a configuration class that cannot be built without arguments."""
    if not is_config_class(wanted):
        return None
    found = [(key, value) for key, value in namespace.items() if type(value) is wanted]
    found.sort(key=lambda item: item[0].lower() != name.lower())
    return (_constant(found[0][1]), found[0][0]) if found else None


def _named_instance(name: str, namespace: Mapping[str, Any]) -> tuple[Maker, str] | None:
    """A module-level value of the parameter's own name: `cfg = SimpleNamespace(...)`, `CONFIG = {...}`."""
    aliases = {name.lower(), "config", "cfg", "default_config", "hparams"}
    for key, value in namespace.items():
        if key.lower() not in aliases or isinstance(value, type | types.ModuleType | nn.Module) or callable(value):
            continue
        if isinstance(value, dict) or hasattr(value, "__dict__") or dataclasses.is_dataclass(value):
            return _constant(value), key
    return None


def _classes_of(hint: Any) -> list[type]:
    """The classes an annotation allows: the members of a union, one for a plain class, none otherwise."""
    origin = typing.get_origin(hint)
    if isinstance(hint, type) and origin is None:
        return [hint]
    if origin is typing.Union or origin is types.UnionType:
        return [member for member in typing.get_args(hint) if isinstance(member, type) and member is not type(None)]
    if origin is typing.Annotated:
        return _classes_of(typing.get_args(hint)[0])
    return []


def _hints(target: Callable[..., Any], namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Annotations as objects; those that cannot be resolved are left out, one by one."""
    function: Any = target
    if isinstance(target, type):
        function = next(vars(base)["__init__"] for base in target.__mro__ if "__init__" in vars(base))
    raw = getattr(inspect.unwrap(function), "__annotations__", {})
    names = {**getattr(inspect.unwrap(function), "__globals__", {}), **namespace}
    hints: dict[str, Any] = {}
    for key, value in raw.items():
        if not isinstance(value, str):
            hints[key] = value
            continue
        try:
            hints[key] = eval(value, dict(names))  # noqa: S307 - an annotation of the file that was just imported
        except Exception:  # noqa: BLE001, S112 - any expression may stand there; without a type the parameter stays open
            continue
    return hints


def _constant(value: Any) -> Maker:
    return lambda: copy.deepcopy(value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
