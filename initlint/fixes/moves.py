"""Statements that change their place or their kind: a draw before its weight is taken over, a special start behind a general one,
a clone replaced by a construction, a residual connection around a call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import libcst as cst

from initlint.fixes.calls import calls_named, draw_at, outer, without_argument
from initlint.fixes.edit import Edit, Span
from initlint.fixes.insert import class_text
from initlint.fixes.names import reach
from initlint.source.initializers import DRAWS

if TYPE_CHECKING:
    from initlint.fixes.calls import Draw
    from initlint.fixes.tree import Code, Statement
    from initlint.graph.model import Site

COPIES = ("clone", "detach", "contiguous", "cpu", "float", "double")


def into_itself(code: Code, draw: Draw) -> Iterator[Edit]:
    """`w.data.clone().normal_()` → `w.data.normal_()`: the copies between a parameter and the draw taken away, where they stand or where
    the variable that is drawn into is given its value."""
    tensor: cst.BaseExpression = draw.tensor
    function = code.around(draw.call, cst.FunctionDef)
    if isinstance(tensor, cst.Name) and function is not None:
        made = [
            item.value
            for item in code.all(cst.Assign, function)
            if len(item.targets) == 1 and code.text(item.targets[0].target) == tensor.value
        ]
        if len(made) != 1:
            return
        tensor = made[0]
    inner = tensor
    while (
        isinstance(inner, cst.Call)
        and isinstance(inner.func, cst.Attribute)
        and inner.func.attr.value in COPIES
        and not inner.args
    ):
        inner = inner.func.value
    if inner is not tensor:
        yield code.replaced(tensor, code.text(inner))


def into_magnitude(code: Code, line: int, magnitude: str) -> Edit | None:
    """`layer.weight.data.mul_(c)` → the same of what weight_norm multiplies the direction by, which scales the weight as much.

    magnitude  the path of it from the layer: "parametrizations.weight.original0"
    """
    for call in code.all(cst.Call):
        scales = isinstance(call.func, cst.Attribute) and call.func.attr.value in ("mul_", "div_")
        if not scales or code.first_line(call) != line:
            continue
        for part in code.all(cst.Attribute, call):
            if part.attr.value == "weight":
                return code.replaced(part, f"{code.text(part.value)}.{magnitude}")
    return None


def without_seeds(code: Code, line: int) -> Iterator[Edit]:
    """The statements `torch.manual_seed(…)` of the function around a line taken away."""
    function = code.function_at(line)
    for statement in () if function is None else code.all(cst.SimpleStatementLine, function):
        call = statement.body[0].value if len(statement.body) == 1 and isinstance(statement.body[0], cst.Expr) else None
        if isinstance(call, cst.Call) and code.text(call.func).split(".")[-1] == "manual_seed":
            yield code.removed(statement)


# -- a weight that something else computes ------------------------------------------------------------------------------


def before_wrapped(code: Code, draw: Draw) -> Iterator[Edit]:
    """The draw of a weight moved before the call that takes the weight over (weight_norm, spectral_norm, a parametrization).

    `self.conv = weight_norm(nn.Conv1d(…))` becomes three lines: the layer made, its weight drawn, the layer wrapped.
    """
    statement = code.statement(draw.call)
    holder = code.text(draw.tensor).removesuffix(".data").rpartition(".")[0]
    owner = code.around(draw.call, cst.ClassDef)
    if not holder or owner is None or not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return
    written = [line.strip() for line in code.lines[code.first_line(statement) - 1 : code.last_line(statement)]]
    for call in code.all(cst.Call, owner):
        line = code.statement(call)
        if not call.args or not isinstance(line, cst.SimpleStatementLine) or line is statement:
            continue
        inner = call.args[0].value
        if code.text(inner) == holder and not DRAWS.match(_name(call)) and code.last_line(line) < code.first_line(statement):
            yield code.before_line(code.first_line(line), code.indent_of(line), written)
            yield code.removed(statement)
            return
        assigned = line.body[0]
        if (
            isinstance(inner, cst.Call)
            and isinstance(assigned, cst.Assign)
            and assigned.value is call
            and len(assigned.targets) == 1
            and code.text(assigned.targets[0].target) == holder
        ):
            indent = code.indent_of(line)
            rest = code.text(call).replace(code.text(inner), holder, 1)
            lines = [f"{holder} = {code.text(inner)}", *written, f"{holder} = {rest}"]
            yield code.replaced(line, f"\n{indent}".join(lines))
            yield code.removed(statement)
            return


def _name(call: cst.Call) -> str:
    return call.func.attr.value if isinstance(call.func, cst.Attribute) else getattr(call.func, "value", "")


# -- special and general starts -----------------------------------------------------------------------------------------


def behind_general(code: Code, special: int, general: int) -> Iterator[Edit]:
    """A statement that only initializes (line `special`) moved behind a later one of its own block (line `general`)."""
    moved, anchor = (_in_block(code, line) for line in (special, general))
    if moved is None or anchor is None:
        return
    block = code.parents[moved[-1]]
    target = next((item for item in anchor if code.parents[item] is block), None)
    own = next((item for item in moved if code.parents[item] is block and _only_draws(code, item)), None)
    if target is None or own is None or own is target or code.first_line(own) > code.first_line(target):
        return
    first, last = code.first_line(own), code.last_line(own)
    lines = list(code.lines[first - 1 : last])
    yield code.behind_line(code.last_line(target), "", lines)
    yield code.removed(own)


def moved_behind(code: Code, line: int, other: int) -> Iterator[Edit]:
    """The statement at a line moved behind a later one of its own block, which the other line is part of."""
    statement, anchor = code.statement_at(line), _in_block(code, other)
    target = next((item for item in anchor or () if statement and code.parents[item] is code.parents[statement]), None)
    if statement is None or target is None or code.first_line(target) <= code.last_line(statement):
        return
    yield code.behind_line(
        code.last_line(target), "", list(code.lines[code.first_line(statement) - 1 : code.last_line(statement)])
    )
    yield code.removed(statement)


def _in_block(code: Code, line: int) -> list[Statement] | None:
    """The statements that cover a line, the innermost first, up to the body of the function."""
    found: list[Statement] = []
    current: cst.CSTNode | None = code.statement_at(line)
    while current is not None and not isinstance(current, cst.FunctionDef | cst.ClassDef | cst.Module):
        if isinstance(current, cst.SimpleStatementLine | cst.BaseCompoundStatement):
            found.append(current)
        current = code.parents.get(current)
    return found or None


def _only_draws(code: Code, statement: Statement) -> bool:
    """Whether a statement is one initializing call, or a loop or `with` of nothing else."""
    simple = (
        [statement] if isinstance(statement, cst.SimpleStatementLine) else list(code.all(cst.SimpleStatementLine, statement))
    )
    for line in simple:
        for part in line.body:
            if not isinstance(part, cst.Expr) or not isinstance(part.value, cst.Call) or not DRAWS.match(_name(part.value)):
                return False
    return True


def padding_zeroed(code: Code, draw: Draw) -> Iterator[Edit]:
    """Behind a general initialization of tables: the row of the padding token zeroed again."""
    tensor = code.text(draw.tensor).removesuffix(".data")
    holder, _, name = tensor.rpartition(".")
    statement = code.statement(draw.call)
    if statement is None or not holder.isidentifier() or name != "weight":
        return
    table = class_text(code, "torch.nn.Embedding")
    lines = [
        f"if isinstance({holder}, {table}) and {holder}.padding_idx is not None:",
        f"{code.indent}{holder}.weight.data[{holder}.padding_idx].zero_()",
    ]
    yield code.behind(statement, lines)


# -- clones and connections ---------------------------------------------------------------------------------------------


def made_anew(code: Code, line: int) -> Sequence[Edit]:
    """`deepcopy(layer)` on a line → the construction of `layer`, where the same function makes it for this alone."""
    for call in calls_named(code, ("deepcopy",)):
        if not code.first_line(call) <= line <= code.last_line(call) or len(call.args) != 1:
            continue
        source = call.args[0].value
        function = code.around(call, cst.FunctionDef)
        if function is None or not isinstance(source, cst.Name | cst.Attribute):
            continue
        made = [
            (item, statement)
            for item in code.all(cst.Assign, function)
            if len(item.targets) == 1
            and code.text(item.targets[0].target) == code.text(source)
            and isinstance(item.value, cst.Call)
            and isinstance(statement := code.statement(item), cst.SimpleStatementLine)
        ]
        if len(made) != 1 or "\n" in code.text(made[0][0].value):
            continue
        uses = sum(name.value == source.value for name in code.all(cst.Name, function))  # of an attribute, which is kept, none
        edits = [code.replaced(call, code.text(made[0][0].value))]
        return [*edits, code.removed(made[0][1])] if uses == 2 else edits
    return ()


def with_residual(code: Code, line: int) -> Sequence[Edit]:
    """`x = f(x)` at a line → `x = x + f(x)`."""
    statement = code.statement_at(line)
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return ()
    part = statement.body[0]
    if isinstance(part, cst.Assign) and len(part.targets) == 1 and isinstance(part.targets[0].target, cst.Name):
        return (_sum(code, part.targets[0].target.value, part.value),)
    return ()


def called_with_residual(code: Code, owner: cst.ClassDef, attribute: str) -> Iterator[Edit]:
    """`self.part(x)` in a class's forward → `x + self.part(x)`, wherever a part of this name is called with a variable."""
    forward = code.functions(owner).get("forward")
    for call in () if forward is None else code.all(cst.Call, forward):
        given = call.args[0] if call.args else None
        if code.text(call.func) != f"self.{attribute}" or given is None or given.star or not isinstance(given.value, cst.Name):
            continue
        text = f"{given.value.value} + {code.text(call)}"
        free = isinstance(code.parents[call], cst.Arg | cst.Assign | cst.Return | cst.AnnAssign)
        yield code.replaced(call, text if free else f"({text})")


