"""INI723: weights that a constructor loads, and draws at random again a few lines later."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlint.graph.model import Site
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, step_at

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.model import Parameter
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI723",
    name="reinitialized-checkpoint",
    severity=Severity.WARNING,
    summary="A constructor loads the weights of a part and then initializes the whole model, which draws them at random again.",
    fix="unsafe",
)

# A new head on a loaded backbone is drawn on purpose; whoever draws most of what was loaded did not mean to.
MOST = 0.5
FEWEST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """A statement of a constructor that loads weights, and the statements after it that run in any case."""

    owner: str
    part: str  # "backbone" of `self.backbone`, "" for the model itself
    statement: ast.stmt
    later: tuple[ast.Expr, ...]


def check(facts: Facts) -> Iterator[Finding]:
    """Statements after a loading that wrote most of the weights of the loaded part."""
    paths = facts.instances_by_class()
    for path, tree in facts.sources():
        for loading in loadings(tree):
            for module in paths.get(loading.owner, ())[:1]:
                found = _lost(facts, path, loading, module)
                if found is not None:
                    yield found


def _lost(facts: Facts, path: str, loading: Loading, module: str) -> Finding | None:
    prefix = "".join(f"{name}." for name in (module, loading.part) if name)
    weights = [item for item in facts.traced.parameters.values() if item.name.startswith(prefix) and _is_weight(item)]
    for statement in loading.later:
        lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
        lost = [item for item in weights if _written_from(item, path, lines)]
        if len(lost) < FEWEST or len(lost) < MOST * len(weights):
            continue
        part = f"self.{loading.part}" if loading.part else "the model"
        return finding(
            RULE,
            facts,
            at=Site(
                path=path,
                line=statement.lineno,
                column=statement.col_offset + 1,
                end_line=statement.end_lineno,
                end_column=(statement.end_col_offset or statement.col_offset) + 1,
            ),
            message=(
                f"the weights of `{part}` are loaded in line {loading.statement.lineno}, and this call draws {len(lost)} of its "
                f"{len(weights)} matrices at random again: what was loaded is lost, and training starts from scratch."
            ),
            help="initialize first and load afterwards, or initialize the new parts alone",
            modules=dict.fromkeys(module_of(item) for item in lost),
            evidence={"lost": float(len(lost)), "loaded": float(len(weights))},
            related=step_at(Site(path=path, line=loading.statement.lineno), "the weights are loaded here"),
        )
    return None


def _is_weight(parameter: Parameter) -> bool:
    return parameter.kind == "parameter" and parameter.alias_of is None and len(parameter.shape) > 1


def _written_from(parameter: Parameter, path: str, lines: range) -> bool:
    """Whether a random write went out from these lines."""
    return any(
        not write.default
        and write.law.family in ("normal", "uniform", "truncated normal", "orthogonal")
        and any(site.path == path and site.line in lines for site in write.stack)
        for write in parameter.writes
    )


def loadings(tree: ast.Module) -> Iterator[Loading]:
    """Statements of constructors with `self.part.load_state_dict(…)`, or `self.part = make(…, pretrained=True)`."""
    for owner in ast.walk(tree):
        if not isinstance(owner, ast.ClassDef):
            continue
        for function in owner.body:
            if not isinstance(function, ast.FunctionDef) or function.name != "__init__":
                continue
            for place, statement in enumerate(function.body):
                part = _loaded(statement)
                if part is None or any(isinstance(item, ast.Return | ast.Raise) for item in ast.walk(statement)):
                    continue
                later = tuple(item for item in function.body[place + 1 :] if isinstance(item, ast.Expr))
                yield Loading(owner=owner.name, part=part, statement=statement, later=later)


def _loaded(statement: ast.stmt) -> str | None:
    """The attribute of self whose weights a statement loads, "" for self; None where it loads nothing."""
    for item in ast.walk(statement):
        if isinstance(item, ast.Call) and isinstance(item.func, ast.Attribute) and item.func.attr == "load_state_dict":
            part = _attribute(item.func.value)
            if part is not None:
                return part
        if isinstance(item, ast.Assign) and len(item.targets) == 1 and isinstance(item.value, ast.Call):
            call = item.value
            pretrained = isinstance(call.func, ast.Attribute) and call.func.attr == "from_pretrained"
            pretrained |= any(
                word.arg == "pretrained" and not (isinstance(word.value, ast.Constant) and not word.value.value)
                for word in call.keywords
            )
            part = _attribute(item.targets[0])
            if pretrained and part:
                return part
    return None


def _attribute(node: ast.expr) -> str | None:
    """ "backbone" of `self.backbone`, "" of `self`, None of anything else."""
    if isinstance(node, ast.Name) and node.id == "self":
        return ""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return node.attr
    return None


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The loading behind the initialization, where it is a statement of its own."""
    import libcst as cst

    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files

    code = Files(facts).code(found.span.path)
    if code is None or not found.related:
        return
    line = found.related[0].span.line
    loads = next((item for item in code.all(cst.If) if code.first_line(item) == line), None)
    moved = loads or next((item for item in code.all(cst.SimpleStatementLine) if code.first_line(item) == line), None)
    general = code.statement_at(found.span.line)
    if moved is None or not isinstance(general, cst.SimpleStatementLine):
        return
    if not any(
        isinstance(item.func, cst.Attribute) and item.func.attr.value == "load_state_dict" for item in code.all(cst.Call, moved)
    ):
        return
    indent = len(code.indent_of(moved))
    lines = [text.rstrip("\r\n")[indent:] for text in code.lines[line - 1 : code.last_line(moved)]]
    yield from unsafe("load behind the initialization", [code.removed(moved), code.behind(general, lines)])
