"""INI605: a classifier whose classes are told apart by far fewer numbers than both sides of the bottleneck have.

Logits W·h + b of an h with r entries lie in an r-dimensional plane, whatever the number of classes (Yang et al. 2018, the softmax
bottleneck, arXiv:1711.03953).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operator, shape_of
from initlint.lint.finding import Severity
from initlint.lint.paths import feeding_layer, main_path
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_at, site_made, step_at

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI605",
    name="narrow-bottleneck",
    severity=Severity.WARNING,
    summary="A hidden layer right before a classifier is so narrow that the logits of most classes depend on each other.",
)

TIMES = 4  # as many inputs as units, and as many classes, at least
# Units per bit of a class's number, at most: 9 for 100 classes, 14 for 1000. With 9 of 100 a loss of 0.66 where 0.39 can be reached,
# with 16 of 100 one of 0.48 (doc.md); embeddings of 50 to 500 numbers for many thousands of classes are usual and train.
BITS = 1.5
# At most so many, 2 for 100 classes, and a fifth of the samples is told where nine tenths can be (doc.md): a warning.
FEW_BITS = 0.35
CLASSES = 8


def check(facts: Facts) -> Iterator[Finding]:
    """Outputs of a linear layer whose only input is a narrow layer with wide ones before it."""
    for output in facts.traced.outputs:
        node = facts.structure.nodes[output]
        head = feeding_layer(facts, node)
        if head is None or head.kind != "linear" or len(head.weights) != 1:
            continue
        classes = head.fan_out
        narrow = _before(facts, head)
        if narrow is None or narrow.kind not in ("linear", "convolution") or len(narrow.weights) != 1:
            continue
        width = narrow.fan_out
        if head.fan_in != width or classes < CLASSES or shape_of(node)[-1:] != (classes,) or len(shape_of(node)) != 2:
            continue
        if (
            width * TIMES > min(narrow.fan_in, classes)
            or width > BITS * math.log2(classes)
            or _is_reconstruction(facts, node, narrow, classes)
        ):
            continue
        if not _is_cut(facts, narrow, head):
            continue
        yield _finding(facts, head, narrow, classes)


def _before(facts: Facts, head: WeightLayer) -> WeightLayer | None:
    """The last layer on the main path to a head; a norm between the two leaves as many numbers as there were."""
    layers = facts.structure.layers
    return next((layers[node.name] for node in reversed(main_path(facts, head.source)) if node.name in layers), None)


def _finding(facts: Facts, head: WeightLayer, narrow: WeightLayer, classes: int) -> Finding:
    width = narrow.fan_out
    before, last = module_at(narrow, facts), module_at(head, facts)
    return finding(
        RULE,
        facts,
        at=site_made(facts.parameter(narrow.weight), facts),
        severity=Severity.WARNING if width <= FEW_BITS * math.log2(classes) else Severity.INFO,
        message=(
            f"`{before}` leaves {width} of {narrow.fan_in} numbers, from which `{last}` computes {classes} logits: they have rank {width} "
            f"at most, so that no class is raised without others. Unless the classes really lie in {width} dimensions, the loss ends higher."
        ),
        help=f"make `{before}` wider (some multiple of log2({classes}) = {math.log2(classes):.0f} units, or {classes}), or leave it out",
        modules=[before, last],
        evidence={"rank": float(width), "inputs": float(narrow.fan_in), "classes": float(classes)},
        related=step_at(site_made(facts.parameter(head.weight), facts), "the classes are computed here"),
    )


def _is_reconstruction(facts: Facts, output: Node, narrow: WeightLayer, classes: int) -> bool:
    """Whether the output has the size of an input, or of what the narrow layer reads: an autoencoder, which wants a bottleneck."""
    sizes = {math.prod(law.shape[1:]) for law in facts.traced.inputs.values()}
    sizes |= {law.shape[-1] for law in facts.traced.inputs.values() if law.shape}
    return classes in sizes or classes == narrow.fan_in or math.prod(shape_of(output)[1:]) in sizes


def _is_cut(facts: Facts, narrow: WeightLayer, head: WeightLayer) -> bool:
    """Whether all that the head reads of the input passes the narrow layer, past no skip, gate or second reader of the features."""
    structure = facts.structure
    dependence, nodes = structure.dependence, structure.nodes
    if (
        structure.in_branch(narrow.node)
        or structure.in_branch(head.node)
        or not dependence.reaches(nodes[narrow.node], nodes[head.node])
    ):
        return False
    between = dependence.between(nodes[narrow.node], nodes[head.node])
    for name in dependence.names(between & dependence.data_bits):
        sources = [item.name for item in nodes[name].all_input_nodes if item.name in dependence.data]
        if any(item != narrow.node and not between >> dependence.index[item] & 1 for item in sources):
            return False
        if operator(nodes[name]) in ("cat", "stack"):
            return False
    return any(node.name == narrow.node for node in main_path(facts, head.node))
