"""INI103: a language model whose logits start so spread out that its first loss is a multiple of guessing's; outputs multiplied by the
exponential of a parameter that starts where its logarithm was meant."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operands, operator, shape_of, strip
from initlint.lint.finding import Severity
from initlint.lint.paths import Segment, feeding_layer, main_path, segments_of, since_restored, steps_of
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, is_own, module_at, number, site_of_law, site_of_module, site_of_scale, step_at

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Parameter
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI103",
    name="oversized-logits",
    severity=Severity.ERROR,
    summary="Logits start so large, by a vocabulary's weights or a learned scale, that the first loss is far above that of guessing.",
    fix="unsafe",
    explained_by=("exploding-signal", "unscaled-residual", "std-passed-as-mean"),
)

# Expected first loss over ln C. In `doc.md`: a net behind a layer norm loses 1 % of accuracy from about 8 times on.
WARN_AT = 4.0
# An output layer of its own is a note below this: what made it large was chosen. A small Llama whose head was drawn 124 times the
# guess's loss too large ends at 0.72 after 300 steps of Adam where the usual head ends at 0.014 (doc.md).
FAR = 30.0
CLASSES = 16
# A learned factor e^s of similarities: contrastive nets reach 0.9 of the best at 1000, 0.64 at 10⁴, and SGD diverges at both (doc.md).
FACTOR = 1e4
INFINITE = 3.4028e38


def check(facts: Facts) -> Iterator[Finding]:
    """Outputs over as many classes as an embedding table of the model has rows; what an exponential of a parameter multiplies."""
    yield from _scales(facts)
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


def _scales(facts: Facts) -> Iterator[Finding]:
    """Factors e^s of what reaches an output without a normalization, with s a parameter of one entry."""
    dependence, parameters = facts.structure.dependence, facts.traced.parameters
    norms = dependence.bits(facts.structure.norms)
    for node in dependence.order:
        if operator(node) != "mul" or node.name not in dependence.data or dependence.descendants[node.name] & norms:
            continue
        for factor in (strip(item) for item in operands(node) if item.name not in dependence.data):
            inside = strip(next(operands(factor))) if operator(factor) == "exp" else factor
            signal, parameter = facts.signals.get(factor.name), parameters.get(inside.name)
            if (
                inside is factor
                or parameter is None
                or not parameter.trainable
                or math.prod(parameter.shape) > 1
                or signal is None
            ):
                continue
            size = math.sqrt(signal.second_moment) if signal.second_moment is not None else math.inf
            if size >= FACTOR:
                yield _scaled(facts, parameter, size)


def _scaled(facts: Facts, parameter: Parameter, size: float) -> Finding:
    infinite = size > INFINITE
    return finding(
        RULE,
        facts,
        at=site_of_law(parameter, facts),
        severity=Severity.ERROR if infinite else Severity.WARNING,
        message=(
            f"`{parameter.name}` starts at {number(parameter.law.mean)}, and what its exponential multiplies becomes {number(size)}x larger. "
            + (
                "That is infinite: the loss is NaN in the first pass."
                if infinite
                else "A softmax of it takes one entry for all: SGD diverges, and Adam cannot bring it back in thousands of steps."
            )
        ),
        help="start it at the logarithm of the scale that is meant: math.log(1 / 0.07), not 1 / 0.07",
        modules=[parameter.name],
        evidence={"start": parameter.law.mean, "factor": size},
    )


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
    tables = [other for other in facts.structure.layers.values() if other.kind == "embedding"]
    source = _source(facts, node, layer)
    parameter = facts.parameter(source.layer.weight)
    shared = {parameter.name, parameter.alias_of}
    tied = next((other for other in tables if facts.parameter(other.weight).name in shared), None)
    drawn = parameter.writes[-1] if parameter.writes else None
    own = drawn is not None and bool(drawn.stack) and is_own(drawn.stack[-1], facts)
    what = f"`{parameter.name}`, which " + ("is also the embedding table," if tied else f"multiplies what it reads by {number(10**source.rms)},")
    what = what if tied or source.layer is not layer else f"`{parameter.name}`"
    return finding(
        RULE,
        facts,
        at=site_of_scale(facts, source.layer),
        severity=Severity.WARNING if own and (tied or loss >= FAR * guess) else Severity.INFO,
        message=(
            f"logits start with a standard deviation of {number(deviation)}: the first loss is about {number(loss)}, where "
            f"guessing among {classes} classes gives {number(guess)}. {what} makes them so large; the first steps of training "
            "are spent on unlearning them."
        ),
        help=f"start it about {number(deviation)}x smaller, for example nn.init.normal_(…, std=0.02), or scale the logits",
        modules=[module_at(source.layer, facts)],
        evidence={"std": deviation, "first_loss": loss, "guessing": guess},
        related=step_at(site_of_module(tied.module, facts), "the embedding table is made here") if tied else (),
        rests_on=(node.name,),
    )


def _source(facts: Facts, node: Node, layer: WeightLayer) -> Segment:
    """Of the layers since the last normalization the one that enlarges most; the output layer itself, unless another does more."""
    parts = segments_of(since_restored(steps_of(facts, main_path(facts, node.name))))
    own = next((part for part in reversed(parts) if part.layer.weight == layer.weight), Segment(layer=layer, rms=0.0, born=0.0, share=0.0))
    return max((own, *parts), key=lambda part: part.rms)


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The table as small as GPT-2's, or the logarithm of a scale; where others are added to it, which would drown it then, those as well."""
    from initlint.fixes.expressions import logarithm_taken
    from initlint.fixes.starts import SMALL
    from initlint.lint.cures import layers_of, unsafe
    from initlint.lint.starting import Files, started

    if "factor" in found.evidence:
        code = Files(facts).code(found.span.path)
        edits = () if code is None else logarithm_taken(code, found.span.line, found.evidence["start"])
        yield from unsafe("start it at the logarithm", edits)
        return
    wanted = {layer.weight: SMALL for layer in layers_of(found, facts)}
    yield from unsafe("start it with a standard deviation of 0.02", started(facts, wanted))
    kinds = facts.traced.module_types
    tables = {
        name: SMALL
        for name, item in facts.traced.parameters.items()
        if item.alias_of is None and kinds.get(item.name.rpartition(".")[0], "").endswith(".Embedding")
    }
    yield from unsafe("start all tables with a standard deviation of 0.02", started(facts, {**wanted, **tables}))
