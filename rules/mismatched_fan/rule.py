"""INI707: a weight drawn for a number of inputs that is not the number it sums over."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operator
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_call

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Parameter, Write
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI707",
    name="mismatched-fan",
    severity=Severity.WARNING,
    summary="The fan that the initialization read off the weight's shape is not the number of inputs each output sums over.",
    fix="unsafe",
)

# The standard deviation is off by the square root of this: two such layers in a row change the signal fourfold.
RATIO = 4.0


def check(facts: Facts) -> Iterator[Finding]:
    """Weights of linear maps, last drawn by a kaiming (fan_in) or xavier function for another fan."""
    uses: dict[str, list[WeightLayer]] = {}
    for layer in facts.structure.layers.values():
        if layer.kind in ("linear", "product", "convolution"):
            uses.setdefault(layer.weight, []).append(layer)
    for name, layers in uses.items():
        parameter = facts.parameter(name)
        if parameter.alias_of is not None or not parameter.writes or len({layer.fan_in for layer in layers}) != 1:
            continue
        found = _finding(facts, parameter, layers[0])
        if found is not None:
            yield found


def _finding(facts: Facts, parameter: Parameter, layer: WeightLayer) -> Finding | None:
    write = parameter.writes[-1]
    site = site_of_call(write, facts)
    if write.default or site is None or write.coverage < 1.0:
        return None
    fans = _fans(facts, write, layer)
    if fans is None:
        return None
    drawn_for, needed = fans
    off = drawn_for / needed
    if 1.0 / RATIO < off < RATIO:
        return None
    return finding(
        RULE,
        facts,
        at=site,
        message=(
            f"`{parameter.name}` {list(parameter.shape)} is drawn for a fan of {drawn_for:.7g}, read off its shape, but each "
            f"output sums over {needed:.7g} inputs: its standard deviation is {number(max(math.sqrt(off), math.sqrt(1 / off)))}x "
            f"too {'small' if off > 1 else 'large'}."
        ),
        help="torch.nn.init reads (outputs, inputs, kernel…): initialize the transpose, or each matrix of a stack by itself",
        modules=[module_of(parameter)],
        evidence={"drawn_for": drawn_for, "needed": needed},
    )


def _fans(facts: Facts, write: Write, layer: WeightLayer) -> tuple[float, float] | None:
    """The fan an initialization divided by, and the one that the graph asks for; None for those that read no fan."""
    if len(write.shape) < 2 or operator(facts.structure.nodes[layer.node]).startswith("conv_transpose"):
        return None  # a transposed convolution's inputs per output depend on stride and place: every fan is a convention
    kernel = math.prod(write.shape[2:])
    fan_in, fan_out = write.shape[1] * kernel, write.shape[0] * kernel
    if write.op.startswith("nn.init.kaiming") and write.options.get("mode") == "fan_in":
        return float(fan_in), float(layer.fan_in)
    if write.op.startswith("nn.init.xavier") and len(write.shape) > 2 and layer.kind != "convolution":
        return (fan_in + fan_out) / 2, (layer.fan_in + layer.fan_out) / 2
    return None


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The other fan of a transposed matrix; else the deviation itself, for the dimension that is summed over."""
    from initlint.fixes.calls import redrawn, with_argument
    from initlint.fixes.starts import Start
    from initlint.lint.cures import draw_of_finding, follows, layer_of, parameters_drawn_at, unsafe
    from initlint.lint.starting import Files

    place = draw_of_finding(found, Files(facts))
    names = parameters_drawn_at(facts, found.span)
    layer = layer_of(facts, names[0]) if names else None
    if place is None or layer is None:
        return
    code, draw = place
    shape, fan_in, fan_out = facts.parameter(names[0]).shape, layer.fan_in, layer.fan_out
    write = facts.parameter(names[0]).writes[-1]
    kaiming = write.op.startswith("nn.init.kaiming")
    if kaiming and len(shape) == 2 and shape[0] == fan_in:
        mode = f"{code.quote}fan_out{code.quote}"
        yield from unsafe("the number of inputs is this weight's first dimension", [with_argument(code, draw, "mode", mode, 1)])
    tensor = code.text(draw.tensor).removesuffix(".data")
    fans = [
        next((n for n, size in enumerate(shape) if size == fan and (n or len(shape) < 3)), None) for fan in (fan_in, fan_out)
    ]
    if fans[0] is None or (not kaiming and fans[1] is None):
        return  # a number of inputs that no dimension of the weight has
    texts = [f"{tensor}.shape[{n}]" for n in fans]
    gain = "2" if kaiming and follows(facts, layer)[0] else "1"
    variance = f"{gain} / {texts[0]}" if kaiming else f"2 / ({texts[0]} + {texts[1]})"
    start = Start(function="normal_", arguments=(f"std=math.sqrt({variance})",))
    yield from unsafe("draw it for the inputs that each output sums over", redrawn(code, draw, start))
