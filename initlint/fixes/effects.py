"""Lines that do nothing: results that nobody keeps, methods that are named and not called → the same with its effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import libcst as cst

from initlint.fixes.calls import init_prefix
from initlint.fixes.edit import Edit, Span

if TYPE_CHECKING:
    from initlint.fixes.tree import Code

# Functions that make a tensor like another: the one that writes to it instead, and the number of arguments of both.
LIKE = {
    "zeros_like": ("zeros_", 1),
    "ones_like": ("ones_", 1),
    "full_like": ("constant_", 2),
    "randn_like": ("normal_", 1),
    "rand_like": ("uniform_", 1),
}


def effective(code: Code, span: Span) -> tuple[Edit, ...]:
    """`w.mul(2)` → `w.mul_(2)`, `torch.full_like(w, 2)` → `nn.init.constant_(w, 2)`, `self.init` → `self.init()`."""
    place = (span.line, span.column, span.end_line, span.end_column)
    for statement in code.all(cst.Expr):
        own = code.span(statement.value)
        if (own.line, own.column, own.end_line, own.end_column) != place:
            continue
        value = statement.value
        if isinstance(value, cst.Attribute):
            return (_called(code, value),)
        if isinstance(value, cst.Call) and _name_of(value) in LIKE:
            function, number = LIKE[_name_of(value)]
            given = [code.text(item.value) for item in value.args]
            if len(given) != number or any(item.keyword and item.keyword.value != "fill_value" for item in value.args):
                return ()
            prefix, needed = init_prefix(code)
            return (*needed, code.replaced(value, f"{prefix}{function}({', '.join(given)})"))
        if isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute):
            tensor = code.text(value.func.value)
            free = tensor.endswith(".data") or _without_grad(code, value)
            return (code.replaced(value.func, f"{tensor}{'' if free else '.data'}.{value.func.attr.value}_"),)
    return ()


def called_first(code: Code, span: Span, edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """A method's name on a line of its own, called (as `edits` write it) behind the last assignment before it: what comes between
    starts parameters."""
    statement = code.statement_at(span.line)
    if not isinstance(statement, cst.SimpleStatementLine) or len(edits) != 1 or edits[0].span != span:
        return ()
    block = code.parents[statement]
    before = list(block.body[: block.body.index(statement)]) if isinstance(block, cst.IndentedBlock) else []
    made = [number for number, item in enumerate(before) if _assigns(code, item)]
    if not made or made[-1] == len(before) - 1:
        return ()
    anchor, first = before[made[-1]], code.first_line(statement)
    line = code.lines[first - 1].replace(code.lines[first - 1][span.column - 1 : span.end_column - 1], edits[0].content, 1)
    return code.behind_line(code.last_line(anchor), "", [line]), code.removed(statement)


def _assigns(code: Code, statement: cst.CSTNode) -> bool:
    return next(code.all(cst.Assign, statement), None) is not None or next(code.all(cst.AnnAssign, statement), None) is not None


def _called(code: Code, value: cst.Attribute) -> Edit:
    """A method named and not called: called, or applied where it takes a module."""
    owner = code.around(value, cst.ClassDef)
    method = None if owner is None else code.functions(owner).get(value.attr.value)
    text = code.text(value)
    if method is not None and len(method.params.params) > 1:
        return code.replaced(value, f"{code.text(value.value)}.apply({text})")
    return code.replaced(value, f"{text}()")


def _without_grad(code: Code, node: cst.CSTNode) -> bool:
    """Whether a node stands under torch.no_grad()."""
    block = code.around(node, cst.With)
    if block is not None and any("no_grad" in code.text(item.item) for item in block.items):
        return True
    function = code.around(node, cst.FunctionDef)
    return function is not None and any("no_grad" in code.text(item.decorator) for item in function.decorators)


def _name_of(call: cst.Call) -> str:
    return call.func.attr.value if isinstance(call.func, cst.Attribute) else getattr(call.func, "value", "")
