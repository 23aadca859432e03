"""Weights computed from weights by operators whose operands depend on each other are drawn for real.

A spectral norm multiplies a matrix by a vector that the same matrix has made; an orthogonal parametrization takes a matrix
exponential; the kernel of a state space is a sum of decays and oscillations of tables. Independence is false there and no pair
of moments knows it. But such values are small and need no input: their parameters are drawn from their laws a few times, and
the operators run on the draws.

Gradients take the same way. Where a cotangent arrives from outside, tensors with its pair moments are drawn, autograd carries
them through every draw of the region, and second moments are taken at each node and parameter on the way. What arrives at two
exits of one region is taken as independent.

Draws are stratified: the entries of a parameter lie at the quantiles of its law, one in each of as many strata as there are
entries, at random places. So the average of any function of one entry has an error O(n^-3/2) instead of O(n^-1/2), while
entries stay independent up to O(1/n). Layers that compute the same of parameters with the same laws share their draws.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from initlint.propagate.axes import GROUP_LIMIT, Array, Axis, Labels, canonical
from initlint.propagate.moments import Dims, Moments, iid
from initlint.propagate.pointwise import Cotangent
from initlint.propagate.sampling import draw as drawn_tensor
from initlint.propagate.sampling import measured, signs_of
from initlint.propagate.tape import Entry, Tape

if TYPE_CHECKING:
    import torch
    from torch import fx

    from initlint.graph.model import Law, Parameter

DRAWS = 16
LARGEST = 1 << 22  # elements of all parameters that a value is made of
RESULT = 1 << 20  # elements of a value
WORK = 1 << 20  # elements of a value over all its draws: many entries need few draws
FEW, UNLIKE, AGREE = 4, 0.3, 0.7  # indices of an axis, spread of their second moments, correlation of both halves of the draws
SEED = 0xD2A3

PRODUCTS = {"dot", "vdot", "mv", "mm", "matmul", "inner", "linalg_vecdot"}  # false where both operands share a parameter
DECOMPOSITIONS = {
    "linalg_matrix_exp", "matrix_exp", "linalg_householder_product", "linalg_inv", "inverse", "linalg_qr", "linalg_solve",
    "linalg_cholesky", "linalg_svd", "linalg_eigh", "linalg_matrix_power",
}  # fmt: skip

FILTERS = {"fft_rfft"}  # of a kernel, to filter a signal: that is followed in time (`ops.filtering`), from the kernel on

# Far from linear in what they are given; roots and powers, of which norms are made, concentrate and have formulas.
FUNCTIONS = {"exp", "expm1", "sin", "cos", "tan", "tanh", "sigmoid", "softplus"}


class Draws:
    """Parameters drawn from their laws, by the names of their placeholders."""

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        self.parameters = parameters

    def random(self, name: str) -> bool:
        """Whether two draws differ."""
        parameter = self.parameters.get(name)
        return parameter is None or (parameter.value is None and parameter.law.family != "constant")

    def structured(self, name: str) -> bool:
        """Whether it is an identity, whose entries are anything but exchangeable."""
        parameter = self.parameters.get(name)
        return parameter is not None and parameter.law.family == "identity" and len(parameter.shape) > 1

    def names(self, name: str) -> tuple[str, str]:
        """What tells the leaf from all others, and what it has in common with its likes in other layers."""
        parameter = self.parameters.get(name)
        if parameter is None:
            return name, name
        own = parameter.copy_of or parameter.alias_of or parameter.name
        value = "" if parameter.value is None else zlib.crc32(parameter.value.detach().cpu().contiguous().numpy().tobytes())
        return own, f"{re.sub('[0-9]+', '#', own)} {parameter.shape} {parameter.law} {value}"

    def __call__(self, name: str, count: int, key: str) -> list[torch.Tensor] | None:
        """Some draws, the same for the same key; None where the law is not known."""
        import torch

        parameter = self.parameters.get(name)
        generator = torch.Generator().manual_seed(SEED + zlib.crc32(key.encode()))
        return None if parameter is None else draws_of(parameter, count, generator)


def draws_of(
    parameter: Parameter, count: int, generator: torch.Generator, *, evenly: bool = True
) -> list[torch.Tensor] | None:
    """Values that a parameter, buffer or constant may have; leaves of autograd where it is one. None where its law is not known.

    evenly  stratified; else as torch draws them, which is many times faster
    """
    import torch

    if parameter.law.family in ("uninitialized", "unknown"):
        return None
    if parameter.value is not None:
        value = parameter.value.detach()
        values = [value.clone() for _ in range(count)]
    else:
        if "complex" in parameter.dtype:
            parts = [drawn(parameter.law, parameter.shape, count, generator, evenly=evenly) for _ in range(2)]
            values = list(torch.complex(*parts) * 0.5**0.5)
        else:
            values = list(drawn(parameter.law, parameter.shape, count, generator, evenly=evenly))
        values = [value.to(getattr(torch, parameter.dtype.removeprefix("torch."))) for value in values]
    floating = values[0].is_floating_point() or values[0].is_complex()
    return [value.requires_grad_() for value in values] if floating and parameter.kind == "parameter" else values


def drawn(law: Law, shape: Sequence[int], count: int, generator: torch.Generator, *, evenly: bool = True) -> torch.Tensor:
    """`count` tensors of this law, along a first dimension; float64 where they are stratified, else float32."""
    import torch

    dtype = torch.float64 if evenly else torch.float32
    if law.family == "mixture" and law.parts:
        whole = torch.zeros((count, *shape), dtype=dtype)
        for region, part in law.parts:
            view = whole[(slice(None),) + tuple(slice(start, stop, step) for start, stop, step in region)]  # noqa: RUF005
            view.copy_(drawn(part, view.shape[1:], count, generator, evenly=evenly))
        return whole
    if law.family == "identity" and len(shape) == 2:
        return (law.gain or 1.0) * torch.eye(*shape, dtype=dtype).expand(count, *shape).clone()
    if law.family == "constant":
        return torch.full((count, *shape), law.mean, dtype=dtype)

    def shares() -> torch.Tensor:
        if evenly:
            return strata(math.prod(shape), count, generator).reshape(count, *shape)
        return torch.rand((count, *shape), generator=generator)

    if law.family == "uniform" and law.low is not None and law.high is not None:
        return law.low + (law.high - law.low) * shares()
    if law.quantiles:
        steps = (np.arange(len(law.quantiles)) + 0.5) / len(law.quantiles)
        return torch.from_numpy(np.interp(shares().numpy(), steps, law.quantiles)).to(dtype)
    noise = torch.special.ndtri(shares()) if evenly else torch.randn((count, *shape), generator=generator)
    if law.family == "orthogonal" and len(shape) > 1:
        flat = noise.reshape(count, shape[0], -1)
        tall = flat if flat.shape[1] >= flat.shape[2] else flat.mT
        q, r = torch.linalg.qr(tall)
        q = q * r.diagonal(dim1=-2, dim2=-1).sign()[:, None]
        return (law.gain or 1.0) * (q if flat.shape[1] >= flat.shape[2] else q.mT).reshape(count, *shape)
    values = law.mean + law.std * noise
    return values.clamp(law.low, law.high) if law.low is not None or law.high is not None else values


def strata(size: int, count: int, generator: torch.Generator) -> torch.Tensor:
    """(count, size) uniform numbers: every row has one in each of `size` strata, all rows together one in each part of those."""
    import torch

    if size * count > WORK:
        return torch.rand((count, size), generator=generator, dtype=torch.float64).clamp_(1e-12, 1 - 1e-12)
    part = torch.rand((count, size), generator=generator).argsort(0)
    points = (torch.arange(size) + (part + torch.rand((count, size), generator=generator, dtype=torch.float64)) / count) / size
    return points.gather(1, torch.rand((count, size), generator=generator).argsort(1)).clamp_(1e-12, 1 - 1e-12)


class Drawn:
    """Which nodes are made of parameters alone, and their values in a few draws, computed where they are asked for."""

    def __init__(self, draws: Draws | None, produced: Mapping[fx.Node, Any], tape: Tape) -> None:
        self.draws = draws
        self.produced = produced
        self.tape = tape
        self.origin: dict[fx.Node, frozenset[fx.Node]] = {}  # the leaves that a node is made of
        self.wiring: dict[fx.Node, dict[fx.Node, fx.Node]] = {}  # operand → the node that last wrote it
        self.current: dict[fx.Node, fx.Node] = {}
        self.same: dict[fx.Node, fx.Node] = {}  # inside and outside of a wrapped region
        self.outputs: dict[fx.Node, Any] = {}  # of a wrapped region
        self.still: set[fx.Node] = set()  # ran without gradient
        self.made: set[fx.Node] = set()  # drawn, or computed from what was drawn
        self.rough: dict[int, tuple[fx.Node, Moments]] = {}  # values of which nobody has asked for the pairs yet, by id
        self.values: dict[int, list[torch.Tensor] | None] = {}  # draws, by form
        self.summaries: dict[int, Array] = {}  # mean, second moment and share of zeros, by form
        self.forms: dict[tuple[fx.Node, bool], int] = {}
        self.turns: dict[fx.Node, int] = {}  # how many calls before computed exactly the same, and this one
        self.repeats: dict[str, int] = {}
        self.numbers: dict[str, int] = {}  # of forms, by what they say

    # -- which nodes ------------------------------------------------------------------------------------------------------

    def leaf(self, node: fx.Node) -> None:
        """A parameter, buffer or constant."""
        self.origin[node] = frozenset({node})

    def alias(self, node: fx.Node, other: Any) -> None:
        """Two nodes for one value: a region's placeholder and what it is given, its output and what takes it out."""
        other = self.current.get(other, other)
        if other in self.origin:
            self.same[node] = other
            self.origin[node] = self.origin[other]

    def note(self, node: fx.Node, *, chance: bool) -> None:
        """A call is about to run; `chance` when it draws random numbers."""
        operands = node.all_input_nodes
        if len(operands) == 1 and operands[0] in self.outputs and len(node.args) > 1:
            self.alias(node, self.outputs[operands[0]][node.args[1]])
            return
        wiring = {operand: self.current.get(operand, operand) for operand in operands}
        self.wiring[node] = wiring
        if self.tape.blocked:
            self.still.add(node)
        if not chance and all(source in self.origin for source in wiring.values()):
            self.origin[node] = frozenset().union(*(self.origin[source] for source in wiring.values()))

    def wrote(self, node: fx.Node, memory: fx.Node) -> None:
        """The node's result now stands in the memory of another one."""
        self.current[memory] = node

    def needed(self, node: fx.Node, name: str) -> bool:
        """Whether moments would multiply what is not independent, or know nothing of the operator."""
        origin = self.origin.get(node)
        if not origin or self.draws is None:
            return False
        value = node.meta.get("val")
        shape = getattr(value, "shape", None)
        if value is None or shape is None or not 0 < math.prod(tuple(shape)) <= RESULT:
            return False
        if name in FILTERS or not (value.is_floating_point() or value.is_complex()):
            return False
        if sum(math.prod(tuple(leaf.meta["val"].shape)) for leaf in origin if "val" in leaf.meta) > LARGEST:
            return False
        if any(source in self.made for source in self.wiring.get(node, {}).values()):
            self.made.add(node)
        elif name in FUNCTIONS:
            if math.prod(tuple(shape)) == 1 or not any(self.draws.random(leaf.name) for leaf in origin):
                return False
            self.made.add(node)
        elif name in PRODUCTS:
            sides = [self.origin[source] for source in self.wiring[node].values()]
            shared = [leaf for n, side in enumerate(sides) for other in sides[:n] for leaf in side & other]
            return any(self.draws.random(leaf.name) for leaf in shared)
        elif all(self.draws.structured(leaf.name) for leaf in origin):
            self.made.add(node)
        elif name not in DECOMPOSITIONS:
            return False
        return True

    # -- their values -----------------------------------------------------------------------------------------------------

    def form(self, node: fx.Node, own: bool) -> int:
        """A number for what a node computes of which leaves; `own` tells leaves from their likes in other layers."""
        node = self.base(node)
        key = (node, own)
        if key not in self.forms:
            assert self.draws is not None
            said = self.said(node, own) if node in self.wiring else self.draws.names(node.name)[0 if own else 1]
            self.forms[key] = self.numbers.setdefault(said, len(self.numbers))
        return self.forms[key]

    def said(self, node: fx.Node, own: bool) -> str:
        """What a call computes, in words; the same call made twice has two gradients, so it counts which one it is."""
        from torch import fx

        wiring = self.wiring[node]

        def text(value: Any, own: bool) -> str:
            if isinstance(value, fx.Node):
                return f"%{self.form(wiring[value], own)}"
            if isinstance(value, list | tuple):
                return f"({','.join(text(item, own) for item in value)})"
            return repr(value)

        def whole(own: bool) -> str:
            options = [(k, text(v, own)) for k, v in node.kwargs.items()]
            return f"{node.target} {text(node.args, own)} {options} {node in self.still}"

        if not self.origin[node]:
            return whole(own)  # a constant has no gradient
        if node not in self.turns:
            exactly = whole(True)
            self.turns[node] = self.repeats[exactly] = self.repeats.get(exactly, 0) + 1
        return f"{whole(own)} {self.turns[node]}"

    def base(self, node: fx.Node) -> fx.Node:
        while node in self.same:
            node = self.same[node]
        return node

    def mixed(self, node: fx.Node) -> bool:
        """Whether a node is made of leaves that only their names tell apart."""
        assert self.draws is not None
        names = {self.draws.names(self.base(leaf).name) for leaf in self.origin[node]}
        return len({alike for _, alike in names}) < len(names)

    def drawn(self, node: fx.Node, own: bool) -> list[torch.Tensor] | None:
        """The node's value in every draw; None when a leaf cannot be drawn."""
        node, key = self.base(node), self.form(node, own)
        if key not in self.values:
            if node in self.wiring:
                self.values[key] = self.computed(node, own)
            else:
                assert self.draws is not None
                self.values[key] = self.draws(node.name, draws_of_size(node), self.draws.names(node.name)[0 if own else 1])
        return self.values[key]

    def computed(self, node: fx.Node, own: bool) -> list[torch.Tensor] | None:
        import operator

        import torch
        from torch import fx

        from initlint.propagate.calls import functional, without_out

        given = {operand: self.drawn(source, own) for operand, source in self.wiring[node].items()}
        if any(values is None for values in given.values()):
            return None
        count = min([draws_of_size(node), *(len(values) for values in given.values() if values is not None)])

        def real(value: Any, number: int) -> Any:
            if isinstance(value, fx.Node):
                return given[value][number]  # type: ignore[index]
            if isinstance(value, list | tuple):
                return type(value)(real(v, number) for v in value)
            return torch.device("cpu") if isinstance(value, torch.device) else value

        target: Any = node.target
        if target is not operator.getitem:
            target = functional(without_out(target) if "out" in node.kwargs else target)
        with torch.set_grad_enabled(node not in self.still):
            return [
                target(*real(node.args, n), **{k: real(v, n) for k, v in node.kwargs.items() if k != "out"}) for n in range(count)
            ]

    def moments(self, node: fx.Node) -> Moments | None:
        """Mean and second moment over the draws, and the way of its cotangent; None when it cannot be drawn.

        Pair moments are measured by `complete`, for those values that leave the region.
        """
        import torch

        try:
            own = self.mixed(node)
            values = self.drawn(node, own)
        except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
            return None
        if values is None or not all(isinstance(value, torch.Tensor) for value in values):
            return None
        form = self.form(node, own)
        if form not in self.summaries:
            self.summaries[form] = np.mean([summary(value) for value in values], axis=0)
        mean, second, zeros = self.summaries[form]
        rough = iid(tuple(values[0].shape), mean, second)
        result = rough.with_(dims=tuple(tuple(Axis(a.size, None, "channel") for a in dim) for dim in rough.dims), zeros=zeros)
        result.method, result.complex = "sampled", values[0].is_complex()
        result.positive, result.negative = signs_of([value.detach().numpy() for value in values])
        self.rough[id(result)] = (node, result)
        if not self.tape.blocked:
            self.tape.entries.append(Entry(Inner(self, node), result, lambda g: self.pulled(node, own, g)))
        return result

    def complete(self, value: Any) -> None:
        """Measure the pair moments of drawn values among some arguments: they leave the region."""
        if not self.rough:
            return
        if isinstance(value, Moments):
            node, _ = self.rough.pop(id(value), (None, None))
            if node is not None:
                values = self.drawn(node, self.mixed(node))
                assert values is not None
                arrays = [v.detach().resolve_conj().numpy() for v in values]
                full = measured(arrays, unlike(arrays))
                value.dims, value.axes, value.mean, value.pair = full.dims, full.axes, full.mean, full.pair
        elif isinstance(value, dict):
            self.complete(list(value.values()))
        elif isinstance(value, list | tuple):
            for item in value:
                self.complete(item)

    # -- gradients --------------------------------------------------------------------------------------------------------

    def cone(self, node: fx.Node) -> list[fx.Node]:
        """What a node is computed from, the nearest first."""
        found: dict[fx.Node, None] = {}
        todo = [self.base(node)]
        while todo:
            for source in self.wiring.get(todo.pop(), {}).values():
                source = self.base(source)
                if source not in found:
                    found[source] = None
                    todo.append(source)
        return list(found)

    def targets(self, node: fx.Node) -> list[tuple[fx.Node, Moments, bool]]:
        """Values inside the region, each once: (node, its value, whether it is a leaf, where gradients end)."""
        result: dict[int, tuple[fx.Node, Moments, bool]] = {}
        cone = self.cone(node)
        for is_leaf in (True, False):
            for source in cone:
                value = self.produced.get(source)
                if (source not in self.wiring) is is_leaf and isinstance(value, Moments):
                    result.setdefault(id(value), (source, value, is_leaf))
        return list(result.values())

    def pulled(self, node: fx.Node, own: bool, g: Moments) -> list[Cotangent | None]:
        """Cotangents of `targets`: second moments over draws; those of inner nodes are reported and go no further."""
        import torch

        targets = self.targets(node)
        values = self.drawn(node, own)
        if values is None or not values[0].requires_grad or g.is_zero:
            return [None] * len(targets)
        drawn = [self.drawn(source, own) for source, _, _ in targets]
        with_gradient = [k for k, found in enumerate(drawn) if found is not None and _differentiable(found[0])]
        second = np.zeros(len(targets))
        size = g.q  # the cotangents drawn are of size one, so that their squares are numbers of single precision
        g = g.scaled(size**-0.5)
        for number, value in enumerate(values):
            noise = drawn_tensor(g, np.random.default_rng([SEED, self.form(node, own), number]))
            cotangent = torch.from_numpy(np.asarray(noise)).to(value.dtype).reshape(value.shape)
            inputs = [drawn[k][number] for k in with_gradient]  # type: ignore[index]
            for k, gradient in zip(
                with_gradient, torch.autograd.grad(value, inputs, cotangent, retain_graph=True, allow_unused=True), strict=True
            ):
                if gradient is not None:
                    second[k] += second_moment(gradient) / len(values)
        result: list[Cotangent | None] = []
        for (_, target, is_leaf), found in zip(targets, size * second, strict=True):
            pair = np.zeros_like(target.pair)
            pair[tuple(slice(0, axis.groups) for axis in target.axes)] = found
            term = Moments(target.dims, np.zeros_like(target.mean), pair, complex=target.complex)
            result.append(Cotangent(plain=term) if is_leaf else Cotangent(spent=term))
        return result


