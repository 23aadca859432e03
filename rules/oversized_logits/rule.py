"""INI103: a language model whose logits start so spread out that its first loss is a multiple of guessing's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operands, operator, shape_of, strip
from initlint.lint.finding import Severity
from initlint.lint.paths import feeding_layer
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, is_own, module_at, number, site_of_module, site_of_scale, step_at

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI103",
    name="oversized-logits",
    severity=Severity.WARNING,
    summary="Logits over a vocabulary start so large that the first loss is far above that of guessing.",
    fix="unsafe",
    explained_by=("exploding-signal", "unscaled-residual", "std-passed-as-mean"),
)

# Expected first loss over ln C. In `doc.md`: a net behind a layer norm loses 1 % of accuracy from about 8 times on.
WARN_AT = 4.0
# An output layer of its own is a note below this: what made it large was chosen. A small Llama whose head was drawn 124 times the
# guess's loss too large ends at 0.72 after 300 steps of Adam where the usual head ends at 0.014 (doc.md).
FAR = 30.0
CLASSES = 16


def check(facts: Facts) -> Iterator[Finding]:
    """Outputs over as many classes as an embedding table of the model has rows."""
    rows = {facts.parameter(layer.weight).shape[0] for layer in facts.structure.layers.values() if layer.kind == "embedding"}
    for output in facts.traced.outputs:
        node = strip(facts.structure.nodes[output])
        if operator(node) in ("log_softmax", "_log_softmax"):
            node = strip(next(operands(node)))
        classes = (shape_of(node) or (0,))[-1]
        layer = feeding_layer(facts, node)
        if classes < CLASSES or classes not in rows or layer is None:
            continue
        if (shape_of(facts.structure.nodes[layer.node]) or (0,))[-1] == classes:
            found = _finding(facts, node, layer, classes)
            if found is not None:
                yield found


def first_loss(deviation: float, classes: int) -> float:
    """Expected cross entropy of independent N(0, deviation²) logits over random labels, in nats.

    E[ln Σ exp z] is ln C + σ²/2 up to σ = √(2 ln C) and σ√(2 ln C) beyond (the random energy model, Derrida 1981); the
    logit of the label has mean zero.
    """
    guess = math.log(classes)
    edge = math.sqrt(2 * guess)
    return guess + deviation**2 / 2 if deviation < edge else deviation * edge


def _finding(facts: Facts, node: Node, layer: WeightLayer, classes: int) -> Finding | None:
    signal = facts.signals.get(node.name)
    if signal is None or signal.second_moment is None or signal.mean is None or not math.isfinite(signal.second_moment):
        return None
    deviation = math.sqrt(max(signal.second_moment - signal.mean**2, 0.0))
    guess, loss = math.log(classes), first_loss(deviation, classes)
    if loss < WARN_AT * guess:
        return None
    parameter = facts.parameter(layer.weight)
    tables = [other for other in facts.structure.layers.values() if other.kind == "embedding"]
    shared = {parameter.name, parameter.alias_of}
    tied = next((other for other in tables if facts.parameter(other.weight).name in shared), None)
    drawn = parameter.writes[-1] if parameter.writes else None
    own = drawn is not None and bool(drawn.stack) and is_own(drawn.stack[-1], facts)
    what = f"`{parameter.name}`, which is also the embedding table," if tied else f"`{parameter.name}`"
    return finding(
        RULE,
        facts,
        at=site_of_scale(facts, layer),
        severity=Severity.WARNING if own and (tied or loss >= FAR * guess) else Severity.INFO,
        message=(
            f"logits start with a standard deviation of {number(deviation)}: the first loss is about {number(loss)}, where "
            f"guessing among {classes} classes gives {number(guess)}. {what} makes them so large; the first steps of training "
            "are spent on unlearning them."
        ),
        help=f"start it about {number(deviation)}x smaller, for example nn.init.normal_(…, std=0.02), or scale the logits",
        modules=[module_at(layer, facts)],
        evidence={"std": deviation, "first_loss": loss, "guessing": guess},
        related=step_at(site_of_module(tied.module, facts), "the embedding table is made here") if tied else (),
        rests_on=(node.name,),
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The table as small as GPT-2's, and where others are added to it, which would drown it then, those as well."""
    from initlint.fixes.starts import SMALL
    from initlint.lint.cures import layers_of, unsafe
    from initlint.lint.starting import started

    wanted = {layer.weight: SMALL for layer in layers_of(found, facts)}
    yield from unsafe("start the table with a standard deviation of 0.02", started(facts, wanted))
    kinds = facts.traced.module_types
    tables = {
        name: SMALL
        for name, item in facts.traced.parameters.items()
        if item.alias_of is None and kinds.get(item.name.rpartition(".")[0], "").endswith(".Embedding")
    }
    yield from unsafe("start all tables with a standard deviation of 0.02", started(facts, {**wanted, **tables}))
