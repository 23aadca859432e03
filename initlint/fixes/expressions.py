"""Changes inside expressions: a branch or its trunk scaled where they join, a call taken away around its operand, a draw's bounds
divided by a factor that follows, a quarter of a bias, a factor's definition."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from initlint.fixes.calls import calls_named, outer
from initlint.fixes.edit import Edit, Span
from initlint.fixes.names import added, reach

if TYPE_CHECKING:
    from initlint.fixes.calls import Draw
    from initlint.fixes.tree import Code

WORDS = re.compile(r"\b")
ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def branch_divided(code: Code, line: int, divisor: str) -> Edit | None:
    """`x + f(x)` → `x + f(x) / divisor` at a line: of the two terms, the one that is called for is the branch."""
    for sum_, terms in _sums(code):
        if code.first_line(sum_) <= line <= code.last_line(sum_):
            called = [item for item in terms if any(True for _ in code.all(cst.Call, item))]
            if called and (len(called) == 1 or called[0] is terms[0]):
                return _divided(code, called[0], divisor)
    return None


def trunk_multiplied(code: Code, line: int, factor: str) -> Edit | None:
    """`x + f(x)` → `factor * x + f(x)` at a line: of the two terms, the one that is not called for is the trunk."""
    for sum_, terms in _sums(code):
        if code.first_line(sum_) <= line <= code.last_line(sum_) and len(terms) == 2:
            still = [item for item in terms if not any(True for _ in code.all(cst.Call, item))]
            if len(still) == 1 and isinstance(still[0], cst.Name | cst.Attribute | cst.Subscript):
                return code.replaced(still[0], f"{factor} * {code.text(still[0])}")
    return None


def factor_moved(code: Code, line: int) -> tuple[Edit, ...]:
    """`x + factor * f(x)` → `factor * x + f(x)` at a line."""
    for sum_, terms in _sums(code):
        if code.first_line(sum_) <= line <= code.last_line(sum_) and len(terms) == 2:
            for branch, trunk in (terms, terms[::-1]):
                if not isinstance(branch, cst.BinaryOperation) or not isinstance(branch.operator, cst.Multiply):
                    continue
                sides = (branch.left, branch.right)
                called = [side for side in sides if any(True for _ in code.all(cst.Call, side))]
                if len(called) == 1 and isinstance(trunk, cst.Name | cst.Attribute | cst.Subscript):
                    factor = next(side for side in sides if side is not called[0])
                    moved = code.replaced(trunk, f"{code.text(factor)} * {code.text(trunk)}")
                    return moved, code.replaced(branch, code.text(called[0]))
    return ()


def _sums(code: Code) -> Iterator[tuple[cst.CSTNode, tuple[cst.BaseExpression, ...]]]:
    """Additions with their terms, the later term first."""
    for item in code.all(cst.BinaryOperation):
        if isinstance(item.operator, cst.Add):
            yield item, (item.right, item.left)
    for statement in code.all(cst.AugAssign):
        if isinstance(statement.operator, cst.AddAssign):
            yield statement, (statement.value,)


def _divided(code: Code, node: cst.BaseExpression, divisor: str) -> Edit:
    span = outer(code, node)
    loose = isinstance(node, cst.IfExp | cst.Lambda) or (
        isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Add | cst.Subtract)
    )
    if loose and not node.lpar:
        return Edit(span=span, content=f"({code.text(node)}) / {divisor}")
    end = Span(path=code.path, line=span.end_line, column=span.end_column, end_line=span.end_line, end_column=span.end_column)
    return Edit(span=end, content=f" / {divisor}")


def without_call(code: Code, line: int, method: str) -> tuple[Edit, ...]:
    """`x.detach()` → `x` everywhere on a line."""
    found = []
    for call in code.all(cst.Call):
        function = call.func
        if code.first_line(call) <= line <= code.last_line(call) and isinstance(function, cst.Attribute):
            if function.attr.value == method and not call.args:
                found.append(code.replaced(call, code.text(function.value)))
    return tuple(found)


def without_attribute(code: Code, line: int, name: str) -> tuple[Edit, ...]:
    """`x.data` → `x` everywhere on a line."""
    return tuple(
        code.replaced(item, code.text(item.value))
        for item in code.all(cst.Attribute)
        if item.attr.value == name and code.first_line(item) <= line <= code.last_line(item)
    )


# -- a factor that follows a layer --------------------------------------------------------------------------------------


def factors_at(code: Code, line: int, value: float) -> Iterator[str]:
    """What a product at a line multiplies something computed by: the text of an attribute or a number, and the number itself."""
    for product in code.all(cst.BinaryOperation):
        if not isinstance(product.operator, cst.Multiply) or not code.first_line(product) <= line <= code.last_line(product):
            continue
        for side, other in ((product.left, product.right), (product.right, product.left)):
            if any(True for _ in code.all(cst.Call, other)) and isinstance(side, cst.Attribute | cst.Integer | cst.Float):
                yield code.text(side)
    yield f"{value:g}"


def draw_divided(code: Code, draw: Draw, divisor: str) -> Iterator[tuple[Edit, ...]]:
    """The bounds or the deviation of a draw divided by a number: where they stand, or where the name that they have in common is
    given its value; of a value with two cases either one, and both."""
    values = [item.value for item in draw.arguments if item.keyword is None or item.keyword.value in ("a", "b", "std")]
    if draw.function == "normal_":
        found = draw.argument("std", 1)
        values = [] if found is None else [found.value]
    elif draw.function != "uniform_":
        return
    names = {name for value in values for name in code.names_in(value)}
    function = code.around(draw.call, cst.FunctionDef)
    if len(names) == 1 and function is not None:
        name = names.pop()
        made = [
            item
            for item in code.all(cst.Assign, function)
            if len(item.targets) == 1 and code.text(item.targets[0].target) == name
        ]
        if len(made) == 1:
            value = made[0].value
            for part in (value.orelse, value.body) if isinstance(value, cst.IfExp) else ():
                yield (_divided(code, part, divisor),)
            yield (_divided(code, value, divisor),)
            return
    yield tuple(_divided(code, value, divisor) for value in values)


# -- the forget gate ----------------------------------------------------------------------------------------------------


def forget_slice(code: Code, line: int, start: int, width: int, quarter: int = 1) -> Edit | None:
    """The slice written on a line, moved to one of four quarters, PyTorch's second one; in terms of the name its bounds are written with.

    start, width  where the written part starts, and the length of a quarter
    quarter       where it belongs, counted from zero
    """
    for index in code.all(cst.Index):
        call = code.around(index, cst.Call)
        if isinstance(index.value, cst.Integer) and call is not None and code.first_line(index) == line:
            if any(name in code.text(call) for name in ("chunk(4", "split(")) and index.value.evaluated_value != quarter:
                return code.replaced(index.value, f"{quarter}")
    for part in code.all(cst.Slice):
        if code.first_line(part) != line:
            continue
        if part.lower is None and quarter == 1:
            return None if part.upper is None or start else _second(code, part, code.text(part.upper))
        bounds = [bound for bound in (part.lower, part.upper) if bound is not None]
        names = sorted(set[str]().union(*(code.names_in(bound) for bound in bounds)))
        below, above = ("" if bound is None else code.text(bound) for bound in (part.lower, part.upper))
        for share, texts in _QUARTERS.items() if len(names) == 1 else ():
            first, last = (_value(text, names[0], 4 * width // share) for text in (below or "0", above or "0"))
            if first == start and (bool(below) or last == start + width):
                return code.replaced(part, texts[quarter].format(names[0]))
        return code.replaced(part, f"{quarter * width}:{(quarter + 1) * width}")
    return None


# The quarters in terms of a name for the whole, for one of them, or for half.
_QUARTERS = {
    1: (": {0} // 4", "{0} // 4 : {0} // 2", "{0} // 2 : 3 * {0} // 4", "3 * {0} // 4 :"),
    4: (": {0}", "{0} : 2 * {0}", "2 * {0} : 3 * {0}", "3 * {0} :"),
    2: (": {0} // 2", "{0} // 2 : {0}", "{0} : 3 * {0} // 2", "3 * {0} // 2 :"),
}


def spans_logged(code: Code, line: int) -> Edit | None:
    """`uniform_(1, n)` → `uniform_(1, n).log()`, the one such draw of the function around a line."""
    function = code.function_at(line)
    draws = [
        call
        for call in (() if function is None else code.all(cst.Call, function))
        if isinstance(call.func, cst.Attribute) and call.func.attr.value == "uniform_" and len(call.args) == 2
    ]
    return code.replaced(draws[0], f"{code.text(draws[0])}.log()") if len(draws) == 1 else None


def _second(code: Code, part: cst.Slice, quarter: str) -> Edit:
    """`[: n // 4]` → `[n // 4 : n // 2]`, of the text of a quarter's length."""
    whole = quarter.removesuffix("// 4").rstrip()
    if whole != quarter:
        return code.replaced(part, f"{quarter} : {whole} // 2")
    factor = quarter if quarter.isidentifier() or quarter.isdigit() else f"({quarter})"
    return code.replaced(part, f"{quarter} : 2 * {factor}")


