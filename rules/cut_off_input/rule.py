"""INI110: an input that a zero, which nothing trains, keeps from every output."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.liveness import cut_off_inputs
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, site_of_law

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.model import Parameter
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI110",
    name="cut-off-input",
    severity=Severity.ERROR,
    summary="An input is multiplied by frozen zeros on every way: no output will ever depend on it.",
    fix="unsafe",
    explained_by=("zero-gradient",),
)


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per input of several: where all are cut off, no gradient reaches anything, and another rule says so."""
    cut = cut_off_inputs(facts.traced)
    if len(cut) == len(facts.traced.inputs):
        return
    for name, zeros in cut.items():
        causes = [facts.parameter(item) for item in zeros]
        if any(_is_filled_later(item, facts) for item in causes):
            continue
        what = "buffer" if causes[0].kind == "buffer" else "parameter"
        yield finding(
            RULE,
            facts,
            at=site_of_law(causes[0], facts),
            message=(
                f"no output depends on the input `{name}`, and none ever will: `{causes[0].name}` is zero and multiplies it, and no "
                f"training changes a {what}{' without gradient' if what == 'parameter' else ''}."
            ),
            help="draw it at random, as frozen frequencies are, or let it be trained",
            modules=[module_of(item) for item in causes],
            evidence={"zeros": float(len(causes))},
        )


def _is_filled_later(parameter: Parameter, facts: Facts) -> bool:
    """Whether the sources set an attribute of this name, or write into it, in a line that has not run: statistics that somebody
    measures before training."""
    last = parameter.name.rpartition(".")[2]
    for path, tree in facts.sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Assign | ast.AugAssign | ast.Call):
                continue
            target = _written_by(node)
            inner = target.value if isinstance(target, ast.Attribute) and target.attr == "data" else target
            if not isinstance(inner, ast.Attribute) or inner.attr != last:
                continue
            if not facts.wrote(path, node.lineno, node.end_lineno or node.lineno):
                return _is_outside_constructor(node, tree)
    return False


def _written_by(node: ast.Assign | ast.AugAssign | ast.Call) -> ast.expr | None:
    """What a statement or a call writes to: `self.w = …`, `self.w[…] = …`, `self.w.copy_(…)`."""
    if isinstance(node, ast.Assign | ast.AugAssign):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        while isinstance(target, ast.Subscript):
            target = target.value
        return target
    if isinstance(node.func, ast.Attribute) and node.func.attr.endswith("_"):
        value = node.func.value
        return node.args[0] if node.args and isinstance(value, ast.Attribute) and value.attr == "init" else value
    return None


def _is_outside_constructor(node: ast.AST, tree: ast.Module) -> bool:
    return not any(
        isinstance(item, ast.FunctionDef) and item.name == "__init__" and any(part is node for part in ast.walk(item))
        for item in ast.walk(tree)
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """Standard normal numbers in the place of the zeros."""
    from initlint.fixes.starts import Start
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import started

    names = [name for zeros in cut_off_inputs(facts.traced).values() for name in zeros if module_of(facts.parameter(name)) in found.modules]
    start = Start(function="normal_", arguments=())
    yield from unsafe("draw it at random", started(facts, dict.fromkeys(names, start)))
