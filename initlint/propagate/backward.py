"""Both passes together: cotangents injected at the outputs, pulled back along the tape, and everything as `Signal`s."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.propagate.assumptions import flags_of
from initlint.propagate.axes import KEPT, Array, Axis, Role
from initlint.propagate.drawn import Draws
from initlint.propagate.formula import expression_of
from initlint.propagate.forward import Forward, propagate_graph
from initlint.propagate.laws import input_value, parameter_value
from initlint.propagate.moments import Moments
from initlint.propagate.ops.recurrent import levels
from initlint.propagate.rank import ranks
from initlint.propagate.signals import Method, Signal
from initlint.propagate.spread import Spread, spreads
from initlint.propagate.tape import Unknown, pull_back

if TYPE_CHECKING:
    from torch import fx

    from initlint.graph.model import TracedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of the graph was predicted.

    nodes     operator nodes of the graph
    known     floating nodes with a prediction
    sampled   nodes whose operator was sampled
    unknown   operators that could not be predicted, with the reason
    """

    nodes: int
    floating: int
    known: int
    sampled: tuple[str, ...]
    unknown: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Propagation:
    """Signals by node name, the coverage, and how each node's dimensions are made of axes: ((size, role), …)."""

    signals: Mapping[str, Signal]
    coverage: Coverage
    layouts: Mapping[str, tuple[tuple[int, str], ...]]


def run(traced: TracedModel) -> Propagation:
    """Forward over the whole graph, then backward from every floating output; then rank, spread and flags."""
    graph = traced.program.graph
    places = itertools.count()
    leaves: dict[str, Any] = {name: parameter_value(p, places) for name, p in traced.parameters.items()}
    for n, (name, law) in enumerate(traced.inputs.items()):
        leaves[name] = input_value(law, n)
    tied: dict[str, Any] = {}
    for name, parameter in traced.parameters.items():
        key = parameter.alias_of or parameter.name
        leaves[name] = tied.setdefault(key, leaves[name])
    forward = propagate_graph(
        graph, leaves, traced.program.graph_module, weights=traced.parameters.keys(), draws=Draws(traced.parameters)
    )
    seeds: dict[int, tuple[Moments, Moments]] = {}
    named = {node.name: node for node in graph.nodes}
    for name in traced.outputs:
        value = forward.produced.get(named[name])
        if isinstance(value, Moments):
            seeds[id(value)] = (value, white(value))
    cotangents = pull_back(forward.tape, list(seeds.values()))
    forward.unknown.update({f"gradient {n + 1}": reason for n, reason in enumerate(dict.fromkeys(forward.tape.broken))})
    layouts = {
        node.name: tuple((axis.size, axis.role) for axis in value.axes)
        for node, value in forward.produced.items()
        if isinstance(value, Moments)
    }
    signals: dict[str, Signal] = {}
    floating = [node for node in graph.nodes if is_floating(node)]
    plain = _signals(floating, forward, cotangents)
    bounds = ranks(traced, plain)
    width = spreads(traced, forward.produced)
    bent = flags_of(traced, forward.produced, forward.sampled, width)
    still = Spread(0.0, 0.0)
    for name, signal in plain.items():
        own = width.get(name, still)
        signals[name] = replace(
            signal,
            rank=bounds.get(name),
            spread=own.deviation,
            lag=own.lag,
            flags=bent.get(name, signal.flags),
            _formula=partial(expression_of, name, traced, signals),
        )
    return Propagation(signals=signals, coverage=_coverage(graph, floating, forward), layouts=layouts)


def white(like: Moments) -> Moments:
    """iid N(0, 1) in the shape of a tensor."""
    pair = np.zeros_like(like.pair)
    pair[tuple(slice(0, axis.groups) for axis in like.axes)] = 1.0
    return Moments(like.dims, np.zeros_like(like.mean), pair)


def is_floating(node: fx.Node) -> bool:
    """Whether a node holds one floating or complex tensor."""
    import torch

    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex())


def _coverage(graph: fx.Graph, floating: Sequence[fx.Node], forward: Forward) -> Coverage:
    lost = dict.fromkeys(node for node in floating if not _is_number(forward.produced.get(node)))
    for node in lost:
        start = _start_of_loss(node, lost, forward)
        if start is not None:
            name = start.name if start.op in ("placeholder", "get_attr") else str(start.target)
            forward.unknown.setdefault(name, _why_lost(forward.produced.get(start)))
    return Coverage(
        nodes=sum(node.op == "call_function" for node in graph.nodes),
        floating=len(floating),
        known=len(floating) - len(lost),
        sampled=tuple(node.name for node in graph.nodes if node.name in forward.sampled),
        unknown=dict(forward.unknown),
    )


