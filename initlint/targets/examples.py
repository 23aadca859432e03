"""SYNTAX TREE → the calls of a model that its own file shows, with the shapes of what it is given there.

Research files end with a try: `print(Net()(torch.randn(2, 4000)).shape)`, under `if __name__ == "__main__":` or in a function.
Its author says there what the model takes. Statements outside of classes are read in order; what they assign is worked out
where that needs no more than numbers and tensors of known sizes, which are made on the meta device. Nothing of the file runs.
"""

from __future__ import annotations

import ast
import functools
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from initlint.targets.calls import BINARY, DEPTH, Evaluator, Unknown, argparse_defaults
from initlint.targets.specs import Spec

MAKERS = frozenset(
    """randn rand randint zeros ones empty full arange eye tensor linspace randperm normal randn_like rand_like zeros_like ones_like
    full_like empty_like stack cat tril triu sin cos sigmoid tanh""".split()
)
OLD = {"Tensor": torch.float32, "FloatTensor": torch.float32, "LongTensor": torch.int64, "BoolTensor": torch.bool}
RESHAPING = frozenset(
    """to float double half bfloat16 long int bool type cuda cpu clone detach contiguous requires_grad_ view reshape unsqueeze squeeze
    flatten expand repeat transpose permute t flip unflatten size dim""".split()
)
METHODS = RESHAPING | frozenset("abs sin cos sigmoid tanh clamp mean sum cumsum random_ normal_ uniform_ zero_".split())
COMPARED: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.Gt: operator.gt, ast.LtE: operator.le, ast.GtE: operator.ge, ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
BITS: Mapping[type, Callable[[Any, Any], Any]] = {ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.MatMult: operator.matmul}
UNTOUCHED = frozenset({"device", "requires_grad", "generator", "pin_memory"})  # arguments that change no shape
PASSED_ON = frozenset({"to", "cuda", "cpu", "eval", "train", "double", "half", "float", "compile"})  # net.to(device) is the net
LARGEST = 1 << 28  # elements of a tensor that is still an input and no mistake
LONGEST = 64  # loops over more than so many elements are not followed
BLANK = frozenset({"zeros", "zeros_like", "triu", "tril"})  # masks that hide nothing, or whose values only a run would tell
CASTS = frozenset({"device", "cuda", "cpu", "mps"})

Given = Spec | None  # None: an argument that could not be worked out, or that is none


@dataclass(frozen=True, slots=True)
class Example:
    """One call of the model: its arguments by place and by name."""

    args: tuple[Given, ...]
    kwargs: tuple[tuple[str, Given], ...] = ()

    def named(self, names: Sequence[str]) -> dict[str, Spec]:
        """What it gives to the parameters of forward, of which `names` are those in order."""
        pairs = (*zip(names, self.args, strict=False), *self.kwargs)
        return {name: spec for name, spec in pairs if spec is not None}


def merged(example: Spec, guess: Spec) -> Spec:
    """An example with the role that its name suggests, where both are of one kind: edges stay edges, and steps are spread."""
    if example.kind != guess.kind or not guess.role or len(example.shape) != len(guess.shape) or guess.role == "ones":
        return example
    return replace(example, role=guess.role, high=max(example.high - (guess.role == "full"), 1))


def examples_of(names: frozenset[str], tree: ast.Module, namespace: Mapping[str, Any]) -> tuple[Example, ...]:
    """The calls of what these classes, factories or instances make, those outside of the classes of the file, without repetition."""
    reader = _Reader(names, tree, namespace)
    known: dict[str, Any] = dict.fromkeys(reader.instances, _MODEL)
    reader.block(tree.body, known)
    if not reader.found:
        for function in reader.functions.values():
            reader.block(function.body, {**known, **{a.arg: Unknown for a in function.args.args}})
    return tuple(dict.fromkeys(reader.found))


class _Model:
    """Stands for the model, which is not built here."""


_MODEL = _Model()


