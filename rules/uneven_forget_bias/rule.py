"""INI711: forget gates held open in some layers of an LSTM and not in the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operator
from initlint.lint.finding import Severity
from initlint.lint.gates import mean_of
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, pattern_of, site_of_last_write

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.model import Parameter
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI711",
    name="uneven-forget-bias",
    severity=Severity.WARNING,
    summary="The forget gate has a positive bias in some layers or directions of an LSTM, and none in the others.",
    fix="unsafe",
)

OPEN = 0.5  # a bias from here on is meant to hold a gate open


def check(facts: Facts) -> Iterator[Finding]:
    """LSTMs of several layers or directions, by the sum of the two biases of each."""
    for layer in facts.structure.layers.values():
        if layer.kind != "recurrent" or operator(facts.structure.nodes[layer.node]) != "lstm":
            continue
        pairs: dict[str, list[Parameter]] = {}
        for name in layer.others:
            parameter = facts.parameter(name)
            if len(parameter.shape) == 1 and parameter.shape[0] % 4 == 0:
                leaf = parameter.name.rpartition(".")[2]
                pairs.setdefault(leaf.replace("bias_ih", "").replace("bias_hh", ""), []).append(parameter)
        raised = {key: sum(map(forget_bias, members)) for key, members in pairs.items()}
        with_bias = [key for key, value in raised.items() if value >= OPEN]
        without = [key for key, value in raised.items() if value < OPEN]
        if not with_bias or not without:
            continue
        written = max(pairs[with_bias[0]], key=forget_bias)
        missing = [parameter.name for key in without for parameter in pairs[key][:1]]
        yield finding(
            RULE,
            facts,
            at=site_of_last_write(written, facts),
            message=(
                f"`{written.name}` holds the forget gate open with a bias of {number(raised[with_bias[0]])}, but "
                f"{pattern_of(missing)} of the same LSTM {'has' if len(missing) == 1 else 'have'} none: {len(without)} of "
                f"{len(pairs)} layers or directions forget half of their state in every step."
            ),
            help="loop over all layers and directions: for name, bias in lstm.named_parameters(): if 'bias' in name",
            modules=[module_of(written)],
            evidence={"bias": raised[with_bias[0]], "without": float(len(without)), "layers": float(len(pairs))},
        )


def forget_bias(parameter: Parameter) -> float:
    """Mean of the second quarter of a bias, the forget gate's in PyTorch."""
    return mean_of(parameter, parameter.shape[0] // 4, parameter.shape[0] // 2)


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The same line once more for every layer and direction that has none."""
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files

    code = Files(facts).code(found.span.path)
    statement = None if code is None else code.statement_at(found.span.line)
    if code is None or statement is None or code.extent(statement):
        return
    text = code.text(statement)
    for layer in facts.structure.layers.values():
        if layer.kind != "recurrent" or module_of(facts.parameter(layer.weight)) not in found.modules:
            continue
        biases = [parameter for name in layer.others if len((parameter := facts.parameter(name)).shape) == 1]
        written = next((item for item in biases if item.name.rpartition(".")[2] in code.names_in(statement)), None)
        if written is None:
            continue
        leaf = written.name.rpartition(".")[2]
        kind, key = leaf[:7], leaf[7:]  # "bias_hh" and "_l0"
        keys = dict.fromkeys(item.name.rpartition(".")[2][7:] for item in biases)
        raised = {
            other: sum(forget_bias(item) for item in biases if item.name.rpartition(".")[2][7:] == other) for other in keys
        }
        lines = [text.replace(leaf, kind + other) for other in keys if other != key and raised[other] < OPEN]
        yield from unsafe("hold all forget gates open", [code.behind(statement, lines)] if lines else ())
        return
