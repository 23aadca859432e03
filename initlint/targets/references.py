"""SYNTAX TREE → which top-level names of a file refer to which others, so that parts can be told from wholes.

A class is a part of whatever builds it. Being a base class alone does not make a class a part (`DuelingDQN(DQN)` leaves `DQN`
a model of its own), but a base of a part is a part, and a class inherits the parts of its bases.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.Try, ast.With, ast.For, ast.While)


@dataclass(frozen=True, slots=True)
class References:
    """Top-level names of one file: where each is defined, its own statement, and everything it refers to."""

    lines: dict[str, int]
    nodes: dict[str, ast.stmt]
    reached: dict[str, frozenset[str]]  # transitive, the name itself excluded


def top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements that run at import, those inside `if`, `try`, `with` and loops included, `__main__` blocks excluded."""
    queue: list[ast.stmt] = list(reversed(tree.body))
    while queue:
        statement = queue.pop()
        yield statement
        if isinstance(statement, BLOCKS) and not is_main_guard(statement):
            inner: list[ast.stmt] = []
            for field in ("body", "orelse", "finalbody"):
                inner += getattr(statement, field, [])
            for handler in getattr(statement, "handlers", []):
                inner += handler.body
            queue += reversed(inner)


def is_main_guard(statement: ast.stmt) -> bool:
    """`if __name__ == "__main__":`"""
    return isinstance(statement, ast.If) and any(
        isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(statement.test)
    )


def names_bound(statement: ast.stmt) -> tuple[str, ...]:
    """The plain names that a statement binds, imports excluded."""
    if isinstance(statement, Definition):
        return (statement.name,)
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = list(statement.targets)
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        targets = [statement.target]
    found: list[str] = []
    while targets:
        target = targets.pop(0)
        if isinstance(target, ast.Name):
            found.append(target.id)
        elif isinstance(target, ast.Tuple | ast.List):
            targets = [*target.elts, *targets]
    return tuple(found)


def references_of(tree: ast.Module) -> References:
    """Who refers to whom among the top-level names of a file."""
    lines: dict[str, int] = {}
    nodes: dict[str, ast.stmt] = {}
    for statement in top_level(tree):
        for name in names_bound(statement):
            lines[name] = statement.lineno
            nodes[name] = statement
    direct: dict[str, set[str]] = {}
    bases: dict[str, set[str]] = {}
    for name, node in nodes.items():
        named = bases[name] = _names(*node.bases) & nodes.keys() if isinstance(node, ast.ClassDef) else set()
        skipped = node.bases if isinstance(node, ast.ClassDef) else []
        inner = [child for child in ast.iter_child_nodes(node) if child not in skipped]
        direct[name] = (_names(*inner) & nodes.keys()) - {name}
        if isinstance(node, ast.ClassDef):
            direct[name] -= named - _constructed(node, named)
    return References(lines=lines, nodes=nodes, reached={name: _closure(name, direct, bases) for name in nodes})


def _constructed(node: ast.ClassDef, names: set[str]) -> set[str]:
    """Those of `names` that the class body calls as constructors, not as `Base.__init__(self)`."""
    calls = [call.func for call in ast.walk(node) if isinstance(call, ast.Call)]
    return {func.id for func in calls if isinstance(func, ast.Name) and func.id in names}


def _names(*roots: ast.AST) -> set[str]:
    return {
        node.id for root in roots for node in ast.walk(root) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def _closure(start: str, direct: dict[str, set[str]], bases: dict[str, set[str]]) -> frozenset[str]:
    found: set[str] = set()
    looked: set[str] = set()
    queue = [start]
    while queue:
        name = queue.pop()
        if name in looked:
            continue
        looked.add(name)
        found |= direct.get(name, set())
        queue += direct.get(name, set())
        if name in found and name != start:
            found |= bases.get(name, set())
        queue += bases.get(name, set())
    return frozenset(found - {start})
