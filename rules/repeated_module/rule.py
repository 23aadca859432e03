"""INI721: `[layer] * n`, which is one layer n times and not n layers."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operands, strip
from initlint.graph.model import Site
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding
from initlint.source.statements import called_name

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI721",
    name="repeated-module",
    severity=Severity.WARNING,
    summary="A list with one layer is multiplied: all its places are the same layer with the same weights.",
    fix="unsafe",
)

BATCH_NORMS = frozenset(("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """`[make(…)] * count` in a function; `kinds` are the names of what is called to make the elements, `attribute` what holds the list."""

    owner: str
    node: ast.BinOp
    kinds: frozenset[str]
    attribute: str


def check(facts: Facts) -> Iterator[Finding]:
    """Multiplied lists whose element is a module of this model, with weights that the forward uses more than once."""
    paths = facts.instances_by_class()
    uses = _uses(facts)
    for path, tree in facts.sources():
        for product in products(tree):
            if product.owner and product.owner not in paths:
                continue
            made = [
                module
                for kind in product.kinds
                for module in paths.get(kind, ())
                if module
                and (site := facts.traced.module_sites.get(module)) is not None
                and site.path == path
                and _makes(product, tree, site.line)
            ]
            if not made and product.attribute:  # by a function: the first place of what the list became
                made = [".".join(filter(None, (owner, product.attribute, "0"))) for owner in paths.get(product.owner, ())]
            shared = {module: times for module in made if (times := _times(facts, module, uses)) > 1}
            if shared:
                yield _finding(facts, path, product, shared)


def _makes(product: Product, tree: ast.Module, line: int) -> bool:
    """Whether a line is where the elements of the list are made: in the list itself, or in the assignment of its name."""
    names = {item.id for item in ast.walk(product.node) if isinstance(item, ast.Name)}
    if product.node.lineno <= line <= (product.node.end_lineno or product.node.lineno):
        return True
    return any(
        isinstance(item, ast.Assign)
        and item.lineno <= line <= (item.end_lineno or item.lineno)
        and any(isinstance(target, ast.Name) and target.id in names for target in item.targets)
        for item in ast.walk(tree)
    )


def _uses(facts: Facts) -> Counter[str]:
    """How often the forward reads each parameter in an operator on data, tied names counted as one."""
    found: Counter[str] = Counter()
    for node in facts.structure.dependence.order:
        if node.name in facts.structure.dependence.data:
            for operand in {strip(operand).name for operand in operands(node)}:
                if operand in facts.traced.parameters:
                    parameter = facts.parameter(operand)
                    found[parameter.alias_of or parameter.name] += 1
    return found


def _times(facts: Facts, module: str, uses: Counter[str]) -> int:
    """How often the trainable weights below a module are used, at least."""
    names = [
        item.alias_of or item.name
        for item in facts.traced.parameters.values()
        if item.name.startswith(f"{module}.") and item.kind == "parameter" and item.trainable
    ]
    return min((uses[name] for name in names if uses[name]), default=0)


def _finding(facts: Facts, path: str, product: Product, shared: dict[str, int]) -> Finding:
    node = product.node
    times = max(shared.values())
    kinds = {
        facts.traced.module_types[name].rpartition(".")[2]
        for name in facts.traced.module_types
        if any(name == module or name.startswith(f"{module}.") for module in shared)
    }
    mixed = bool(kinds & BATCH_NORMS)
    return finding(
        RULE,
        facts,
        at=Site(
            path=path,
            line=node.lineno,
            column=node.col_offset + 1,
            end_line=node.end_lineno,
            end_column=(node.end_col_offset or node.col_offset) + 1,
        ),
        severity=Severity.WARNING if mixed else Severity.INFO,
        message=(
            f"`{ast.unparse(node)}` holds one layer {counted(times, 'time')}, not {counted(times, 'layer')}: all places share their "
            "weights"
            + (
                ", and a batch norm in it averages its running statistics over all depths, which fit none of them in evaluation."
                if mixed
                else ", and only one set of them is initialized and trained. If that is meant, a loop over one layer says so."
            )
        ),
        help="make each layer anew: [… for _ in range(n)]",
        modules=list(shared),
        evidence={"times": float(times)},
    )


def products(tree: ast.Module) -> Iterator[Product]:
    """Lists (or tuples) of calls, or of names that are set to a call, times something, in functions."""
    owners = {id(item): owner.name for owner in ast.walk(tree) if isinstance(owner, ast.ClassDef) for item in owner.body}
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        made = {
            target.id: called_name(item.value)
            for item in ast.walk(function)
            if isinstance(item, ast.Assign) and isinstance(item.value, ast.Call)
            for target in item.targets
            if isinstance(target, ast.Name)
        }
        held = {
            id(part): target.attr
            for item in ast.walk(function)
            if isinstance(item, ast.Assign)
            for target in item.targets
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
            for part in ast.walk(item.value)
        }
        for item in ast.walk(function):
            if not isinstance(item, ast.BinOp) or not isinstance(item.op, ast.Mult):
                continue
            listed = next((side for side in (item.left, item.right) if isinstance(side, ast.List | ast.Tuple)), None)
            if listed is None:
                continue
            kinds = {called_name(element) for element in listed.elts if isinstance(element, ast.Call)}
            kinds |= {made.get(element.id, "") for element in listed.elts if isinstance(element, ast.Name)}
            if kinds - {""}:
                yield Product(
                    owner=owners.get(id(function), ""),
                    node=item,
                    kinds=frozenset(kinds - {""}),
                    attribute=held.get(id(item), ""),
                )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """A comprehension that makes every element, where the element is made in the list."""
    import libcst as cst

    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files

    code = Files(facts).code(found.span.path)
    if code is None:
        return
    for item in code.all(cst.BinaryOperation):
        span = code.span(item)
        if (span.line, span.column) != (found.span.line, found.span.column) or not isinstance(item.operator, cst.Multiply):
            continue
        sides = (item.left, item.right) if isinstance(item.left, cst.List) else (item.right, item.left)
        listed, count = sides
        if isinstance(listed, cst.List) and len(listed.elements) == 1 and isinstance(listed.elements[0].value, cst.Call):
            text = f"[{code.text(listed.elements[0].value)} for _ in range({code.text(count)})]"
            yield from unsafe("make each layer anew", [code.replaced(item, text)])
