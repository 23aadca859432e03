"""Source text → its functions that initialize weights, and the tests of names in their loops. No torch, nothing is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from initlint.source.text import Unreadable, read_source

# Functions that draw or fill in place, of torch.nn.init and of tensors alike.
DRAWS = re.compile(
    r"^(normal|uniform|trunc_normal|xavier|glorot|kaiming|he|orthogonal|constant|zeros?|ones|fill|eye|dirac|sparse|copy|exponential)\w*_$"
)
INITIALIZER = re.compile(
    r"^_*((init|initialize|reset)_(all_)?(weights?|param(eter)?s?|layers?|model|modules?|linear|conv)"
    r"|(weights?|params?|layer|module|model|basic|custom|xavier|kaiming|he|orthogonal|normal)_init(ializ(e|er|ation))?"
    r"|initialize)(_[a-z0-9]+)?_*$"
)
Kind = Literal["equals", "ends with", "starts with", "contains"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Initializer:
    """A method or function that says by its name that it initializes, and does; `called` when its file names it a second time.

    owner    its class; "" for a function of the file
    applied  it takes a module, as `apply` gives it
    alone    every base of its class is nn.Module or stands in the file, so that nobody else can call it
    """

    name: str
    owner: str
    line: int
    end_line: int
    called: bool
    applied: bool
    alone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NameTest:
    """`if name.endswith("w2.weight"):` with initializations below it, in a loop over names; lines of the test and its body."""

    kind: Kind
    text: str
    over: str  # "named_parameters" or "named_modules"
    line: int
    column: int
    end_line: int
    end_column: int
    body: tuple[int, int]

    def holds(self, name: str) -> bool:
        """Whether a name passes the test."""
        if self.kind == "equals":
            return name == self.text
        if self.kind == "ends with":
            return name.endswith(self.text)
        return name.startswith(self.text) if self.kind == "starts with" else self.text in name


def tree_of(path: str) -> ast.Module | None:
    """The tree of a file; None for one that cannot be read or parsed, which is reported elsewhere."""
    try:
        return _parsed(read_source(path))
    except (Unreadable, SyntaxError, ValueError):
        return None


@lru_cache(maxsize=8)
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def draws(node: ast.AST) -> bool:
    """Whether something below this node draws or fills in place."""
    return any(
        isinstance(item, ast.Call) and isinstance(item.func, ast.Attribute | ast.Name) and bool(DRAWS.match(_called(item.func)))
        for item in ast.walk(node)
    )


def _called(function: ast.Attribute | ast.Name) -> str:
    return function.attr if isinstance(function, ast.Attribute) else function.id


def initializers(tree: ast.Module) -> Iterator[Initializer]:
    """The initializing methods of the classes of a file, and its initializing functions."""
    classes = {item.name: item for item in ast.walk(tree) if isinstance(item, ast.ClassDef)}
    named: set[str] = set()
    for item in ast.walk(tree):
        if isinstance(item, ast.Attribute):
            named.add(item.attr)
        elif isinstance(item, ast.Name):
            named.add(item.id)
        elif isinstance(item, ast.Constant) and isinstance(item.value, str):
            named.add(item.value)
    for owner in (None, *classes.values()):
        for item in tree.body if owner is None else owner.body:
            if isinstance(item, ast.FunctionDef) and INITIALIZER.match(item.name) and draws(item):
                yield Initializer(
                    name=item.name,
                    owner="" if owner is None else owner.name,
                    line=item.lineno,
                    end_line=item.end_lineno or item.lineno,
                    called=item.name in named,
                    applied=len(item.args.args) > (0 if owner is None or _static(item) else 1),
                    alone=owner is None or _alone(owner, classes),
                )


def _static(function: ast.FunctionDef) -> bool:
    return any(isinstance(item, ast.Name) and item.id == "staticmethod" for item in function.decorator_list)


def _alone(owner: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> bool:
    """Whether no class of another file, but nn.Module, is among the bases."""
    for base in owner.bases:
        name = ast.unparse(base)
        if name in ("nn.Module", "torch.nn.Module", "Module"):
            continue
        if name not in classes or classes[name] is owner or not _alone(classes[name], classes):
            return False
    return not owner.decorator_list


def name_tests(tree: ast.Module) -> Iterator[NameTest]:
    """Tests of names with initializations below, in loops over named parameters or modules."""
    for loop in ast.walk(tree):
        if not isinstance(loop, ast.For) or not isinstance(loop.target, ast.Tuple) or not isinstance(loop.iter, ast.Call):
            continue
        first, function = loop.target.elts[0], loop.iter.func
        if not isinstance(first, ast.Name) or not isinstance(function, ast.Attribute):
            continue
        if function.attr not in ("named_parameters", "named_modules"):
            continue
        for branch in ast.walk(loop):
            if isinstance(branch, ast.If) and any(draws(item) for item in branch.body):
                test = _test_of(branch, first.id, function.attr)
                if test is not None:
                    yield test


def _test_of(branch: ast.If, variable: str, over: str) -> NameTest | None:
    """The test when it is one comparison of the loop's name with a text."""
    test = branch.test
    found: tuple[Kind, ast.expr] | None = None
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        left, right = test.left, test.comparators[0]
        if isinstance(test.ops[0], ast.Eq) and isinstance(left, ast.Name) and left.id == variable:
            found = "equals", right
        elif isinstance(test.ops[0], ast.In) and isinstance(right, ast.Name) and right.id == variable:
            found = "contains", left
    elif isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute) and len(test.args) == 1:
        value = test.func.value
        if isinstance(value, ast.Name) and value.id == variable and test.func.attr in ("endswith", "startswith"):
            found = ("ends with" if test.func.attr == "endswith" else "starts with"), test.args[0]
    if found is None or not isinstance(found[1], ast.Constant) or not isinstance(found[1].value, str):
        return None
    return NameTest(
        kind=found[0],
        text=found[1].value,
        over=over,
        line=test.lineno,
        column=test.col_offset + 1,
        end_line=test.end_lineno or test.lineno,
        end_column=(test.end_col_offset or test.col_offset) + 1,
        body=(branch.body[0].lineno, branch.body[-1].end_lineno or branch.body[-1].lineno),
    )
