"""INI720: a learned vector, or a table, that is added to an input many times smaller than itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import ATTENTION, PASSING, SELECTING, is_node, operands, operator, strip
from initlint.lint.finding import Severity
from initlint.lint.paths import born_of
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_law

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.model import Parameter
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI720",
    name="drowned-input",
    severity=Severity.WARNING,
    summary="A random parameter or a fixed table is added to a signal many times smaller than itself, so that hardly anything tells inputs apart.",
    fix="unsafe",
)

# Deviation of the parameter over what of the signal depends on the input, root mean square. A pre-norm encoder of two layers with
# token tables of 0.02 needs 20, 36, 78, 108 and 145 steps of Adam to a loss of 0.5 at ratios of 1, 5, 10, 25 and 50
# (doc.md): four times as many from 10 on, more than five from 25 on.
TELL_AT = 10.0
WARN_AT = 25.0
# The signal itself depends on the input; what was lost before this sum is not this parameter's doing.
INFORMED = 0.3
RANDOM = ("normal", "uniform", "truncated normal")
LOST = ("uninitialized", "unknown")
JOINING = frozenset(("cat", "stack"))
ZEROS = frozenset("zeros new_zeros zeros_like".split())
# What takes a common offset away again.
CENTRING = frozenset("batch_norm native_batch_norm _native_batch_norm_legit cudnn_batch_norm instance_norm".split())


def check(facts: Facts) -> Iterator[Finding]:
    """Sums of something that depends on the input and of something that is a parameter alone."""
    dependence = facts.structure.dependence
    for node in dependence.order:
        if operator(node) != "add" or node.name not in dependence.data or len(node.args) < 2:
            continue
        sides = [side for side in node.args[:2] if is_node(side)]
        data = [side for side in sides if side.name in dependence.data]
        fixed = [side for side in sides if side.name not in dependence.data]
        if len(data) != 1 or len(fixed) != 1:
            continue
        source = _source(fixed[0])
        parameter = facts.traced.parameters.get(source.name)
        if parameter is None or dependence.reaches(source, data[0]):
            continue  # a trunk of learned queries to which something is added
        frozen = _is_fixed_table(parameter)
        if not (_is_random(parameter) or frozen):
            continue
        ratio = _ratio(facts, data[0], parameter)
        if ratio is None or ratio < TELL_AT or not _is_read(node, facts) or (frozen and not _is_read_next(node, facts)):
            continue
        yield _finding(facts, data[0], parameter, ratio, frozen=frozen)


def _finding(facts: Facts, data: Node, parameter: Parameter, ratio: float, *, frozen: bool) -> Finding:
    content = parameter.law.std / ratio
    table = _table_of(facts, data)
    small = facts.parameter(table) if frozen and table else parameter
    return finding(
        RULE,
        facts,
        at=site_of_law(small, facts),
        severity=Severity.WARNING if ratio >= WARN_AT else Severity.INFO,
        message=(
            f"`{parameter.name}` {'is fixed, has' if frozen else 'starts with'} a standard deviation of "
            f"{number(parameter.law.std)} and is added to a signal in "
            f"which {number(content)} depends on the input: it is {number(ratio)}x larger, and "
            f"{number(100 / (1 + ratio**2))} % of the sum tells one input from another. "
            + (
                "Training first has to make the signal large."
                if frozen
                else "Training first has to make the one small or the other large."
            )
        ),
        help=f"multiply the signal by the root of its width before the sum, or the table by {_rounded(1 / ratio)}"
        if frozen
        else f"start it at the size of what it is added to: nn.init.normal_(…, std={_rounded(content)})",
        modules=[module_of(parameter), *([module_of(small)] if small is not parameter else [])],
        evidence={"ratio": ratio, "std": parameter.law.std, "content": content},
    )


def _table_of(facts: Facts, data: Node) -> str:
    """The parameter that a signal is looked up in, "" where it comes from elsewhere."""
    layer = facts.structure.layers.get(strip(data).name)
    return layer.weight if layer is not None and layer.kind == "embedding" else ""


def _source(node: Node) -> Node:
    """The parameter that a node shows, perhaps with rows of zeros beside it for a place that gets none."""
    while True:
        node = strip(node, (PASSING | SELECTING | {"embedding"}) - JOINING)
        if operator(node) not in JOINING:
            return node
        parts = [part for part in operands(node) if operator(strip(part)) not in ZEROS]
        if len(parts) != 1:
            return node
        node = parts[0]


def _is_random(parameter: Parameter) -> bool:
    return parameter.kind == "parameter" and parameter.trainable and parameter.law.family in RANDOM and parameter.law.std > 0


def _is_fixed_table(parameter: Parameter) -> bool:
    """Whether something is a table of several numbers that nobody trains, as of sinusoids."""
    trained = parameter.kind == "parameter" and parameter.trainable
    return not trained and len(parameter.shape) > 1 and parameter.law.family not in LOST and 0.0 < parameter.law.std < math.inf


def _is_read_next(node: Node, facts: Facts) -> bool:
    """Whether weights or a norm read the sum itself: coordinates to which small steps are added are read by other operators."""
    structure = facts.structure
    waiting, readers = [node], set[str]()
    while waiting:
        for user in waiting.pop().users:
            if operator(user) in PASSING | {"chunk", "split", "getitem"}:
                waiting.append(user)
            readers.add(user.name)
    return any(name in structure.layers or name in structure.norms for name in readers)


def _ratio(facts: Facts, data: Node, parameter: Parameter) -> float | None:
    """The parameter's deviation over that of the signal between inputs; None where the signal depends little on the input."""
    signal = facts.signals.get(data.name)
    born = None if signal is None else born_of(signal)  # all of it where nobody knows: the ratio is at least that
    if signal is None or not born or not signal.second_moment or not math.isfinite(born):
        return None
    return parameter.law.std / math.sqrt(born) if born >= INFORMED * signal.second_moment else None


