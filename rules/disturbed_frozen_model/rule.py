"""INI504: a trainable branch that is not zero at the start, added to a frozen model; or a factor in it that is not one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import PASSING, SELECTING, is_node, operator, strip
from initlint.graph.layers import parameters_of
from initlint.graph.roles import role_of
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import (
    finding,
    law_in_words,
    module_at,
    module_of,
    number,
    pattern_of,
    site_of_law,
    site_of_layer,
    site_of_node,
    step_at,
)

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Parameter, Site
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI504",
    name="disturbed-frozen-model",
    severity=Severity.WARNING,
    summary="A trainable branch or factor changes what frozen layers compute before it has learned anything.",
    fix="unsafe",
    explained_by=("lora-not-identity",),
)

FAR = 0.5  # of a factor from one, root mean square: half of the signal, or as much again
SHARE = 0.1  # of the branch in what it is added to, root mean square: small random starts are chosen at times and cost nothing


def check(facts: Facts) -> Iterator[Finding]:
    """Sums, and products, of a frozen and a trainable operand whose result goes on into frozen layers."""
    trainable = {node: facts.parameter(layer.weight).trainable for node, layer in facts.structure.layers.items()}
    if not _mostly_frozen(facts):
        return
    yield from _factors(facts, trainable)
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


def _factors(facts: Facts, trainable: dict[str, bool]) -> Iterator[Finding]:
    """Trained vectors that multiply the signal of frozen layers on its way to other frozen layers, and do not start near one."""
    sites: dict[tuple[str, int], tuple[Site | None, list[tuple[Parameter, float, Node]]]] = {}
    for node in facts.structure.dependence.order:
        if operator(node) != "mul" or len(node.args) < 2:
            continue
        for signal, factor in (node.args[:2], node.args[1::-1]):
            if not (is_node(signal) and is_node(factor)) or not _is_between_frozen(facts, node, signal, factor, trainable):
                continue
            parameter = _factor(facts, factor)
            off = _distance_from_one(facts, factor)
            if parameter is None or off < FAR or _joins(facts, node) or not _is_felt(facts, node):
                continue
            site = site_of_law(parameter, facts)
            place = (site.path, site.line) if site else ("", 0)
            sites.setdefault(place, (site, []))[1].append((parameter, off, node))
    for site, found in sites.values():
        yield _multiplied(facts, site, found)


def _is_between_frozen(facts: Facts, product: Node, signal: Node, factor: Node, trainable: dict[str, bool]) -> bool:
    """Whether all layers before the product are frozen, and some of those behind it."""
    dependence = facts.structure.dependence
    if signal.name not in dependence.data or factor.name in dependence.data:
        return False
    before = [
        name for name in trainable if name == signal.name or dependence.ancestors[signal.name] >> dependence.index[name] & 1
    ]
    after = [name for name in trainable if dependence.descendants[product.name] >> dependence.index[name] & 1]
    return bool(before) and not any(trainable[name] for name in before) and not all(trainable[name] for name in after)


def _factor(facts: Facts, factor: Node) -> Parameter | None:
    """The one parameter that a factor is made of, where that is trained and has an entry for each of several units."""
    names = list(parameters_of(factor, facts.traced))
    parameter = facts.parameter(names[0]) if len(names) == 1 else None
    return parameter if parameter is not None and parameter.trainable and max(parameter.shape, default=1) > 1 else None


def _distance_from_one(facts: Facts, factor: Node) -> float:
    """Of a factor's entries, root mean square; zero where it is not known."""
    signal = facts.signals.get(factor.name)
    if signal is None or signal.mean is None or signal.second_moment is None:
        return 0.0
    return math.sqrt(max(signal.second_moment - 2 * signal.mean + 1.0, 0.0))


def _joins(facts: Facts, node: Node) -> bool:
    """Whether a product is added to a signal as it is: the gate of something beside the frozen model, which zero keeps out."""
    users = list(node.users)
    while len(users) == 1:
        user = users[0]
        others = [item for item in user.all_input_nodes if item is not node and item.name in facts.structure.dependence.data]
        if operator(user) in ("add", "sub"):
            return bool(others)
        if operator(user) not in PASSING | SELECTING | {"mul", "div"}:
            return False
        node, users = user, list(user.users)
    return False


def _is_felt(facts: Facts, node: Node) -> bool:
    """Whether any gradient comes back to a product: behind a factor that starts at zero, as in VeRA, it changes nothing."""
    signal = facts.signals.get(node.name)
    return signal is None or signal.second_moment == 0.0 or signal.grad_second_moment != 0.0


def _multiplied(facts: Facts, site: Site | None, found: list[tuple[Parameter, float, Node]]) -> Finding:
    parameters = list({parameter.name: parameter for parameter, _, _ in found}.values())
    worst, off, node = max(found, key=lambda item: item[1])
    shut = facts.signals[node.name].second_moment == 0.0
    one = len(parameters) == 1
    effect = (
        "switches off what frozen layers compute, before any training"
        if shut
        else f"changes what frozen layers compute by {number(100 * off)} % of its size, before any training"
    )
    return finding(
        RULE,
        facts,
        at=site,
        severity=Severity.ERROR if shut else Severity.WARNING,
        message=(
            f"the trained {'factor' if one else 'factors'} {pattern_of(parameter.name for parameter in parameters)} "
            f"({law_in_words(worst.law)}) {effect if one else effect.replace('switches', 'switch').replace('changes', 'change')}, "
            "and frozen layers read the product. The model does not start as the pretrained one."
        ),
        help="start it at one, where the product is the signal itself: nn.init.ones_, or x * (1 + scale) with zeros",
        modules=[module_of(parameter) for parameter in parameters],
        evidence={"change": off},
        related=step_at(site_of_node(node.name, facts), "here it multiplies the signal of the frozen model"),
        rests_on=(node.name,),
    )


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
    """The last layer of the branch at zero; a factor at one."""
    from initlint.fixes.starts import ONES, ZEROS
    from initlint.lint.cures import alike, layers_of, refilled, unsafe, use_of
    from initlint.lint.starting import Files, started

    if "change" in found.evidence:
        files = Files(facts)
        names = [name for name, item in facts.traced.parameters.items() if module_of(item) in found.modules and item.trainable]
        factors = [
            name for name in names if use_of(facts, name) == "factor" and _distance_from_one(facts, facts.structure.nodes[name])
        ]
        if factors:
            yield from unsafe("start the factor at one", refilled(facts, facts.parameter(factors[0]), "ones", files))
            yield from unsafe("start the factor at one", started(facts, dict.fromkeys(factors, ONES), files, together=False))
        return
    last = [layer for layer in layers_of(found, facts) if site_of_layer(layer, facts) is not None][-1:]
    wanted = {name: ZEROS for layer in alike(facts, last) for name in (layer.weight, *layer.others)}
    yield from unsafe("start the last layer of the branch at zero", started(facts, wanted, together=False))
