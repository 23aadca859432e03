"""The gates of recurrent layers and cells: what each stretch of a bias starts at, and how much of a state a step keeps.

A state that is kept by a factor f a step, c ← f·c + …, remembers 1/(1 − f) steps, and the gradient of what lies n steps back is
smaller by fⁿ. The library's operators have the factor in a known part of their biases; written by hand, it is what the graph multiplies
the sum of the step before with.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING

from initlint.graph.dataflow import PASSING, SELECTING, is_node, operands, operator, shape_of, strip
from initlint.lint.recurrences import SHORTEST

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Law, Parameter, Write
    from initlint.lint.facts import Facts

SIGMOIDS = frozenset(("sigmoid", "hardsigmoid"))
WHOLE = PASSING | SELECTING - {"cat", "stack"}
GATES = {"lstm": (4, 1), "gru": (3, 1)}  # gates packed in a bias, and which of them keeps the state: PyTorch's order
TAKING = {"lstm": (4, 0, 1), "gru": (3, 1, -1)}  # and which lets new values in, 1 where a larger bias lets in more
SPLITTING = ("chunk", "split", "split_with_sizes", "tensor_split")
TERMS = 32  # of what a gate reads
CLOSE = 0.1  # relative: what was drawn is known by its law or by its draw


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Entries start … stop of a bias (the name of its node), with what they start at, and 1 where a larger one keeps more, else -1."""

    bias: str
    start: int
    stop: int
    mean: float
    sign: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A state that is kept in part at every step.

    node     the first factor, or the operator that runs the steps
    share    of the state that a step keeps, the mean over units and data
    biases   what adds to the gate's input whatever the data
    """

    node: str
    share: float
    biases: tuple[Stretch, ...]


def levels_of(parameter: Parameter) -> tuple[tuple[int, int, float], ...]:
    """(start, stop, mean) of the stretches of a vector that have one law, or equal values where these are known."""
    if parameter.law.parts:
        return tuple((region[0][0], region[0][1], law.mean) for region, law in parameter.law.parts)
    if parameter.value is None or parameter.value.dim() != 1:
        return ((0, parameter.shape[0], parameter.law.mean),)
    found: list[tuple[int, int, float]] = []
    start = 0
    for value, members in groupby(parameter.value.tolist()):
        stop = start + sum(1 for _ in members)
        found.append((start, stop, float(value)))
        start = stop
    return tuple(found)


def mean_of(parameter: Parameter, start: int, stop: int) -> float:
    """Mean of the entries start … stop of a vector."""
    total = sum(mean * max(min(end, stop) - max(begin, start), 0) for begin, end, mean in levels_of(parameter))
    return total / (stop - start)


def write_of(parameter: Parameter, stretch: Stretch) -> Write | None:
    """The write that gave a stretch of a bias what it starts at: the one of its size that changed the sum of all entries by as much, and
    the last one where none did."""
    size, before, found = stretch.stop - stretch.start, 0.0, None
    for write in parameter.writes:
        change = (write.law.mean - before) * parameter.shape[0]
        if math.prod(write.shape) == size and math.isclose(change, stretch.mean * size, rel_tol=CLOSE):
            found = write
        before = write.law.mean
    return found or (parameter.writes[-1] if parameter.writes else None)


def states_kept(facts: Facts) -> Iterator[Kept]:
    """Of recurrent operators, one for each layer and direction; of cells; of states in loops, where these have enough steps."""
    cells: dict[str, Kept] = {}
    for node in facts.structure.dependence.order:
        layer, name = facts.structure.layers.get(node.name), operator(node)
        if layer is not None and layer.kind == "recurrent" and name in GATES:
            yield from _of_operator(facts, node, layer)
        elif name in ("lstm_cell", "gru_cell"):
            biases = [item.name for item in operands(node) if item.name in facts.traced.parameters and len(shape_of(item)) == 1]
            kept = _packed(facts, node, biases, name.removesuffix("_cell"))
            if kept is not None:
                cells.setdefault(",".join(biases), kept)
    yield from cells.values()
    yield from _of_loops(facts)


def _by_layer(facts: Facts, layer: WeightLayer) -> Iterator[list[str]]:
    """The biases of a recurrent operator, those of one layer and direction together."""
    pairs: dict[str, list[str]] = {}
    for name in layer.others:
        leaf = facts.parameter(name).name.rpartition(".")[2]
        pairs.setdefault(leaf.replace("bias_ih", "").replace("bias_hh", ""), []).append(name)
    yield from pairs.values()


def _of_operator(facts: Facts, node: Node, layer: WeightLayer) -> Iterator[Kept]:
    for biases in _by_layer(facts, layer):
        kept = _packed(facts, node, biases, operator(node))
        if kept is not None:
            yield kept


def _packed(facts: Facts, node: Node, biases: list[str], kind: str) -> Kept | None:
    """By the biases alone: the weights that PyTorch gives these layers add nothing on average."""
    gates, which = GATES[kind]
    stretches = []
    for name in biases:
        parameter = facts.parameter(name)
        if len(parameter.shape) != 1 or parameter.shape[0] % gates:
            return None
        width = parameter.shape[0] // gates
        start, stop = which * width, (which + 1) * width
        stretches.append(Stretch(bias=name, start=start, stop=stop, mean=mean_of(parameter, start, stop)))
    total = sum(item.mean for item in stretches)
    return Kept(node=node.name, share=1 / (1 + math.exp(-max(total, -700.0))), biases=tuple(stretches)) if stretches else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The gate through which a recurrent operator's state takes in new values.

    bias     the parameter whose entries differ from unit to unit
    share    of the units whose gate starts below a limit
    lowest   what the lowest of them starts at
    """

    bias: str
    share: float
    lowest: float


