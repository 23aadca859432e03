"""TRACED GRAPH → the parameters that can never learn, because exact zeros stand in their way.

A zero factor is no fault by itself: LoRA's B, a zero-initialized gain, ReZero, adaLN-zero and zero convolutions receive a
gradient themselves, become non-zero in the first step and let everything before them learn from the second. What is at
fault is a circle: two zero factors in series, each of which waits for the other, or a zero that meets a function without
slope at zero. Tensors that the code makes as zeros and buffers of zeros are factors, too, and stay what they are. So training is played with one bit per tensor: step by step, every parameter that a gradient reaches stops
being zero, until nothing changes. What no gradient has reached by then, none ever will (under any optimizer, for all data;
Saxe, McClelland, Ganguli 2013, arXiv:1312.6120, describe the saddle).

Everything not known to keep a zero is taken for non-zero, so that doubt leads to silence. Zeros that are no parameters may be
replaced by whoever calls the model (the first state of a recurrence), so what they hide by themselves is nobody's fault; only
where zero buffers keep the whole input from every output are they held responsible.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from initlint.graph.dataflow import (
    CONVOLUTIONS,
    NORMALIZING,
    PASSING,
    SELECTING,
    graph_of,
    is_node,
    operands,
    operator,
    strip,
)
from initlint.graph.doubles import LOSSES, equal_differences
from initlint.graph.roles import role_of

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.model import TracedModel

# f(0) = 0, elementwise or as a sum over elements.
_KEEPS_ZERO = frozenset(
    "relu relu6 tanh gelu silu mish leaky_relu prelu elu selu celu abs sqrt sin sinh tan atan erf sign round trunc detach hardtanh hardswish "
    "softshrink hardshrink softsign neg square mean sum cumsum avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d "
    "adaptive_avg_pool2d adaptive_avg_pool3d max_pool1d max_pool2d max_pool3d adaptive_max_pool2d upsample_nearest2d "
    "upsample_bilinear2d pixel_shuffle amax glu linalg_vector_norm".split()
)
# A product of all its tensor operands: zero as soon as one of them is.
_MULTIPLIES = frozenset("mul matmul mm bmm einsum dot mv outer".split())
# f'(0) = 0 or taken as 0 by autograd.
_FLAT_AT_ZERO = frozenset("relu relu6 abs square cos hardshrink softshrink sign cosh threshold linalg_vector_norm".split())
# No gradient passes, whatever the values are.
_STOPS = frozenset(
    "detach argmax argmin sign round floor ceil eq ne lt gt le ge logical_not bitwise_not zeros_like ones_like full_like "
    "randn_like rand_like empty_like one_hot isnan isinf bernoulli".split()
)


# Tensors made of zeros, or of the number that is their second argument.
_MAKES_ZERO = frozenset("zeros new_zeros zeros_like".split())
_FILLS = frozenset("full new_full full_like".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Liveness:
    """Which trainable parameters a gradient can ever reach; names of placeholders.

    dead      never, although they are connected to an output
    waiting   not in the first step, but later (LoRA's A while B is zero)
    zeros     parameters, and buffers that cut every output off the input, that are zero and stay so: those that would let all others
              of `dead` learn if they were not, if such a part of them does
    equal     differences of two copies of one part that stay zero, where nothing but these keeps all of `dead` from learning
    passed    whether the input reaches every output beside `dead`, and weights learn there: the rest of the model trains
    """

    dead: tuple[str, ...]
    waiting: tuple[str, ...]
    zeros: tuple[str, ...]
    equal: tuple[str, ...] = ()
    passed: bool = False


def liveness_of(traced: TracedModel) -> Liveness:
    """Play training with one bit per tensor until nothing changes."""
    order = tuple(graph_of(traced).nodes)
    trainable = {name for name, item in traced.parameters.items() if item.kind == "parameter" and item.trainable}
    zero = {name for name, item in traced.parameters.items() if item.kind == "parameter" and item.law.is_zero}
    outputs = set(traced.outputs)
    connected = _reached(order, frozenset(), outputs) & trainable
    written = _written(order)
    made = {node.name for node in order if _is_made_of_zeros(node)}
    made = (made | {name for name, item in traced.parameters.items() if item.kind == "constant" and item.law.is_zero}) - written
    equal = equal_differences(traced)
    end = _trained(order, zero, made, trainable, outputs, equal)
    hidden = connected - _trained(order, set(), made, trainable, outputs).learning if made else set[str]()
    kept = {node.name for node in order if _is_kept_zero(node, traced)} - written
    if kept and _sees_input(order, end.zero_nodes, written | set(traced.inputs), outputs):
        for group in (set[str](), *_by_role(kept, traced)):  # those that do not matter are left out
            cut = _trained(order, zero, made | (kept - group), trainable, outputs, equal)
            if not _sees_input(order, cut.zero_nodes, written | set(traced.inputs), outputs):
                end, kept = cut, kept - group
            elif not group:
                kept = set()
                break
        zero |= kept
    else:
        kept = set()
    dead = connected - end.learning - hidden
    zeros = (zero - end.learning) & (dead | (zero - trainable)) if dead else set[str]()

    def revived(drawn: set[str]) -> set[str]:
        """What else would learn if these were not zero."""
        return dead & _trained(order, zero - drawn - kept, made | (kept - drawn), trainable, outputs, equal).learning - drawn

    still = equal.keys() & end.zero_nodes if dead else set[str]()
    if still and dead <= _trained(order, zero, made, trainable, outputs).learning:
        return Liveness(dead=_in_order(order, dead), waiting=(), zeros=(), equal=_in_order(order, still))
    causes = set[str]().union(*(group for group in _by_role(zeros, traced) if revived(group)))
    if dead and dead - causes - revived(causes):  # others would be left, which several zeros keep dead together
        causes = zeros
    sources = written | set(traced.inputs)
    matrices = {name for name in end.learning if len(traced.parameters[name].shape) > 1}
    passed = bool(dead and matrices) and all(
        _sees_input(order, end.zero_nodes, sources, {name})
        for name in outputs
        if _sees_input(order, frozenset(), sources, {name})
    )
    return Liveness(
        dead=_in_order(order, dead),
        waiting=_in_order(order, end.learning - end.first),
        zeros=_in_order(order, causes),
        passed=passed,
    )


@dataclass(frozen=True, slots=True)
class _Trained:
    """The end of the game: what learns, what did in the first step, and the nodes that are zero still."""

    learning: set[str]
    first: set[str]
    zero_nodes: frozenset[str]


def _trained(
    order: tuple[Node, ...],
    zero: set[str],
    fixed: set[str],
    trainable: set[str],
    outputs: set[str],
    equal: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> _Trained:
    """Rounds of training until nothing changes; `zero` are parameters, `fixed` the nodes that stay zero, and `equal` those that do
    until one of some parameters learns."""
    learning: set[str] = set()
    first: set[str] | None = None
    while True:
        alike = {name for name, sources in equal.items() if not sources & learning}
        zero_nodes = _zero_nodes(order, (zero - learning) | fixed | alike)
        now = (_reached(order, zero_nodes, outputs) & trainable) | learning
        first = now if first is None else first
        if now == learning:
            return _Trained(learning, first, zero_nodes)
        learning = now


def _is_made_of_zeros(node: Node) -> bool:
    number = node.args[1] if operator(node) in _FILLS and len(node.args) > 1 else None
    return operator(node) in _MAKES_ZERO or (isinstance(number, (int, float)) and number == 0)


def _is_kept_zero(node: Node, traced: TracedModel) -> bool:
    """A zero buffer of several elements that is more than a running statistic; a single number may be a schedule's."""
    item = traced.parameters.get(node.name)
    if item is None or item.kind != "buffer" or not item.law.is_zero or math.prod(item.shape) < 2:
        return False
    return any(operator(user) not in NORMALIZING for user in node.users)


def _written(order: Iterable[Node]) -> set[str]:
    """Nodes whose readers see what is written later, into a view of them or into the buffer itself."""
    written: set[str] = set()
    for node in order:
        target = next(operands(node), None) if _is_in_place(node) else None
        if target is not None and target.op != "call_function":
            written.add(target.name)
        while target is not None and operator(target) in PASSING | SELECTING:
            target = next(operands(target), None)
            written |= set() if target is None else {target.name}
    return written


def is_cut_off(traced: TracedModel, zero: frozenset[str]) -> bool:
    """Whether every path from an input to an output passes a node of these, which are zero."""
    order = tuple(graph_of(traced).nodes)
    return not _sees_input(order, zero, _written(order) | set(traced.inputs), set(traced.outputs))


def cut_off_inputs(traced: TracedModel) -> Mapping[str, tuple[str, ...]]:
    """Floating inputs that can never change an output, because each of their ways is multiplied by a zero that nothing trains; and
    these zeros.

    A value that goes on where no gradient does (a comparison, a detached tensor) counts as a way of its own.
    """
    order = tuple(graph_of(traced).nodes)
    trainable = {name for name, item in traced.parameters.items() if item.kind == "parameter" and item.trainable}
    zero = {name for name, item in traced.parameters.items() if item.kind == "parameter" and item.law.is_zero}
    written, outputs = _written(order), set(traced.outputs)
    fixed = {name for name in zero - trainable if math.prod(traced.parameters[name].shape) > 1}  # one number may be a schedule's
    frozen = fixed | {node.name for node in order if _is_kept_zero(node, traced)} - written
    if not frozen:
        return {}
    made = {node.name for node in order if _is_made_of_zeros(node)} - written
    end = _trained(order, zero, made | frozen, trainable, outputs)
    reached, usual = (_reached(order, nodes, outputs) for nodes in (end.zero_nodes, _zero_nodes(order, made)))
    found: dict[str, tuple[str, ...]] = {}
    for name in traced.inputs:
        seen = _computed(order, end.zero_nodes, {name})
        stops = {node.name for node in order if operator(node) in _STOPS and node.name in seen}
        if name not in usual or name in reached or (stops and _sees_input(order, end.zero_nodes, stops, outputs)):
            continue
        causes = tuple(
            item
            for item in _in_order(order, frozen)
            if name in _reached(order, _trained(order, zero - {item}, made | (frozen - {item}), trainable, outputs).zero_nodes, outputs)
        )
        if causes:
            found[name] = causes
    return found


def shutting_zeros(traced: TracedModel) -> tuple[tuple[str, ...], ...]:
    """Trainable zeros that keep every input from every output in the first step, by role; () where some input gets through."""
    order = tuple(graph_of(traced).nodes)
    outputs = set(traced.outputs)
    zero = {name for name, item in traced.parameters.items() if item.kind == "parameter" and item.trainable and item.law.is_zero}
    entries = {name for name, law in traced.inputs.items() if "int" not in law.dtype and "bool" not in law.dtype}
    entries |= {node.name for node in order if operator(node) in ("embedding", "embedding_bag", "one_hot")}

    def passes(zeros: set[str]) -> bool:
        return not entries.isdisjoint(_reached(order, _shut(order, zeros), outputs))

    if passes(zero) or not passes(set()):
        return ()
    return tuple(_in_order(order, group) for group in _by_role(zero, traced) if passes(zero - group))


def _by_role(names: Iterable[str], traced: TracedModel) -> list[set[str]]:
    """The same with those of one role together."""
    roles: dict[str, set[str]] = {}
    for name in sorted(names):
        roles.setdefault(role_of(traced.parameters[name].name), set()).add(name)
    return list(roles.values())


def _sees_input(order: Iterable[Node], zero: frozenset[str], sources: set[str], outputs: set[str]) -> bool:
    """Whether some output is computed from a source through nodes that are not zero."""
    return not _computed(order, zero, sources).isdisjoint(outputs)


def _computed(order: Iterable[Node], zero: frozenset[str], sources: set[str]) -> set[str]:
    """The sources, and what is computed from them through nodes that are not zero."""
    seen = set(sources)
    for node in order:
        if node.name not in zero and any(item.name in seen for item in operands(node)):
            seen.add(node.name)
    return seen


def _in_order(order: Iterable[Node], names: set[str]) -> tuple[str, ...]:
    return tuple(node.name for node in order if node.name in names)


def _zero_nodes(order: Iterable[Node], fixed: set[str]) -> frozenset[str]:
    """Nodes that are identically zero when these are."""
    zero: set[str] = set()
    for node in order:
        if node.name in fixed or (node.op == "call_function" and _is_zero(node, zero)):
            zero.add(node.name)
    return frozenset(zero)


def _shut(order: Iterable[Node], fixed: set[str]) -> frozenset[str]:
    """Nodes that are zero when these are, and layers of zeros that put out their bias, whatever they read."""
    order = tuple(order)
    zero = _zero_nodes(order, fixed)
    layers = (node for node in order if operator(node) in ("linear", *CONVOLUTIONS))
    return zero | {node.name for node in layers if list(operands(node))[1].name in zero}


def _is_zero(node: Node, zero: set[str]) -> bool:
    name = operator(node)
    tensors = list(operands(node))
    if not tensors:
        return False
    first = tensors[0].name in zero
    if name in _MULTIPLIES:
        return any(tensor.name in zero for tensor in tensors)
    if name in ("linear", *CONVOLUTIONS):
        product = first or tensors[1].name in zero
        return product and all(tensor.name in zero for tensor in tensors[2:])
    if name in ("addmm", "baddbmm"):
        return first and any(tensor.name in zero for tensor in tensors[1:3])
    if name in ("add", "sub"):
        numbers = [value for value in node.args[:2] if isinstance(value, (int, float)) and value]
        return not numbers and all(tensor.name in zero for tensor in tensors)
    if name in ("cat", "stack"):
        return all(tensor.name in zero for tensor in tensors)
    if name in NORMALIZING:
        gain, shift = _gain_and_shift(node)
        no_shift = shift is None or shift.name in zero
        return no_shift and (first or (gain is not None and gain.name in zero))
    if name == "scaled_dot_product_attention":
        return len(tensors) > 2 and tensors[2].name in zero
    if name == "pow":
        return first and isinstance(node.args[1], (int, float)) and node.args[1] > 0
    if name in ("masked_fill", "constant_pad_nd", "clamp_min"):
        return first and not (tensors[2:] if name == "masked_fill" else tensors[1:]) and not _puts_in(node)
    return first and name in PASSING | SELECTING | _KEEPS_ZERO | {"embedding", "div"}


def _puts_in(node: Node) -> bool:
    """Whether the number that fills, pads or bounds from below is one that a zero does not stay zero beside."""
    position = {"masked_fill": 2, "constant_pad_nd": 2, "clamp_min": 1}[operator(node)]
    value = node.args[position] if len(node.args) > position else node.kwargs.get("value", 0)
    return not isinstance(value, (int, float)) or (value > 0 if operator(node) == "clamp_min" else value != 0)


def _gain_and_shift(node: Node) -> tuple[Node | None, Node | None]:
    """The affine parameters of a normalization, wherever its signature puts them."""
    position = {"layer_norm": 2, "rms_norm": 2, "group_norm": 2, "native_layer_norm": 2}.get(operator(node), 1)
    gain = node.args[position] if len(node.args) > position else node.kwargs.get("weight")
    shift = node.args[position + 1] if len(node.args) > position + 1 else node.kwargs.get("bias")
    if operator(node) == "rms_norm":
        shift = None
    return gain if is_node(gain) else None, shift if is_node(shift) else None


def _reached(order: tuple[Node, ...], zero: frozenset[str], outputs: set[str]) -> set[str]:
    """Nodes that a gradient of the outputs may reach while the nodes `zero` are zero."""
    reached = set(outputs)
    for node in reversed(order):
        if _writes_into_a_view(node):
            reached.add(node.name)
        if node.name in reached and node.op == "call_function":
            reached.update(source.name for source in _passes_to(node, zero))
    return reached


def _writes_into_a_view(node: Node) -> bool:
    """An in-place write through a view: its reader reads the viewed tensor, not this node."""
    target = next(operands(node), None) if _is_in_place(node) else None
    return target is not None and strip(target, PASSING | SELECTING) is not target


def _is_in_place(node: Node) -> bool:
    if node.op != "call_function" or not str(node.target).split(".")[1:2]:
        return False
    name = str(node.target).split(".")[1]
    return name.endswith("_") and not name.endswith("__")


def _passes_to(node: Node, zero: frozenset[str]) -> Iterator[Node]:
    """The operands of a node to which its gradient is handed on."""
    name = operator(node)
    if name in _STOPS:
        return
    tensors = list(operands(node))
    if not tensors:
        return
    dead = [tensor.name in zero for tensor in tensors]
    if name in LOSSES and node.name in zero:
        return
    if name in _MULTIPLIES:
        for number, tensor in enumerate(tensors):
            if not any(dead[:number] + dead[number + 1 :]):
                yield tensor
    elif name in ("linear", *CONVOLUTIONS):
        if not dead[1]:
            yield tensors[0]
        if not dead[0]:
            yield tensors[1]
        yield from tensors[2:]
    elif name in ("addmm", "baddbmm"):
        yield tensors[0]
        if not dead[2]:
            yield tensors[1]
        if not dead[1]:
            yield tensors[2]
    elif name in NORMALIZING:
        gain, _ = _gain_and_shift(node)
        for tensor in tensors:
            if tensor is tensors[0] and gain is not None and gain.name in zero:
                continue
            if tensor is gain and dead[0]:
                continue
            yield tensor
    elif name == "scaled_dot_product_attention":
        if len(tensors) > 2 and not dead[2]:
            if not dead[1]:
                yield tensors[0]
            if not dead[0]:
                yield tensors[1]
        yield from tensors[2:]
    elif name == "div":
        yield tensors[0]
        if not dead[0]:
            yield from tensors[1:]
    elif dead[0] and (name in _FLAT_AT_ZERO or _is_power_flat_at_zero(node)):
        return
    else:
        yield from tensors


def _is_power_flat_at_zero(node: Node) -> bool:
    exponent = node.args[1] if len(node.args) > 1 else None
    return operator(node) == "pow" and isinstance(exponent, (int, float)) and exponent > 1
