"""SIGNALS → plain stacks: weight layers one behind the other with nothing but functions of one number in between.

There the second moment goes from layer to layer by a map of one variable, and everything the mean-field theory of signal
propagation says holds (Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017, arXiv:1611.01232):

    q → G·E[φ(z)²] + E[b²],  z ~ N(E[b], q − E[b]²),  G = fan_in·E[w²]        χ = G·E[φ'(z)²]

φ is the code between two layers itself, run by torch on a grid of z, however many operators it is written in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from initlint.graph.dataflow import is_node, operands, operator, strip

if TYPE_CHECKING:
    import torch
    from torch.fx import Node

    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Law
    from initlint.lint.facts import Facts

Function = Callable[["torch.Tensor"], "torch.Tensor"]

CENTRED = 1e-2  # |E[w]|·√fan_in over √E[w²] below which a weight counts as drawn around zero
BORDER = 0.5  # share of a kernel that lies inside the image, at least, where the measured gain is taken for the true one
LONGEST = 24  # operators of one function; hand-written ones have a dozen
POINTS = 480  # even: no place at zero
REACH = 8.0  # standard deviations to either side
LARGEST = 1e200  # a second moment beyond which nothing is followed
SHIFT = 1e-3  # relative step in standard deviation of the derivatives
FAMILIES = frozenset({"normal", "uniform", "truncated normal", "orthogonal", "measured"})
TWO = frozenset("add sub mul div pow maximum minimum where".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One layer of a stack and the function behind it.

    gain    fan_in·E[w²], as the layer applies it
    mean    E[b] of its bias
    square  E[b²] of its bias
    q       second moment of its output, as propagated
    named   the function in words: "gelu", "sub, relu"
    """

    layer: WeightLayer
    gain: float
    mean: float
    square: float
    q: float
    function: Function
    named: str

    def expected(self, levels: Sequence[float], power: int = 2, *, slope: bool = False) -> list[float]:
        """E[φ(z)^k] for every second moment of the layer's output, or E[φ'(z)^k] where the slope is asked for."""
        import torch

        points, weights = _grid()
        spread = (torch.tensor(levels, dtype=torch.float64)[:, None] - self.mean**2).clamp(min=1e-300).sqrt()
        z = self.mean + spread * points
        if slope:
            step = SHIFT * spread
            values = (self.function(z + step) - self.function(z - step)) / (2 * step)
        else:
            values = self.function(z)
        found: list[float] = (torch.nan_to_num(values, posinf=1e150, neginf=-1e150) ** power @ weights).tolist()
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """At least two layers in order of execution; the function behind the last one is not part of it."""

    stages: tuple[Stage, ...]

    def followed(self, *starts: float) -> list[list[float]]:
        """Second moments of the outputs of all layers, for each second moment that the first one's may have."""
        levels = list(starts)
        found = [levels]
        for before, stage in pairwise(self.stages):
            levels = [min(stage.gain * value + stage.square, LARGEST) for value in before.expected(levels)]
            found.append(levels)
        return [list(column) for column in zip(*found, strict=True)]

    def slopes(self) -> list[float]:
        """χ = G·E[φ'²] from every layer to the next, at the second moments that the map itself leads to."""
        return [chi for chi, _ in self.moments_of_slopes()]

    def moments_of_slopes(self) -> list[tuple[float, float]]:
        """χ = G·E[φ'²], and E[φ'⁴]/E[φ'²]² (1 where the slope is the same everywhere), from every layer to the next."""
        levels = self.followed(self.stages[0].q)[0]
        groups: dict[tuple[Function, float], list[int]] = {}
        for number, stage in enumerate(self.stages[:-1]):
            groups.setdefault((stage.function, stage.mean), []).append(number)
        found = [(0.0, 1.0)] * (len(self.stages) - 1)
        for numbers in groups.values():
            some = [levels[number] for number in numbers]
            second = self.stages[numbers[0]].expected(some, 2, slope=True)
            fourth = self.stages[numbers[0]].expected(some, 4, slope=True)
            for number, two, four in zip(numbers, second, fourth, strict=True):
                found[number] = self.stages[number + 1].gain * two, four / two / two if two > 0 else 1.0
        return found


@cache
def _grid() -> tuple[torch.Tensor, torch.Tensor]:
    """Places of a standard normal variable and their weights; none is zero, where functions have their corners."""
    import torch

    places = torch.linspace(-REACH, REACH, POINTS, dtype=torch.float64)
    weights = torch.exp(-(places**2) / 2)
    return places, weights / weights.sum()


def stacks(facts: Facts) -> Iterator[Stack]:
    """The longest runs of layers that a function of one number leads from one to the next."""
    links: dict[str, tuple[WeightLayer, Function, str]] = {}
    known: dict[object, Function] = {}
    readers: dict[str, list[WeightLayer]] = {}
    for layer in facts.structure.layers.values():
        link = _link(facts, layer, known) if _usable(facts, layer) else None
        if link is not None:
            links[layer.node] = link
            readers.setdefault(link[0].node, []).append(layer)
    only = {node: found[0].node for node, found in readers.items() if len(found) == 1}
    for name, layer in facts.structure.layers.items():
        if name not in only or (name in links and links[name][0].node in only):
            continue  # not the first of its run
        run = [layer]
        while run[-1].node in only:
            run.append(facts.structure.layers[only[run[-1].node]])
        stages = [_stage(facts, item, links.get(only.get(item.node, ""))) for item in run]
        complete = tuple(stage for stage in stages if stage is not None)
        if len(complete) == len(run) and complete[0].q > 0:
            yield Stack(stages=complete)


