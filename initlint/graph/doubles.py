"""Parts of a model that were copied from one another: which nodes compute the same at the start, and which copies stay one.

Nodes are numbered by what they compute (value numbering, as compilers do it): the same operator on the same numbers, with a copied
parameter counted as the one it was copied from. Two nodes of one number have equal values until training changes one of the
parameters, their difference is zero, and where an exchange of copy and original changes nothing else, both receive the same gradient.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from initlint.graph.chance import draws
from initlint.graph.dataflow import Dependence, dependence_of, graph_of, is_node, operands, operator, shape_of
from initlint.graph.places import writes

if TYPE_CHECKING:
    from torch.fx import Graph, Node

    from initlint.graph.model import Parameter, TracedModel

Key = tuple[object, ...]
Fate = Literal["one", "one while targets are", "drift apart"]

_SYMMETRIC = frozenset("add maximum minimum mul".split())
_STACKS = frozenset("cat stack".split())
_REDUCES = frozenset("mean sum amax amin var std logsumexp prod".split())


def numbered(traced: TracedModel) -> dict[str, int]:
    """A number for each node of the graph by name; nodes with equal numbers have equal values at the start."""
    numbers: dict[str, int] = {}
    known: dict[Key, int] = {}
    roots = _roots(traced.parameters)
    for node in graph_of(traced).nodes:
        if node.op == "placeholder":
            item = traced.parameters.get(node.name)
            key: Key = ("input", node.name) if item is None else _start(item, roots)
            numbers[node.name] = known.setdefault(key, len(known))
        elif node.op == "call_function":
            numbers[node.name] = _number(node, numbers, known)
    return numbers


def _roots(parameters: Mapping[str, Parameter]) -> dict[str, str]:
    """The name of the parameter that each one's values were first drawn for, by its own name."""
    origin = {item.name: item.alias_of or item.copy_of for item in parameters.values()}
    roots: dict[str, str] = {}
    for name in origin:
        root, seen = name, {name}
        while (before := origin.get(root)) is not None and before not in seen:
            root = before
            seen.add(root)
        roots[name] = root
    return roots


def _start(item: Parameter, roots: Mapping[str, str]) -> Key:
    """A constant is known by its value, another parameter by where its values come from."""
    if item.law.family == "constant":
        return ("constant", item.shape, item.dtype, item.law.mean)
    return ("parameter", roots.get(item.name, item.name))


def _number(node: Node, numbers: dict[str, int], known: dict[Key, int]) -> int:
    within = without_gradient(node)
    if within is not None:
        return known.setdefault(("several", *_inside(node, within, numbers, known)), len(known))
    if draws(node) or (writes(node) and len(node.all_input_nodes[0].users) > 1):
        return known.setdefault(("own", node.name), len(known))
    source = next(operands(node), None)
    inner = None if source is None else without_gradient(source)
    if operator(node) == "getitem" and source is not None and isinstance(node.args[1], int):
        if inner is not None:
            return _inside(source, inner, numbers, known)[node.args[1]]
        item = _own(node)
        if item is not node and shape_of(item) == shape_of(node) and item.name in numbers:
            return numbers[item.name]
    if operator(node) == "add" and source is not None and set(node.args) == {source, 0}:
        return numbers[source.name]  # how Python begins a sum
    given = (_frozen(node.args, numbers), _frozen(tuple(sorted(node.kwargs.items())), numbers))
    return known.setdefault((str(node.target), *given), len(known))


def _frozen(value: object, numbers: Mapping[str, int]) -> object:
    """An argument as part of a key; a node without a number is known by its name."""
    if is_node(value):
        return ("node", numbers.get(value.name, value.name))
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item, numbers) for item in value)
    return str(value)


def without_gradient(node: Node) -> Graph | None:
    """The graph of a stretch under `no_grad`, which the trace keeps by itself."""
    if "wrap_with_set_grad_enabled" not in str(node.target) or len(node.args) < 2 or not is_node(node.args[1]):
        return None
    module = getattr(node.graph.owning_module, str(node.args[1].target), None)
    graph: Graph | None = getattr(module, "graph", None)
    return graph


def _inside(node: Node, graph: Graph, numbers: Mapping[str, int], known: dict[Key, int]) -> list[int]:
    """The numbers of what such a stretch gives."""
    own: dict[str, int] = {}
    given = iter(operands_after(node))
    for item in graph.nodes:
        if item.op == "placeholder":
            own[item.name] = numbers.get(next(given).name, -1)
        elif item.op == "call_function":
            own[item.name] = _number(item, own, known)
        elif item.op == "output":
            return [own.get(part.name, -1) for part in operands(item)]
    return []


def operands_after(node: Node) -> Iterator[Node]:
    """What is given to a stretch of its own."""
    return (item for item in node.args[2:] if is_node(item))