def _value(text: str, name: str, number: int) -> int | None:
    """The value of an expression of whole numbers and one name."""
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:
        return None
    return _number(tree.body, name, number)


def _number(node: ast.expr, name: str, number: int) -> int | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.Name):
        return number if node.id == name else None
    if isinstance(node, ast.BinOp):
        left, right = _number(node.left, name, number), _number(node.right, name, number)
        if left is None or right is None:
            return None
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.FloorDiv | ast.Div) and right:
            return left // right
        if isinstance(node.op, ast.Add):
            return left + right
        return left - right if isinstance(node.op, ast.Sub) else None
    return None


# -- an adapter's scale -------------------------------------------------------------------------------------------------

ALPHAS = ("alpha", "lora_alpha")
RANKS = ("rank", "r", "lora_rank", "lora_r")


def scales_on(code: Code, line: int) -> Iterator[cst.BaseExpression]:
    """What a product at a line is multiplied by: numbers where they stand, attributes of self where they are assigned."""
    for product in code.all(cst.BinaryOperation):
        if not code.first_line(product) <= line <= code.last_line(product) or not isinstance(product.operator, cst.Multiply):
            continue
        for side in (product.left, product.right):
            if isinstance(side, cst.Integer | cst.Float):
                yield side
            elif isinstance(side, cst.Attribute) and isinstance(side.value, cst.Name):
                owner = code.around(side, cst.ClassDef)
                constructor = None if owner is None else code.functions(owner).get("__init__")
                wanted = code.text(side)
                for assigned in () if constructor is None else code.all(cst.Assign, constructor):
                    if any(code.text(target.target) == wanted for target in assigned.targets):
                        yield assigned.value


