"""INI726: an initializer that tests for a class no module has, where the model has its sibling of another dimension."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from initlint.graph.model import Site
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, pattern_of
from initlint.source.initializers import draws

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI726",
    name="unmatched-module-class",
    severity=Severity.INFO,
    summary="An initializer tests for a class that the model lacks, and its layers of the sibling class keep their defaults.",
    fix="unsafe",
    explained_by=("idle-initializer",),
)

# Layers that come in one, two and three dimensions and start at random; a norm's defaults are what everybody gives it.
FAMILY = re.compile(r"^(Lazy)?(Conv|ConvTranspose)(\d)d$")


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per test, in functions that have written some parameter."""
    kinds = _kinds(facts)
    for path, tree in facts.sources():
        for function in (item for item in ast.walk(tree) if isinstance(item, ast.FunctionDef)):
            if not facts.wrote(path, function.lineno, function.end_lineno or function.lineno):
                continue
            tests = list(_tests(function))
            known = {name for _, names in tests for name in names}
            for call, names in tests:
                if any(name in mro for name in names for mro in kinds.values()) or _made(tree, names):
                    continue
                missed = _missed(facts, kinds, names, known)
                if missed:
                    yield _finding(facts, path, call, names, missed)


def _finding(facts: Facts, path: str, call: ast.Call, names: Sequence[str], missed: Sequence[str]) -> Finding:
    kind = facts.traced.module_types[missed[0]].rpartition(".")[2]
    return finding(
        RULE,
        facts,
        at=Site(
            path=path,
            line=call.lineno,
            column=call.col_offset + 1,
            end_line=call.end_lineno,
            end_column=(call.end_col_offset or call.col_offset) + 1,
        ),
        message=(
            f"no module of this model is a {' or '.join(names)}: what stands below this test does not run. The "
            f"{counted(len(missed), 'module')} of {kind}, {pattern_of(missed)}, {'keeps its default start' if len(missed) == 1 else 'keep their default start'}."
        ),
        help=f"test for {kind}",
        modules=missed,
        evidence={"layers": float(len(missed))},
    )


def _tests(function: ast.FunctionDef) -> Iterator[tuple[ast.Call, tuple[str, ...]]]:
    """Tests `isinstance(m, C)` with something drawn below them, and their classes; none where an `else` takes all others."""
    found: list[tuple[ast.Call, tuple[str, ...]]] = []
    for branch in (item for item in ast.walk(function) if isinstance(item, ast.If)):
        if branch.orelse and not isinstance(branch.orelse[0], ast.If) and any(draws(item) for item in branch.orelse):
            return
        calls = [
            item
            for item in ast.walk(branch.test)
            if isinstance(item, ast.Call) and isinstance(item.func, ast.Name) and item.func.id == "isinstance" and len(item.args) == 2
        ]
        if any(draws(item) for item in branch.body):
            found += [(call, tuple(_classes(call.args[1]))) for call in calls]
    yield from found


def _classes(node: ast.expr) -> Iterator[str]:
    """`nn.Conv2d`, `(nn.Conv1d, nn.Linear)` or `nn.Conv1d | nn.Linear` → the names of the classes."""
    if isinstance(node, ast.Tuple):
        for item in node.elts:
            yield from _classes(item)
    elif isinstance(node, ast.BinOp):
        yield from _classes(node.left)
        yield from _classes(node.right)
    else:
        yield ast.unparse(node).rpartition(".")[2]


def _kinds(facts: Facts) -> Mapping[str, frozenset[str]]:
    """Module path → the names of its class and of all that it inherits."""
    found: dict[str, frozenset[str]] = {}
    for path, kind in facts.traced.module_types.items():
        module, _, name = kind.rpartition(".")
        held = getattr(sys.modules.get(module), name, None)
        found[path] = frozenset([name, *(item.__name__ for item in getattr(held, "__mro__", ()))])
    return found


def _made(tree: ast.Module, names: Sequence[str]) -> bool:
    """Whether the file makes layers of these classes for another model, to which the test belongs."""
    calls = (item.func for item in ast.walk(tree) if isinstance(item, ast.Call))
    return any(isinstance(item, ast.Name | ast.Attribute) and ast.unparse(item).rpartition(".")[2] in names for item in calls)


def _missed(facts: Facts, kinds: Mapping[str, frozenset[str]], names: Sequence[str], known: set[str]) -> list[str]:
    """Modules of a sibling of these classes that no test of the function lets in, and whose weights nobody else has drawn."""
    wanted = {(match[2]) for name in names if (match := FAMILY.match(name))}
    drawn = {
        item.name.rpartition(".")[0]
        for item in facts.traced.parameters.values()
        if item.kind == "parameter" and any(not write.default for write in item.writes)
    }
    held = {item.name.rpartition(".")[0] for item in facts.traced.parameters.values() if item.kind == "parameter"}
    return [
        path
        for path, mro in kinds.items()
        if path in held - drawn
        and not mro & known
        and any((match := FAMILY.match(name)) and match[2] in wanted for name in mro)
    ]


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The class that the model has, in the place of the one it has not."""
    import libcst as cst

    from initlint.fixes.calls import calls_named
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files

    code = Files(facts).code(found.span.path)
    kind = facts.traced.module_types.get(found.modules[0], "").rpartition(".")[2]
    wanted = FAMILY.match(kind)
    for call in () if code is None or wanted is None else calls_named(code, ("isinstance",)):
        if code is None or wanted is None or code.first_line(call) != found.span.line:
            continue
        edits = [code.replaced(name, kind) for name in code.all(cst.Name, call.args[-1]) if _is_sibling(name.value, wanted[2])]
        yield from unsafe(f"test for {kind}", edits)


def _is_sibling(name: str, family: str) -> bool:
    match = FAMILY.match(name)
    return match is not None and match[2] == family
