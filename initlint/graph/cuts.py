"""Parameters that outputs are computed from and that no gradient comes back to: all ways pass a detached tensor, or `no_grad`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from initlint.graph.dataflow import PASSING, SELECTING, Dependence, operator, strip
from initlint.graph.doubles import operands_after, without_gradient
from initlint.graph.places import writes

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.model import TracedModel


def cuts(traced: TracedModel, dependence: Dependence) -> Mapping[str, tuple[str, ...]]:
    """First node on the way that lets no gradient back → the trainable parameters for which there is no other way.

    Parameters that the forward pass writes to are trained by it, as moving averages are, and left out.
    """
    outputs = dependence.bits(item for item in traced.outputs if item in dependence.index)
    leading = [node for node in dependence.order if dependence.descendants[node.name] & outputs]
    ends = [node for node in leading if _is_cut(node)]
    if not ends:
        return {}
    live = {name for name in traced.outputs if name in dependence.index}
    for node in reversed(dependence.order):
        if node.name in live and not _is_cut(node):
            live.update(item.name for item in node.all_input_nodes)
    written = {name for node in dependence.order for name in _written_by(node)}
    found: dict[str, list[str]] = {}
    for node in leading:
        parameter = traced.parameters.get(node.name)
        if parameter is None or not parameter.trainable or parameter.kind != "parameter" or node.name in live | written:
            continue
        own = 1 << dependence.index[node.name]
        first = next((end for end in ends if dependence.ancestors[end.name] & own), None)
        if first is not None:
            found.setdefault(first.name, []).append(node.name)
    return {name: tuple(names) for name, names in found.items()}


def is_own_cut(node: Node, parameter: str) -> bool:
    """Whether a node detaches a parameter itself, and not what was computed with it."""
    return operator(node) == "detach" and strip(node, PASSING | SELECTING | {"detach"}).name == parameter


def _written_by(node: Node) -> Iterator[str]:
    """What a node writes to: a stretch without gradients to those of its operands that it changes inside."""
    inside = without_gradient(node)
    if inside is None:
        yield from (_owner(node.all_input_nodes[0]),) if writes(node) else ()
        return
    changed = {_owner(item.all_input_nodes[0]) for item in inside.nodes if writes(item)}
    own = [item.name for item in inside.nodes if item.op == "placeholder"]
    yield from (_owner(given) for name, given in zip(own, operands_after(node), strict=False) if name in changed)


def _owner(node: Node) -> str:
    """The tensor that a view shows, or that an operator before has written to."""
    while (seen := strip(node, PASSING | SELECTING | {"detach"})) is not node or writes(node):
        node = seen if seen is not node else node.all_input_nodes[0]
    return node.name


def _is_cut(node: Node) -> bool:
    return operator(node) == "detach" or ("wrap_with_set_grad_enabled" in str(node.target) and not node.args[0])