def _start_of_loss(node: fx.Node, lost: Collection[fx.Node], forward: Forward) -> fx.Node | None:
    """Where the prediction of a lost node was first lost; None if that was at or before another floating node, which says so.

    The first lost node of a graph has no lost one before it, so that at least one start is found.
    """
    while True:
        before = [n for n in node.all_input_nodes if n in lost or isinstance(forward.produced.get(n), Unknown)]
        if not before:
            return node
        if any(n in lost for n in before):
            return None
        node = before[0]


def _is_number(value: Any) -> bool:
    """Whether a node has a prediction: a moment that overflows or is undefined is none."""
    if isinstance(value, Moments):
        return math.isfinite(value.q) and math.isfinite(value.m)
    return isinstance(value, tuple)


def _why_lost(value: Any) -> str:
    if isinstance(value, Unknown):
        return value.reason
    return "its moments are no numbers" if isinstance(value, Moments) else "it has no value"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _signals(floating: Sequence[fx.Node], forward: Forward, cotangents: Mapping[int, Moments]) -> dict[str, Signal]:
    signals: dict[str, Signal] = {}
    for node in floating:
        value = forward.produced.get(node)
        shape = tuple(int(n) for n in node.meta["val"].shape)
        if isinstance(value, tuple):
            mean, second, zeros = value
            signals[node.name] = Signal(mean=mean, second_moment=second, zero_fraction=zeros, shape=shape)
        elif isinstance(value, Moments):
            gradient = cotangents.get(id(value))
            signal = _signal(value, gradient, shape, node.name in forward.sampled)
            forwards, back = forward.tape.steps.get(id(value)), forward.tape.steps_back.get(id(value))
            if forwards is not None or back is not None:
                signal = replace(
                    signal,
                    levels=() if forwards is None else levels(forwards),
                    grad_levels=() if back is None else levels(np.sum(back, axis=0)),  # of several results: cotangents are independent
                )
            signals[node.name] = signal
        elif isinstance(value, Unknown) or value is None:
            signals[node.name] = Signal(mean=None, second_moment=None, shape=shape)
    return signals


def _signal(value: Moments, gradient: Moments | None, shape: tuple[int, ...], was_sampled: bool) -> Signal:
    mean, second = value.m, value.q
    zeros = value.zeros
    masked = value.valid is not None
    if value.valid is not None:
        kept = value.average(value.valid)
        hidden = 1.0 - kept if kept < 1.0 - 1e-12 else 0.0
        zeros *= 1.0 - hidden
        mean = value.average(value.mean * value.valid) + (hidden * value.fill if hidden else 0.0)
        second = value.average(value.cells * value.valid) + (hidden * value.fill**2 if hidden else 0.0)
    method: Method = "sampled" if was_sampled or value.method == "sampled" else value.method  # type: ignore[assignment]
    return Signal(
        mean=mean if masked else _finite(mean),
        second_moment=second if masked else _finite(max(second, 0.0)),  # a mask of -inf has an infinite moment, and that is true
        grad_second_moment=None if gradient is None else _finite(max(gradient.q, 0.0)),
        k_pos=None if value.valid is not None else _apart(value, "position"),
        k_batch=None if value.valid is not None else _apart(value, "batch"),
        zero_fraction=zeros,
        method=method,
        flags=value.flags,
        shape=shape,
    )


def _apart(x: Moments, role: Role) -> float | None:
    """E[x x'] of two elements that differ along the axes of one role (in at least one of them) and only there."""
    over = _along(x.axes, role)
    if not over:
        return None
    if x.pair.size <= KEPT and math.isfinite(found := float(x.pair.reshape(-1) @ _differing(x.axes, over))):
        return found
    pair = x.pair
    pairs = same = 1.0
    own: Array = pair
    for k in range(len(x.axes) - 1, -1, -1):
        axis = x.axes[k]
        if k in over:
            pair, own = pair @ axis.pairs, own[..., axis.cells] @ axis.counts
            pairs *= axis.size**2
            same *= axis.size
        else:
            alike = own is pair
            pair = pair[..., axis.cells] @ axis.shares
            own = pair if alike else own[..., axis.cells] @ axis.shares
    return float((pair - own) / (pairs - same))


@lru_cache(maxsize=1024)
def _along(axes: tuple[Axis, ...], role: Role) -> frozenset[int]:
    """The axes of one role."""
    return frozenset([k for k, axis in enumerate(axes) if axis.role == role])


@lru_cache(maxsize=1024)
def _differing(axes: tuple[Axis, ...], over: frozenset[int]) -> Array:
    """The weights of an average over the pairs that differ along the axes `over` and only there, flat."""
    pairs = own = np.ones(1)
    for k, axis in enumerate(axes):
        pairs = np.multiply.outer(pairs, axis.pairs if k in over else axis.same_shares)
        own = np.multiply.outer(own, axis.same_shares * axis.size if k in over else axis.same_shares)
    count = np.float64(math.prod([axes[k].size for k in over]))
    return np.asarray((pairs - own).reshape(-1) / (count**2 - count))


__all__ = ["Axis", "Coverage", "Propagation", "run"]
