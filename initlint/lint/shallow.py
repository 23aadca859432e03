"""The factory of a deep model → a factory of the same model with two blocks, for models too large to draw as they are.

The depth is recognized by what it does: an integer that a constructor gets (as an argument, or as a field of a configuration)
equals the number of alike blocks in a container of the model; when it is replaced by two, and the model is built again, two
blocks are left and no shape is new. Names are not looked at: of `n_layer = n_head = 12` only one passes.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

from torch import nn

BLOCKS = 2  # that are left: the smallest number with a block after another one
CONTAINERS = (nn.ModuleList, nn.Sequential, nn.ModuleDict)

Build = Callable[[], nn.Module]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shallow:
    """A model with fewer blocks: how to build it, and what was replaced ("`n_layer` 48 → 2")."""

    build: Build
    said: str


@dataclass(frozen=True, slots=True)
class _Place:
    """An integer among the arguments of a constructor: `argument`, or `key` of the configuration that `argument` is."""

    owner: type
    argument: str
    key: str | None

    def replace(self, arguments: MutableMapping[str, Any]) -> None:
        value = arguments[self.argument]
        if self.key is None:
            arguments[self.argument] = BLOCKS
        elif isinstance(value, dict):
            arguments[self.argument] = {**value, self.key: BLOCKS}
        else:
            changed = copy.copy(value)
            object.__setattr__(changed, self.key, BLOCKS)  # a frozen one is as good
            arguments[self.argument] = changed


def shallow(build: Build, model: nn.Module, rebuilt: Callable[[Build], nn.Module]) -> Shallow | None:
    """Two blocks instead of many in every container whose depth can be recognized; None when there is none.

    rebuilt  builds cheaply, without real weights, to see whether a change does what it should
    """
    said: list[str] = []
    best, left = build, model
    shapes = {tuple(p.shape) for p in model.parameters()}
    for path, counts in _repeated(model).items():
        for place, count in _places(best, rebuilt, _owners(left, path), counts):
            tried = functools.partial(_built, best, place)
            try:
                smaller = rebuilt(tried)
            except Exception:  # noqa: BLE001, S112 - whatever the user's constructor makes of a number that was no depth
                continue
            if _fits(smaller, path, shapes):
                best, left = tried, smaller
                said.append(f"`{place.key or place.argument}` {count} → {BLOCKS}")
                break
    return Shallow(build=best, said=", ".join(said)) if said else None


def _repeated(model: nn.Module) -> dict[str, set[int]]:
    """Containers of many alike blocks by path, outermost only, with the numbers that their depth may be called by."""
    found: dict[str, set[int]] = {}
    for path, module in model.named_modules():
        if not isinstance(module, CONTAINERS) or any(path.startswith(f"{outer}.") or not outer for outer in found):
            continue
        kinds = Counter(type(child) for child in module.children())
        most = max(kinds.values(), default=0)
        if most > BLOCKS:
            found[path] = {most, len(module)}
    return found


def _owners(model: nn.Module, path: str) -> list[type]:
    """Classes of the modules that hold a container, from the whole model inwards, those of torch left out."""
    owners: list[type] = []
    module = model
    for name in path.split("."):
        owners.append(type(module))
        module = getattr(module, name, module) if name else module
    return [kind for kind in dict.fromkeys(owners) if not kind.__module__.startswith("torch.nn.modules")]


def _places(
    build: Build, rebuilt: Callable[[Build], nn.Module], owners: list[type], counts: set[int]
) -> list[tuple[_Place, int]]:
    """Where the constructors of `owners` are told one of `counts`."""
    found: dict[_Place, int] = {}

    def look(kind: type, arguments: MutableMapping[str, Any]) -> None:
        for name, value in list(arguments.items())[1:]:
            if _is_one_of(value, counts):
                found.setdefault(_Place(kind, name, None), value)
            for key, inner in _fields(value):
                if _is_one_of(inner, counts):
                    found.setdefault(_Place(kind, name, key), inner)

    def watched() -> nn.Module:
        with contextlib.ExitStack() as stack:
            for kind in owners:
                stack.enter_context(_told(kind, functools.partial(look, kind)))
            return build()

    rebuilt(watched)
    return list(found.items())


def _is_one_of(value: Any, counts: set[int]) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in counts


def _fields(value: Any) -> list[tuple[str, Any]]:
    """Fields of a configuration: a mapping, or an object that is neither a module nor a plain value."""
    if isinstance(value, dict):
        return [(key, inner) for key, inner in value.items() if isinstance(key, str)]
    if isinstance(value, type | nn.Module) or callable(value):
        return []
    slots = [name for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)]
    return [*getattr(value, "__dict__", {}).items(), *((name, getattr(value, name)) for name in slots)]


def _built(build: Build, place: _Place) -> nn.Module:
    with _told(place.owner, place.replace):
        return build()


@contextlib.contextmanager
def _told(kind: type, change: Callable[[MutableMapping[str, Any]], None]) -> Iterator[None]:
    """While it lasts, `change` sees, and may replace, the arguments that instances of exactly this class are made with."""
    original = kind.__init__  # type: ignore[misc]
    inherited = "__init__" not in vars(kind)
    signature = inspect.signature(original)

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        if type(self) is kind:
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            change(bound.arguments)
            args, kwargs = bound.args[1:], bound.kwargs
        original(self, *args, **kwargs)

    kind.__init__ = init  # type: ignore[misc]
    try:
        yield
    finally:
        if inherited:
            del kind.__init__  # type: ignore[misc]
        else:
            kind.__init__ = original  # type: ignore[misc]


def _fits(model: nn.Module, path: str, shapes: set[tuple[int, ...]]) -> bool:
    """The container has two blocks now, and nothing else has changed its shape."""
    try:
        container = model.get_submodule(path)
    except AttributeError:
        return False
    kinds = Counter(type(child) for child in container.children())
    few = 0 < max(kinds.values(), default=0) <= BLOCKS
    return few and all(tuple(p.shape) in shapes for p in model.parameters())