def _sum(code: Code, name: str, value: cst.BaseExpression) -> Edit:
    span = outer(code, value)
    start = Span(path=code.path, line=span.line, column=span.column, end_line=span.line, end_column=span.column)
    return Edit(span=start, content=f"{name} + ")


def made_on_device(code: Code, line: int) -> Sequence[Edit]:
    """`model.to_empty(device=d)` at a line away, and the model made on `d` where the same function made it on meta.

    Whatever constructors compute (frequencies, masks, scales) then exists, as it does without the detour.
    """
    statement, function = code.statement_at(line), code.function_at(line)
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1 or function is None:
        return ()
    part = statement.body[0]
    call = part.value if isinstance(part, cst.Expr | cst.Assign) else None
    if not isinstance(call, cst.Call) or _name(call) != "to_empty" or not isinstance(call.func, cst.Attribute):
        return ()
    kept = [code.text(item.target) for item in part.targets] if isinstance(part, cst.Assign) else [code.text(call.func.value)]
    device = next((item.value for item in call.args if item.keyword is None or item.keyword.value == "device"), None)
    meta = [
        item
        for item in code.all(cst.SimpleString, function)
        if item.evaluated_value == "meta" and code.first_line(item) < code.first_line(statement)
    ]
    if kept != [code.text(call.func.value)] or device is None or len(meta) != 1:
        return ()
    return code.replaced(meta[0], code.text(device)), code.without(statement)


