"""INI728: weights drawn from N(0, 1), whatever the number of inputs they sum over, that nothing scales afterwards."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import NORMALIZING, PASSING, SELECTING, operands, operator, strip
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, pattern_of, site_of_law

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Parameter, Site
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI728",
    name="unit-normal-weight",
    severity=Severity.INFO,
    summary="A weight is a plain torch.randn: what it puts out is larger than what it reads by the root of the number of inputs.",
    fix="unsafe",
    explained_by=(
        "exploding-signal",
        "exploding-gradient",
        "unscaled-residual",
        "oversized-logits",
        "saturated-activation",
        "dropped-initialization",
        "std-passed-as-mean",
        "lora-not-identity",
        "lora-scaling",
        "random-adapter-bias",
    ),
)

UNIT = 1e-3  # of its variance, from one
FEWEST = 16  # inputs: four times as large as what it reads
# The scale of what they put out is given back behind these, or a factor there is meant to.
SCALED = NORMALIZING | {"mul", "div", "softmax", "_softmax", "sin", "cos", "linalg_vector_norm"}


def check(facts: Facts) -> Iterator[Finding]:
    """One finding a line that draws."""
    places: dict[tuple[str, int], tuple[Site | None, list[tuple[Parameter, WeightLayer]]]] = {}
    tables = {name for layer in facts.structure.layers.values() if layer.kind == "embedding" for name in _names(facts, layer)}
    for layer in facts.structure.layers.values():
        parameter = facts.parameter(layer.weight)
        if layer.kind not in ("linear", "product", "convolution") or len(layer.weights) != 1 or tables & _names(facts, layer):
            continue  # a table that is an output layer as well has a rule of its own
        if _is_plain(facts, parameter, layer):
            site = site_of_law(parameter, facts)
            key = (site.path, site.line) if site else ("", 0)
            places.setdefault(key, (site, []))[1].append((parameter, layer))
    for site, found in places.values():
        yield _finding(facts, site, found)


def _names(facts: Facts, layer: WeightLayer) -> set[str]:
    parameter = facts.parameter(layer.weight)
    return {parameter.name, parameter.alias_of or parameter.name}


def _is_plain(facts: Facts, parameter: Parameter, layer: WeightLayer) -> bool:
    """Whether a trained weight is read as it was drawn, and what it puts out goes on as it is."""
    law = parameter.law
    drawn = parameter.writes and not parameter.writes[-1].default and law.family == "normal" and not law.parts
    if not drawn or not parameter.trainable or abs(law.second_moment - 1.0) > UNIT or layer.fan_in < FEWEST:
        return False
    node = facts.structure.nodes[layer.node]
    if not any(strip(item).name == layer.weight for item in operands(node)):
        return False
    users = list(node.users)
    while len(users) == 1 and operator(users[0]) in PASSING | SELECTING:
        users = list(users[0].users)
    return bool(users) and not any(operator(user) in SCALED for user in users)


def _finding(facts: Facts, site: Site | None, found: list[tuple[Parameter, WeightLayer]]) -> Finding:
    _, layer = max(found, key=lambda item: item[1].fan_in)
    names = list(dict.fromkeys(item.name for item, _ in found))
    return finding(
        RULE,
        facts,
        at=site,
        message=(
            f"{pattern_of(names)} {'is' if len(names) == 1 else 'are'} drawn from N(0, 1), whatever the number of inputs: each output sums over "
            f"{layer.fan_in}, so that it starts {number(math.sqrt(layer.fan_in))}x as large as what it is made of, and nothing scales it."
        ),
        help=f"divide the draw by the root of its inputs (here {layer.fan_in}), or use nn.init.kaiming_normal_ for (outputs, inputs)",
        modules=list(dict.fromkeys(module_of(item) for item, _ in found)),
        evidence={"inputs": float(layer.fan_in), "ratio": math.sqrt(layer.fan_in)},
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The draw divided by the root of the number of inputs, where one `torch.randn` stands on the line."""
    import libcst as cst

    from initlint.fixes.calls import calls_named
    from initlint.lint.cures import layers_of, restarts, unsafe
    from initlint.lint.starting import Files

    code = Files(facts).code(found.span.path)
    statement = None if code is None else code.statement_at(found.span.line)
    drawn = [] if code is None or statement is None else list(calls_named(code, ("randn",), statement))
    if code is not None and len(drawn) == 1 and not isinstance(code.parents[drawn[0]], cst.BinaryOperation):
        sizes = [code.text(item.value) for item in drawn[0].args if item.keyword is None]
        wanted = {str(layer.fan_in) for layer in layers_of(found, facts) if layer.weight}
        shape = next((p.shape for p in facts.traced.parameters.values() if module_of(p) in found.modules and len(p.shape) == len(sizes)), ())
        place = next((n for n, size in reversed(list(enumerate(shape))) if str(size) in wanted), None)
        if place is not None:
            edit = code.replaced(drawn[0], f"{code.text(drawn[0])} / {sizes[place]} ** 0.5")
            yield from unsafe("divide the draw by the root of its number of inputs", [edit])
    yield from restarts(facts, layers_of(found, facts))
