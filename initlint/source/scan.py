"""A cheap look at one file → `Scan`: can it define models at all, and where. No torch, nothing is run.

First the text: a file without a word that points at PyTorch is left alone. Then the tree: classes that may be modules,
functions without required arguments that may return one, names at the top level that may hold one. When in doubt the
answer is yes: a needless look costs a second, a missed model costs the finding.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from initlint.source.text import Unreadable, read_source

# Words that point at PyTorch: the library, what is built on it, and a class that computes like a module.
GATE = re.compile(
    r"torch|\bnn\.|transformers|\btimm\b|\bpeft\b|diffusers|lightning|\bmonai\b|\bModule\b|\bdef forward\b|\bkornia\b|\bfairseq"
)
# Where names come from that are no models: they decide only when every way to a name leads there.
FOREIGN = frozenset(
    "numpy pandas matplotlib seaborn scipy sklearn PIL cv2 tqdm yaml omegaconf hydra pydantic attr attrs click typer rich"
    " pytest hypothesis wandb tensorboard datasets tokenizers setuptools pathspec requests absl fire loguru".split()
)
FOREIGN_BELOW = (
    "torch.utils.",
    "torch.autograd.",
    "torch.optim.",
    "torch.distributed.",
    "torch.cuda.",
    "torch.testing.",
    "torch.distributions.",
    "torchvision.transforms.",
    "torchvision.datasets.",
    "torch.nn.init.",
    "torch.nn.functional.",
)
# Of `torch` itself these give modules; `torch.zeros`, `torch.device` and the rest do not.
OF_TORCH = frozenset("nn jit hub compile load export fx ao quantization".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A name of the file that may be, make or hold a model."""

    name: str
    line: int
    kind: Literal["class", "factory", "instance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why there is no tree: the message, and the place as `Span` counts; a whole file is its first line."""

    message: str
    line: int = 1
    column: int = 1
    end_line: int = 1
    end_column: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a look at a file tells.

    text            "" when it cannot be read
    tree            the syntax tree, or why there is none; empty for a file that was not worth parsing
    mentions_torch  the text points at PyTorch: its faults are worth a finding although nobody named the file
    candidates      in source order
    """

    path: str
    text: str
    tree: ast.Module | Fault
    mentions_torch: bool
    candidates: tuple[Candidate, ...] = ()

    @property
    def problem(self) -> Fault | None:
        """Why the file cannot be looked at."""
        return self.tree if isinstance(self.tree, Fault) else None

    @property
    def may_define_models(self) -> bool:
        """Whether the file is worth importing."""
        return bool(self.candidates)


def scan(path: str, *, named: bool = False) -> Scan:
    """Look at a file; one that the user named is searched whatever its words are."""
    try:
        text = read_source(path)
    except Unreadable as error:
        return Scan(path=path, text="", tree=Fault(message=str(error)), mentions_torch=False)
    return scan_text(path, text, named=named)


def scan_text(path: str, text: str, *, named: bool = False) -> Scan:
    """Look at the text of a file."""
    mentions = GATE.search(text) is not None
    if not (mentions or named):
        return Scan(path=path, text=text, tree=ast.Module(body=[], type_ignores=[]), mentions_torch=False)
    try:
        tree = ast.parse(text, path)
    except SyntaxError as error:
        return Scan(path=path, text=text, tree=_fault(error, text), mentions_torch=mentions)
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nesting beyond the parser
        return Scan(path=path, text=text, tree=Fault(message=f"invalid syntax: {error}"), mentions_torch=mentions)
    return Scan(path=path, text=text, tree=tree, mentions_torch=mentions, candidates=tuple(_candidates(tree)))


def _fault(error: SyntaxError, text: str) -> Fault:
    """A syntax error in our columns: `SyntaxError` counts code points from 1 since Python 3.10, 0 means unknown."""
    line, column = max(error.lineno or 1, 1), max(error.offset or 1, 1)
    end_line, end_column = error.end_lineno or line, error.end_offset or 0
    if (end_line, end_column) <= (line, column):
        end_line, end_column = line, column + 1
    kind = "invalid syntax" if error.msg == "invalid syntax" else f"invalid syntax: {error.msg}"
    return Fault(message=kind, line=line, column=column, end_line=end_line, end_column=end_column)


# -- the tree -----------------------------------------------------------------------------------------------------------


def _candidates(tree: ast.Module) -> Iterator[Candidate]:
    origins = _origins(tree)
    plain: set[str] = set()  # classes of this file that are surely no modules
    for node in _top_level(tree.body):
        if isinstance(node, ast.ClassDef):
            if _may_be_module(node, origins, plain):
                yield Candidate(name=node.name, line=node.lineno, kind="class")
            else:
                plain.add(node.name)
        elif isinstance(node, ast.FunctionDef):
            if _may_be_factory(node, origins, plain):
                yield Candidate(name=node.name, line=node.lineno, kind="factory")
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and _holds_module(node, origins, plain):
            yield from (Candidate(name=name, line=node.lineno, kind="instance") for name in _names_bound(node))


def _top_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run on import, those under `if`, `try`, `with` and loops included, `__main__` blocks not."""
    for node in body:
        if isinstance(node, ast.If) and _is_main_block(node.test):
            yield from _top_level(node.orelse)
            continue
        yield node
        if isinstance(node, (ast.If, ast.Try, ast.With, ast.For, ast.While, ast.Match)):
            for name in ("body", "orelse", "finalbody"):
                yield from _top_level(getattr(node, name, ()))
            for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
                yield from _top_level(part.body)


def _is_main_block(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _origins(tree: ast.Module) -> Mapping[str, str]:
    """Local name → dotted origin, for names that are imported anywhere; a relative import begins with a dot."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or root] = root
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name] = f"{'.' * node.level}{node.module or ''}.{alias.name}"
    return found


def _may_be_module(node: ast.ClassDef, origins: Mapping[str, str], plain: set[str]) -> bool:
    """A class of unknown parents may be a module; one with known parents only is not, unless it has a `forward`."""
    if any(isinstance(part, ast.FunctionDef) and part.name in ("forward", "__call__") for part in node.body):
        return not any(_dotted(base, origins) == "torch.autograd.Function" for base in node.bases)
    if any(keyword.arg is None for keyword in node.keywords):
        return True
    return any(not _is_foreign(base, origins, plain) for base in node.bases)


def _may_be_factory(node: ast.FunctionDef, origins: Mapping[str, str], plain: set[str]) -> bool:
    """A function that can be called without arguments and returns what may be a module."""
    given = node.args
    required = len(given.posonlyargs) + len(given.args) - len(given.defaults)
    if required > 0 or any(default is None for default in given.kw_defaults):
        return False
    if node.returns is not None and _is_foreign(node.returns, origins, plain):
        return False
    return any(
        isinstance(part, ast.Return) and part.value is not None and _may_give_module(part.value, origins, plain, inside=True)
        for part in ast.walk(node)
    )


def _holds_module(node: ast.Assign | ast.AnnAssign, origins: Mapping[str, str], plain: set[str]) -> bool:
    return node.value is not None and _may_give_module(node.value, origins, plain)


def _may_give_module(value: ast.expr, origins: Mapping[str, str], plain: set[str], *, inside: bool = False) -> bool:
    """Whether an expression may be a module: a call of something not known to give none; in a function, also a name."""
    if isinstance(value, ast.Call):
        return not _is_foreign(value.func, origins, plain)
    if isinstance(value, ast.IfExp):
        return any(_may_give_module(part, origins, plain, inside=inside) for part in (value.body, value.orelse))
    if isinstance(value, ast.BoolOp):
        return any(_may_give_module(part, origins, plain, inside=inside) for part in value.values)
    if isinstance(value, ast.NamedExpr):
        return _may_give_module(value.value, origins, plain, inside=inside)
    if isinstance(value, (ast.Tuple, ast.List)):
        return any(_may_give_module(part, origins, plain, inside=inside) for part in value.elts)
    return inside and isinstance(value, (ast.Name, ast.Attribute, ast.Subscript))


def _is_foreign(value: ast.expr, origins: Mapping[str, str], plain: set[str]) -> bool:
    """Whether a class, function or annotation surely has nothing to do with modules."""
    if isinstance(value, ast.Constant):  # an annotation: `-> None`; a string may say anything
        return not isinstance(value.value, str)
    if isinstance(value, ast.Subscript):  # Generic[T], Callable[[], nn.Module], list[int]
        inner = value.slice.elts if isinstance(value.slice, ast.Tuple) else (value.slice,)
        return _is_foreign(value.value, origins, plain) and all(_is_foreign(part, origins, plain) for part in inner)
    if isinstance(value, ast.BinOp):  # int | None
        return _is_foreign(value.left, origins, plain) and _is_foreign(value.right, origins, plain)
    name = _dotted(value, origins)
    if name is None:
        return False
    root, _, rest = name.partition(".")
    if name in plain:
        return True
    if not rest:
        return root in origins or hasattr(builtins, root)
    if root == "torch":
        return name.startswith(FOREIGN_BELOW) or rest.partition(".")[0] not in OF_TORCH
    if root == "functools":
        return False  # partial(Net) gives what it wraps
    return root in FOREIGN or root in sys.stdlib_module_names or name.startswith(FOREIGN_BELOW)


def _dotted(value: ast.expr, origins: Mapping[str, str]) -> str | None:
    """`nn.Module` → "torch.nn.Module", following imports; None for what is no chain of names."""
    if isinstance(value, ast.Name):
        return origins.get(value.id, value.id)
    if isinstance(value, ast.Attribute):
        before = _dotted(value.value, origins)
        return None if before is None else f"{before}.{value.attr}"
    return None


def _names_bound(node: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    for target in node.targets if isinstance(node, ast.Assign) else (node.target,):
        for part in target.elts if isinstance(target, (ast.Tuple, ast.List)) else (target,):
            if isinstance(part, ast.Name):
                yield part.id