def usual_scale(code: Code, place: cst.BaseExpression, rank: int) -> str:
    """`alpha / rank` where the function has such parameters, else the number for an alpha of 16."""
    function = code.around(place, cst.FunctionDef)
    names = {item.name.value for item in function.params.params} if function is not None else set()
    alpha = next((name for name in ALPHAS if name in names), "16")
    width = next((name for name in RANKS if name in names), None)
    return f"{16 / rank:g}" if alpha == "16" and width is None else f"{alpha} / {width or rank}"


def number_replaced(code: Code, line: int, value: float, text: str) -> Edit | None:
    """The only number of a value on a line (its sign included), replaced."""
    found: list[cst.BaseExpression] = []
    for item in (*code.all(cst.UnaryOperation), *code.all(cst.Float), *code.all(cst.Integer)):
        inner = code.parents.get(item)
        if code.first_line(item) != line or isinstance(inner, cst.UnaryOperation):
            continue
        try:
            number = ast.literal_eval(code.text(item))
        except (ValueError, SyntaxError):
            continue
        if isinstance(number, int | float) and math.isclose(number, value, rel_tol=1e-6):
            found.append(item)
    return code.replaced(found[0], text) if len(found) == 1 else None


def logarithm_taken(code: Code, line: int, value: float) -> Iterator[Edit]:
    """`torch.tensor(1 / 0.07)` → `torch.tensor(math.log(1 / 0.07))`: of the expressions of numbers on a line, the outermost that has this
    value."""
    for item in (*code.all(cst.BinaryOperation), *code.all(cst.Float), *code.all(cst.Integer)):
        text = code.text(item)
        number = _computed(ast.parse(text, mode="eval").body) if code.first_line(item) == line == code.last_line(item) else None
        if number is not None and number > 0 and math.isclose(number, value, rel_tol=1e-6):
            found = reach(code, "math")
            yield code.replaced(item, f"{found.text}.log({text})")
            if found.missing:
                yield added(code, found.missing)
            return


