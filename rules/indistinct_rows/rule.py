"""INI608: a table whose rows start equal, and that nothing tells apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.alike import equal_dimensions, picks_among, stays_alike
from initlint.graph.dataflow import operands, strip
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, law_in_words, module_of, site_of_law, site_of_node, step_at

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.model import Parameter
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI608",
    name="indistinct-rows",
    severity=Severity.WARNING,
    summary="Latents, queries or tokens that start equal and are read alike stay one, as do factors; of equal codes the nearest is always the first.",
    fix="unsafe",
    explained_by=("symmetric-initialization", "zero-gradient", "lora-cannot-learn"),
)


def check(facts: Facts) -> Iterator[Finding]:
    """Trained tables of equal rows: those that every output treats alike, and those that are searched for the nearest row."""
    dependence = facts.structure.dependence
    for name, parameter in facts.traced.parameters.items():
        if parameter.kind != "parameter" or not parameter.trainable or parameter.alias_of is not None:
            continue
        for dim in equal_dimensions(parameter):
            picks = [node for node in picks_among(facts.traced, dependence, name, dim) if _is_looked_up(facts, name, node)]
            if not picks and not stays_alike(facts.traced, dependence, {name: dim}):
                continue
            if not _is_filled_later(facts, parameter):
                yield _codes(facts, parameter, dim, picks[0]) if picks else _latents(facts, parameter, dim)
            break
    yield from _factors(facts)


def _factors(facts: Facts) -> Iterator[Finding]:
    """Tables of one number each of which only sums over their columns are used, as of users and items."""
    trained = {name: item for name, item in facts.traced.parameters.items() if item.kind == "parameter" and item.trainable}
    tables = [
        layer.weight for layer in facts.structure.layers.values() if layer.kind == "embedding" and layer.weight in trained
    ]
    for width in dict.fromkeys(trained[name].shape[-1] for name in tables if trained[name].law.family == "constant"):
        alike = {
            name: len(item.shape) - 1
            for name, item in trained.items()
            if width > 1 and item.shape[-1:] == (width,) and len(item.shape) - 1 in equal_dimensions(item)
        }
        filled = [trained[name] for name in alike if name in tables and not trained[name].law.is_zero]
        if not filled or not stays_alike(facts.traced, facts.structure.dependence, alike):
            continue
        if not any(_is_filled_later(facts, item) for item in filled):
            names = " and ".join(f"`{item.name}`" for item in filled)
            yield finding(
                RULE,
                facts,
                at=site_of_law(filled[0], facts),
                message=(
                    f"all {width} columns of {names} start equal ({_start(filled[0])}), and only their sum is used. They receive the "
                    "same gradient and stay one number for each row for ever: the factors have rank one."
                ),
                help="draw the tables at random (nn.init.normal_ with a standard deviation of 0.1 is usual for factors)",
                modules=[module_of(item) for item in filled],
                evidence={"columns": float(width)},
            )


def _latents(facts: Facts, parameter: Parameter, dim: int) -> Finding:
    count = parameter.shape[dim]
    return finding(
        RULE,
        facts,
        at=site_of_law(parameter, facts),
        severity=Severity.INFO,  # one row may do: a net that pools its latents trained as well with equal ones
        message=(
            f"all {count} rows of `{parameter.name}` start equal ({_start(parameter)}), and nothing tells them apart: no positions are "
            "added to them, every layer treats them alike, and the outputs see only what they have in common. They receive the same "
            "gradient and stay one row for ever."
        ),
        help="draw the rows at random (nn.init.normal_ with a standard deviation of 0.02 is usual), or add different positions to them",
        modules=[module_of(parameter)],
        evidence={"rows": float(count)},
    )


def _codes(facts: Facts, parameter: Parameter, dim: int, pick: str) -> Finding:
    count = parameter.shape[dim]
    return finding(
        RULE,
        facts,
        at=site_of_law(parameter, facts),
        message=(
            f"all {count} rows of `{parameter.name}` start equal ({_start(parameter)}): all are equally near to any input, so that the "
            f"first one is picked every time and the other {count - 1} receive no gradient. The codebook starts collapsed."
        ),
        help="draw the codes at random, uniform_(-1 / n, 1 / n) of n codes or normal_, or take them from first outputs of the encoder",
        modules=[module_of(parameter)],
        evidence={"rows": float(count)},
        related=step_at(site_of_node(pick, facts), "here the nearest is picked"),
    )


def _start(parameter: Parameter) -> str:
    return law_in_words(parameter.law) if parameter.law.family == "constant" else "one was copied to all of them"


def _is_looked_up(facts: Facts, table: str, pick: str) -> bool:
    """Whether a row of the table is read at the place that was picked, or as the product with what was made of it."""
    nodes, dependence = facts.structure.nodes, facts.structure.dependence
    return any(
        any(strip(item).name == table for item in operands(nodes[name]))
        for name in dependence.names(dependence.descendants[pick])
        if len(list(operands(nodes[name]))) > 1
    )


def _is_filled_later(facts: Facts, parameter: Parameter) -> bool:
    """Whether the code has a line that writes to a tensor of this name, which did not run: it may be filled from first data."""
    own = parameter.name.split(".")[-2:]
    names = {own[-1]} if own[-1] != "weight" or len(own) < 2 else {own[-2]}
    for path, tree in facts.sources():
        for node in ast.walk(tree):
            targets: list[ast.expr] = []
            if not isinstance(node, (ast.Assign, ast.Call)):
                continue
            if isinstance(node, ast.Assign):
                targets = [item for item in node.targets if isinstance(item, ast.Subscript) or _is_data(item)]
            elif isinstance(node.func, ast.Attribute) and node.func.attr.endswith("_"):
                targets = [node.func.value]
            written = {item.attr for target in targets for item in ast.walk(target) if isinstance(item, ast.Attribute)}
            if written & names and not facts.wrote(path, node.lineno, node.lineno):
                return True
    return False


def _is_data(target: ast.expr) -> bool:
    return isinstance(target, ast.Attribute) and target.attr == "data"


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The rows drawn at random."""
    from initlint.fixes.starts import Start
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import started

    start = Start(function="normal_", arguments=("std=0.02",))
    if found.related:
        bound = f"1 / {found.evidence['rows']:.0f}"
        start = Start(function="uniform_", arguments=(f"-{bound}", bound))
    alike = {
        name: start
        for name, parameter in facts.traced.parameters.items()
        if module_of(parameter) in found.modules and parameter.trainable and equal_dimensions(parameter)
    }
    if "columns" in found.evidence:
        factors = Start(function="normal_", arguments=("std=0.1",))
        yield from unsafe("draw the tables at random", started(facts, dict.fromkeys(alike, factors), together=False))
        return
    for name in alike:
        yield from unsafe("draw the rows at random", started(facts, {name: start}, together=False))