def gates_below(facts: Facts, limit: float) -> Iterator[Taken]:
    """Of each layer and direction of recurrent operators: units whose gate for new values starts below the limit, by the laws of the biases."""
    for node in facts.structure.dependence.order:
        layer, name = facts.structure.layers.get(node.name), operator(node)
        if layer is None or layer.kind != "recurrent" or name not in TAKING:
            continue
        for biases in _by_layer(facts, layer):
            found = _below(facts, biases, name, limit)
            if found is not None:
                yield found


def _below(facts: Facts, biases: list[str], kind: str, limit: float) -> Taken | None:
    gates, which, sign = TAKING[kind]
    fixed, drawn = 0.0, []
    for name in biases:
        parameter = facts.parameter(name)
        if len(parameter.shape) != 1 or parameter.shape[0] % gates:
            return None
        width = parameter.shape[0] // gates
        for start, stop, law in _laws_within(parameter, which * width, (which + 1) * width):
            if law.family == "constant" and stop - start == width:
                fixed += sign * law.mean
            else:
                drawn.append((name, stop - start, law))
    if not drawn or len({name for name, _, _ in drawn}) > 1:
        return None
    below, lowest = 0.0, math.inf
    for _, size, law in drawn:
        if law.low is None or law.high is None or law.family not in ("uniform", "constant"):
            return None
        low, high = sorted((sign * law.low + fixed, sign * law.high + fixed))
        below += size * min(max((limit - low) / (high - low), 0.0), 1.0) if high > low else size * (low < limit)
        lowest = min(lowest, low)
    return Taken(bias=drawn[0][0], share=below / sum(size for _, size, _ in drawn), lowest=lowest)


def _laws_within(parameter: Parameter, start: int, stop: int) -> Iterator[tuple[int, int, Law]]:
    """The laws of the entries start … stop of a vector, with the stretches that have them."""
    parts = [(region[0][0], region[0][1], law) for region, law in parameter.law.parts] or [(0, parameter.shape[0], parameter.law)]
    for begin, end, law in parts:
        if begin < stop and end > start:
            yield max(begin, start), min(end, stop), law


# -- loops --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Factor:
    """A sigmoid, or one less it, that a state is multiplied by."""

    sigmoid: Node
    inverse: bool


def _of_loops(facts: Facts) -> Iterator[Kept]:
    """Sums whose one term is a gate times the sum of the step before; the gates of all steps read the same biases."""
    sums: set[str] = set()
    chains: dict[tuple[tuple[str, int, int], ...], list[_Factor]] = {}
    stretches: dict[tuple[tuple[str, int, int], ...], tuple[Stretch, ...]] = {}
    for node in facts.structure.dependence.order:
        if operator(node) not in ("add", "lerp"):
            continue
        factor = next((factor for factor, state in _kept_in(node) if strip(state, WHOLE).name in sums), None)
        sums.add(node.name)
        if factor is not None and factor.sigmoid.name in facts.structure.dependence.data:  # a fixed average is no gate
            biases = tuple(_biases(facts, next(operands(factor.sigmoid)), -1 if factor.inverse else 1))
            key = tuple((item.bias, item.start, item.stop) for item in biases)
            chains.setdefault(key, []).append(factor)
            stretches[key] = biases
    for key, factors in chains.items():
        signals = [facts.signals.get(item.sigmoid.name) for item in factors]
        means = [
            1 - signal.mean if item.inverse else signal.mean
            for item, signal in zip(factors, signals, strict=True)
            if signal is not None and signal.mean is not None and math.isfinite(signal.mean)
        ]
        if key and len(means) >= SHORTEST - 1:  # at the first step there is no sum before
            yield Kept(node=factors[0].sigmoid.name, share=median(means), biases=stretches[key])


