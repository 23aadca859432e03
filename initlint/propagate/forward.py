"""One pass over the graph: the moments of every node, and the tape for the way back.

Tensors that do not depend on weights or floating inputs are computed for real. Everything else goes through a transfer
function; an operator without one is sampled; what cannot be sampled is reported as unknown, and nothing is predicted from it.
In-place writes follow torch's aliasing: a write to a view is a write to its base, and later reads see it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.propagate.calls import (
    CHECKS,
    EMPTY,
    KEEPING,
    NUMBERS,
    RANDOM,
    VIEWS,
    copies,
    functional,
    in_floats,
    name_of,
    without_out,
    writes,
)
from initlint.propagate.drawn import Drawn, Draws
from initlint.propagate.joint import Joint
from initlint.propagate.lineage import note
from initlint.propagate.masked import prepared
from initlint.propagate.moments import Moments
from initlint.propagate.ops import TRANSFERS, CannotPredict
from initlint.propagate.ops.gather import STATES, bounded
from initlint.propagate.ops.registry import CannotSample, as_moments
from initlint.propagate.ops.view import overwritten, permuted, reshaped
from initlint.propagate.recipes import Piece
from initlint.propagate.sampling import sampled
from initlint.propagate.tape import Known, Tape, Unknown

if TYPE_CHECKING:
    from torch import fx

    from initlint.propagate.axes import Labels

@dataclass(slots=True)
class Forward:
    """What the pass leaves: value and method by node, and the tape."""

    values: dict[fx.Node, Any] = field(default_factory=dict)
    produced: dict[fx.Node, Any] = field(default_factory=dict)  # as it was when the node ran, before later in-place writes
    unknown: dict[str, str] = field(default_factory=dict)  # operator → why, for operators that could not be predicted
    sampled: set[str] = field(default_factory=set)  # node names
    tape: Tape = field(default_factory=Tape)


def propagate_graph(
    graph: fx.Graph, leaves: Mapping[str, Any], module: Any, *, weights: Collection[str] = (), draws: Draws | None = None
) -> Forward:
    """Run over `graph`; `leaves` gives the values of placeholders and get_attr nodes by node name.

    weights  names of the leaves that are parameters, buffers or constants, which `draws` can draw
    """
    state = Forward()
    _Run(state, module, weights, draws).graph(graph, leaves)
    return state


# products with weights, which two calls of one layer repeat; what is cheap and element by element has its own lineage
REPEATED = frozenset(("linear", "addmm", "mm", "matmul", "conv1d", "conv2d", "conv3d", "embedding", "t", "transpose", "layer_norm"))


class _Run:
    """The mutable state of one pass: environment, aliases between nodes, versions of what they alias."""

    def __init__(self, state: Forward, module: Any, weights: Collection[str], draws: Draws | None) -> None:
        from torch import fx

        self.node = fx.Node
        self.state = state
        self.weights = weights
        self.drawn = Drawn(draws, state.produced, state.tape)
        self.joint = state.tape.joint = Joint(state.tape, draws)
        self.module = module
        self.parent: dict[fx.Node, fx.Node] = {}
        self.version: dict[fx.Node, int] = {}
        self.seen: dict[fx.Node, int] = {}
        self.count = 0
        self.again: set[fx.Node] = set()  # calls that a later one repeats
        self.calls: dict[Any, Moments] = {}
        self.kept: list[Any] = []  # arguments of `calls`, whose identities must stay theirs
        self.stopped = False

    def graph(self, graph: fx.Graph, leaves: Mapping[str, Any]) -> Any:
        values = self.state.values
        self.again |= repeated_calls(graph)
        idle = only_checked(graph)
        for node in graph.nodes:
            if node in idle:
                continue
            if node.op == "placeholder":
                values[node] = leaves.get(node.name)
                if isinstance(values[node], Unknown) and node.users:
                    self.state.unknown[f"the start of {node.name}"] = values[node].reason
            elif node.op == "get_attr":
                values[node] = leaves[node.name] if node.name in leaves else self.attribute(node)
            elif node.op == "call_function":
                self.drawn.note(node, chance=name_of(node.target) in RANDOM)
                values[node] = self.call(node)
            elif node.op == "output":
                return self.resolve(node.args[0])
            if node.name in self.weights:
                self.drawn.leaf(node)
                self.joint.names[id(values[node])] = node.name
            self.state.produced[node] = snapshot(values[node])
        return None

    def attribute(self, node: fx.Node) -> Any:
        import torch

        value = self.module
        for name in str(node.target).split("."):
            value = getattr(value, name)
        if isinstance(value, torch.Tensor):
            return Known(value.detach().clone()) if value.device.type != "meta" else Unknown("a constant without values")
        return value

    def read(self, node: fx.Node) -> Any:
        """The current value of a node, remade if what it is a view of was written since."""
        parent = self.parent.get(node)
        if parent is not None:
            self.read(parent)
            if self.version.get(parent, 0) > self.seen.get(node, 0):
                self.state.values[node] = self.run(node, as_view=True)
                self.seen[node] = self.version[parent]
                self.version[node] = self.version[parent]
        return self.state.values.get(node)

    def resolve(self, value: Any) -> Any:
        if isinstance(value, self.node):
            return self.read(value)
        if isinstance(value, (list, tuple)):
            return type(value)([self.resolve(v) for v in value])
        if isinstance(value, dict):
            return {k: self.resolve(v) for k, v in value.items()}
        return value

    def call(self, node: fx.Node) -> Any:
        from torch import fx

        name = name_of(node.target)
        result = self.run(node)
        first = node.args[0] if node.args else None
        if isinstance(first, fx.Node):
            if writes(node.target):
                self.drawn.wrote(node, first)
                self.parent[node] = first
                self.write(first, result)
                self.seen[node] = self.version[first]
                self.version[node] = self.version[first]
            elif name in VIEWS and not copies(node):
                self.parent[node] = first
                self.seen[node] = self.version.get(first, 0)
        memory = node.kwargs.get("out")
        if isinstance(memory, fx.Node):
            self.write(memory, result)
            self.drawn.wrote(node, memory)
        return result

    def write(self, node: fx.Node, value: Any) -> None:
        """Node's memory now holds `value`; so does, in part, what it is a view of."""
        self.count += 1
        before = self.state.values.get(node)
        self.state.values[node] = value
        self.version[node] = self.count
        parent = self.parent.get(node)
        if parent is None:
            return
        if isinstance(before, Known) and isinstance(value, Known) and isinstance(self.state.values[parent], Known):
            self.write(parent, self.state.values[parent])  # really aliased: torch has written through
            self.seen[node] = self.count
            self.version[node] = self.count
            return
        whole = self.state.values[parent]
        if isinstance(whole, Unknown) or isinstance(value, Unknown):
            self.write(parent, Unknown("written through a view"))
            return
        self.drawn.complete((whole, value))
        merged: Any
        try:
            merged = self.write_through(node, as_moments(whole, None), as_moments(value))
        except CannotPredict as problem:
            merged = Unknown(str(problem))
        self.write(parent, merged)
        self.seen[node] = self.version[parent]
        self.version[node] = self.version[parent]

    def write_through(self, node: fx.Node, whole: Moments, part: Moments) -> Moments:
        """`whole` after its view `node` was overwritten by `part`."""
        name, tape = name_of(node.target), self.state.tape
        args = self.resolve(node.args[1:])
        if writes(node.target) or name in ("alias", "detach", "contiguous", "to"):
            return part
        if name in ("slice", "narrow"):
            d = whole.dim(args[0] if args else 0)
            start, stop = (args[1] if len(args) > 1 else None), (args[2] if len(args) > 2 else None)
            step = args[3] if len(args) > 3 else 1
            if name == "narrow":
                start, stop, step = args[1], args[1] + args[2], 1
            return self.replaced(whole, part, d, np.arange(whole.shape[d])[slice(start, stop, step)])
        if name == "select":
            d = whole.dim(args[0])
            return self.replaced(whole, part, d, np.array([args[1] % whole.shape[d]]))
        if name in ("transpose", "swapaxes", "permute", "t", "numpy_T", "movedim"):
            order = list(range(len(whole.shape)))
            if name in ("transpose", "swapaxes"):
                order[args[0]], order[args[1]] = order[args[1]], order[args[0]]
            elif name == "permute":
                order = [d % len(order) for d in args[0]]
            elif name in ("t", "numpy_T"):
                order = order[::-1]
            else:
                raise CannotPredict("a write through movedim")
            return permuted(tape, part, [order.index(d) for d in range(len(order))])
        return reshaped(tape, part, list(whole.shape))

    def replaced(self, whole: Moments, part: Moments, d: int, indices: Labels) -> Moments:
        """`whole` with `part` at these indices of dimension d."""
        shape = list(whole.shape)
        shape[d] = len(indices)
        merged = overwritten(self.state.tape, whole, reshaped(self.state.tape, part, shape), d, indices)
        self.joint.overwrote(whole, merged, Piece(d, indices, part))
        return merged

    def run(self, node: fx.Node, as_view: bool = False) -> Any:
        """The value of a call; `as_view` when a view is remade, so that nothing is written again."""
        target = node.target
        name = name_of(target)
        if as_view and writes(target):
            return self.state.values[self.parent[node]]
        args, kwargs = self.resolve(node.args), self.resolve(node.kwargs)
        if "out" in kwargs:  # the same function, whose result is then written
            kwargs = {key: value for key, value in kwargs.items() if key != "out"}
            target = without_out(target)
        if target is operator.getitem:
            return taken(args[0], args[1])
        if name.startswith("wrap_with") or "autocast" in name:
            return self.region(node, name, args)
        if name == "_set_grad_enabled":
            return self.switch(bool(args[0]))
        random = first_of((Moments, Unknown), (args, kwargs))
        missing = None if random is None else first_of(Unknown, (args, kwargs))
        if missing is not None:
            return missing
        if random is None and name not in RANDOM:
            known = self.compute(target, name, args, kwargs)
            if known is not None:
                return known
        if self.drawn.needed(node, name):
            made = self.drawn.moments(node)
            if made is not None:
                self.state.sampled.add(node.name)
                self.joint.made[id(made)] = (made, lambda: self.drawn.drawn(node, self.drawn.mixed(node)))
                return made
        self.drawn.complete((args, kwargs))
        return self.transfer(node, target, name, args, kwargs)

    def transfer(self, node: fx.Node, target: Any, name: str, args: Any, kwargs: Any) -> Any:
        if name == "select" and isinstance(args[0], Moments):
            d = args[0].dim(args[1])
            before, piece = self.joint.piece(args[0], d, args[2])
            if piece is not None:  # written by a select, or by a slice of length one, which keeps the dimension
                shape = [n for k, n in enumerate(args[0].shape) if k != d]
                return self.own(reshaped(self.state.tape, piece, shape))
            args = (before, *args[1:])
        elif self.joint.pieces and not only_written(node):
            args = self.joint.whole(self.state.tape, args)
        args, kwargs, fill = prepared(self.state.tape, target, args, kwargs)
        again = self.repeated(target, name, args, kwargs) if self.calls else None
        if again is not None:
            return again
        function = formula_of(target)
        mark = len(self.state.tape.entries)
        reason = ""
        if self.joint.needed(node, name, args, kwargs):
            made = self.together(node, target, name, args, kwargs)
            if made is not None:
                return made
        if function is not None:
            try:
                result = function(self.state.tape, *args, **kwargs, **memory_of(node, name))
                if fill is not None and isinstance(result, Moments):
                    result.fill = fill
                if was_sampled(result) and not was_sampled((args, kwargs)):
                    self.state.sampled.add(node.name)
                if isinstance(result, Moments) and args and result is args[0] and copies(node):
                    result = self.own(result)
                result = self.joint.note(self.state.tape, node, name, functional(target), args, kwargs, self.bounded(result))
                return self.remembered(node, args, kwargs, result)
            except CannotSample as problem:
                del self.state.tape.entries[mark:]
                self.state.unknown[str(target)] = str(problem)
                return Unknown(str(problem))
            except CannotPredict as problem:
                reason = str(problem)
            except Exception as problem:  # noqa: BLE001 - a formula that breaks is as good as none; the reason is kept
                reason = f"{type(problem).__name__} in the formula of {name}: {problem}"
            del self.state.tape.entries[mark:]
        reason = reason or f"no formula for {target}"
        made = self.together(node, target, name, args, kwargs)
        if made is not None:
            return made
        try:
            result = sampled(self.state.tape, functional(target), args, kwargs, seed=len(self.state.values))
        except CannotPredict as problem:
            self.state.unknown[str(target)] = f"{reason}; {problem}"
            return Unknown(reason)
        self.state.sampled.add(node.name)
        return result

    def bounded(self, value: Any) -> Any:
        """The same value, in fewer groups where there are too many."""
        if not isinstance(value, Moments) or value.pair.size <= STATES:
            return value
        return self.state.tape.record_coherent([value], bounded(value), lambda g: [g])

    def together(self, node: fx.Node, target: Any, name: str, args: Any, kwargs: Any) -> Moments | None:
        """The result of an element-wise operator from joint draws of its operands; None where it cannot be had so."""
        mark = len(self.state.tape.entries)
        try:
            result = self.joint.make(self.state.tape, node, name, functional(target), args, kwargs)
        except CannotPredict:
            del self.state.tape.entries[mark:]
            return None
        self.state.sampled.add(node.name)
        return result

    def repeated(self, target: Any, name: str, args: Any, kwargs: Any) -> Any:
        """The result of the same operator on the same values, as a tensor with a cotangent of its own; None if it is new."""
        key = call_key(target, args, kwargs)
        before = None if key is None or name in RANDOM or writes(target) else self.calls.get(key)
        return None if before is None else self.own(before)

    def own(self, value: Moments) -> Moments:
        """The same value, whose cotangent is reported for itself."""
        return self.state.tape.record_coherent([value], value.with_(affine=(value, 1.0, 0.0)), lambda g: [g])

    def remembered(self, node: fx.Node, args: Any, kwargs: Any, result: Any) -> Any:
        """`result`, as that of this call; where the graph calls for it again, kept under its arguments."""
        note(self.state.tape, name_of(node.target).removesuffix("_"), formula_of(node.target), args, kwargs, result)
        if node not in self.again or not isinstance(result, Moments) or self.state.tape.blocked:
            return result
        key = call_key(node.target, args, kwargs)
        if key is None:
            return result
        if key not in self.calls:
            self.calls[key] = result
            self.kept.append((args, kwargs))
        return self.own(result)

    def compute(self, target: Any, name: str, args: Any, kwargs: Any) -> Any:
        """Run an operator for real on known tensors; None if it would be too large or fails."""
        import torch

        def real(value: Any) -> Any:
            if isinstance(value, Known):
                return value.tensor
            if isinstance(value, torch.device):
                return torch.device("cpu")
            if isinstance(value, list | tuple):
                return type(value)(real(v) for v in value)
            return value

        if not callable(target):
            return None
        values, options = real(args), {k: real(v) for k, v in kwargs.items()}
        try:
            with torch.no_grad():
                result = target(*values, **options)
        except NotImplementedError:  # an integer kernel that this device lacks
            result = in_floats(target, values, options)
        except (RuntimeError, TypeError, IndexError, ValueError):
            return None
        if result is None:
            return None
        if name in EMPTY:
            result.zero_()
        # moving random integers around leaves them as random; anything else makes them particular
        first = args[0] if args else None
        kept = first.distinct if isinstance(first, Known) and (name in VIEWS or name in KEEPING) else 0
        return wrap(result, kept)

    def switch(self, gradient: bool) -> None:
        """A recorded run says where gradients stop and go on again."""
        if gradient is self.stopped:
            self.state.tape.blocked += -1 if gradient else 1
            self.stopped = not gradient

    def region(self, node: fx.Node, name: str, args: Any) -> Any:
        """A wrapped subgraph, in line; without gradient where it says so."""
        from torch import fx

        position = next((n for n, a in enumerate(args) if isinstance(a, fx.GraphModule)), None)
        if position is None:
            return Unknown(f"no graph inside {name}")
        inner, inputs = args[position], args[position + 1 :]
        blocked = "set_grad" in name and args[0] is False
        tape = self.state.tape
        places = [n for n in inner.graph.nodes if n.op == "placeholder"]
        names = [n.name for n in places]
        for place, given in zip(places, node.args[position + 1 :], strict=False):
            self.drawn.alias(place, given)
        self.drawn.outputs[node] = next(n for n in inner.graph.nodes if n.op == "output").args[0]
        outer, self.module = self.module, inner
        tape.blocked += blocked
        try:
            return self.graph(inner.graph, dict(zip(names, inputs, strict=False)))
        finally:
            tape.blocked -= blocked
            self.module = outer


