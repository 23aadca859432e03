"""Source text → its functions that initialize weights, and the tests of names in their loops. No torch, nothing is run."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
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
OVERRIDDEN = ("reset_parameters", "_reset_parameters", "_init_weights")  # what classes of torch and others call, if it is there
NEAR = 0.92  # likeness of a name with two letters exchanged; "test_parameters" is 0.90 like the first of them
Kind = Literal["equals", "ends with", "starts with", "contains"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Initializer:
    """A method or function that says by its name (or nearly) that it initializes, and does; `called` when its file names it a second time.

    owner    its class; "" for a function of the file
    applied  it takes a module, as `apply` gives it
    slip_of  the name under which classes of packages call their initializer, where this one differs from it in a letter; else ""
    alone    every base of its class and of those that inherit it is nn.Module or stands in the file, so that nobody else can call it
    """

    name: str
    owner: str
    line: int
    end_line: int
    called: bool
    applied: bool
    slip_of: str = ""
    alone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NameTest:
    """`if name.endswith("w2.weight"):` with initializations below it, in a loop over names; lines of the test and its body.

    texts   the name passes with one of them
    single  neither an `elif` nor followed by one: no case among others
    """

    kind: Kind
    texts: tuple[str, ...]
    single: bool
    over: str  # "named_parameters" or "named_modules"
    line: int
    column: int
    end_line: int
    end_column: int
    body: tuple[int, int]

    def holds(self, name: str) -> bool:
        """Whether a name passes the test."""
        if self.kind == "equals":
            return name in self.texts
        if self.kind == "ends with":
            return name.endswith(self.texts)
        return name.startswith(self.texts) if self.kind == "starts with" else any(text in name for text in self.texts)


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


def initializers(tree: ast.Module, others: Iterable[ast.Module] = ()) -> Iterator[Initializer]:
    """The initializing methods of the classes of a file, and its initializing functions; `others` may call them too."""
    trees = (*others, tree)
    classes, every = classes_of([tree]), classes_of(trees)
    bases = bases_of(trees)
    named: set[str] = set()
    for item in (item for part in trees for item in ast.walk(part)):
        if isinstance(item, ast.Attribute):
            named.add(item.attr)
        elif isinstance(item, ast.Name):
            named.add(item.id)
        elif isinstance(item, ast.Constant) and isinstance(item.value, str):
            named.add(item.value)
    for owner in (None, *classes.values()):
        for item in tree.body if owner is None else owner.body:
            if not isinstance(item, ast.FunctionDef):
                continue
            meant = "" if owner is None else slip_of(item.name)
            if (INITIALIZER.match(item.name) or meant) and draws(item):
                yield Initializer(
                    name=item.name,
                    owner="" if owner is None else owner.name,
                    line=item.lineno,
                    end_line=item.end_lineno or item.lineno,
                    called=item.name in named,
                    slip_of=meant,
                    applied=len(item.args.args) > (0 if owner is None or _static(item) else 1),
                    alone=owner is None
                    or all(_alone(name, every, bases) for name in every if owner.name in (name, *bases[name])),
                )


def slip_of(name: str) -> str:
    """The name of `OVERRIDDEN` that is written wrongly here; "" where one is part of the other, as `set_parameters` is."""
    if INITIALIZER.match(name):
        return ""
    near = get_close_matches(name, OVERRIDDEN, 1, NEAR)
    parts = [item.strip("_") for item in (name, *near)]
    return "" if not near or parts[0] in parts[1] or parts[1] in parts[0] else near[0]


def classes_of(trees: Iterable[ast.Module]) -> dict[str, ast.ClassDef]:
    """The classes of some files, by name."""
    return {item.name: item for tree in trees for item in ast.walk(tree) if isinstance(item, ast.ClassDef)}


def bases_of(trees: Iterable[ast.Module]) -> dict[str, tuple[str, ...]]:
    """Class name → the classes of these files that it inherits, directly or through others."""
    classes = classes_of(trees)
    found: dict[str, tuple[str, ...]] = {}
    for name in classes:
        above = [name]
        for item in above:  # grows meanwhile
            named = [ast.unparse(base).rpartition(".")[2] for base in classes[item].bases]
            above += [base for base in named if base in classes and base not in above]
        found[name] = tuple(above[1:])
    return found


def _static(function: ast.FunctionDef) -> bool:
    return any(isinstance(item, ast.Name) and item.id == "staticmethod" for item in function.decorator_list)


def _alone(owner: str, classes: Mapping[str, ast.ClassDef], bases: Mapping[str, Sequence[str]]) -> bool:
    """Whether no class of a file that was not read, but nn.Module, is among the bases."""
    known = {"nn.Module", "torch.nn.Module", "Module", *bases[owner]}
    above = [classes[name] for name in (owner, *bases[owner])]
    return not any(item.decorator_list or {ast.unparse(base) for base in item.bases} - known for item in above)


def name_tests(tree: ast.Module) -> Iterator[NameTest]:
    """Tests of names with initializations below, in loops over named parameters or modules."""
    known = texts_of(tree)
    for loop in ast.walk(tree):
        if not isinstance(loop, ast.For) or not isinstance(loop.target, ast.Tuple) or not isinstance(loop.iter, ast.Call):
            continue
        first, function = loop.target.elts[0], loop.iter.func
        if not isinstance(first, ast.Name) or not isinstance(function, ast.Attribute):
            continue
        if function.attr not in ("named_parameters", "named_modules"):
            continue
        branches = [item for item in ast.walk(loop) if isinstance(item, ast.If) and any(draws(part) for part in item.body)]
        others = {id(item) for branch in ast.walk(loop) if isinstance(branch, ast.If) for item in branch.orelse}
        for branch in branches:
            single = not branch.orelse and id(branch) not in others
            for test in _all_of(branch.test):
                found = _compared(_Spelled(known).visit(deepcopy(test)), first.id)
                if found is not None:
                    yield NameTest(
                        kind=found[0],
                        texts=found[1],
                        single=single,
                        over=function.attr,
                        line=test.lineno,
                        column=test.col_offset + 1,
                        end_line=test.end_lineno or test.lineno,
                        end_column=(test.end_col_offset or test.col_offset) + 1,
                        body=(branch.body[0].lineno, branch.body[-1].end_lineno or branch.body[-1].lineno),
                    )


def texts_of(tree: ast.Module) -> dict[str, ast.expr]:
    """Constants of a file and of its classes that hold texts: a name that the file sets once, and the text or texts in a row."""
    stored = Counter(
        item.attr if isinstance(item, ast.Attribute) else item.id if isinstance(item, ast.Name) else item.arg
        for item in ast.walk(tree)
        if isinstance(item, ast.arg) or (isinstance(item, ast.Attribute | ast.Name) and isinstance(item.ctx, ast.Store))
    )
    bodies = [tree.body, *(item.body for item in ast.walk(tree) if isinstance(item, ast.ClassDef))]
    return {
        target.id: item.value
        for body in bodies
        for item in body
        if isinstance(item, ast.Assign | ast.AnnAssign) and item.value is not None and _texts("equals", item.value) is not None
        for target in (item.targets if isinstance(item, ast.Assign) else [item.target])
        if isinstance(target, ast.Name) and stored[target.id] == 1
    }


class _Spelled(ast.NodeTransformer):
    """Constants, `NAMES` and `self.NAMES`, replaced by the texts that they hold."""

    def __init__(self, known: Mapping[str, ast.expr]) -> None:
        self.known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.known.get(node.id, node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self.known.get(node.attr, node) if isinstance(node.value, ast.Name) else node


def _all_of(test: ast.expr) -> Iterator[ast.expr]:
    """The tests that all have to hold."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for value in test.values:
            yield from _all_of(value)
    else:
        yield test


