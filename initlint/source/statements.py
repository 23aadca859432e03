"""Source text → statements that look like initialization and do nothing, and calls that start one. No torch, nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from initlint.source.initializers import DRAWS, INITIALIZER, Initializer, bases_of, classes_of, draws, initializers

# Methods of tensors that return a new tensor and have a twin with an underscore that writes in place.
RETURNING = frozenset(
    "mul add sub div multiply divide subtract fill clamp clip masked_fill index_fill lerp addcmul neg".split()
)
FILLING = frozenset(f"{name}_like" for name in ("zeros", "ones", "full", "rand", "randn", "empty"))
HELD = frozenset(("weight", "bias", "data"))  # attributes that a parameter is reached by
HOLDERS = frozenset(("p", "param", "w", "weight", "bias"))  # names that a loop gives to parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A statement without effect; `text` is its code, `kind` what is wrong with it."""

    kind: Literal["result", "copy", "uncalled"]
    text: str
    name: str
    owner: str  # the class it stands in, "" for a function of the file
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A statement of a constructor that certainly runs and starts an initializer.

    later  modules that the constructor makes after it
    heirs  classes of the file that inherit it, with the number of modules that they make after the constructor they inherit
    """

    initializer: Initializer
    owner: str
    heirs: tuple[tuple[str, int], ...]
    line: int
    column: int
    end_line: int
    end_column: int
    later: int


def dropped(tree: ast.Module) -> Iterator[Dropped]:
    """Expressions that stand alone in constructors and initializers, and whose value was meant to be kept or called.

    A tensor made in the shape of a parameter and dropped is a fault in any function.
    """
    methods = _methods(tree)
    for owner, function in _functions(tree):
        starting = function.name == "__init__" or bool(INITIALIZER.match(function.name))
        for item in ast.walk(function):
            if isinstance(item, ast.Expr):
                found = _fault(item.value, methods.get(owner, frozenset()))
                if found is not None and (starting or found[0] == "copy"):
                    yield Dropped(
                        kind=found[0], name=found[1], text=ast.unparse(item.value), owner=owner, line=item.lineno,
                        column=item.col_offset + 1, end_line=item.end_lineno or item.lineno,
                        end_column=(item.end_col_offset or item.col_offset) + 1,
                    )  # fmt: skip


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """(class, function) of the functions of a file and of its classes."""
    for item in tree.body:
        if isinstance(item, ast.FunctionDef):
            yield "", item
    for owner in ast.walk(tree):
        if isinstance(owner, ast.ClassDef):
            yield from ((owner.name, item) for item in owner.body if isinstance(item, ast.FunctionDef))


def _methods(tree: ast.Module) -> dict[str, frozenset[str]]:
    """Class → its methods and those of its bases in the file, without what a decorator may make of one, as of a property."""
    bases = bases_of([tree])
    own = {
        name: {item.name for item in owner.body if isinstance(item, ast.FunctionDef) and not item.decorator_list}
        for name, owner in classes_of([tree]).items()
    }
    return {name: frozenset().union(*(own[item] for item in (name, *bases[name]))) for name in own}


def _fault(value: ast.expr, methods: frozenset[str]) -> tuple[Literal["result", "copy", "uncalled"], str] | None:
    """What is wrong with an expression that stands alone, and the name it is about."""
    if isinstance(value, ast.Attribute):
        own = isinstance(value.value, ast.Name) and value.value.id == "self" and value.attr in methods
        return ("uncalled", value.attr) if own or INITIALIZER.match(value.attr) or DRAWS.match(value.attr) else None
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
        return None
    function = value.func
    if any(word.arg in ("out", "inplace") for word in value.keywords):
        return None
    if function.attr in RETURNING and _is_parameter(function.value):
        return "result", function.attr
    if function.attr in FILLING and value.args and _is_parameter(value.args[0]):
        return "copy", function.attr
    return None


def _is_parameter(node: ast.expr) -> bool:
    """`self.fc.weight`, `m.bias.data`, `p`: an expression that names a parameter."""
    if isinstance(node, ast.Attribute):
        return node.attr in HELD
    return isinstance(node, ast.Name) and node.id in HOLDERS


def starts(tree: ast.Module) -> Iterator[Start]:
    """Calls of initializers that stand directly in a constructor: `self.apply(self._init_weights)`, `self.init_weights()`."""
    known = list(initializers(tree))
    for owner in ast.walk(tree):
        if not isinstance(owner, ast.ClassDef):
            continue
        heirs = tuple(_heirs(tree, owner.name))
        for function in owner.body:
            if not isinstance(function, ast.FunctionDef) or function.name != "__init__":
                continue
            for place, statement in enumerate(function.body):
                if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
                    continue
                started = _started(statement.value, known, owner.name)
                if started is None:
                    continue
                yield Start(
                    initializer=started, owner=owner.name, heirs=heirs, line=statement.lineno, column=statement.col_offset + 1,
                    end_line=statement.end_lineno or statement.lineno,
                    end_column=(statement.end_col_offset or statement.col_offset) + 1,
                    later=sum(_makes_module(item) for item in function.body[place + 1 :]),
                )  # fmt: skip


def _heirs(tree: ast.Module, base: str) -> Iterator[tuple[str, int]]:
    """Classes whose only base is `base`, or a class without a constructor of its own between, and that make modules after
    `super().__init__()`, a statement of their constructors."""
    for heir in ast.walk(tree):
        if not isinstance(heir, ast.ClassDef) or [ast.unparse(item) for item in heir.bases] != [base]:
            continue
        constructor = next((f for f in heir.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None)
        if constructor is None:
            yield from _heirs(tree, heir.name)
            continue
        calls = [place for place, statement in enumerate(constructor.body) if _calls_super(statement)]
        if calls:
            yield heir.name, sum(_makes_module(item) for item in constructor.body[calls[0] + 1 :])


def _calls_super(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and ast.unparse(statement).startswith("super(") and ".__init__(" in ast.unparse(statement)


def _started(call: ast.Call, known: list[Initializer], owner: str) -> Initializer | None:
    """The initializer that `self.apply(f)`, `self.part.apply(f)`, `self.f()` or `f(self)` starts."""
    function = call.func
    if isinstance(function, ast.Attribute) and function.attr == "apply" and len(call.args) == 1:
        return _named(call.args[0], known, owner)
    if any(isinstance(item, ast.Name) and item.id == "self" for item in (*call.args, getattr(function, "value", None))):
        return _named(function, known, owner)
    return None


def _named(node: ast.expr, known: list[Initializer], owner: str) -> Initializer | None:
    """The initializer that `self.f` (of this class) or `f` (of the file) means, or that a lambda is."""
    if isinstance(node, ast.Lambda) and draws(node):
        last = node.end_lineno or node.lineno
        return Initializer(name="lambda", owner="", line=node.lineno, end_line=last, called=True, applied=True, alone=True)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return next((item for item in known if item.name == node.attr and item.owner == owner), None)
    if isinstance(node, ast.Name):
        return next((item for item in known if item.name == node.id and not item.owner), None)
    return None


def _makes_module(statement: ast.stmt) -> bool:
    """`self.fc = nn.Linear(…)`: an attribute is set to what a call of a capitalized name returns."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Call):
        return False
    return called_name(statement.value)[:1].isupper() and isinstance(statement.targets[0], ast.Attribute)


