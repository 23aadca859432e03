"""IMPORTED FILE → the models in it that can be built, wholes before their parts, and what could not be built and why.

In order: what the settings declare, instances made at import, factories, classes. A class that another one uses is a part:
its owner's `parts` names it, and whoever runs the candidates skips it once the owner was analysed.
"""

from __future__ import annotations

import ast
import difflib
import functools
import inspect
import os
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from initlint.targets.arguments import Filled, Missing, fill, is_config_class
from initlint.targets.calls import call_in_file
from initlint.targets.examples import Example, examples_of
from initlint.targets.factories import is_factory
from initlint.targets.references import References, references_of

if TYPE_CHECKING:
    from initlint.config import InputSpec, TargetSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One model that can be built: `build` makes it afresh at each call; an `instance` was made while the file was imported.

    name       what a user writes after `::`
    how        the call, for messages: "GPT(GPTConfig())"
    parts      names of this file's classes and factories that its source refers to, directly or not
    defines    the class of this file that it is an instance of ("" if none): covered by analysing this candidate
    inputs     example inputs that the settings declare for it
    rate       the learning rate of SGD that they declare
    examples   calls of it that the file itself shows
    """

    name: str
    kind: Literal["declared", "instance", "factory", "class"]
    line: int
    how: str
    build: Callable[[], nn.Module] | None
    instance: nn.Module | None = None
    parts: frozenset[str] = frozenset()
    defines: str = ""
    inputs: tuple[InputSpec, ...] = ()
    rate: float | None = None
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbuildable:
    """A model class whose constructor wants what nothing in the file suggests."""

    name: str
    line: int
    missing: tuple[str, ...]
    suggestion: str  # the settings that would make it work


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What one file has to offer. `unbuildable` leaves out parts and bases of the candidates."""

    candidates: tuple[Candidate, ...] = ()
    unbuildable: tuple[Unbuildable, ...] = ()


class TargetNotFound(Exception):
    """The file has no model of that name; the message lists those it has."""

    def __init__(self, name: str, available: Sequence[str], *, found: object = None) -> None:
        close = difflib.get_close_matches(name, available, n=1, cutoff=0.6)
        if found is None:
            text = f"there is no '{name}'"
        else:
            text = f"'{name}' is a {type(found).__name__}, not a model, a class or a function that builds one"
        if close:
            text += f"; did you mean '{close[0]}'?"
        if available:
            text += f" (models in this file: {', '.join(available)})"
        super().__init__(text)
        self.name, self.available = name, tuple(available)


def discover(
    module: ModuleType,
    tree: ast.Module,
    *,
    wanted: str | None = None,
    declared: Sequence[TargetSettings] = (),
    path: str | None = None,
) -> Discovery:
    """The models of an imported file, or only the one that is `wanted`.

    `declared` are the settings that speak of this file; `path` is how the user names it in settings.

    Raises:
        TargetNotFound: nothing is called `wanted`, or as a declared target says.
    """
    file = _File(module, tree, path)
    if wanted is not None:
        settings = next((s for s in declared if s.name == wanted), None)
        return file.named(wanted, settings)
    return file.all(declared)


