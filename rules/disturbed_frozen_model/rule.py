"""INI504: a trainable branch that is not zero at the start, added to a frozen model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import is_node, operator, strip
from initlint.graph.roles import role_of
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_at, number, pattern_of, site_of_layer, site_of_node, step_at

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI504",
    name="disturbed-frozen-model",
    severity=Severity.WARNING,
    summary="A trainable branch is added to frozen layers and changes what they compute before it has learned anything.",
    fix="unsafe",
    explained_by=("lora-not-identity",),
)

SHARE = 0.1  # of the branch in what it is added to, root mean square: small random starts are chosen at times and cost nothing


def check(facts: Facts) -> Iterator[Finding]:
    """Sums of a frozen and a trainable operand whose result goes on into frozen layers."""
    trainable = {node: facts.parameter(layer.weight).trainable for node, layer in facts.structure.layers.items()}
    if not any(trainable.values()) or not _mostly_frozen(facts):
        return
    dependence = facts.structure.dependence
    adapters = {adapter.add for adapter in facts.structure.adapters}
    for node in dependence.order:
        if operator(node) != "add" or node.name not in dependence.data or node.name in adapters or len(node.args) < 2:
            continue
        after = [name for name in trainable if dependence.descendants[node.name] >> dependence.index[name] & 1]
        if all(trainable[name] for name in after):
            continue
        for frozen, branch in (node.args[:2], node.args[1::-1]):
            if not (is_node(frozen) and is_node(branch)) or not {frozen.name, branch.name} <= dependence.data:
                continue
            layers = _own_layers(facts, frozen, branch, trainable)
            found = _finding(facts, node, frozen, branch, layers) if layers else None
            if found is not None:
                yield found
                break


def _mostly_frozen(facts: Facts) -> bool:
    """Whether more weights are frozen than trained."""
    weights = {facts.structure.layers[node].weight for node in facts.structure.layers}
    sizes = [(facts.parameter(name).trainable, math.prod(facts.parameter(name).shape)) for name in weights]
    return sum(size for trainable, size in sizes if not trainable) > sum(size for trainable, size in sizes if trainable)


def _own_layers(facts: Facts, frozen: Node, branch: Node, trainable: dict[str, bool]) -> list[WeightLayer]:
    """The layers of the branch alone, all trainable, where the other side has frozen ones only. A branch that starts from the
    frozen side itself is one of the model's own blocks, unless it narrows, as an adapter does; and so is one whose roles other blocks
    have frozen."""
    dependence = facts.structure.dependence
    on_frozen, on_branch = (
        [
            name
            for name in trainable
            if name == strip(side).name or dependence.ancestors[side.name] >> dependence.index[name] & 1
        ]
        for side in (frozen, branch)
    )
    own = [facts.structure.layers[name] for name in on_branch if name not in on_frozen]
    if not on_frozen or any(trainable[name] for name in on_frozen) or not own or not all(trainable[x.node] for x in own):
        return []
    if dependence.reaches(strip(frozen), branch) and not any(layer.fan_out < own[-1].fan_out for layer in own[:-1]):
        return []
    kept = {role_of(module_at(layer, facts)) for name, layer in facts.structure.layers.items() if not trainable[name]}
    return [] if kept & {role_of(module_at(layer, facts)) for layer in own} else own


def _finding(facts: Facts, add: Node, frozen: Node, branch: Node, layers: list[WeightLayer]) -> Finding | None:
    kept, added = facts.signals.get(frozen.name), facts.signals.get(branch.name)
    if kept is None or added is None or not kept.second_moment or not added.second_moment:
        return None
    share = math.sqrt(added.second_moment / kept.second_moment)
    if not math.isfinite(share) or share < SHARE:
        return None
    modules = [module_at(layer, facts) for layer in layers]
    return finding(
        RULE,
        facts,
        at=site_of_layer(layers[-1], facts),
        message=(
            f"the trainable branch {pattern_of(modules)} adds {number(100 * share)} % of its size to what frozen layers compute, "
            "before any training, and frozen layers read the sum. The pretrained function is disturbed and the loss starts too "
            "high."
        ),
        help=f"start the last layer of the branch, `{modules[-1]}`, at zero (weight and bias)",
        modules=modules,
        evidence={"share": share},
        related=step_at(site_of_node(add.name, facts), "here the branch is added to the frozen model"),
        rests_on=(branch.name,),
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The last layer of the branch at zero."""
    from initlint.fixes.starts import ZEROS
    from initlint.lint.cures import alike, layers_of, unsafe
    from initlint.lint.starting import started

    last = [layer for layer in layers_of(found, facts) if site_of_layer(layer, facts) is not None][-1:]
    wanted = {name: ZEROS for layer in alike(facts, last) for name in (layer.weight, *layer.others)}
    yield from unsafe("start the last layer of the branch at zero", started(facts, wanted, together=False))