def at_the_end(code: Code, line: int) -> Iterator[Edit]:
    """A statement of a function moved behind the last one."""
    statement, function = code.statement_at(line), code.function_at(line)
    if statement is None or function is None or code.parents[statement] is not function.body:
        return
    last = function.body.body[-1]
    if isinstance(last, cst.SimpleStatementLine | cst.BaseCompoundStatement) and last is not statement:
        yield code.behind_line(code.last_line(last), "", list(code.lines[line - 1 : code.last_line(statement)]))
        yield code.removed(statement)


def class_tested(code: Code, line: int, kinds: Sequence[str]) -> Iterator[Edit]:
    """In the function at a line: classes that no module has, in tests by `isinstance` or by name, replaced by the nearest one."""
    function = code.function_at(line)
    if function is None:
        return

    def near(name: str) -> str | None:
        return None if name in kinds else next(iter(get_close_matches(name, kinds, 1)), None)

    for call in calls_named(code, ("isinstance",), function):
        for item in code.all(cst.Attribute, call.args[-1]):
            if (other := near(item.attr.value)) is not None:
                yield code.replaced(item.attr, other)
    for string in code.all(cst.SimpleString, function):
        if (other := near(str(string.evaluated_value))) is not None:
            yield code.replaced(string, f"{string.prefix}{string.quote}{other}{string.quote}")


def instance_tested(code: Code, line: int) -> Iterator[Edit]:
    """In the function at a line: `type(m) == C`, which no heir of C passes → `isinstance(m, C)`."""
    function = code.function_at(line)
    for test in () if function is None else code.all(cst.Comparison, function):
        operator = test.comparisons[0].operator
        if not isinstance(test.left, cst.Call) or _name(test.left) != "type" or len(test.left.args) != 1:
            continue
        if len(test.comparisons) == 1 and isinstance(operator, cst.Equal | cst.Is):
            kind = code.text(test.comparisons[0].comparator)
            yield code.replaced(test, f"isinstance({code.text(test.left.args[0].value)}, {kind})")


def only_with_index(code: Code, draw: Draw) -> Iterator[Edit]:
    """`fill(w[i])` → `if i is not None:` before it."""
    statement = code.statement(draw.call)
    row = next(code.all(cst.Subscript, draw.call), None)
    if row is None or len(row.slice) != 1 or not isinstance(statement, cst.SimpleStatementLine):
        return
    indent = code.indent_of(statement)
    text = code.text(statement).replace("\n", f"\n{code.indent}")
    yield code.replaced(statement, f"if {code.text(row.slice[0].slice)} is not None:\n{indent}{code.indent}{text}")


