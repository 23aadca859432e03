"""Calls of initializers, moved to where what they are to write exists: onto a layer before its weight is taken over, behind the
constructors of a base's heirs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import libcst as cst

from initlint.fixes.edit import Edit, Span

if TYPE_CHECKING:
    from initlint.fixes.tree import Code


def before_taken_over(code: Code, call: cst.Call) -> Sequence[Edit]:
    """`self.up = weight_norm(nn.Conv1d(…))`, `self.up.apply(f)` → `self.up = weight_norm(nn.Conv1d(…).apply(f))`.

    call  that of `apply`, whose module was assigned before in the same function
    """
    statement, function = code.statement(call), code.around(call, cst.FunctionDef)
    if function is None or not isinstance(call.func, cst.Attribute) or call.func.attr.value != "apply" or len(call.args) != 1:
        return ()
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return ()
    only = statement.body[0]
    if not isinstance(only, cst.Expr) or only.value is not call:
        return ()
    holder = code.text(call.func.value)
    made = [
        item
        for item in code.all(cst.Assign, function)
        if any(code.text(target.target) == holder for target in item.targets)
        and code.last_line(item) < code.first_line(statement)
    ]
    layers = list(_taken_over(code, made[-1].value)) if made else []
    if not layers:
        return ()
    added = f".apply({code.text(call.args[0])})"
    edits = [Edit(span=_end(code, layer), content=added) for layer in layers]
    return (*edits, *_on_its_own_line(code, made[-1].value, len(added) * len(layers)), code.without(statement))


def _taken_over(code: Code, value: cst.CSTNode) -> Iterator[cst.Call]:
    """Constructions that a function is called with at once: what it returns is not the layer as it was made."""
    for outer in code.all(cst.Call, value):
        inner = outer.args[0].value if outer.args else None
        if isinstance(inner, cst.Call) and _last_name(inner)[:1].isupper() and not _last_name(outer)[:1].isupper():
            yield inner


def _last_name(call: cst.Call) -> str:
    function = call.func
    return function.attr.value if isinstance(function, cst.Attribute) else getattr(function, "value", "")


def _on_its_own_line(code: Code, value: cst.BaseExpression, longer: int) -> Iterator[Edit]:
    """The only argument of a call on a line of its own, where the call's line would become too long."""
    if not isinstance(value, cst.Call) or len(value.args) != 1 or code.extent(value):
        return
    if len(code.lines[code.first_line(value) - 1]) + longer > code.length:
        indent = code.indent_of(value)
        yield Edit(span=_start(code, value.args[0]), content=f"\n{indent}{code.indent}")
        yield Edit(span=_end(code, value.args[0]), content=f"\n{indent}")


def _start(code: Code, node: cst.CSTNode) -> Span:
    own = code.span(node)
    return Span(path=code.path, line=own.line, column=own.column, end_line=own.line, end_column=own.column)


def _end(code: Code, node: cst.CSTNode) -> Span:
    own = code.span(node)
    return Span(path=code.path, line=own.end_line, column=own.end_column, end_line=own.end_line, end_column=own.end_column)


def at_the_end_of_heirs(code: Code, line: int, heirs: Iterable[str]) -> Sequence[Edit]:
    """The statement at a line of a base's constructor away, and behind the constructors of these classes instead."""
    statement, function = code.statement_at(line), code.function_at(line)
    if statement is None or function is None or code.parents[statement] is not function.body:
        return ()
    text = code.text(statement)
    own = code.indent_of(statement)
    lines = [item.removeprefix(own) for item in code.lines[code.first_line(statement) - 1 : code.last_line(statement)]]
    classes = code.classes()
    edits = []
    for name in heirs:
        constructor = code.functions(classes[name]).get("__init__") if name in classes else None
        if constructor is None or not isinstance(constructor.body, cst.IndentedBlock):
            return ()
        last = constructor.body.body[-1]
        if not isinstance(last, cst.SimpleStatementLine | cst.BaseCompoundStatement):
            return ()
        indent = code.indent_of(constructor.body.body[0])
        if all(code.text(item) != text for item in constructor.body.body):
            edits.append(code.behind_line(code.last_line(last), indent, lines))
    return (*edits, code.removed(statement)) if edits else ()