def equal_differences(traced: TracedModel) -> dict[str, frozenset[str]]:
    """Differences, and losses, of two tensors that a part of the model and its copy compute alike: zero until one of these trained
    parameters learns."""
    copies = {name for name, item in traced.parameters.items() if item.copy_of is not None and item.kind == "parameter"}
    if not copies:
        return {}
    numbers, dependence = numbered(traced), dependence_of(traced)
    trainable = {name for name, item in traced.parameters.items() if item.kind == "parameter" and item.trainable}
    found: dict[str, frozenset[str]] = {}
    for node in dependence.order:
        left, right = (*node.args, None, None)[:2]
        if operator(node) not in DIFFERENCES or not (is_node(left) and is_node(right)) or left is right:
            continue
        if node.kwargs.get("alpha", 1) != 1 or numbers.get(left.name) is None or numbers[left.name] != numbers.get(right.name):
            continue
        first, second = (_own(item).name for item in (left, right))
        sources = set(dependence.names(dependence.ancestors[first] ^ dependence.ancestors[second]))
        if sources & copies and sources & trainable:
            found[node.name] = frozenset(sources & trainable)
    return found


def _own(node: Node) -> Node:
    """What was brought to a common shape with another tensor, before that."""
    source = next(operands(node), None) if operator(node) == "getitem" else None
    if source is None or operator(source) != "broadcast_tensors" or not isinstance(node.args[1], int):
        return node
    return list(operands(source))[node.args[1]]


LOSSES = frozenset("mse_loss l1_loss smooth_l1_loss huber_loss".split())
DIFFERENCES = LOSSES | {"sub"}


def fate_of(traced: TracedModel, dependence: Dependence, copies: Collection[str], sources: Collection[str]) -> Fate:
    """What becomes of a trained copy of a trained part, by the names of their placeholders: it stays one with it where nothing that
    reads either changes when they are exchanged, and where each is an output, as long as both get the same targets."""
    of_copies, of_sources = (_after(dependence, names) for names in (copies, sources))
    exchange = _Exchange(numbered(traced), frozenset(traced.outputs), dependence)
    fates = {
        fate
        for one, other in ((of_copies, of_sources), (of_sources, of_copies))
        for fate in exchange.fates(one - other, other - one)
    }
    return next((fate for fate in FATES if fate in fates), FATES[0])


FATES: tuple[Fate, ...] = ("drift apart", "one while targets are", "one")  # what holds for one reader holds for all


@dataclass(frozen=True, slots=True)
class _Exchange:
    numbers: Mapping[str, int]
    outputs: frozenset[str]
    dependence: Dependence

    def fates(self, own: set[str], others: set[str]) -> Iterator[Fate]:
        """By reader of what one of the two parts computes and the other one, too, behind it."""
        twins = {self.numbers.get(name) for name in others}
        for node in self.dependence.order:
            if node.name not in own or not self._matters(node):
                continue
            if self.numbers.get(node.name) not in twins:
                if not _is_partial(node):  # of a sum all terms are looked at together
                    yield "drift apart"
                continue
            if node.name in self.outputs:
                same = {item for item in self.outputs if self.numbers.get(item) == self.numbers[node.name]}
                yield "one while targets are" if same & others else "drift apart"
            for user in node.users:
                partial = _is_partial(user) and self.numbers.get(user.name) not in twins
                if user.op == "call_function" and (user.name not in own or partial):
                    yield self._joined(user, own, others)

    def _matters(self, node: Node) -> bool:
        after = self.dependence.descendants[node.name] | 1 << self.dependence.index[node.name]
        return any(after >> self.dependence.index[item] & 1 for item in self.outputs)

    def _joined(self, user: Node, own: set[str], others: set[str]) -> Fate:
        """Of an operator that reads both: it gives the same when they are exchanged."""
        terms = list(_terms(user))
        mine, theirs = (sorted(self.numbers[item.name] for item in terms if item.name in part) for part in (own, others))
        if mine != theirs:
            return "drift apart"
        if operator(user) not in _STACKS:
            return "one" if operator(user) in _SYMMETRIC and user.kwargs.get("alpha", 1) == 1 else "drift apart"
        if user.name in self.outputs:
            return "one while targets are"
        readers = [item for item in user.users if item.op == "call_function"]
        dim = user.args[1] if len(user.args) > 1 else 0
        return (
            "one" if readers and all(operator(item) in _REDUCES and _dims(item) == [dim] for item in readers) else "drift apart"
        )


def _terms(node: Node) -> Iterator[Node]:
    """The operands; of a sum, those of the whole sum that it is part of."""
    top = node
    while _is_partial(top):
        top = next(iter(top.users))
    yield from _summands(top) if operator(top) == "add" else operands(top)


def _is_partial(node: Node) -> bool:
    """Whether a sum is nothing but a term of another sum."""
    return operator(node) == "add" and len(node.users) == 1 and operator(next(iter(node.users))) == "add"


def _summands(node: Node) -> Iterator[Node]:
    for item in operands(node):
        if _is_partial(item):
            yield from _summands(item)
        else:
            yield item


def _after(dependence: Dependence, names: Iterable[str]) -> set[str]:
    """All that is computed from these parameters."""
    bits = 0
    for name in names:
        bits |= dependence.descendants.get(name, 0)
    return set(dependence.names(bits))


def _dims(node: Node) -> list[object]:
    given = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    return list(given) if isinstance(given, (list, tuple)) else [given]
