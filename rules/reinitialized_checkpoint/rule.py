"""INI723: weights that a constructor loads, and draws at random again a few lines later."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
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
DEEPEST = 2  # functions of the file called by one another, down to the one that loads


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
    """Statements of constructors with `self.part.load_state_dict(…)`, or `self.part = make(…, pretrained=True)`, by themselves
    or in the functions of the file and the methods of the class that they call."""
    functions = {item.name: item for item in tree.body if isinstance(item, ast.FunctionDef)}
    for owner in ast.walk(tree):
        if not isinstance(owner, ast.ClassDef):
            continue
        methods = {f"self.{item.name}": item for item in owner.body if isinstance(item, ast.FunctionDef)}
        constructor = methods.get("self.__init__")
        for place, statement in enumerate(() if constructor is None else constructor.body):
            part = _loaded(statement, functions | methods, DEEPEST)
            if constructor is None or part is None or any(isinstance(item, ast.Return | ast.Raise) for item in ast.walk(statement)):
                continue
            later = tuple(item for item in constructor.body[place + 1 :] if isinstance(item, ast.Expr))
            yield Loading(owner=owner.name, part=part, statement=statement, later=later)


def _loaded(statement: ast.stmt, known: Mapping[str, ast.FunctionDef], deep: int) -> str | None:
    """The attribute of self whose weights a statement loads, "" for self; None where it loads nothing."""
    for item in ast.walk(statement):
        if isinstance(item, ast.Call):
            loaded = _receiver(item, "load_state_dict")
            part = None if loaded is None else _attribute(loaded)
            called = _followed(item, known) if deep and ast.unparse(item.func).startswith("self.") else None
            found = (_loaded(inner, known, deep - 1) for inner in (() if called is None else called.body))
            part = next((other for other in found if other is not None), None) if part is None else part
            if part is not None:
                return part
        if isinstance(item, ast.Assign) and len(item.targets) == 1 and _is_loaded(item.value, known, deep):
            part = _attribute(item.targets[0])
            if part:
                return part
    return None


def _is_loaded(value: ast.expr, known: Mapping[str, ast.FunctionDef], deep: int) -> bool:
    """Whether a call makes a module with loaded weights: it says so, or the function called returns what it has loaded."""
    if not isinstance(value, ast.Call):
        return False
    if _receiver(value, "from_pretrained") is not None or any(
        word.arg == "pretrained" and not (isinstance(word.value, ast.Constant) and not word.value.value) for word in value.keywords
    ):
        return True
    function = _followed(value, known) if deep else None
    if function is None:
        return False
    inside = list(ast.walk(function))
    made = {
        target.id
        for item in inside
        if isinstance(item, ast.Assign) and _is_loaded(item.value, known, deep - 1)
        for target in item.targets
        if isinstance(target, ast.Name)
    }
    loaded = [_receiver(item, "load_state_dict") for item in inside if isinstance(item, ast.Call)]
    made |= {item.id for item in loaded if isinstance(item, ast.Name)}
    returned = [item.value for item in inside if isinstance(item, ast.Return) and item.value is not None]
    return any(
        item.id in made - {"self"} if isinstance(item, ast.Name) else _is_loaded(item, known, deep - 1) for item in returned
    )


def _followed(call: ast.Call, known: Mapping[str, ast.FunctionDef]) -> ast.FunctionDef | None:
    """The function that is called; None where an argument that is left at nothing may turn off what it does."""
    name = ast.unparse(call.func)
    function = known.get(name)
    if function is None:
        return None
    own = function.args.posonlyargs + function.args.args
    static = any(isinstance(item, ast.Name) and item.id == "staticmethod" for item in function.decorator_list)
    places = own[name.startswith("self.") and not static :]
    given: dict[str, ast.expr | None] = {item.arg: None for item in places + function.args.kwonlyargs}
    defaults = function.args.defaults
    given |= {item.arg: value for item, value in zip(own[len(own) - len(defaults) :], defaults, strict=True)}
    given |= {item.arg: value for item, value in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)}
    given |= {item.arg: value for item, value in zip(places, call.args, strict=False)}
    given |= {word.arg: word.value for word in call.keywords if word.arg is not None}
    nothing = {name for name, value in given.items() if isinstance(value, ast.Constant) and not value.value}
    asked = [item.test for item in ast.walk(function) if isinstance(item, ast.If | ast.IfExp)]
    asked += [item for item in ast.walk(function) if isinstance(item, ast.Call) and ast.unparse(item.func) in known]
    return None if any(isinstance(x, ast.Name) and x.id in nothing for test in asked for x in ast.walk(test)) else function


def _receiver(call: ast.Call, name: str) -> ast.expr | None:
    """`x` of `x.name(…)`; None of any other call."""
    return call.func.value if isinstance(call.func, ast.Attribute) and call.func.attr == name else None


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
    whole = any(
        isinstance(item.func, cst.Attribute) and item.func.attr.value == "load_state_dict" for item in code.all(cst.Call, moved)
    )
    if not whole and any(code.all(cst.Assign, moved)):
        return  # it makes the part as well
    indent = len(code.indent_of(moved))
    lines = [text.rstrip("\r\n")[indent:] for text in code.lines[line - 1 : code.last_line(moved)]]
    yield from unsafe("load behind the initialization", [code.removed(moved), code.behind(general, lines)])