def only_checked(graph: fx.Graph) -> set[fx.Node]:
    """Conditions and counts that at most a check reads: no signal depends on what they say."""
    import torch

    numbers = (torch.SymBool, torch.SymInt, torch.SymFloat, bool, int, float)
    idle: set[fx.Node] = set()
    for node in reversed(graph.nodes):
        if node.op != "call_function":
            continue
        value = node.meta.get("val")
        name = name_of(node.target)
        answer = name in NUMBERS or isinstance(value, numbers)
        answer = answer or (isinstance(value, torch.Tensor) and not (value.is_floating_point() or value.is_complex()))
        if name.startswith(CHECKS) or (answer and not writes(node.target) and idle.issuperset(node.users)):
            idle.add(node)
    return idle


def only_written(node: fx.Node) -> bool:
    """Whether a view is made for nothing but to be written."""
    name = name_of(node.target)
    if writes(node.target):
        return True
    return name in VIEWS and all(
        user.args and user.args[0] is node and (writes(user.target) or only_written(user)) for user in node.users
    )


def repeated_calls(graph: fx.Graph) -> set[fx.Node]:
    """Nodes whose operator a later node applies to the same operands, as far as the graph shows."""
    from torch import fx

    first: dict[str, fx.Node] = {}
    same: dict[fx.Node, fx.Node] = {}
    found: set[fx.Node] = set()
    for node in graph.nodes:
        if node.op != "call_function" or name_of(node.target) not in REPEATED:
            continue
        operands = fx.map_arg((node.args, node.kwargs), lambda n: same.get(n, n))
        key = f"{node.target} {operands}"
        same[node] = first.setdefault(key, node)
        if same[node] is not node:
            found.add(same[node])
    return found