class _File:
    def __init__(self, module: ModuleType, tree: ast.Module, path: str | None) -> None:
        self.module, self.tree = module, tree
        self.space: Mapping[str, Any] = vars(module)
        self.references: References = references_of(tree)
        self.functions = {n: d for n, d in self.references.nodes.items() if isinstance(d, ast.FunctionDef)}
        self.path = path or _shown_path(getattr(module, "__file__", None))
        self.classes = {n: v for n, v in self._own() if isinstance(v, type) and issubclass(v, nn.Module)}
        self.factories = [n for n, v in self._own() if inspect.isroutine(v) and is_factory(n, self.space, self.functions)]

    def _own(self) -> Iterator[tuple[str, Any]]:
        """What the file itself defines, in the order of its lines."""
        for name in sorted(self.references.lines, key=lambda n: self.references.lines[n]):
            value = self.space.get(name)
            defined = isinstance(self.references.nodes[name], ast.ClassDef | ast.FunctionDef)
            if value is not None and defined and getattr(value, "__module__", None) == self.module.__name__:
                yield name, value

    # -- all of a file ------------------------------------------------------------------------------------------------

    def all(self, declared: Sequence[TargetSettings]) -> Discovery:
        told = [self.declared(settings) for settings in declared]
        taken = {c.name for c in told} | {c.defines for c in told}
        instances = [c for c in self.instances() if c.name not in taken]
        taken |= {c.defines for c in instances}
        built: list[Candidate] = []
        lacking: list[tuple[str, Missing]] = []
        for name in [*self.factories, *self.classes]:
            value = self.space[name]
            if name in taken or (isinstance(value, type) and not _runnable(value)):
                continue
            call = self.call(name, value)
            if isinstance(call, Filled):
                built.append(self.candidate(name, value, call))
            elif isinstance(value, type):
                lacking.append((name, call))
        everything = [*told, *instances, *_wholes_first(built, {p for c in (*told, *instances) for p in c.parts})]
        covered = {p for c in everything for p in (*c.parts, c.defines)} | self.bases_of(everything)
        # of what cannot be built, only the wholes are worth a word
        covered |= {p for name, _ in lacking for p in self.parts(name)}
        unbuildable = tuple(self.unbuildable(name, missing) for name, missing in lacking if name not in covered)
        return Discovery(candidates=tuple(everything), unbuildable=unbuildable)

    def bases_of(self, candidates: Sequence[Candidate]) -> set[str]:
        names = {c.defines for c in candidates} & self.classes.keys()
        return {base.__name__ for name in names for base in self.classes[name].__mro__[1:]}

    def instances(self) -> list[Candidate]:
        """Models made while the file was imported, those that hold no other one's parts."""
        found: dict[int, tuple[str, nn.Module]] = {}
        for name in sorted(self.references.lines, key=lambda n: self.references.lines[n]):
            value = _unwrapped(self.space.get(name))
            if isinstance(value, nn.Module) and any(True for _ in value.parameters()):
                found.setdefault(id(value), (name, value))
        inner = {id(child) for _, value in found.values() for child in value.modules() if child is not value}
        return [self.from_instance(name, value) for key, (name, value) in found.items() if key not in inner]

    def from_instance(self, name: str, value: nn.Module) -> Candidate:
        head = name.split(".", maxsplit=1)[0]
        own = type(value).__name__ if type(value).__module__ == self.module.__name__ else ""
        used = {type(m).__name__ for m in value.modules() if type(m).__module__ == self.module.__name__}
        return Candidate(
            name=name,
            kind="instance",
            line=self.references.lines.get(head, 1),
            how=name,
            build=None,
            instance=value,
            parts=(self.parts(head) | used) - {name},
            defines=own,
            examples=examples_of(frozenset({name, own} - {""}), self.tree, self.space),
        )

    # -- one of a file ------------------------------------------------------------------------------------------------

    def named(self, wanted: str, settings: TargetSettings | None) -> Discovery:
        if settings is not None:
            return Discovery(candidates=(self.declared(settings),))
        value = self.lookup(wanted)
        if isinstance(value, nn.Module):
            return Discovery(candidates=(self.from_instance(wanted, value),))
        call = self.call(wanted, value)
        if isinstance(call, Missing):
            return Discovery(unbuildable=(self.unbuildable(wanted, call),))
        return Discovery(candidates=(self.candidate(wanted, value, call),))

    def declared(self, settings: TargetSettings) -> Candidate:
        value = self.lookup(settings.name)
        inputs = tuple(settings.inputs)
        rate = settings.learning_rate if settings.optimizer == "sgd" else None
        if isinstance(value, nn.Module):
            found = self.from_instance(settings.name, value)
            return Candidate(
                name=found.name, kind="declared", line=found.line, how=found.how, build=None, instance=value,
                parts=found.parts, defines=found.defines, inputs=inputs, rate=rate, examples=found.examples,
            )  # fmt: skip
        call = fill(value, self.space, name=settings.name, args=tuple(settings.args), kwargs=settings.kwargs)
        if isinstance(call, Missing) and not settings.args and not settings.kwargs:
            call = call_in_file(settings.name, value, self.tree, self.space) or call
        if isinstance(call, Missing):  # the user's call, as told: what it raises is the user's to read
            call = fill_as_told(value, settings)
        found = self.candidate(settings.name, value, call)
        return Candidate(
            name=found.name, kind="declared", line=found.line, how=found.how, build=found.build,
            parts=found.parts, defines=found.defines, inputs=inputs, rate=rate, examples=found.examples,
        )  # fmt: skip

    def lookup(self, dotted: str) -> Any:
        value: Any = self.module
        for part in dotted.split("."):
            value = getattr(value, part, None) if not isinstance(value, Mapping) else value.get(part)
            if value is None:
                raise TargetNotFound(dotted, self.available())
        value = _unwrapped(value)
        if isinstance(value, type) and not issubclass(value, nn.Module) and is_config_class(value):
            raise TargetNotFound(dotted, self.available(), found=value)
        if not callable(value) or isinstance(value, types.ModuleType):
            raise TargetNotFound(dotted, self.available(), found=value)
        return value

    def available(self) -> list[str]:
        return list(dict.fromkeys([*(c.name for c in self.instances()), *self.factories, *self.classes]))

    # -- shared -------------------------------------------------------------------------------------------------------

    def call(self, name: str, value: Callable[..., Any]) -> Filled | Missing:
        call = fill(value, self.space, name=name)
        return (call_in_file(name, value, self.tree, self.space) or call) if isinstance(call, Missing) else call

    def parts(self, name: str) -> frozenset[str]:
        known = self.references.reached.get(name, frozenset())
        return frozenset(n for n in known if n in self.classes or n in self.factories)

    def candidate(self, name: str, value: Any, call: Filled) -> Candidate:
        head = name.split(".", maxsplit=1)[0]
        return Candidate(
            name=name,
            kind="class" if isinstance(value, type) else "factory",
            line=self.references.lines.get(head) or _line_of(value),
            how=call.text,
            build=functools.partial(_build, call),
            parts=self.parts(head),
            defines=name if isinstance(value, type) else "",
            examples=examples_of(frozenset({name}), self.tree, self.space),
        )

    def unbuildable(self, name: str, missing: Missing) -> Unbuildable:
        return Unbuildable(
            name=name,
            line=self.references.lines.get(name.split(".", maxsplit=1)[0]) or _line_of(self.lookup(name)),
            missing=missing.names,
            suggestion=suggestion_for(self.path, name, missing),
        )


