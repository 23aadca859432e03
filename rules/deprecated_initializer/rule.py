"""INI722: functions of torch.nn.init under the names that they had before they got an underscore."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.fixes.edit import Fix
from initlint.graph.model import Site
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding

if TYPE_CHECKING:
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI722",
    name="deprecated-initializer",
    severity=Severity.INFO,
    summary="An initialization by a name of torch.nn.init that is deprecated: it writes in place and does not say so.",
    fix="safe",
)

# Deprecated in PyTorch 0.4 (April 2018); 2.13 still has them, with a FutureWarning at every call.
DEPRECATED = frozenset(
    "uniform normal constant eye dirac xavier_uniform xavier_normal kaiming_uniform kaiming_normal orthogonal sparse".split()
)


def check(facts: Facts) -> Iterator[Finding]:
    """Calls of these names that wrote a parameter of this model."""
    for path, tree in facts.sources():
        for call, name in deprecated(tree):
            if not facts.wrote(path, call.lineno, call.end_lineno or call.lineno):
                continue
            function = call.func
            yield finding(
                RULE,
                facts,
                at=Site(
                    path=path,
                    line=function.lineno,
                    column=function.col_offset + 1,
                    end_line=function.end_lineno,
                    end_column=(function.end_col_offset or function.col_offset) + 1,
                ),
                message=(
                    f"`{ast.unparse(function)}` is the deprecated name of `{name}_`: it warns at every call, and a later PyTorch may "
                    "not have it. It writes in place, which its name does not say."
                ),
                help=f"call it by its name: {ast.unparse(function)}_(…)",
            )


def deprecated(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    """Calls of old names of torch.nn.init, whatever the module is called in this file."""
    modules, functions = _imported(tree)
    for item in ast.walk(tree):
        if not isinstance(item, ast.Call):
            continue
        function = item.func
        if isinstance(function, ast.Attribute) and function.attr in DEPRECATED and ast.unparse(function.value) in modules:
            yield item, function.attr
        elif isinstance(function, ast.Name) and function.id in functions:
            yield item, function.id


def _imported(tree: ast.Module) -> tuple[set[str], set[str]]:
    """What torch.nn.init is called in a file, and its old names that are imported from it."""
    modules, functions = {"torch.nn.init"}, set()
    for item in ast.walk(tree):
        if isinstance(item, ast.Import):
            for name in item.names:
                if name.name in ("torch.nn.init", "torch.nn"):
                    modules.add(
                        f"{name.asname}{'' if name.name.endswith('init') else '.init'}" if name.asname else "torch.nn.init"
                    )
        elif isinstance(item, ast.ImportFrom):
            for name in item.names:
                bound = name.asname or name.name
                if item.module == "torch" and name.name == "nn":
                    modules.add(f"{bound}.init")
                elif item.module == "torch.nn" and name.name == "init":
                    modules.add(bound)
                elif item.module == "torch.nn.init" and name.name in DEPRECATED and not name.asname:
                    functions.add(name.name)
    return modules, functions


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The underscore, where the function is reached through its module."""
    import libcst as cst

    from initlint.lint.starting import Files

    code = Files(facts).code(found.span.path)
    if code is None:
        return
    for call in code.all(cst.Call):
        span = code.span(call.func)
        if (span.line, span.column) == (found.span.line, found.span.column) and isinstance(call.func, cst.Attribute):
            edit = code.replaced(call.func.attr, f"{call.func.attr.value}_")
            yield Fix(applicability="safe", message="call it by its name with an underscore", edits=(edit,))