def _usable(facts: Facts, layer: WeightLayer) -> bool:
    """Whether a layer draws fresh weights around zero."""
    law = facts.parameter(layer.weight).law
    if layer.kind not in ("linear", "convolution") or len(layer.weights) != 1 or law.family not in FAMILIES:
        return False
    if not law.second_moment or not math.isfinite(law.second_moment):
        return False
    return abs(law.mean) * math.sqrt(layer.fan_in) <= CENTRED * math.sqrt(law.second_moment)


def _stage(facts: Facts, layer: WeightLayer, link: tuple[WeightLayer, Function, str] | None) -> Stage | None:
    signal = facts.signals.get(layer.node)
    laws = [facts.parameter(name).law for name in layer.others]
    if signal is None or signal.second_moment is None or not _usable(facts, layer):
        return None
    mean, square = sum(law.mean for law in laws), sum(law.second_moment for law in laws)
    if not all(map(math.isfinite, (signal.second_moment, mean, square))):
        return None
    return Stage(
        layer=layer,
        gain=_gain(facts, layer, square),
        mean=mean,
        square=square,
        q=signal.second_moment,
        function=(lambda z: z) if link is None else link[1],
        named="" if link is None else link[2],
    )


def _gain(facts: Facts, layer: WeightLayer, square: float) -> float:
    """fan_in·E[w²]; less at the borders of an image, by as much as was propagated."""
    nominal = layer.fan_in * facts.parameter(layer.weight).law.second_moment
    before, after = facts.signals.get(layer.source), facts.signals.get(layer.node)
    if layer.kind != "convolution" or before is None or after is None or not before.second_moment or not after.second_moment:
        return nominal
    measured = (after.second_moment - square) / before.second_moment
    return measured if BORDER * nominal <= measured <= nominal else nominal


# -- the code between two layers ----------------------------------------------------------------------------------------


def _link(facts: Facts, layer: WeightLayer, known: dict[object, Function]) -> tuple[WeightLayer, Function, str] | None:
    """The layer that this one reads through a function of one number, with that function and its name."""
    structure = facts.structure
    region: dict[str, Node] = {}
    stack = [strip(structure.nodes[layer.source])]
    origin: Node | None = None
    while stack:
        node = stack.pop()
        if node.name in structure.layers:
            if origin is not None and origin is not node:
                return None
            origin = node
        elif node.name not in region:
            if len(region) >= LONGEST or not _is_function(node):
                return None
            region[node.name] = node
            stack += [strip(item) for item in operands(node) if item.name in structure.dependence.data]
    if origin is None:
        return None
    order = sorted(region.values(), key=lambda node: structure.dependence.index[node.name])
    places = {origin.name: 0} | {node.name: number for number, node in enumerate(order, 1)}
    plan = []
    for node in order:
        call = _call(facts, node, places)
        if call is None:
            return None
        plan.append(call)
    key = tuple((name, repr(arguments), repr(sorted(options.items()))) for name, arguments, options in plan)
    if key not in known:
        known[key] = _function_of(plan)
    return structure.layers[origin.name], known[key], ", ".join(name for name, _, _ in plan)


def _is_function(node: Node) -> bool:
    from initlint.propagate.ops.functions import UNARY

    return operator(node) in TWO or operator(node) in UNARY


class _Place(int):
    """The number of an earlier value among the arguments of a call."""

    def __repr__(self) -> str:
        return f"value {int(self)}"


Call = tuple[str, tuple[Any, ...], Mapping[str, Any]]


def _call(facts: Facts, node: Node, places: Mapping[str, int]) -> Call | None:
    """One operator with the numbers of its operands; None where one of them is no single number."""

    def given(value: object) -> object:
        if not is_node(value):
            return value
        if strip(value).name in places:
            return _Place(places[strip(value).name])
        parameter = facts.traced.parameters.get(strip(value).name)
        if parameter is None or not _is_number(parameter.law):
            raise LookupError
        return parameter.law.mean

    try:
        arguments = tuple(given(value) for value in node.args)
        options = {name: given(value) for name, value in node.kwargs.items()}
    except LookupError:
        return None
    return operator(node), arguments, options


def _is_number(law: Law) -> bool:
    return law.family == "constant" and math.isfinite(law.mean)


def _function_of(plan: list[Call]) -> Function:
    """The operators run one after the other, on numbers of double precision."""

    def run(z: torch.Tensor) -> torch.Tensor:
        from initlint.propagate.ops.functions import torch_function

        values = [z]
        for name, arguments, options in plan:
            ready = [values[item] if isinstance(item, _Place) else item for item in arguments]
            given = {key: values[item] if isinstance(item, _Place) else item for key, item in options.items()}
            values.append(torch_function(name, (), given)(*ready))
        return values[-1]

    return run