class Inner(Sequence[Moments]):
    """The values inside a region, looked up when a cotangent comes: most nodes of a region never get one from outside."""

    def __init__(self, drawn: Drawn, node: fx.Node) -> None:
        self.drawn, self.node = drawn, node

    @overload
    def __getitem__(self, index: int) -> Moments: ...
    @overload
    def __getitem__(self, index: slice) -> list[Moments]: ...
    def __getitem__(self, index: int | slice) -> Moments | list[Moments]:
        return [value for _, value, _ in self.drawn.targets(self.node)][index]

    def __iter__(self) -> Iterator[Moments]:
        return iter([value for _, value, _ in self.drawn.targets(self.node)])

    def __len__(self) -> int:
        return len(self.drawn.targets(self.node))


def draws_of_size(node: fx.Node) -> int:
    """How often a node's value is drawn."""
    shape = getattr(node.meta.get("val"), "shape", ())
    return max(min(DRAWS, WORK // max(math.prod(tuple(shape)), 1)), 3)


def _differentiable(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor) and value.requires_grad


def summary(value: torch.Tensor) -> tuple[float, float, float]:
    """Mean, second moment, share of zeros."""
    value = value.detach()
    real = value.real if value.is_complex() else value
    size = max(value.numel(), 1)
    return float(real.sum()) / size, second_moment(value), 1.0 - float(value.count_nonzero()) / size


def second_moment(value: torch.Tensor) -> float:
    """Average of |x|²; in double precision where squares leave the range of single."""
    import torch

    flat = (torch.view_as_real(value.resolve_conj()) if value.is_complex() else value).detach().reshape(-1)
    total = float(torch.dot(flat, flat))
    if not 1e-30 < total < 1e30:
        total = float(flat.double().square().sum())
    return total / max(value.numel(), 1)


def unlike(arrays: Sequence[npt.NDArray[Any]]) -> Dims:
    """Axes whose indices are told apart where all draws agree that they differ: the taps of a kernel that decays."""
    shape = arrays[0].shape
    found: list[Labels | None] = []
    for k in range(len(shape)):
        others = tuple(n for n in range(len(shape)) if n != k)
        found.append(levels([np.square(np.abs(a)).mean(others) for a in arrays]) if shape[k] > 1 else None)
    many = sum(labels is not None for labels in found) > 1
    return tuple(
        (Axis(n, None if labels is None else canonical(labels // 2 if many else labels), "channel"),) if n > 1 else ()
        for n, labels in zip(shape, found, strict=True)
    )


def levels(profiles: Sequence[Array]) -> Labels | None:
    """Groups by octaves of second moment along an axis, if one half of the draws predicts the other; else None."""
    first, second = np.mean(profiles[::2], axis=0), np.mean(profiles[1::2], axis=0)
    if len(first) < FEW or any(np.std(half) <= UNLIKE * np.mean(half) for half in (first, second)):
        return None
    if np.corrcoef(first, second)[0, 1] < AGREE:
        return None
    whole = np.mean(profiles, axis=0)
    octave = np.floor(np.log2(whole.max() / np.maximum(whole, 1e-300)))
    return np.minimum(octave, GROUP_LIMIT - 1).astype(np.int64)