def call_key(target: Any, args: Any, kwargs: Any) -> Any:
    """Equal for calls of one operator on the same values; None where that cannot be told."""

    def of(value: Any) -> Any:
        if isinstance(value, Moments | Known):
            return id(value)
        if isinstance(value, list | tuple):
            return tuple(of(v) for v in value)
        return (type(value).__name__, str(value))

    if name_of(target) not in REPEATED:
        return None
    return (str(target), of(args), tuple((k, of(v)) for k, v in sorted(kwargs.items())))


def taken(whole: Any, key: Any) -> Any:
    """One result of an operator that has several; of the formulas of decomposed operators, which give the first alone, too."""
    if isinstance(whole, Unknown):
        return whole
    if isinstance(whole, Moments | Known):
        return whole if key == 0 else Unknown("a statistic that only the backward pass of its operator reads")
    part = whole[key]
    return part() if isinstance(part, partial) else part  # places of the largest, which few ask for


def memory_of(node: fx.Node, name: str) -> dict[str, Any]:
    """What the formula of `as_strided` has to know besides its arguments: where the entries of its tensor lie."""
    from torch import fx

    if name != "as_strided":
        return {}
    first = node.args[0] if node.args else None
    value = first.meta.get("val") if isinstance(first, fx.Node) else None
    return {} if value is None else {"strides": tuple(map(int, value.stride())), "start": int(value.storage_offset())}