class _Reader:
    """Reads statements in order; an environment holds what the names of a block stand for as far as that is known."""

    def __init__(self, names: frozenset[str], tree: ast.Module, namespace: Mapping[str, Any]) -> None:
        self.namespace = namespace
        self.instances = {name for name in names if isinstance(namespace.get(name), torch.nn.Module)}
        self.names = names - self.instances
        self.functions = {s.name: s for s in tree.body if isinstance(s, ast.FunctionDef)}
        self.defaults = argparse_defaults(tree)
        self.found: list[Example] = []
        self.depth = 0

    def block(self, body: Sequence[ast.stmt], known: dict[str, Any]) -> None:
        for statement in body:
            if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Import | ast.ImportFrom):
                continue
            values = _Values(self, known)
            for expression in _expressions(statement):
                for node in ast.walk(expression):
                    if isinstance(node, ast.Call):
                        values.seen(node)
            if isinstance(statement, ast.Assign):
                for target in statement.targets:
                    self.assign(target, statement.value, known, values)
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                self.assign(statement.target, statement.value, known, values)
            elif isinstance(statement, ast.AugAssign | ast.For):
                for name in _bound(statement.target):
                    known[name] = Unknown
            for inner in _inner(statement):
                self.block(inner, known)

    def assign(self, target: ast.expr, value: ast.expr, known: dict[str, Any], values: _Values) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for one, part in zip(target.elts, value.elts, strict=True):
                self.assign(one, part, known, values)
            return
        result = values.tried(value)
        if isinstance(target, ast.Tuple) and isinstance(result, tuple | list | torch.Size) and len(result) == len(target.elts):
            known |= {t.id: v for t, v in zip(target.elts, result, strict=True) if isinstance(t, ast.Name)}
            return
        for name in _bound(target):
            known[name] = result if isinstance(target, ast.Name) else Unknown

    def inside(self, function: ast.FunctionDef, call: ast.Call, values: _Values) -> None:
        """A function of the file that is handed the model: `evaluate(net, x)`."""
        known = _arguments(function, call, values)
        if self.depth < 2 and any(isinstance(v, _Model) for v in known.values()):
            self.depth += 1
            self.block(function.body, known)
            self.depth -= 1

    def returned(self, function: ast.FunctionDef, call: ast.Call, values: _Values) -> Any:
        """What a function of the file makes that does so without a choice: `x, adj = sample(), random_graph(100)`."""
        known = _arguments(function, call, values)
        last = function.body[-1]
        returns = [node for node in ast.walk(function) if isinstance(node, ast.Return | ast.Yield)]
        if self.depth >= 2 or returns != [last] or not isinstance(last, ast.Return) or last.value is None:
            raise Unknown(function.name)
        self.depth += 1
        self.block(function.body[:-1], known)
        self.depth -= 1
        result = _Values(self, known).tried(last.value)
        if result is Unknown or isinstance(result, _Model):
            raise Unknown(function.name)
        return result


def _arguments(function: ast.FunctionDef, call: ast.Call, values: _Values) -> dict[str, Any]:
    """What a call gives to a function of the file, as far as that is known."""
    parameters = [a.arg for a in (*function.args.args, *function.args.kwonlyargs)]
    named = [a.arg for a in function.args.args]
    known = {name: values.tried(d) for name, d in zip(reversed(named), reversed(function.args.defaults), strict=False)}
    known |= {
        a.arg: values.tried(d) for a, d in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True) if d is not None
    }
    known |= {name: values.tried(a) for name, a in zip(named, call.args, strict=False)}
    known |= {k.arg: values.tried(k.value) for k in call.keywords if k.arg is not None}
    return {name: known.get(name, Unknown) for name in parameters}