def _compared(test: ast.expr, variable: str) -> tuple[Kind, tuple[str, ...]] | None:
    """The kind of a comparison of the loop's name with given texts, of which one has to fit; None for anything else."""
    if isinstance(test, ast.BoolOp):
        parts = [_compared(value, variable) for value in test.values]
        kinds = {part[0] for part in parts if part is not None}
        if None in parts or len(kinds) != 1:
            return None
        return kinds.pop(), tuple(text for part in parts if part is not None for text in part[1])
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        left, right = test.left, test.comparators[0]
        if isinstance(test.ops[0], ast.Eq) and _is_name(left, variable):
            return _texts("equals", right)
        if isinstance(test.ops[0], ast.In) and _is_name(right, variable):
            return _texts("contains", left)
        if isinstance(test.ops[0], ast.In) and _is_name(left, variable) and not isinstance(right, ast.Constant):
            return _texts("equals", right)
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute) and len(test.args) == 1:
        method = test.func.attr
        if _is_name(test.func.value, variable) and method in ("endswith", "startswith"):
            return _texts("ends with" if method == "endswith" else "starts with", test.args[0])
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and test.func.id == "any" and len(test.args) == 1:
        return _any_of(test.args[0], variable)
    return None


def _any_of(given: ast.expr, variable: str) -> tuple[Kind, tuple[str, ...]] | None:
    """`k in name for k in ("wo", "w2")`."""
    if not isinstance(given, ast.GeneratorExp | ast.ListComp) or len(given.generators) != 1 or given.generators[0].ifs:
        return None
    loop = given.generators[0]
    if not isinstance(loop.target, ast.Name):
        return None
    each = given.elt
    if isinstance(each, ast.Compare) and len(each.ops) == 1 and isinstance(each.ops[0], ast.In):
        if _is_name(each.left, loop.target.id) and _is_name(each.comparators[0], variable):
            return _texts("contains", loop.iter)
    if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr == "endswith":
        if _is_name(each.func.value, variable) and len(each.args) == 1 and _is_name(each.args[0], loop.target.id):
            return _texts("ends with", loop.iter)
    return None


def _is_name(node: ast.expr, variable: str) -> bool:
    return isinstance(node, ast.Name) and node.id == variable


def _texts(kind: Kind, given: ast.expr) -> tuple[Kind, tuple[str, ...]] | None:
    """One text or several in a row, all of them literal."""
    items = given.elts if isinstance(given, ast.Tuple | ast.List | ast.Set) else [given]
    texts = tuple(item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str))
    return (kind, texts) if texts and len(texts) == len(items) else None
