"""Initializing calls: which tensor one writes and with what, and how its arguments or the whole call are changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from initlint.fixes.edit import Edit, Span
from initlint.fixes.names import added, dotted, imports, reach
from initlint.source.initializers import DRAWS

if TYPE_CHECKING:
    from initlint.fixes.starts import Start
    from initlint.fixes.tree import Code
    from initlint.graph.model import Site

INIT = "torch.nn.init"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One call that draws or fills: `nn.init.normal_(tensor, …)` or, as a method, `tensor.normal_(…)`."""

    call: cst.Call
    function: str
    tensor: cst.BaseExpression
    arguments: tuple[cst.Arg, ...]
    method: bool

    def argument(self, name: str, position: int) -> cst.Arg | None:
        """The argument of this name or at this place behind the tensor."""
        for item in self.arguments:
            if item.keyword is not None and item.keyword.value == name:
                return item
        if position < len(self.arguments):
            item = self.arguments[position]
            return item if item.keyword is None and not item.star else None
        return None


def draw_at(code: Code, site: Site) -> Draw | None:
    """The initializing call at a site; None where it is no call of one of the usual functions."""
    call = code.call_at(site)
    return None if call is None else draw_of(code, call)


def draw_of(code: Code, call: cst.Call) -> Draw | None:
    """What a call initializes."""
    function = call.func
    name = function.attr.value if isinstance(function, cst.Attribute) else dotted(function)
    if not DRAWS.match(name):
        return None
    if isinstance(function, cst.Attribute) and dotted(function.value).partition(".")[0] not in _modules(code):
        return Draw(call=call, function=name, tensor=function.value, arguments=tuple(call.args), method=True)
    if not call.args or call.args[0].star or (call.args[0].keyword is not None):
        return None
    return Draw(call=call, function=name, tensor=call.args[0].value, arguments=tuple(call.args[1:]), method=False)


def _modules(code: Code) -> set[str]:
    """Names that stand for imported modules."""
    return {bound.partition(".")[0] for _, bound in imports(code)}


def init_prefix(code: Code, draw: Draw | None = None) -> tuple[str, tuple[Edit, ...]]:
    """What stands before the functions of torch.nn.init ("nn.init."), as this call writes it if it does; the import it needs."""
    if draw is not None and not draw.method and isinstance(draw.call.func, cst.Attribute):
        written = dotted(draw.call.func.value)
        known = {bound: name for name, bound in imports(code)}
        root, _, rest = written.partition(".")
        if f"{known.get(root, '')}.{rest}".rstrip(".") == INIT:
            return f"{written}.", ()
    found = reach(code, INIT)
    return f"{found.text}.", (added(code, found.missing),) if found.missing else ()


def redrawn(code: Code, draw: Draw, start: Start, tensor: str | None = None) -> tuple[Edit, ...]:
    """Another initialization in the place of a call, of the same tensor or of another."""
    prefix, needed = init_prefix(code, draw)
    written = (code.text(draw.tensor) if tensor is None else tensor).removesuffix(".data")
    indent = code.indent_of(draw.call)
    arguments, imported = start.written(code, written)
    lines = code.call(prefix + start.function, [written, *arguments], indent)
    return (*needed, *imported, *kept_comments(code, draw.call), code.replaced(draw.call, f"\n{indent}".join(lines)))


def kept_comments(code: Code, node: cst.CSTNode) -> Iterator[Edit]:
    """The comments inside of what is replaced, on lines before its statement."""
    statement = code.statement(node)
    inside = [item.value for item in code.all(cst.Comment, node)]
    if inside and statement is not None:
        yield code.before_line(code.first_line(statement), code.indent_of(statement), inside)


# -- single arguments ---------------------------------------------------------------------------------------------------


def with_argument(code: Code, draw: Draw, name: str, value: str, position: int) -> Edit:
    """The call with an argument set: its value replaced where it is given, else added by name."""
    given = draw.argument(name, position)
    if given is not None:
        return code.replaced(given.value, value)
    if draw.call.args:
        last = _span(code, draw.call.args[-1])
        place = Span(
            path=code.path, line=last.end_line, column=last.end_column, end_line=last.end_line, end_column=last.end_column
        )
        return Edit(span=place, content=f", {name}={value}")
    whole = code.span(draw.call)
    return Edit(
        span=Span(
            path=code.path,
            line=whole.end_line,
            column=whole.end_column - 1,
            end_line=whole.end_line,
            end_column=whole.end_column - 1,
        ),
        content=f"{name}={value}",
    )


def without_argument(code: Code, call: cst.Call, argument: cst.Arg) -> Edit:
    """The call without an argument and without the comma that parted it from its neighbour."""
    number = call.args.index(argument)
    own = _span(code, argument)
    if number:
        before = _span(code, call.args[number - 1])
        start = before.end_line, before.end_column
        end = own.end_line, own.end_column
    else:
        start = own.line, own.column
        following = _span(code, call.args[1]) if len(call.args) > 1 else None
        end = (own.end_line, own.end_column) if following is None else (following.line, following.column)
    span = Span(path=code.path, line=start[0], column=start[1], end_line=end[0], end_column=end[1])
    return Edit(span=span, content="")


def renamed_argument(code: Code, argument: cst.Arg, name: str) -> Edit:
    """The argument given under another name, or by a name where it had none."""
    if argument.keyword is not None:
        return code.replaced(argument.keyword, name)
    own = _span(code, argument)
    place = Span(path=code.path, line=own.line, column=own.column, end_line=own.line, end_column=own.column)
    return Edit(span=place, content=f"{name}=")


def _span(code: Code, argument: cst.Arg) -> Span:
    """The region of an argument with its name and the parentheses around its value."""
    inner = outer(code, argument.value)
    if argument.keyword is None:
        return inner
    first = code.span(argument.keyword)
    return Span(path=code.path, line=first.line, column=first.column, end_line=inner.end_line, end_column=inner.end_column)


def outer(code: Code, node: cst.BaseExpression) -> Span:
    """The region of an expression with the parentheses around it."""
    own = code.span(node)
    if not node.lpar:
        return own
    first, last = code.span(node.lpar[0]), code.span(node.rpar[-1])
    return Span(path=code.path, line=first.line, column=first.column, end_line=last.end_line, end_column=last.end_column)


def calls_named(code: Code, names: Sequence[str], below: cst.CSTNode | None = None) -> Iterator[cst.Call]:
    """Calls of functions whose last name is one of these."""
    for call in code.all(cst.Call, below):
        function = call.func
        name = function.attr.value if isinstance(function, cst.Attribute) else dotted(function)
        if name in names:
            yield call
