"""INI710: the positive bias meant for an LSTM's forget gate, written to another gate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operator
from initlint.lint.finding import Severity
from initlint.lint.gates import levels_of
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_last_write

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI710",
    name="misplaced-forget-bias",
    severity=Severity.WARNING,
    summary="A positive bias stands on a gate of an LSTM that is not the forget gate.",
    fix="unsafe",
)

GATES = ("input", "forget", "cell", "output")  # their order in PyTorch's weights
OPEN = 0.5  # a bias from here on is meant to hold a gate open


def check(facts: Facts) -> Iterator[Finding]:
    """Biases of LSTM layers of which one quarter, or a part across two, is a positive constant."""
    for layer in facts.structure.layers.values():
        if layer.kind != "recurrent" or operator(facts.structure.nodes[layer.node]) != "lstm":
            continue
        for name in layer.others:
            parameter = facts.parameter(name)
            if len(parameter.shape) != 1 or parameter.shape[0] % 4:
                continue
            width = parameter.shape[0] // 4
            raised = [level for level in levels_of(parameter) if level[2] >= OPEN and level[1] - level[0] < 4 * width]
            if not raised or any(start < 2 * width and stop > width for start, stop, _ in raised):
                continue
            start, stop, value = raised[0]
            gates = [gate for n, gate in enumerate(GATES) if start < (n + 1) * width and stop > n * width]
            yield finding(
                RULE,
                facts,
                at=site_of_last_write(parameter, facts),
                message=(
                    f"`{parameter.name}` has a bias of {number(value)} on its {' and '.join(gates)} gate (entries {start} to {stop - 1} "
                    f"of {4 * width}), and none on the forget gate: PyTorch's order is input, forget, cell, output."
                ),
                help=f"fill entries {width} to {2 * width - 1}: bias[n // 4 : n // 2]",
                modules=[module_of(parameter)],
                evidence={"bias": value},
            )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The slice moved to the second quarter."""
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
            edit = forget_slice(code, found.span.line, raised[0], parameter.shape[0] // 4)
            yield from unsafe("raise the forget gate, the second quarter", () if edit is None else (edit,))
            return
