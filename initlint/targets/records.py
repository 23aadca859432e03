"""FORWARD'S SOURCE → which of its parameters are records (`data.x`, `batch["input_ids"]`) and what is read from them.

The fields of a record are inputs of their own, called "data.x", "batch[input_ids]" or "hidden(0)"; a call gets them together
again as a named tuple, a dictionary or a tuple, which torch.export takes as they are.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import torch
from torch import nn

LISTS = re.compile(r"(typing\.)?(list|List|tuple|Tuple|Sequence|Iterable)\[.*Tensor")
PAIRS = re.compile(r"^(hidden|hiddens|hidden_state|hc|hx|state|states|prev_hidden|prev_state)$")

Fields = Mapping[str, tuple[str, ...]]  # parameter → the names of its fields as inputs


def records_of(model: nn.Module, parameters: Sequence[str], *, pair: bool) -> Fields:
    """The parameters of forward that are read by attribute or key, or declared as lists, with what is read."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(type(model).forward)))
    except (OSError, TypeError, SyntaxError):
        return {}
    found: dict[str, dict[str, None]] = {}
    rebound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.value, ast.Name):
            owner = node.value.id
            field = _field(node)
            if owner in parameters and owner not in rebound and field is not None:
                found.setdefault(owner, {})[f"{owner}{field}"] = None
    arguments = tree.body[0].args.args if isinstance(tree.body[0], ast.FunctionDef) else []
    for argument in arguments:
        text = ast.unparse(argument.annotation).strip("'") if argument.annotation is not None else ""
        if argument.arg in parameters and LISTS.match(text):
            read = {n.slice.value for n in ast.walk(tree) if _element(n, argument.arg)}
            count = max((i for i in read if isinstance(i, int)), default=1) + 1
            found[argument.arg] = {f"{argument.arg}({i})": None for i in range(count)}
    if pair:
        found |= {p: {f"{p}(0)": None, f"{p}(1)": None} for p in parameters if PAIRS.match(p) and p not in found}
    return {owner: tuple(fields) for owner, fields in found.items()}


def _element(node: ast.AST, owner: str) -> TypeGuard[Any]:
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == owner
        and isinstance(node.slice, ast.Constant)
    )


def _field(node: ast.Attribute | ast.Subscript) -> str | None:
    if isinstance(node, ast.Attribute):
        return None if hasattr(torch.Tensor, node.attr) or not isinstance(node.ctx, ast.Load) else f".{node.attr}"
    key = node.slice
    return f"[{key.value}]" if isinstance(key, ast.Constant) and isinstance(key.value, str) else None


def short(name: str) -> str:
    """The name of a field without its owner; of an element, its owner's."""
    if name.endswith(")"):
        return name.split("(", 1)[0]
    return name.split("[", 1)[1][:-1] if name.endswith("]") else name.rsplit(".", 1)[-1]


def assembled(fields: Sequence[str], tensors: Mapping[str, Any]) -> Any:
    """One argument made of its fields."""
    if any(name.endswith(")") for name in fields):
        return tuple(tensors[name] for name in fields if name in tensors)
    there = {short(name): tensors[name] for name in fields if name in tensors}
    if any(name.endswith("]") for name in fields):
        return there
    return namedtuple("Record", there)(**there)  # noqa: PYI024 - the fields are known at run time only
