"""INI710: the positive bias meant for an LSTM's forget gate, written to another gate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operator
from initlint.lint.finding import Severity
from initlint.lint.gates import levels_of, states_kept
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_last_write

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.model import Parameter
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding
    from initlint.lint.gates import Stretch

RULE = Rule(
    code="INI710",
    name="misplaced-forget-bias",
    severity=Severity.WARNING,
    summary="A positive bias stands on a gate of an LSTM that is not the forget gate.",
    fix="unsafe",
)

GATES = ("input", "forget", "cell", "output")  # their order in PyTorch's weights
PACKED = ("lstm", "lstm_cell")
OPEN = 0.5  # a bias from here on is meant to hold a gate open


def check(facts: Facts) -> Iterator[Finding]:
    """Biases of LSTM layers, and of cells written by hand, of which one quarter, or a part across two, is a positive constant."""
    for kept in states_kept(facts):
        for own in kept.biases:
            parameter, width = facts.parameter(own.bias), own.stop - own.start
            if parameter.shape != (4 * width,) or own.sign < 0 or own.mean <= -OPEN:  # a gate shut on purpose has a rule of its own
                continue
            raised = [level for level in levels_of(parameter) if level[2] >= OPEN and level[1] - level[0] < 4 * width]
            if not raised or any(start < own.stop and stop > own.start for start, stop, _ in raised):
                continue
            yield _finding(facts, parameter, own, *raised[0], packed=operator(facts.structure.nodes[kept.node]) in PACKED)


def _finding(facts: Facts, parameter: Parameter, own: Stretch, start: int, stop: int, value: float, *, packed: bool) -> Finding:
    width = own.stop - own.start
    gates = [gate for n, gate in enumerate(GATES) if start < (n + 1) * width and stop > n * width]
    return finding(
        RULE,
        facts,
        at=site_of_last_write(parameter, facts),
        message=(
            f"`{parameter.name}` has a bias of {number(value)} on "
            + (
                f"its {' and '.join(gates)} gate (entries {start} to {stop - 1} of {4 * width}), and none on the forget gate: PyTorch's "
                "order is input, forget, cell, output."
                if packed
                else f"its entries {start} to {stop - 1} of {4 * width}, and none on those of the gate that keeps the state, which are "
                f"{own.start} to {own.stop - 1}."
            )
        ),
        help=f"fill entries {own.start} to {own.stop - 1}" + (": bias[n // 4 : n // 2]" if packed else ""),
        modules=[module_of(parameter)],
        evidence={"bias": value, "quarter": float(own.start // width)},
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The slice moved to the quarter of the gate that keeps the state."""
    from initlint.fixes.expressions import forget_slice
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files

    code = Files(facts).code(found.span.path)
    for parameter in facts.traced.parameters.values():
        site = site_of_last_write(parameter, facts)
        if code is None or site is None or (site.path, site.line) != (found.span.path, found.span.line):
            continue
        raised = [start for start, stop, mean in levels_of(parameter) if mean >= OPEN and stop - start < parameter.shape[0]]
        if raised:
            place = int(found.evidence["quarter"])
            edit = forget_slice(code, found.span.line, raised[0], parameter.shape[0] // 4, place)
            which = ("first", "second", "third", "fourth")[place]
            yield from unsafe(f"raise the forget gate, the {which} quarter", () if edit is None else (edit,))
            return