# -- tensors that are no parameters --------------------------------------------------------------------------------------

RANDOM = frozenset("randn rand randn_like rand_like normal normal_ uniform_ trunc_normal_".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainWeight:
    """`self.w = torch.randn(…) * 0.02` in a constructor; `graded` when it asks for a gradient."""

    owner: str
    name: str
    graded: bool
    line: int
    column: int
    end_line: int
    end_column: int


def plain_weights(tree: ast.Module) -> Iterator[PlainWeight]:
    """Attributes that constructors set to something drawn at random, and not to what a class makes of it."""
    for owner, function in _functions(tree):
        if not owner or function.name != "__init__":
            continue
        for item in ast.walk(function):
            if not isinstance(item, ast.Assign) or len(item.targets) != 1 or not isinstance(item.targets[0], ast.Attribute):
                continue
            value = item.value
            if isinstance(value, ast.Name):  # `w = torch.randn(…)` above, `self.w = w` here
                value = next((made.value for made in reversed(_made_above(function, item, value.id))), value)
            calls = [called_name(call) for call in ast.walk(value) if isinstance(call, ast.Call)]
            graded = any(
                isinstance(word, ast.keyword) and word.arg == "requires_grad" and isinstance(word.value, ast.Constant)
                and word.value.value is True
                for word in ast.walk(value)
            )  # fmt: skip
            drawn = any(name in RANDOM or name.startswith(("xavier_", "kaiming_", "orthogonal_")) for name in calls)
            if (drawn or graded) and not any(name[:1].isupper() for name in calls):
                yield PlainWeight(
                    owner=owner, name=item.targets[0].attr, graded=graded, line=item.lineno, column=item.col_offset + 1,
                    end_line=item.end_lineno or item.lineno, end_column=(item.end_col_offset or item.col_offset) + 1,
                )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainContainer:
    """`self.layers = [...]` in a constructor: a list, a dictionary, or a comprehension; `kind` is list or dict."""

    owner: str
    name: str
    kind: str
    line: int
    column: int
    end_line: int
    end_column: int


def plain_containers(tree: ast.Module) -> Iterator[PlainContainer]:
    """Attributes that constructors set to containers that are filled there or later; one that holds what a variable has hides it on purpose."""
    for owner, function in _functions(tree):
        if not owner or function.name != "__init__":
            continue
        for item in ast.walk(function):
            if not isinstance(item, ast.Assign | ast.AnnAssign):
                continue
            target, value = item.targets[0] if isinstance(item, ast.Assign) else item.target, item.value
            kind = "list" if isinstance(value, ast.List | ast.ListComp) else "dict" if isinstance(value, ast.Dict | ast.DictComp) else ""
            given = value.elts if isinstance(value, ast.List) else value.values if isinstance(value, ast.Dict) else ()
            if kind and isinstance(target, ast.Attribute) and not any(isinstance(element, ast.Name) for element in given):
                yield PlainContainer(
                    owner=owner, name=target.attr, kind=kind, line=item.lineno, column=item.col_offset + 1,
                    end_line=item.end_lineno or item.lineno, end_column=(item.end_col_offset or item.col_offset) + 1,
                )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Freezing:
    """`x.requires_grad = False` in a class; `name` is that of x without `self`."""

    owner: str
    name: str
    line: int
    column: int
    end_line: int
    end_column: int


def freezings(tree: ast.Module) -> Iterator[Freezing]:
    """Assignments of False to `requires_grad`, whatever has it: of a module it freezes nothing."""
    for owner, function in _functions(tree):
        for item in ast.walk(function):
            if not isinstance(item, ast.Assign) or len(item.targets) != 1 or not isinstance(item.value, ast.Constant):
                continue
            target = item.targets[0]
            if owner and item.value.value is False and isinstance(target, ast.Attribute) and target.attr == "requires_grad":
                yield Freezing(
                    owner=owner, name=ast.unparse(target.value).removeprefix("self."), line=item.lineno, column=item.col_offset + 1,
                    end_line=item.end_lineno or item.lineno, end_column=(item.end_col_offset or item.col_offset) + 1,
                )  # fmt: skip


def _made_above(function: ast.FunctionDef, item: ast.Assign, name: str) -> list[ast.Assign]:
    """The assignments to a local variable that stand above a statement, in source order."""
    found = [
        made
        for made in ast.walk(function)
        if isinstance(made, ast.Assign) and made.lineno < item.lineno
        and any(isinstance(target, ast.Name) and target.id == name for target in made.targets)
    ]  # fmt: skip
    return sorted(found, key=lambda made: made.lineno)


def called_name(call: ast.Call) -> str:
    """The last name of what is called."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