def _kept_in(node: Node) -> Iterator[tuple[_Factor, Node]]:
    """Gates and the states that they keep in a sum: f·c + …, and u + f·(v − u), which keeps f of v and 1 − f of u."""
    if operator(node) == "lerp":
        parts = list(operands(node))
        factor = _factor(parts[2]) if len(parts) == 3 else None
        if factor is not None:
            yield factor, parts[1]
            yield _Factor(factor.sigmoid, not factor.inverse), parts[0]
        return
    terms = [item for item in node.args[:2] if is_node(item)]
    for term in terms:
        product = strip(term)
        parts = list(operands(product)) if operator(product) == "mul" else []
        for gate, state in (parts, parts[::-1]) if len(parts) == 2 else ():
            factor = _factor(gate)
            if factor is None:
                continue
            yield factor, state
            ends = [strip(item) for item in operands(strip(state))] if operator(strip(state)) == "sub" else []
            other = next((strip(item) for item in terms if item is not term), None)
            if len(ends) == 2 and ends[1] is other:
                yield factor, ends[0]
                yield _Factor(factor.sigmoid, not factor.inverse), ends[1]


def _factor(node: Node) -> _Factor | None:
    node = strip(node)
    if operator(node) in SIGMOIDS:
        return _Factor(node, inverse=False)
    parts = list(operands(node))
    if len(parts) != 1 or operator(node) not in ("rsub", "sub") or (operator(node) == "sub" and is_node(node.args[0])):
        return None
    inside = strip(parts[0])
    return _Factor(inside, inverse=True) if operator(inside) in SIGMOIDS else None


def _biases(facts: Facts, node: Node, sign: int) -> Iterator[Stretch]:
    """Vectors that are added to what a gate reads, with the part of them that it reads."""
    shape = shape_of(node)
    waiting = [(node, 0, shape[-1] if shape else 1)]
    for _ in range(TERMS):
        if not waiting:
            return
        node, start, stop = waiting.pop(0)
        layer, name = facts.structure.layers.get(node.name), operator(node)
        parameter = facts.traced.parameters.get(node.name)
        if layer is not None or parameter is not None:
            for bias in layer.others if layer is not None else (node.name,):
                item = facts.parameter(bias)
                if len(item.shape) == 1 and item.kind == "parameter" and (stop <= item.shape[0]):
                    yield Stretch(bias=bias, start=start, stop=stop, mean=mean_of(item, start, stop), sign=sign)
        elif name == "add":
            waiting += [(item, start, stop) for item in operands(node)]
        elif name in PASSING | SELECTING:
            offset = _offset(node)
            inner = next(operands(node), None)
            if offset is not None and inner is not None:
                waiting.append((inner, start + offset, stop + offset))


def _offset(node: Node) -> int | None:
    """Where along the last dimension a part begins that a view, a slice or a piece of a split takes; None where that is not known."""
    name, source = operator(node), next(operands(node), None)
    if source is None:
        return None
    sizes, own = shape_of(source), shape_of(node)
    if name == "getitem":
        return _piece(node, source)
    if name in ("slice", "narrow"):
        dim, start = (*node.args[1:3], 0, 0)[:2]
        if dim not in (-1, len(sizes) - 1):
            return 0
        start = 0 if start is None else start
        return (start + sizes[-1] if start < 0 else start) if isinstance(start, int) else None
    if name == "select":
        return _of_folded(source, node.args[1], node.args[2])
    return 0 if own[-1:] == sizes[-1:] or name in SPLITTING or name == "unbind" or _folds(node) else None


def _piece(node: Node, source: Node) -> int | None:
    """Of what a split or `unbind` gives."""
    which, whole = node.args[1], next(operands(source), None)
    if not isinstance(which, int) or whole is None or operator(source) not in (*SPLITTING, "unbind"):
        return None
    if operator(source) == "unbind":
        return _of_folded(whole, (*source.args[1:], 0)[0], which)
    dim = source.args[2] if len(source.args) > 2 else source.kwargs.get("dim", 0)
    parts = source.meta.get("val")
    if dim not in (-1, len(shape_of(whole)) - 1):
        return 0
    return sum(int(item.shape[-1]) for item in parts[:which]) if isinstance(parts, list | tuple) else None


def _folds(node: Node) -> bool:
    """Whether a view makes two dimensions of the last one: (batch, 4n) → (batch, 4, n)."""
    source = next(operands(node), None)
    return source is not None and operator(node) in PASSING and shape_of(source)[-1:] == (math.prod(shape_of(node)[-2:]),)


def _of_folded(whole: Node, dim: object, which: object) -> int:
    """Of one index of the last dimension but one, where that was a part of the last; of any other the parts are alike."""
    sizes = shape_of(whole)
    folded = len(sizes) > 1 and dim in (-2, len(sizes) - 2) and _folds(whole)
    return which * sizes[-1] if folded and isinstance(which, int) else 0
