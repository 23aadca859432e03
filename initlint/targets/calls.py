"""SYNTAX TREE → a call of a class or factory with arguments that can be worked out, where its own signature has none to offer.

Most scripts build their model under `if __name__ == "__main__":` or in `main()`: `Net(784, hidden, 10).to(device)`. The call
is evaluated by a small interpreter that knows literals, arithmetic, module-level names, simple local assignments and argparse
defaults, and constructs only configuration and module classes. Nothing else of the script runs.
"""

from __future__ import annotations

import ast
import functools
import operator
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import nn

from initlint.targets.arguments import Filled, is_config_class

BINARY: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv, ast.Mod: operator.mod, ast.Pow: operator.pow,
}  # fmt: skip
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "len": len, "int": int, "float": float, "min": min, "max": max, "tuple": tuple, "list": list, "dict": dict, "range": range,
}  # fmt: skip
KNOWN = (
    bool, int, float, str, tuple, list, dict, type(None), type, types.ModuleType, types.SimpleNamespace, types.FunctionType,
)  # fmt: skip
DEPTH = 12


class Unknown(Exception):
    """The expression depends on something that only a run would tell."""


def call_in_file(name: str, target: Callable[..., Any], tree: ast.Module, namespace: Mapping[str, Any]) -> Filled | None:
    """The first call of `name` in the file whose arguments are known without running it."""
    for call, scope in _calls(tree, name):
        if any(k.arg is None for k in call.keywords):
            continue
        look = Evaluator(namespace, scope, argparse_defaults(tree))
        try:
            for argument in (*call.args, *(k.value for k in call.keywords)):
                look.value(argument, construct=False)
        except Unknown:
            continue
        given = [(None, functools.partial(look.value, a), _text(a)) for a in call.args]
        named = [(k.arg, functools.partial(look.value, k.value), _text(k.value)) for k in call.keywords]
        return Filled(target, (*given, *named), name)
    return None


def _text(node: ast.expr) -> str:
    return ast.unparse(node)


Scope = Mapping[str, ast.expr]


def _calls(tree: ast.Module, name: str) -> Iterator[tuple[ast.Call, Scope]]:
    """Calls of `name` outside of the classes of the file, each with the local names that hold there."""
    outer = _assignments(tree.body)
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef):
            continue
        local = dict(outer)
        if isinstance(statement, ast.FunctionDef):
            plain = statement.args.args[len(statement.args.args) - len(statement.args.defaults) :]
            local |= {a.arg: d for a, d in zip(plain, statement.args.defaults, strict=True)}
            local |= {
                a.arg: d for a, d in zip(statement.args.kwonlyargs, statement.args.kw_defaults, strict=True) if d is not None
            }
            for a in statement.args.args[: len(statement.args.args) - len(statement.args.defaults)]:
                local.pop(a.arg, None)
            local |= _assignments(statement.body)
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
                yield node, local


def _assignments(body: list[ast.stmt]) -> dict[str, ast.expr]:
    """name → expression, for names that are assigned once and for all; a second assignment forgets the name."""
    found: dict[str, ast.expr] = {}
    for statement in body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef):
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Assign):
                pairs: list[tuple[ast.expr, ast.expr]] = [(t, node.value) for t in node.targets]
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                pairs = [(node.target, node.value)]
            else:
                continue
            for target, value in pairs:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, value)
                elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
                    found |= {t.id: v for t, v in zip(target.elts, value.elts, strict=True) if isinstance(t, ast.Name)}
    return found


def argparse_defaults(tree: ast.Module) -> dict[str, ast.expr]:
    defaults: dict[str, ast.expr] = {}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument"):
            continue
        names = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        long = next((n for n in names if n.startswith("--")), names[0] if names else "")
        value = next((k.value for k in node.keywords if k.arg == "default"), None)
        if long and value is not None:
            defaults[long.lstrip("-").replace("-", "_")] = value
    return defaults


class Evaluator:
    """Works out expressions of a scope."""

    def __init__(self, namespace: Mapping[str, Any], scope: Scope, arguments: Mapping[str, ast.expr]) -> None:
        self.namespace, self.scope, self.arguments = namespace, scope, arguments

    def value(self, node: ast.expr, *, construct: bool = True, depth: int = DEPTH) -> Any:
        """The value of an expression; without `construct`, only whether it has one is found out."""
        if depth <= 0:
            raise Unknown("too deep")
        go = functools.partial(self.value, construct=construct, depth=depth - 1)
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self.name(node.id, go)
            case ast.Attribute():
                return self.attribute(node, go)
            case ast.UnaryOp(op=ast.USub()):
                return -self.number(go(node.operand))
            case ast.BinOp() if type(node.op) in BINARY:
                left, right = go(node.left), go(node.right)
                if isinstance(left, _Later) or isinstance(right, _Later):
                    return _Later()
                return self.guarded(BINARY[type(node.op)], left, right)
            case ast.Tuple():
                return tuple(go(e) for e in node.elts)
            case ast.List():
                return [go(e) for e in node.elts]
            case ast.Dict() if all(k is not None for k in node.keys):
                return {go(k): go(v) for k, v in zip(node.keys, node.values, strict=True) if k is not None}
            case ast.Subscript():
                owner, index = go(node.value), go(node.slice)
                return _Later() if isinstance(owner, _Later) else self.guarded(operator.getitem, owner, index)
            case ast.Call():
                return self.call(node, go, construct)
        raise Unknown(type(node).__name__)

    def name(self, name: str, go: Callable[[ast.expr], Any]) -> Any:
        if name in self.namespace:
            value = self.namespace[name]
            if isinstance(value, KNOWN) or is_config_class(type(value)):
                return value
            raise Unknown(name)
        if name in self.scope:
            return go(self.scope[name])
        raise Unknown(name)

    def attribute(self, node: ast.Attribute, go: Callable[[ast.expr], Any]) -> Any:
        if isinstance(node.value, ast.Name) and node.value.id not in self.namespace and node.attr in self.arguments:
            return go(self.arguments[node.attr])
        owner = go(node.value)
        if isinstance(owner, _Later):
            return _Later()
        if not hasattr(owner, node.attr):
            raise Unknown(node.attr)
        value = getattr(owner, node.attr)
        if isinstance(value, KNOWN):
            return value
        raise Unknown(node.attr)

    def call(self, node: ast.Call, go: Callable[[ast.expr], Any], construct: bool) -> Any:
        plain = node.func.id if isinstance(node.func, ast.Name) and node.func.id not in self.namespace else ""
        target = FUNCTIONS.get(plain) or go(node.func)
        args = [go(a) for a in node.args]
        kwargs = {k.arg: go(k.value) for k in node.keywords if k.arg is not None}
        if len(kwargs) != len(node.keywords):
            raise Unknown("**")
        if plain in FUNCTIONS:
            return _Later() if any(isinstance(a, _Later) for a in args) else self.guarded(target, *args, **kwargs)
        if not isinstance(target, type) or not (issubclass(target, nn.Module) or is_config_class(target)):
            raise Unknown(ast.unparse(node.func))
        return target(*args, **kwargs) if construct else _Later()

    @staticmethod
    def number(value: Any) -> Any:
        if not isinstance(value, int | float):
            raise Unknown("not a number")
        return value

    @staticmethod
    def guarded(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            raise Unknown(str(error)) from error


class _Later:
    """Stands for an object that is constructed only when the model is built."""