def renamed_on_line(code: Code, line: int, old: str, new: str) -> Edit | None:
    """An attribute's name replaced on a line that has it once."""
    found = [item.attr for item in code.all(cst.Attribute) if item.attr.value == old and code.first_line(item.attr) == line]
    return code.replaced(found[0], new) if len(found) == 1 else None


def for_each_part(code: Code, draw: Draw, parts: int) -> Iterator[Edit]:
    """`nn.init.f_(w)` → a loop over the parts of w, which share its memory."""
    statement = code.statement(draw.call)
    if draw.method or not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return
    function = code.function_at(code.first_line(statement))
    taken = code.names_in(function) if function is not None else set()
    variable = next((name for name in ("part", "piece", "projection") if name not in taken), "initialized")
    tensor = code.text(draw.tensor).removesuffix(".data")
    arguments = ", ".join((variable, *(code.text(item) for item in draw.call.args[1:])))
    indent = code.indent_of(statement)
    head = f"for {variable} in {tensor}.data.chunk({parts}):"
    yield code.replaced(statement, f"{head}\n{indent}{code.indent}{code.text(draw.call.func)}({arguments})")


def registered(code: Code, line: int) -> Iterator[Edit]:
    """`self.w = tensor` → `self.w = nn.Parameter(tensor)`; the request for a gradient is the parameter's own then."""
    for assigned in code.all(cst.Assign):
        if code.first_line(assigned) != line:
            continue
        graded = [
            (call, item)
            for call in code.all(cst.Call, assigned.value)
            for item in call.args
            if item.keyword is not None and item.keyword.value == "requires_grad"
        ]
        for call, item in graded:
            yield without_argument(code, call, item)
        yield from _handed_to(code, assigned.value, "Parameter")
        return


def contained(code: Code, line: int) -> Iterator[Edit]:
    """`self.layers = [...]` → `self.layers = nn.ModuleList([...])`, of dictionaries `nn.ModuleDict`."""
    assigned = [item for item in (*code.all(cst.Assign), *code.all(cst.AnnAssign)) if code.first_line(item) == line]
    for value in [item.value for item in assigned if isinstance(item, cst.Assign | cst.AnnAssign)]:
        if isinstance(value, (cst.List, cst.ListComp)):
            yield from _handed_to(code, value, "ModuleList")
        elif isinstance(value, (cst.Dict, cst.DictComp)):
            yield from _handed_to(code, value, "ModuleDict")


def _handed_to(code: Code, value: cst.BaseExpression, kind: str) -> Iterator[Edit]:
    """An expression made the argument of a class of `torch.nn`."""
    found = reach(code, f"torch.nn.{kind}")
    name = found.text if not found.missing else f"{reach(code, 'torch.nn').text}.{kind}"
    span = outer(code, value)
    start = Span(path=code.path, line=span.line, column=span.column, end_line=span.line, end_column=span.column)
    end = Span(path=code.path, line=span.end_line, column=span.end_column, end_line=span.end_line, end_column=span.end_column)
    yield Edit(span=start, content=f"{name}(")
    yield Edit(span=end, content=")")


def frozen_by_call(code: Code, line: int) -> Iterator[Edit]:
    """`module.requires_grad = False` → `module.requires_grad_(False)`."""
    for assigned in code.all(cst.Assign):
        target = assigned.targets[0].target
        if code.first_line(assigned) == line and isinstance(target, cst.Attribute) and target.attr.value == "requires_grad":
            yield code.replaced(assigned, f"{code.text(target.value)}.requires_grad_({code.text(assigned.value)})")


KEPT = "_no_reinit"  # what state space models call it


def kept_out(code: Code, special: Draw, other: Code | None, general: Site) -> Iterator[Edit]:
    """A parameter marked where it gets its special start, and the general one made to pass over what is marked."""
    draw = None if other is None else draw_at(other, general)
    mark = code.statement(special.call)
    statement = None if other is None or draw is None else other.statement(draw.call)
    if other is None or draw is None or mark is None or not isinstance(statement, cst.SimpleStatementLine):
        return
    tensor, swept = (text.removesuffix(".data") for text in (code.text(special.tensor), other.text(draw.tensor)))
    step = f"{other.indent_of(statement)}{other.indent}"
    test = f"if not getattr({swept}, {other.quote}{KEPT}{other.quote}, False):"
    function = code.around(mark, cst.FunctionDef)
    if f"{tensor}.{KEPT} = True" not in {code.text(item) for item in code.all(cst.Assign, function)}:
        yield code.behind(mark, [f"{tensor}.{KEPT} = True"])
    yield other.replaced(statement, f"{test}\n{step}{other.text(statement)}")