def formula_of(target: Any) -> Callable[..., Any] | None:
    """The transfer function of an operator; one of another library than ATen is registered as "library::name"."""
    library, name = getattr(target, "namespace", ""), name_of(target)
    if library != "aten":
        return TRANSFERS.get(f"{library}::{name}")
    return TRANSFERS.get(name) or (TRANSFERS.get(name[:-1]) if name.endswith("_") else None)


def first_of(kind: type | tuple[type, ...], value: Any) -> Any:
    """The first instance of a class inside nested arguments, or None."""
    if isinstance(value, kind):
        return value
    if isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            found = first_of(kind, item)
            if found is not None:
                return found
    return None


def was_sampled(value: Any) -> bool:
    """Whether moments among nested arguments or results come from a sampled operator."""
    first = first_of(Moments, value)
    return first is not None and first.method == "sampled"


def wrap(result: Any, distinct: int) -> Any:
    import torch

    if isinstance(result, torch.Tensor):
        return Known(result, distinct)
    if isinstance(result, list | tuple):
        return [wrap(r, distinct) for r in result]
    return result


def snapshot(value: Any) -> Any:
    """What to report of a value: known floating tensors are summarized now, since later writes change them."""
    if isinstance(value, Known) and (value.tensor.is_floating_point() or value.tensor.is_complex()):
        tensor = value.tensor
        if tensor.numel() == 0:
            return (0.0, 0.0, 0.0)
        if tensor.is_complex():
            return (float(tensor.real.mean()), float((tensor.abs() ** 2).mean()), float((tensor == 0).float().mean()))
        wide = tensor.double()
        return (float(wide.mean()), float((wide * wide).mean()), float((tensor == 0).double().mean()))
    return value
