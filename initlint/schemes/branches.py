"""TRACED GRAPH → its residual branches and the trunks they are added to.

The sums come from `graph.structure`; adapters and sums inside a branch do not count. The *writers* of a branch are the layers
whose output reaches the sum through nothing but views, scales, gates and elementwise functions: zero them, and the branch is
zero. A branch that ends in a normalization has its gain instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from initlint.graph.dataflow import ATTENTION, PRODUCTS, is_node, operands, operator, shape_of, strip, unscaled
from initlint.schemes.activation import LOOKED_THROUGH

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.lint.facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """What one residual sum adds; node names throughout.

    layers     weight layers between fork and sum, in order of execution
    writers    of these, the ones whose output is added
    norms      normalizations inside; `closing` the one that the branch ends in, "" where it does not
    gates      learned parameters that multiply the branch, by placeholder
    addends    terms of the branch that are added: two of a block whose attention and feed-forward run side by side
    depth      weight layers in series (attention's query, key and value are one)
    attends    it contains an attention; `crosses`: to what does not come from its own fork
    identity   nothing but views lies on the trunk's side
    scale      constant that the trunk is multiplied by in the sum (DeepNorm's α)
    normed     the trunk's next value is a normalization of this sum
    shortcut   weight layers on the trunk's side
    region     the nodes between fork and branch, as bits of `Dependence`
    """

    add: str
    trunk: str
    branch: str
    fork: str
    layers: tuple[str, ...]
    writers: tuple[str, ...]
    norms: tuple[str, ...]
    closing: str
    gates: tuple[str, ...]
    addends: int
    depth: int
    attends: bool
    crosses: bool
    identity: bool
    scale: float
    region: int
    shortcut: tuple[str, ...]
    normed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A chain of residual sums.

    crosses  some branch attends to another trunk: a decoder beside an encoder
    """

    branches: tuple[Branch, ...]

    @property
    def depth(self) -> int:
        """Number of branches that are added, those of one sum counted each."""
        return sum(branch.addends for branch in self.branches)

    @property
    def crosses(self) -> bool:
        return any(branch.crosses for branch in self.branches)

    @property
    def attends(self) -> bool:
        return any(branch.attends for branch in self.branches)

    @property
    def post_norm(self) -> bool:
        """Most sums are normalized before the next block reads them and before they are added to."""
        return 2 * sum(branch.normed for branch in self.branches) > len(self.branches)

    @property
    def blocks(self) -> int:
        """Attention–feed-forward pairs: the layers of a transformer; the branches of anything else."""
        plain = sum(not branch.attends for branch in self.branches)
        selfish = sum(branch.attends and not branch.crosses for branch in self.branches)
        return max(plain, selfish) if self.attends else len(self.branches)


def branches_of(facts: Facts) -> tuple[Branch, ...]:
    """Branches with weights in them, those inside others left out, in order of execution."""
    structure, dependence = facts.structure, facts.structure.dependence
    nodes = structure.nodes
    adapters = {item.add for item in structure.adapters}
    factors = frozenset(name for name, item in facts.traced.parameters.items() if item.kind == "parameter")
    found: dict[str, Branch] = {}
    known = {item.add: item for item in structure.residuals}
    for node in dependence.order:
        if operator(node) != "add" or node.name in adapters or node.name not in dependence.data:
            continue
        sides = [item for item in node.args[:2] if is_node(item) and item.name in dependence.data]
        if len(sides) != 2:
            continue
        triple = _second_branch(sides, found, dependence)
        if triple is None:
            residual = known.get(node.name)
            if residual is None:
                continue
            triple = (nodes[residual.trunk], nodes[residual.branch], nodes[residual.fork], residual.identity)
        trunk, branch, fork, identity = triple
        region = dependence.between(fork, branch)
        inside = [name for name in dependence.names(region) if name in structure.layers]
        if not inside:
            continue
        shortcut = [name for name in dependence.names(dependence.between(fork, trunk)) if name in structure.layers]
        attention = [name for name in dependence.names(region) if operator(nodes[name]) in ATTENTION]
        writers, closing = _writers(branch, region, facts)
        found[node.name] = Branch(
            add=node.name,
            trunk=trunk.name,
            branch=branch.name,
            fork=fork.name,
            layers=tuple(inside),
            writers=writers,
            norms=tuple(name for name in dependence.names(region) if name in structure.norms),
            closing=closing,
            gates=tuple(gate.name for gate in unscaled(branch, factors).learned),
            addends=_addends(branch, region, facts),
            depth=_depth(inside, facts),
            attends=bool(attention),
            crosses=any(not _inside(nodes[name], fork, facts) for name in attention),
            identity=identity,
            scale=unscaled(trunk, frozenset()).constant,
            region=region,
            shortcut=() if identity else tuple(shortcut),
        )
    inner = {
        name
        for name in found
        for other, branch in found.items()
        if other != name and branch.region >> dependence.index[name] & 1
    }
    return tuple(branch for name, branch in found.items() if name not in inner)


def _second_branch(sides: list[Node], found: dict[str, Branch], dependence: object) -> tuple[Node, Node, Node, bool] | None:
    """x + F(x) + G(x), added one after the other: the second sum's trunk is the first sum, its fork the same."""
    for trunk, branch in (sides, sides[::-1]):
        first = found.get(strip(trunk).name)
        if first is None:
            continue
        reaches = dependence.reaches  # type: ignore[attr-defined]
        order = {item.name: item for item in dependence.order}  # type: ignore[attr-defined]
        if reaches(order[first.fork], branch) and not reaches(strip(trunk), branch):
            return trunk, branch, order[first.fork], True
    return None


def _writers(branch: Node, region: int, facts: Facts) -> tuple[tuple[str, ...], str]:
    """Layers whose output is added, and the normalization that the branch ends in instead."""
    structure, index = facts.structure, facts.structure.dependence.index
    found: dict[str, None] = {}
    closing = ""
    stack, seen = [branch], {branch.name}
    while stack:
        node = stack.pop()
        if node.name in structure.layers:
            found[node.name] = None
            continue
        if node.name in structure.norms and not closing:
            closing = node.name
        sources = [item for item in operands(node) if region >> index[item.name] & 1 and item.name in structure.dependence.data]
        name = operator(node)
        if name == "scaled_dot_product_attention" and len(sources) > 2:
            sources = sources[2:3]
        elif name in PRODUCTS and len(sources) > 1:
            sources = sources[-1:]
        elif name in ("mul", "div") and len(sources) > 1:  # a gate is the smaller one, or the one that was squashed
            sources = [max(sources, key=lambda item: (math.prod(_own_shape(item)), not _squashed(item)))]
        for item in sources:
            if item.name not in seen:
                seen.add(item.name)
                stack.append(item)
    return tuple(sorted(found, key=lambda name: index[name])), closing


def _addends(branch: Node, region: int, facts: Facts) -> int:
    """Terms with weights of their own that a branch is the sum of."""
    node, index = strip(branch), facts.structure.dependence.index
    if operator(node) != "add":
        return 1
    sides = [item for item in operands(node) if region >> index[item.name] & 1]
    writing = [side for side in sides if _writers(side, region, facts)[0]]
    own = [set(_writers(side, region, facts)[0]) for side in writing]
    if len(writing) < 2 or own[0] & own[1]:
        return 1
    return sum(_addends(side, region, facts) for side in writing)


def _own_shape(node: Node) -> tuple[int, ...]:
    while operator(node) in ("expand", "expand_as"):
        node = next(operands(node))
    return shape_of(node)


def _squashed(node: Node) -> bool:
    node = strip(node)
    return operator(node) in ("sigmoid", "hardsigmoid", "softmax", "_softmax", "tanh")


def _depth(layers: list[str], facts: Facts) -> int:
    """The largest number of these layers in series."""
    nodes, dependence = facts.structure.nodes, facts.structure.dependence
    longest: dict[str, int] = {}
    for name in layers:
        before = [longest[other] for other in longest if dependence.reaches(nodes[other], nodes[name])]
        longest[name] = 1 + max(before, default=0)
    return max(longest.values(), default=0)


def _inside(attention: Node, fork: Node, facts: Facts) -> bool:
    """Whether all data that an attention reads comes from the fork of its branch."""
    dependence = facts.structure.dependence
    if operator(attention) != "scaled_dot_product_attention":
        return True
    sides = [item for item in attention.args[:3] if is_node(item) and item.name in dependence.data]
    return all(dependence.reaches(fork, item) for item in sides)


# -- trunks --------------------------------------------------------------------------------------------------------------


def trunks_of(facts: Facts, branches: tuple[Branch, ...]) -> tuple[Trunk, ...]:
    """Chains of branches, in order of execution."""
    by_add = {branch.add: branch for branch in branches}
    chains: dict[str, list[str]] = {}  # by the first sum
    chain_of: dict[str, str] = {}
    normed: set[str] = set()
    for branch in branches:
        previous, through_norm = _previous(branch, by_add, facts)
        first = chain_of.get(previous, branch.add)
        chain_of[branch.add] = first
        chains.setdefault(first, []).append(branch.add)
        if previous and through_norm:
            normed.add(previous)
        if _only_normed(branch, facts) and (not previous or through_norm):
            normed.add(branch.add)
    return tuple(
        Trunk(branches=tuple(replace(by_add[name], normed=name in normed) for name in chain)) for chain in chains.values()
    )


def _previous(branch: Branch, by_add: dict[str, Branch], facts: Facts) -> tuple[str, bool]:
    """(the sum that a branch's trunk continues, whether a normalization lies in between); "" where it continues none."""
    structure, data = facts.structure, facts.structure.dependence.data
    node = structure.nodes[branch.trunk if branch.identity else branch.fork]
    through_norm = False
    for _ in range(60):
        if node.name in by_add and node.name != branch.add:
            return node.name, through_norm
        sources = [item for item in operands(node) if item.name in data]
        if node.name in structure.norms:
            through_norm = True
        elif node.name in structure.layers or not (operator(node) in LOOKED_THROUGH or len(sources) == 1):
            return "", False
        if not sources or node.op != "call_function":
            return "", False
        node = sources[0]
    return "", False


def _only_normed(branch: Branch, facts: Facts) -> bool:
    """Whether a normalization is all that reads the sum."""
    structure = facts.structure
    users = [user for user in structure.nodes[branch.add].users if user.name in structure.dependence.data]
    return bool(users) and all(user.name in structure.norms for user in users)