class _Values(Evaluator):
    """Numbers as in `calls`, and tensors on the meta device with the bound of their integers and how they were made."""

    def __init__(self, reader: _Reader, known: Mapping[str, Any]) -> None:
        super().__init__(reader.namespace, {}, reader.defaults)
        self.reader, self.known = reader, known

    def seen(self, node: ast.Call) -> None:
        """Keep the call if it is one of the model."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in self.reader.functions and name not in self.known:
            self.reader.inside(self.reader.functions[name], node, self)
        owner = node.func.value if isinstance(node.func, ast.Attribute) and node.func.attr == "forward" else node.func
        if not isinstance(self.tried(owner), _Model) or self.passed_on(node):
            return
        if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
            return
        args = tuple(self.given(a) for a in node.args)
        kwargs = tuple((k.arg or "", self.given(k.value)) for k in node.keywords)
        if any(a is not None for a in (*args, *(v for _, v in kwargs))):
            self.reader.found.append(Example(args, kwargs))

    def tried(self, node: ast.expr) -> Any:
        try:
            return self.value(node)
        except Exception:  # noqa: BLE001 - whatever the user's own expression would raise
            return Unknown

    def given(self, node: ast.expr) -> Given:
        value = self.tried(node)
        return _spec(value) if isinstance(value, torch.Tensor) else None

    @staticmethod
    def passed_on(node: ast.Call) -> bool:
        return isinstance(node.func, ast.Attribute) and node.func.attr in PASSED_ON

    def value(self, node: ast.expr, *, construct: bool = False, depth: int = DEPTH) -> Any:
        if depth <= 0:
            raise Unknown("too deep")
        go = functools.partial(self.value, depth=depth - 1)
        match node:
            case ast.Compare(ops=[op], comparators=[other]) if type(op) in COMPARED:
                return self.noted(self.guarded(COMPARED[type(op)], go(node.left), go(other)))
            case ast.BinOp() if type(node.op) in BITS or type(node.op) in BINARY:
                left, right = go(node.left), go(node.right)
                return self.noted(self.guarded({**BINARY, **BITS}[type(node.op)], left, right), left, right)
            case ast.UnaryOp(op=ast.USub()):
                return self.noted(self.guarded(operator.neg, go(node.operand)))
            case ast.UnaryOp(op=ast.Invert()):
                return self.noted(self.guarded(operator.invert, go(node.operand)))
            case ast.Subscript():
                owner = go(node.value)
                return self.noted(self.guarded(operator.getitem, owner, self.index(node.slice, go)), owner)
            case ast.ListComp() | ast.GeneratorExp() if len(node.generators) == 1 and not node.generators[0].ifs:
                return self.comprehended(node, go, depth)
        return super().value(node, construct=construct, depth=depth)

    def index(self, node: ast.expr, go: Callable[[ast.expr], Any]) -> Any:
        if isinstance(node, ast.Slice):
            return slice(*(None if part is None else go(part) for part in (node.lower, node.upper, node.step)))
        if isinstance(node, ast.Tuple):
            return tuple(self.index(part, go) for part in node.elts)
        return go(node)

    def comprehended(self, node: ast.ListComp | ast.GeneratorExp, go: Callable[[ast.expr], Any], depth: int) -> list[Any]:
        generator = node.generators[0]
        items = go(generator.iter)
        if not isinstance(items, list | tuple | range) or len(items) > LONGEST or not isinstance(generator.target, ast.Name):
            raise Unknown("a loop")
        inner = [_Values(self.reader, {**self.known, generator.target.id: item}) for item in items]
        return [values.value(node.elt, depth=depth - 1) for values in inner]

    def name(self, name: str, go: Callable[[ast.expr], Any]) -> Any:
        if name in self.known:
            if self.known[name] is Unknown:
                raise Unknown(name)
            return self.known[name]
        if name == "torch":
            return torch
        return super().name(name, go)

    def attribute(self, node: ast.Attribute, go: Callable[[ast.expr], Any]) -> Any:
        owner = self.tried(node.value)
        if isinstance(owner, torch.Tensor) and node.attr in ("shape", "T", "dtype"):
            return self.noted(getattr(owner, node.attr), owner)
        if owner is torch and isinstance(getattr(torch, node.attr, None), torch.dtype):
            return getattr(torch, node.attr)
        return super().attribute(node, go)

    def call(self, node: ast.Call, go: Callable[[ast.expr], Any], construct: bool) -> Any:
        if ast.unparse(node.func) in self.reader.names:
            return _MODEL
        if isinstance(node.func, ast.Attribute):
            name, owner = node.func.attr, self.tried(node.func.value)
            if self.passed_on(node) and (isinstance(owner, _Model) or (owner is torch and any(isinstance(self.tried(a), _Model) for a in node.args))):
                return _MODEL
            if owner is torch and (name in MAKERS or name in OLD):
                return self.made(name, *self.actual(node, go))
            if isinstance(owner, torch.Tensor) and name in METHODS:
                args, kwargs = self.moved(node) if name in PASSED_ON else self.actual(node, go)
                return self.noted(self.guarded(_method, name, owner, *args, **kwargs), owner, how=_how(name, owner))
            if isinstance(owner, dict) and name in ("values", "keys", "items") and not node.args:
                return list(getattr(owner, name)())
        elif isinstance(node.func, ast.Name) and node.func.id in MAKERS and node.func.id in self.namespace:
            return self.made(node.func.id, *self.actual(node, go))
        elif isinstance(node.func, ast.Name) and node.func.id in self.reader.functions and node.func.id not in self.known:
            return self.reader.returned(self.reader.functions[node.func.id], node, self)
        return super().call(node, go, construct)

    def actual(self, node: ast.Call, go: Callable[[ast.expr], Any]) -> tuple[list[Any], dict[str, Any]]:
        """Without those that say where: a device may be anything."""
        args = [go(a) for a in node.args if not isinstance(a, ast.Starred) and not _device(a)]
        kwargs = {k.arg: go(k.value) for k in node.keywords if k.arg is not None and k.arg not in UNTOUCHED}
        if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
            raise Unknown("*")
        return args, kwargs

    def moved(self, node: ast.Call) -> tuple[list[Any], dict[str, Any]]:
        """Of what a tensor is moved to, only the type."""
        values = [self.tried(a) for a in (*node.args, *(k.value for k in node.keywords))]
        return [v for v in values if isinstance(v, torch.dtype)], {}

    def made(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        bound = None
        if name == "randint":
            numbers = [a for a in args if isinstance(a, int)]
            bound = kwargs.get("high", max(numbers, default=2))
        elif name in ("full", "full_like"):
            bound = next((int(a) + 1 for a in (*args[1:], *kwargs.values()) if isinstance(a, int)), None)
        elif name in ("tensor", "LongTensor") and args:
            bound = max((int(n) + 1 for n in _flat(args[0]) if isinstance(n, int)), default=None)
        if name in OLD and not (args and isinstance(args[0], list)):
            made = self.guarded(torch.empty, *args, dtype=OLD[name], device="meta")
        else:
            kwargs |= {"dtype": OLD[name]} if name in OLD else {}
            made = self.guarded(_on_meta, getattr(torch, "tensor" if name in OLD else name), *args, **kwargs)
        return self.noted(made, *_flat(args), bound=bound, how=name)

    @staticmethod
    def noted(result: Any, *sources: Any, bound: int | None = None, how: str | None = None) -> Any:
        """The result with what is known of its values: the largest bound of what it was made from."""
        if isinstance(result, torch.Tensor):
            if math.prod(result.shape) > LARGEST:
                raise Unknown("too large")
            bounds = [b for s in sources if isinstance(s, torch.Tensor) and (b := getattr(s, "bound", None)) is not None]
            result = result.view_as(result)  # what is noted of one must not hold for another
            result.bound = bound if bound is not None else max(bounds, default=None)
            result.how = how
        return result


def _on_meta(make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with torch.device("meta"):
        return make(*args, **kwargs)


def _method(name: str, owner: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    return owner.view_as(owner) if name in ("to", "cuda", "cpu") and not (args or kwargs) else getattr(owner, name)(*args, **kwargs)


def _how(method: str, owner: torch.Tensor) -> str | None:
    return getattr(owner, "how", None) if method in RESHAPING else None


def _device(node: ast.expr) -> bool:
    """`device`, `"cuda"`, `args.device`, `torch.device(…)`."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and node.value.partition(":")[0] in CASTS
    name = node.func if isinstance(node, ast.Call) else node
    return (isinstance(name, ast.Name) and name.id in CASTS) or (isinstance(name, ast.Attribute) and name.attr in CASTS)


def _spec(tensor: torch.Tensor) -> Given:
    shape, how, bound = tuple(tensor.shape), getattr(tensor, "how", None), getattr(tensor, "bound", None)
    if tensor.is_complex() or not all(shape):
        return None
    if tensor.is_floating_point():
        return Spec("float", shape)
    if tensor.dtype == torch.bool:
        return Spec("bool", shape, high=1) if how in BLANK else Spec("bool", shape, role="ones")
    if how == "ones":
        return Spec("int", shape, role="ones")
    if how == "arange" and shape:
        return Spec("int", shape, high=shape[-1], role="order")
    return Spec("int", shape, high=bound if bound is not None else 1 if how in BLANK else 2)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _flat(item)
    else:
        yield value


def _expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """Those of the statement itself, not of the statements in it."""
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.expr):
            yield child
        elif isinstance(child, ast.withitem):
            yield child.context_expr


def _inner(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        if body := getattr(statement, field, None):
            yield body


def _bound(target: ast.expr) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            yield node.id