def logarithm_of_inverse(code: Code, line: int, value: float) -> Iterator[Edit]:
    """`math.log(0.07)` → `math.log(1 / 0.07)`: of the logarithms of numbers on a line, the one that has this value."""
    for call in calls_named(code, ("log",)):
        if not code.first_line(call) == line == code.last_line(call) or len(call.args) != 1:
            continue
        inside = call.args[0].value
        text = code.text(inside)
        number = _computed(ast.parse(text, mode="eval").body)
        if number is not None and number > 0 and math.isclose(math.log(number), value, rel_tol=1e-6):
            yield code.replaced(inside, f"1 / {text}" if isinstance(inside, cst.Float | cst.Integer) else f"1 / ({text})")
            return


def negated(code: Code, line: int) -> Iterator[Edit]:
    """`nn.init.constant_(bias, value)` → `nn.init.constant_(bias, -value)` at a line; also of `bias.fill_(value)`."""
    for name, place in (("constant_", 1), ("fill_", 0)):
        for call in calls_named(code, (name,)):
            if code.first_line(call) == line == code.last_line(call) and len(call.args) == place + 1:
                value = call.args[place].value
                inner = value.expression if isinstance(value, cst.UnaryOperation) and isinstance(value.operator, cst.Minus) else None
                plain = isinstance(value, cst.Name | cst.Attribute | cst.Call | cst.Float | cst.Integer)
                text = code.text(value)
                yield code.replaced(value, code.text(inner) if inner is not None else f"-{text}" if plain else f"-({text})")
                return


def inverse_written(code: Code, line: int, inverse: str) -> Iterator[Edit]:
    """`bias.copy_(dt)` → `bias.copy_(torch.log(torch.expm1(dt)))` at a line, for the inverse log(expm1(x)); also of `nn.Parameter(dt)`."""
    for call in code.all(cst.Call):
        if not code.first_line(call) == line == code.last_line(call) or len(call.args) != 1:
            continue
        name = call.func.attr.value if isinstance(call.func, cst.Attribute) else getattr(call.func, "value", "")
        if name not in ("copy_", "Parameter"):
            continue
        text, torch = code.text(call.args[0].value), reach(code, "torch")
        whole = text if isinstance(call.args[0].value, cst.Name | cst.Attribute | cst.Call) else f"({text})"
        formula = "".join(whole if word == "x" else f"{torch.text}.{word}" if word.isidentifier() else word for word in WORDS.split(inverse))
        yield code.replaced(call.args[0].value, formula)
        if torch.missing:
            yield added(code, torch.missing)
        return


def _computed(node: ast.expr) -> float | None:
    """The value of sums, products and quotients of numbers; None where anything else is in them."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if not isinstance(node, ast.BinOp) or type(node.op) not in ARITHMETIC:
        return None
    left, right = _computed(node.left), _computed(node.right)
    if left is None or right is None or (right == 0.0 and isinstance(node.op, ast.Div)):
        return None
    return float(ARITHMETIC[type(node.op)](left, right))


# -- the logits of an attention -----------------------------------------------------------------------------------------

PRODUCTS = ("matmul", "bmm", "einsum")


def scores_scaled(code: Code, line: int) -> Edit | None:
    """`q @ k.mT` at a line → `q @ k.mT / q.size(-1) ** 0.5`: logits of independent queries and keys get unit variance
    (Vaswani et al. 2017, arXiv:1706.03762, 3.2.1)."""
    for product in code.all(cst.BinaryOperation):
        if isinstance(product.operator, cst.MatrixMultiply) and code.first_line(product) <= line <= code.last_line(product):
            return _scaled_by_width(code, product, product.left)
    for call in calls_named(code, PRODUCTS):
        if not code.first_line(call) <= line <= code.last_line(call) or isinstance(code.parents[call], cst.Attribute):
            continue
        operands = [item.value for item in call.args if item.keyword is None and not isinstance(item.value, cst.SimpleString)]
        method = isinstance(call.func, cst.Attribute) and len(operands) == 1
        if method and isinstance(call.func, cst.Attribute):
            return _scaled_by_width(code, call, call.func.value)
        if len(operands) == 2:
            return _scaled_by_width(code, call, operands[0])
    return None


def _scaled_by_width(code: Code, product: cst.BaseExpression, queries: cst.BaseExpression) -> Edit | None:
    text = code.text(queries)
    if not all(name.isidentifier() for name in text.split(".")):
        return None  # computed in place: to name it twice would compute it twice
    span = outer(code, product)
    end = Span(path=code.path, line=span.end_line, column=span.end_column, end_line=span.end_line, end_column=span.end_column)
    return Edit(span=end, content=f" / {text}.size(-1) ** 0.5")