def fill_as_told(value: Callable[..., Any], settings: TargetSettings) -> Filled:
    """The call exactly as the settings describe it."""
    given = [(None, functools.partial(_same, v), repr(v)) for v in settings.args]
    named = [(k, functools.partial(_same, v), repr(v)) for k, v in settings.kwargs.items()]
    return Filled(value, (*given, *named), settings.name)


def suggestion_for(path: str, name: str, missing: Missing) -> str:
    """Settings that a user can paste and correct; for a model made of another one, the function that makes both."""
    if any("Module" in str(p.annotation) for p in missing.parameters):
        given = ", ".join(f"{p.name}=..." for p in missing.parameters)
        return f"# a function without arguments is found by itself:\ndef build_{name.lower()}():\n    return {name}({given})"
    pairs = ", ".join(f"{p.name} = {_likely(p)}" for p in missing.parameters)
    return f'[[tool.initlint.targets]]\npath = "{path}"\nname = "{name}"\nkwargs = {{ {pairs} }}'


def _likely(parameter: inspect.Parameter) -> str:
    hint, name = str(parameter.annotation), parameter.name.lower()
    if "bool" in hint:
        return "true"
    if "str" in hint and "struct" not in hint:
        return '"..."'
    if "float" in hint or any(word in name for word in ("dropout", "rate", "prob", "scale", "eps", "alpha")):
        return "0.1"
    if "list" in hint.lower() or "tuple" in hint.lower() or "sequence" in hint.lower():
        return "[64, 64]"
    for words, value in (("head", "4"), ("layer", "2"), ("depth", "2"), ("vocab", "1000"), ("class", "10"), ("kernel", "3")):
        if words in name:
            return value
    return "64"


def _wholes_first(found: list[Candidate], parts: set[str]) -> list[Candidate]:
    """Roots in the order of the file, factories first, then parts, the larger ones first."""
    inside = parts | {p for c in found for p in c.parts if c.name not in _parts_of(found, p)}
    return sorted(found, key=lambda c: (c.name in inside, c.kind == "class", -len(c.parts) if c.name in inside else 0, c.line))


def _parts_of(found: list[Candidate], name: str) -> frozenset[str]:
    return next((c.parts for c in found if c.name == name), frozenset())


def _runnable(cls: type) -> bool:
    """Has a forward of its own and is not abstract."""
    forward = getattr(cls, "forward", None)
    return forward is not None and forward is not nn.Module.forward and not inspect.isabstract(cls)


def _unwrapped(value: Any) -> Any:
    """The module inside what `torch.compile` made of it."""
    inner = getattr(value, "_orig_mod", None) if isinstance(value, nn.Module) else None
    return inner if isinstance(inner, nn.Module) else value


def _build(call: Filled) -> nn.Module:
    model = _unwrapped(call())
    if not isinstance(model, nn.Module):
        raise TypeError(f"{call.text} returned a {type(model).__name__}, not a torch.nn.Module")
    return model


def _same(value: Any) -> Any:
    return value


def _line_of(value: Any) -> int:
    try:
        return inspect.getsourcelines(inspect.unwrap(value))[1]
    except (OSError, TypeError):
        return 1


def _shown_path(path: str | None) -> str:
    if path is None:
        return "model.py"
    near = os.path.relpath(path)
    return os.path.basename(path) if near.startswith("..") else near.replace(os.sep, "/")