def _is_read(node: Node, facts: Facts) -> bool:
    """Whether weights read the sum: neither the logits of an attention, nor the output, nor what a batch norm centres."""
    after = node
    while len(after.users) == 1:
        after = next(iter(after.users))
        if operator(after) in ATTENTION or operator(after) in CENTRING:
            return False
        if operator(after) not in PASSING and operator(after) not in ("add", "mul", "div", "where", "masked_fill"):
            break
    dependence = facts.structure.dependence
    readers = dependence.descendants[node.name]
    return any(readers >> dependence.index[name] & 1 for name in facts.structure.layers) and not any(
        operator(user) in ATTENTION for user in node.users
    )


def _rounded(value: float) -> str:
    """One significant digit, as a person would write it."""
    return f"{float(f'{value:.1g}'):g}"


def _is_fixed(node: Node, facts: Facts) -> bool:
    parameter = facts.traced.parameters.get(_source(node).name)
    return parameter is not None and _is_fixed_table(parameter)


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The parameter drawn at the size of what it is added to; tokens drawn at the size of a fixed table."""
    from initlint.fixes.starts import Start
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import started

    tables = [
        table
        for node in facts.structure.dependence.order
        if operator(node) == "add" and any(_is_fixed(item, facts) for item in operands(node))
        for operand in operands(node)
        if (table := _table_of(facts, operand)) and module_of(facts.parameter(table)) in found.modules
    ]
    if tables:
        start = Start(function="normal_", arguments=(f"std={_rounded(found.evidence['std'])}",))
        yield from unsafe("start it at the size of what is added to it", started(facts, dict.fromkeys(tables, start)))
        return
    start = Start(function="normal_", arguments=(f"std={_rounded(found.evidence['content'])}",))
    names = [
        operand.name
        for node in facts.structure.dependence.order
        if operator(node) == "add"
        for operand in map(_source, operands(node))
        if operand.name in facts.traced.parameters
        and module_of(facts.parameter(operand.name)) in found.modules
        and _is_random(facts.parameter(operand.name))
    ]
    if names:
        yield from unsafe("start it at the size of what it is added to", started(facts, dict.fromkeys(names, start)))
