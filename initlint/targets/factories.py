"""FUNCTION → whether calling it without arguments plausibly builds a model and does nothing else. It is never called here.

A factory is annotated with a module class, or each of its returns is a construction of one: of a class, through another
factory, through a variable assigned from either, or by a call that is handed a module (`get_peft_model(model, …)`).
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

NOT_A_FACTORY = re.compile(
    r"^(main|run|demo|example|train|fit|eval|evaluate|test|infer|predict|load|save|export|benchmark|profile)(_|$)|^_",
    re.IGNORECASE,
)
ACTS = frozenset(
    "backward step fit zero_grad save load open input parse_args from_pretrained load_state_dict load_dataset "
    "load_state_dict_from_url hf_hub_download DataLoader urlopen urlretrieve system exit init_process_group savefig".split()
)
CONSTRUCTORS = frozenset({"from_config", "from_name", "from_spec", "build", "create", "create_model"})


def is_factory(name: str, namespace: Mapping[str, Any], functions: Mapping[str, ast.FunctionDef]) -> bool:
    """The function of this file called `name` builds a model."""
    return NOT_A_FACTORY.match(name) is None and returns_module(name, namespace, functions)


def returns_module(
    name: str, namespace: Mapping[str, Any], functions: Mapping[str, ast.FunctionDef], seen: frozenset[str] = frozenset()
) -> bool:
    """What `name` returns is a model, as far as its text tells, and it neither trains nor reads nor writes on the way."""
    node = functions.get(name)
    if node is None or name in seen or _acts(node):
        return False
    annotated = _resolved(node.returns, namespace) if node.returns is not None else None
    if isinstance(annotated, type):
        return issubclass(annotated, nn.Module)
    returned = [r.value for r in _own_nodes(node) if isinstance(r, ast.Return) and r.value is not None]
    if not any(isinstance(value, ast.Call | ast.Name | ast.IfExp) for value in returned):
        return False
    look = _Look(node, namespace, functions, seen | {name})
    return all(look.yields(value) for value in returned)


class _Look:
    """Whether expressions inside one function evaluate to a module."""

    def __init__(
        self,
        node: ast.FunctionDef,
        namespace: Mapping[str, Any],
        functions: Mapping[str, ast.FunctionDef],
        seen: frozenset[str],
    ) -> None:
        self.namespace = {**namespace, **_imported(node)}
        self.functions, self.seen = functions, seen
        self.assigned: dict[str, list[ast.expr]] = {}
        for inner in _own_nodes(node):
            if isinstance(inner, ast.Assign):
                for target in inner.targets:
                    if isinstance(target, ast.Name):
                        self.assigned.setdefault(target.id, []).append(inner.value)
            elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name) and inner.value is not None:
                self.assigned.setdefault(inner.target.id, []).append(inner.value)

    def yields(self, value: ast.expr, looking: frozenset[str] = frozenset()) -> bool:
        if isinstance(value, ast.Name):
            if value.id in looking:
                return False
            return any(self.yields(v, looking | {value.id}) for v in self.assigned.get(value.id, []))
        if isinstance(value, ast.IfExp):
            return self.yields(value.body, looking) and self.yields(value.orelse, looking)
        return isinstance(value, ast.Call) and self.call_yields(value, looking)

    def call_yields(self, call: ast.Call, looking: frozenset[str]) -> bool:
        func = call.func
        if isinstance(func, ast.Name) and func.id in self.functions:
            if returns_module(func.id, self.namespace, self.functions, self.seen):
                return True
            given = _given_back(self.functions[func.id], call)  # `return add_lora(Net())`
            return bool(given) and all(self.yields(value, looking) for value in given)
        if isinstance(func, ast.Name) and func.id in self.assigned:  # a class picked from a table: `cls = Net if … else Other`
            classes = [_resolved(v, self.namespace) for v in self.assigned[func.id]]
            return bool(classes) and all(isinstance(c, type) and issubclass(c, nn.Module) for c in classes)
        target = _resolved(func, self.namespace)
        if isinstance(target, type):
            return issubclass(target, nn.Module)
        if isinstance(func, ast.Attribute):
            if self.yields(func.value, looking):  # Net().to(device), model.eval()
                return True
            owner = _resolved(func.value, self.namespace)
            if isinstance(owner, type) and func.attr in CONSTRUCTORS:
                return issubclass(owner, nn.Module) or "Model" in owner.__name__
        if callable(target) and _annotated_module(target):
            return True
        return any(self.yields(argument, looking) for argument in [*call.args, *(k.value for k in call.keywords)])


def _given_back(node: ast.FunctionDef, call: ast.Call) -> list[ast.expr]:
    """The arguments of a call that its function returns as they are, changed in place perhaps; none where it returns more."""
    names = [parameter.arg for parameter in (*node.args.posonlyargs, *node.args.args)]
    given = {**dict(zip(names, call.args, strict=False)), **{word.arg: word.value for word in call.keywords if word.arg}}
    inner = _own_nodes(node)
    rebound = {item.id for item in inner if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store)}
    returned = [item.value for item in inner if isinstance(item, ast.Return)]
    kept = [given[v.id] for v in returned if isinstance(v, ast.Name) and v.id in given and v.id not in rebound]
    return kept if len(kept) == len(returned) and not _acts(node) else []


def _imported(node: ast.FunctionDef) -> dict[str, Any]:
    """What the function imports for itself: heavy libraries are often imported where they are used."""
    found: dict[str, Any] = {}
    for inner in _own_nodes(node):
        if not isinstance(inner, ast.Import | ast.ImportFrom) or (isinstance(inner, ast.ImportFrom) and inner.level):
            continue
        for alias in inner.names:
            try:
                if isinstance(inner, ast.ImportFrom):
                    found[alias.asname or alias.name] = getattr(importlib.import_module(inner.module or ""), alias.name)
                else:
                    module = importlib.import_module(alias.name)
                    root = alias.name.partition(".")[0]
                    found[alias.asname or root] = module if alias.asname else importlib.import_module(root)
            except Exception:  # noqa: BLE001, S112 - a package that cannot be imported tells nothing about the function
                continue
    return found


def _annotated_module(target: Callable[..., Any]) -> bool:
    hint = getattr(inspect.unwrap(target), "__annotations__", {}).get("return")
    if isinstance(hint, str):
        hint = getattr(inspect.unwrap(target), "__globals__", {}).get(hint)
    return isinstance(hint, type) and issubclass(hint, nn.Module)


def _acts(node: ast.FunctionDef) -> bool:
    """Trains, reads, writes or asks: a call by one of these names."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call):
            called = inner.func.attr if isinstance(inner.func, ast.Attribute) else getattr(inner.func, "id", "")
            if called in ACTS:
                return True
    return any(isinstance(inner, ast.Yield | ast.YieldFrom | ast.Await) for inner in ast.walk(node))


def _own_nodes(node: ast.FunctionDef) -> list[ast.AST]:
    """The nodes of a function without those of functions and classes inside it."""
    found: list[ast.AST] = []
    queue: list[ast.AST] = list(node.body)
    while queue:
        inner = queue.pop(0)
        found.append(inner)
        if not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            queue += list(ast.iter_child_nodes(inner))
    return found


def _resolved(expression: ast.expr, namespace: Mapping[str, Any]) -> Any:
    """The object a dotted name stands for, None when it stands for nothing known."""
    if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        try:
            return _resolved(ast.parse(expression.value, mode="eval").body, namespace)
        except SyntaxError:
            return None
    if isinstance(expression, ast.Name):
        return namespace.get(expression.id)
    if isinstance(expression, ast.Attribute):
        owner = _resolved(expression.value, namespace)
        return None if owner is None else getattr(owner, expression.attr, None)
    return None
