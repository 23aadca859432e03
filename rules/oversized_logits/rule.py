"""INI103: a language model whose logits start so spread out that its first loss is a multiple of guessing's; outputs multiplied by the
exponential of a parameter that starts where its logarithm was meant; cosines whose scale keeps the loss high."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operands, operator, shape_of, strip
from initlint.lint.finding import Severity
from initlint.lint.paths import Segment, feeding_layer, main_path, segments_of, since_restored, steps_of
from initlint.lint.rule import Rule
from initlint.lint.wording import (
    finding,
    is_own,
    module_at,
    number,
    site_of_law,
    site_of_module,
    site_of_node,
    site_of_scale,
    step_at,
)

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Parameter
    from initlint.lint.cosines import Cosines
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI103",
    name="oversized-logits",
    severity=Severity.ERROR,
    summary="Logits start so large that the first loss is far above that of guessing, or are cosines whose scale keeps the loss near it.",
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
# Cosines times a fixed scale: share of ln C that the loss cannot fall below, and classes, from which on nets end clearly worse
# (doc.md: at 0.68 with 500 classes 0.78 in place of 0.88, at 0.60 with ten classes nothing is lost).
BOUNDED, MANY = 0.65, 100
# A learned factor e^s of cosines that starts so small: 0.91 in place of 0.97 of 100 clusters are told with Adam, 0.04 with SGD.
TINY = 0.1


def check(facts: Facts) -> Iterator[Finding]:
    """Outputs over as many classes as an embedding table of the model has rows; what an exponential of a parameter multiplies."""
    yield from _scales(facts)
    yield from _cosines(facts)
    rows = {facts.parameter(layer.weight).shape[0] for layer in facts.structure.layers.values() if layer.kind == "embedding"}
    for output in facts.traced.outputs:
        node = strip(facts.structure.nodes[output])
        if operator(node) in ("log_softmax", "_log_softmax"):
            node = strip(next(operands(node)))
        classes = (shape_of(node) or (0,))[-1]
        layer = feeding_layer(facts, node)
        if classes < CLASSES or layer is None or (classes not in rows and not _is_classifier(facts, node, layer)):
            continue
        if (shape_of(facts.structure.nodes[layer.node]) or (0,))[-1] == classes:
            found = _finding(facts, node, layer, classes)
            if found is not None:
                yield found if classes in rows else replace(found, severity=Severity.INFO)  # it may be no logits


def _is_classifier(facts: Facts, node: Node, layer: WeightLayer) -> bool:
    """Whether an output is (samples, classes) from a product whose weight somebody drew, and no input comes back in it."""
    drawn = facts.parameter(layer.weight).writes
    sizes = {math.prod(law.shape[1:]) for law in facts.traced.inputs.values()} | {law.shape[-1] for law in facts.traced.inputs.values() if law.shape}
    own = bool(drawn) and not drawn[-1].default
    return len(shape_of(node)) == 2 and layer.kind in ("linear", "product") and own and shape_of(node)[-1] not in sizes


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


def _cosines(facts: Facts) -> Iterator[Finding]:
    """Cosines times a number of the model over many classes, or times an exponential that starts far below one."""
    from initlint.lint.cosines import cosines_of, least_loss

    for found in cosines_of(facts):
        guess, least = math.log(found.classes), least_loss(found.factor, found.classes)
        if found.learned is not None:
            if found.factor <= TINY:
                yield _bounded(facts, found, least)
        elif found.weights is not None and found.classes >= MANY and least >= BOUNDED * guess:
            yield _bounded(facts, found, least)


def _bounded(facts: Facts, found: Cosines, least: float) -> Finding:
    guess, learned = math.log(found.classes), found.learned
    loss = f"the cross entropy over {found.classes} classes cannot fall below {number(least)}, where guessing gives {number(guess)}"
    return finding(
        RULE,
        facts,
        at=site_of_node(found.node.name, facts) if learned is None else site_of_law(learned, facts),
        severity=Severity.WARNING,
        message=(
            f"logits are cosines times {number(found.factor)}: {loss}, however well the classes are told apart, and its gradients hardly "
            "tell right from wrong."
            if learned is None
            else f"`{learned.name}` starts at {number(learned.law.mean)}, so that the logits are cosines times {number(found.factor)}: until it "
            f"has grown, {loss}, and all gradients before it are as much smaller."
        ),
        help=(
            "scale the cosines by 10 to 30"
            if learned is None
            else f"start it at the logarithm of the scale that is meant: math.log(1 / {number(found.factor)}), not its negative"
            if found.factor > 1e-3
            else "start it at the logarithm of the scale that is meant, such as math.log(1 / 0.07)"
        ),
        modules=[learned.name if learned is not None else found.weights.name if found.weights is not None else ""],
        evidence={"scale": found.factor, "least_loss": least, "guessing": guess},
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
    from initlint.fixes.expressions import logarithm_of_inverse, logarithm_taken
    from initlint.fixes.starts import SMALL
    from initlint.lint.cures import layers_of, unsafe
    from initlint.lint.starting import Files, started

    if "least_loss" in found.evidence:
        code = Files(facts).code(found.span.path)
        start = math.log(found.evidence["scale"])
        yield from unsafe(
            "start it at the logarithm of the inverse", () if code is None else logarithm_of_inverse(code, found.span.line, start)
        )
        return
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
