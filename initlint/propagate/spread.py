"""How far one construction lies from the next: the standard deviation of ln q over initializations, from finite width.

The infinite-width recursion gives E[q]. A draw's own q, averaged over the elements of a node, is a product of as many random
factors as there are layers, so ln q is close to normal and E[q] is its mean, not its middle:

    ln q ~ N(ln E[q] − s²/2, s²)                  the typical draw is e^(−s²/2) of E[q]   (Hanin & Nica 2018)

`lag` is that mean less ln E[q]; natural logarithms both, of a second moment: divide by 2 ln 10 for decades of amplitude.

Every node adds a *source* of relative variance to the scale it inherits. With c(a, b) the relative covariance of x_a² and x_b²
over units, averaged over the pairs (a, b) of positions and samples that a node has:

    fresh Gaussian weights   2 Σ C²/(Σ q)² over all pairs of elements: 2/n for n units and one input
    functions of a Gaussian  (E[f²f'²]/q² − 1)/n: 5/n after a ReLU, of which the layer before gave 2/n
    orthogonal weights       nothing but what a projection onto fewer outputs loses

and hands on d ln q_out/d ln q_in of each source: one for linear maps and ReLU, less for bounded functions, the share of q in
a sum, the sum of both in a product, nothing after a normalization. One draw with many samples keeps the covariance between
samples only: "same sample" and "another sample" are carried apart and averaged at the end.

A function that is not even, as ReLU, sees the signs of a trunk that hardly changes from one residual block to the next: what it
adds is one source for all of them. And the correlation of two samples, zero on average in a linear net, is ±1/√n in a draw and
grows as depth/n: its square is added to what samples share.

Not in it: weights used more than once, fourth moments of uniform weights (−1.2/n²),
the gradients' own spread. Compared with Monte Carlo in tests/propagate/test_spread.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.graph.dataflow import (
    CONVOLUTIONS,
    NORMALIZING,
    PASSING,
    PRODUCTS,
    RECURRENT,
    dependence_of,
    operands,
    operator,
    shape_of,
    strip,
)
from initlint.graph.structure import find_norms
from initlint.propagate.axes import Array, Axis, average_of_states
from initlint.propagate.calls import argument_of
from initlint.propagate.moments import Moments, outer_means
from initlint.propagate.pointwise import REACH, Profile, grid, lineage, pair_of, slopes, times

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.model import TracedModel

LEAST = 1e-7  # relative variance below which a node adds nothing
NOTED = 0.01  # d ln q_out/d ln q_in of a normalization below which it sets the scale whatever came before
LARGEST = 1 << 25  # numbers of one second moment whose fluctuation is followed
STEEPEST = 4.0  # d ln q_out/d ln q_in beyond which a straight line in ln q says nothing (exponentials)
MOST = 600.0  # variance of ln q at which e^V is cut off
SET = (0.5, 2.0)  # second moments of a normalization by hand whose ε does not hold it back
SETTLED = NORMALIZING | {"softmax", "_softmax", "log_softmax", "_log_softmax", "normalize", "linalg_qr"}
SUMS = frozenset("add sub addcmul cat stack where masked_fill masked_scatter index_put lerp".split())
MASKING = frozenset({"feature_dropout", "feature_alpha_dropout"})
FIXED = frozenset({"constant", "identity", "exact"})  # laws of weights that are the same in every draw
LAYERS = CONVOLUTIONS | PRODUCTS | {"linear"}
DRAWN = frozenset({"embedding", "embedding_bag"})

Pair = tuple[float, float]  # of one sample with itself, with another sample
NOTHING: Pair = (0.0, 0.0)


@dataclass(slots=True, eq=False)
class _State:
    """One node.

    gains   d ln q/d(source), for the sources so far
    own     what its own elements contribute: relative variance of the average of x², as if drawn afresh around E[x x']
    data    whether it depends on the input
    sums    the fresh images it is a sum of, with the root of each one's share: their asymmetry stays from block to block
    wobble  variance of the correlation of two samples, beyond what is expected of it
    """

    gains: Array
    own: Pair
    q: float
    data: bool
    value: Moments | None
    sums: Mapping[Node, float]
    wobble: float = 0.0


@dataclass(frozen=True, slots=True)
class Spread:
    """ln q of one construction, over constructions: its standard deviation, and its mean less ln E[q] (at most zero)."""

    deviation: float
    lag: float


def spreads(traced: TracedModel, produced: Mapping[Node, Any]) -> dict[str, Spread]:
    """How ln q is spread over initializations, by node name; `produced` are the values of the forward pass."""
    work = _Pass(traced)
    with np.errstate(all="ignore"):
        for node in traced.program.graph.nodes:
            state = work.state_of(node, produced.get(node)) if node.op != "output" else None
            if state is not None:
                work.states[node] = state
        return work.spreads()


class _Variances:
    """Variances of the sources: of a sample with itself, and its covariance with another sample."""

    def __init__(self) -> None:
        self.same: list[float] = []
        self.apart: list[float] = []

    def append(self, own: Pair) -> int:
        self.same.append(own[0])
        self.apart.append(min(max(own[1], 0.0), own[0]))
        return len(self.same) - 1

    def totals(self) -> Callable[[Array], tuple[float, float]]:
        """From squared gains to Var(ln q) of one sample and its covariance with another's; no source may be added any more."""
        same, apart = np.asarray(self.same), np.asarray(self.apart)

        def of(square: Array) -> tuple[float, float]:
            n = len(square)
            return min(float(square @ same[:n]), MOST), min(float(square @ apart[:n]), MOST)

        return of


def over_samples(totals: tuple[float, float], alone: float) -> float:
    """Var(ln q) of an average over samples, where `alone` of the pairs are of one sample with itself: log-normal moments."""
    return max(math.log1p(alone * math.expm1(totals[0]) + (1.0 - alone) * math.expm1(totals[1])), 0.0)


class _Pass:
    """The sources found so far, and the state of every node that was passed.

    wide   variances as they are
    calm   every asymmetry a source of its own: growth that differs from draw to draw in the same direction block after block
           widens ln q but also raises E[q] beyond what is predicted, so that only the rest makes the middle lag behind it
    """

    def __init__(self, traced: TracedModel) -> None:
        self.traced = traced
        self.by_hand = frozenset(find_norms(dependence_of(traced)))
        self.states: dict[Node, _State] = {}
        self.wide = _Variances()
        self.calm = _Variances()
        self.elastic: dict[int, float] = {}
        self.skewed: dict[Node, int] = {}

    def spreads(self) -> dict[str, Spread]:
        """Of every node's average over its elements."""
        found: dict[int, tuple[tuple[float, float], tuple[float, float]]] = {}
        result: dict[str, Spread] = {}
        wide_of, calm_of = self.wide.totals(), self.calm.totals()
        for node, state in self.states.items():
            if state.value is None:
                continue
            key = id(state.gains)
            if key not in found:
                square = state.gains**2
                # a deficit of the mean is handed on as it is; only the shares of a sum, below one, act twice
                found[key] = wide_of(square), calm_of(np.minimum(square, abs(state.gains)))
            alone = alone_of(state.value)
            wide, calm = (over_samples(each, alone) for each in found[key])
            result[node.name] = Spread(math.sqrt(wide), -calm / 2)
        return result

    def source(self, wide: Pair, calm: Pair) -> int:
        """A new source, by its number, from relative variances v of q.

        An average of few squares is nearer to a gamma law than to a log-normal one: Var(ln q) = ψ'(1/v) ≈ v + v²/2, and its
        mean lies ψ(1/v) + ln v ≈ −v/2 − v²/12 below.
        """
        self.wide.append(_scaled(wide, _of_logarithm(wide[0])))
        calm_variance = min(calm[0], _of_logarithm(calm[0]))
        return self.calm.append(_scaled(calm, calm_variance * (1 + calm_variance / 6)))

    def with_source(self, gains: Array, own: Pair) -> Array:
        """Gains with one source more, of these variances."""
        if own[0] < LEAST:
            return gains
        n = self.source(own, own)
        wide = padded(gains, n + 1)
        wide[n] = 1.0
        return wide

    def with_skew(self, gains: Array, own: Pair, sums: Mapping[Node, float]) -> Array:
        """Gains with what an asymmetric function adds: u|u| of a sum keeps the sign of its terms, whichever block adds the next."""
        if own[0] < LEAST or not sums:
            return gains
        for image in sums:
            if image not in self.skewed:
                self.skewed[image] = self.wide.append((1.0, own[1] / own[0]))
                self.calm.append(NOTHING)
        n = self.source(NOTHING, own)
        wide = padded(gains, n + 1)
        for image, root in sums.items():
            wide[self.skewed[image]] += root * math.sqrt(_of_logarithm(own[0]))
        wide[n] = 1.0
        return wide

    def state_of(self, node: Node, value: Any) -> _State | None:
        name = operator(node)
        found = [(item, self.states[item]) for item in operands(node) if item in self.states]
        before = [state for _, state in found]
        data = any(item.data for item in before) or node.name in self.traced.inputs or name in DRAWN
        fresh = {node: 1.0}
        if not isinstance(value, Moments):
            if not before:
                return None
            # a tuple of tensors, a known table: hands on the scale of what it is made of
            largest = max(before, key=lambda item: (item.data, item.q))
            q = largest.q if isinstance(value, list | tuple) and value and isinstance(value[0], Moments) else 0.0
            return _State(largest.gains, largest.own, q, data, None, largest.sums, largest.wobble)
        q = value.q
        if name in PASSING and name not in MASKING and before:
            first = before[0]
            return _State(first.gains, first.own, q, data, value, first.sums, first.wobble)
        own = fluctuation(value)
        if node.op != "call_function" or name in RECURRENT or name in DRAWN:
            return _State(self.with_source(np.zeros(0), own), own, q, data, value, fresh, own[0] / 2)
        if name in NORMALIZING and before:
            held = _held(node, before[0].value)
            if held < NOTED:
                return _State(np.zeros(0), own, q, data, value, before[0].sums, before[0].wobble)
            gains = self.with_source(held * before[0].gains, beyond(own, [(before[0], held**2)]))
            return _State(gains, own, q, data, value, before[0].sums, before[0].wobble)
        if node.name in self.by_hand and name not in SETTLED and before and SET[0] < q < SET[1]:
            return _State(np.zeros(0), own, q, data, value, before[0].sums, before[0].wobble)
        if name in SETTLED:
            return _State(self.with_source(np.zeros(0), own), own, q, data, value, fresh)
        if name in LAYERS:
            return self.layer(node, value, q, own, found)
        weights = self.elasticities(node, name, value, q, found)
        if name in ("mul", "div") and len(weights) == 2 and all(item.own[0] > LEAST for item, _ in weights):
            own = product(value, weights, own)
        more = beyond(own, [(state, gain**2) for state, gain in weights])
        gains = combined(weights)
        if value.profile is not None and len(weights) == 1:
            return _State(self.with_skew(gains, more, weights[0][0].sums), own, q, data, value, fresh)
        sums: dict[Node, float] = {}
        for state, share in weights:
            for image, root in state.sums.items():
                sums[image] = math.hypot(sums.get(image, 0.0), math.sqrt(abs(share)) * root) if name in SUMS else root
        wobble = max((state.wobble for state, _ in weights), default=0.0)
        return _State(self.with_source(gains, more), own, q, data, value, sums, wobble)

    def layer(self, node: Node, value: Moments, q: float, own: Pair, found: Sequence[tuple[Node, _State]]) -> _State:
        """A linear map by fresh weights; a product of two signals hands on the scale of both."""
        inside = [(item, state) for item, state in found if state.data]
        weights = [(item, state) for item, state in found if not state.data]
        if len(inside) != 1 or not weights:
            some = [(state, 1.0) for _, state in (inside or found)]
            gains = self.with_source(combined(some), beyond(own, some))
            return _State(gains, own, q, bool(inside), value, {node: 1.0})
        source = inside[0][1]
        matrix, _ = max(weights, key=lambda pair: math.prod(shape_of(pair[0])))
        shift = sum(state.q for item, state in weights if item is not matrix)
        through = min(max(1.0 - shift / q, 0.0), 1.0) if q > 0 else 1.0
        gains, family = through * source.gains, self._family(matrix)
        if family in FIXED:
            gains = self.with_source(gains, beyond(own, [(source, through**2)]))
            return _State(gains, own, q, True, value, source.sums, source.wobble)
        lost = 1.0 - min(1.0, _outputs_per_input(node, matrix)) if family == "orthogonal" else 1.0
        gains = self.with_source(gains, (lost * own[0], lost * (own[1] + own[0] * source.wobble)))
        return _State(gains, own, q, True, value, {node: 1.0}, source.wobble + lost * own[0] / 2)

    def _family(self, weight: Node) -> str:
        parameter = self.traced.parameters.get(strip(weight).name)
        return "" if parameter is None else parameter.law.family

    def elasticities(
        self, node: Node, name: str, value: Moments, q: float, found: Sequence[tuple[Node, _State]]
    ) -> list[tuple[_State, float]]:
        moving = [state for _, state in found if state.data or state.own[0] > LEAST]
        if not moving:
            return []
        if value.profile is not None:
            alike = [s for s in moving if s.value is not None and lineage(s.value) == lineage(value)]
            if alike:
                best = max(alike, key=lambda s: abs(self.elasticity(s.value)))
                below = self.elasticity(best.value)
                gain = self.elasticity(value) / below if abs(below) > 1e-3 else 0.0
                # x / rms(x) by hand: a function of x to its elements, but the scale of x is taken from it
                others = [pair for pair in found if pair[1] in moving and pair[1] not in alike] if name in ("mul", "div") else []
                return [(best, min(max(gain, -STEEPEST), STEEPEST)), *_factors(node, others)]
        if name in ("mul", "div"):
            return _factors(node, [pair for pair in found if pair[1] in moving])
        if name == "scaled_dot_product_attention":
            return [(found[2][1], 1.0)] if len(found) > 2 else [(moving[-1], 1.0)]
        if name in ("var", "var_mean"):
            return [(moving[0], 2.0)]
        if name in SUMS and len(moving) > 1:
            total = sum(state.q for state in moving)
            return [(state, state.q / total) for state in moving] if total > 0 else []
        if name in ("add", "sub"):
            return [(moving[0], min(max(moving[0].q / q, 0.0), 1.0) if q > 0 else 1.0)]
        return [(max(moving, key=lambda state: (state.data, state.q)), 1.0)]

    def elasticity(self, x: Moments | None) -> float:
        """d ln E[f²]/d ln λ² where the source of x is multiplied by λ."""
        if x is None or x.profile is None:
            return 1.0
        key = id(x)
        if key not in self.elastic:
            self.elastic[key] = _elasticity(x.profile)
        return self.elastic[key]


def _factors(node: Node, found: Sequence[tuple[Node, _State]]) -> list[tuple[_State, float]]:
    """What a product hands on of its factors, and a quotient of its divisor."""
    divisor = node.args[1] if operator(node) == "div" else None
    return [(state, -1.0 if item is divisor else 1.0) for item, state in found]


def product(value: Moments, factors: Sequence[tuple[_State, float]], otherwise: Pair) -> Pair:
    """Fluctuation of a product of independent factors: their fourth moments multiply."""
    first, second = factors[0][0].value, factors[1][0].value
    if value.profile is not None or first is None or second is None or factors[1][1] < 0:
        return otherwise
    both = times(squares(first), squares(second))
    return averaged(both, both.pair - both.mean_products())


def beyond(own: Pair, weights: Sequence[tuple[_State, float]]) -> Pair:
    """A node's own fluctuation without what its operands bring along."""
    return own[0] - sum(w * s.own[0] for s, w in weights), own[1] - sum(w * s.own[1] for s, w in weights)


def padded(gains: Array, length: int) -> Array:
    """Gains on more sources."""
    wide = np.zeros(length)
    wide[: len(gains)] = gains
    return wide


def _of_logarithm(variance: float) -> float:
    """Var(ln q) from the relative variance v of q: as a gamma law's up to v = 1, growing as ln v where few draws make it large."""
    return variance * (1 + variance / 2) if variance <= 1.0 else 1.5 + math.log(variance)


def _scaled(own: Pair, first: float) -> Pair:
    """Both variances in proportion, the first one as given."""
    return (first, own[1] * first / own[0]) if own[0] > 0.0 else own


def combined(weights: Sequence[tuple[_State, float]]) -> Array:
    """Σ weight · gains."""
    result = np.zeros(max((len(state.gains) for state, _ in weights), default=0))
    for state, weight in weights:
        result[: len(state.gains)] += weight * state.gains
    return result


# -- fourth moments -------------------------------------------------------------------------------------------------------


def alone_of(x: Moments) -> float:
    """Share of pairs of elements that belong to one sample."""
    return _samples(x.axes)[2]


def squares(x: Moments) -> Moments:
    """x² element by element: of a function of a Gaussian by its profile, of anything else as if it were Gaussian."""
    if x.profile is not None and not x.profile.normal:
        return Moments(x.dims, x.cells, pair_of(None, Profile(x.profile.source, x.profile.values**2)))
    products = x.mean_products() if np.any(x.mean) else 0.0
    covariance = x.pair - products
    return Moments(x.dims, x.cells, outer_means(x.axes, x.cells, x.cells) + covariance * (2.0 * covariance + 4.0 * products))


def fluctuation(x: Moments) -> Pair:
    """Relative (co)variance of the average of x² over one sample, with itself and with another sample's."""
    if x.pair.size > LARGEST:
        return NOTHING  # the average is over so many kinds of pairs that hardly anything is left of it
    if x.pair.size == 1 << len(x.axes) and x.profile is None and not x.mean.any():
        return _of_normal(x.axes, tuple(x.pair.reshape(-1).tolist()))  # as most weights are
    if x.profile is not None and not x.profile.normal:
        square = squares(x)
        return averaged(square, square.pair - square.mean_products())
    if not x.mean.any():
        return averaged(x, x.pair * (2.0 * x.pair), x.q)
    products = x.mean_products()
    covariance = x.pair - products
    return averaged(x, covariance * (2.0 * covariance + 4.0 * products), x.q)


@lru_cache(maxsize=4096)
def _of_normal(axes: tuple[Axis, ...], pair: tuple[float, ...]) -> Pair:
    """The same of a normal tensor without mean and groups; `pair` is flat."""
    x = Moments((axes,), np.zeros((1,) * len(axes)), np.array(pair).reshape((2,) * len(axes)))
    return averaged(x, x.pair * (2.0 * x.pair), x.q)


def averaged(x: Moments, by_state: Array, level: float | None = None) -> Pair:
    """A covariance of squares by pair state of x's axes, over its pairs of elements, in units of the squared `level`."""
    level = x.m if level is None else level
    if not level > 0.0 or not math.isfinite(level):
        return NOTHING
    every, alike, alone = _samples(x.axes)
    own = max(average_of_states(x.axes, by_state, alike) / level / level, 0.0)
    if not math.isfinite(own):
        return NOTHING
    return own, own if alone >= 1.0 else (average_of_states(x.axes, by_state, every) / level / level - alone * own) / (1.0 - alone)


@lru_cache(maxsize=1024)
def _samples(axes: tuple[Axis, ...]) -> tuple[frozenset[int], frozenset[int], float]:
    """All axes, those within one sample, and the share of pairs of elements that belong to one sample."""
    alike = frozenset([k for k, axis in enumerate(axes) if axis.role != "batch"])
    return frozenset(range(len(axes))), alike, 1.0 / math.prod([axis.size for axis in axes if axis.role == "batch"])


def _elasticity(profile: Profile) -> float:
    """E[f · x f'(x)]/E[f²] on the grid of the source x."""
    source = profile.source
    z, w, _ = grid(source.points)
    flat = profile.values.reshape(len(z), -1)
    at = source.origin.profile
    if at is profile:
        return 1.0
    if at is not None and at.source is source:
        x = at.values.reshape(len(z), -1)
    else:
        x = (source.origin.mean + source.deviation * z.reshape(-1, *(1,) * source.deviation.ndim)).reshape(len(z), -1)
    if x.shape != flat.shape:
        return 1.0
    step = 2 * REACH / source.points
    rise, run = slopes(flat, step), slopes(x, step)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        slope: Array = np.where(run != 0, rise / run, 0.0)
        below = float(w @ (flat**2).sum(1))
        value = float(w @ (flat * slope * x).sum(1)) / below if below > 0 else 1.0
    return value if math.isfinite(value) else 1.0


def _held(node: Node, x: Moments | None) -> float:
    """ε/(v + ε) of a normalization: d ln q_out/d ln q_in, where ε outweighs the variance."""
    eps = argument_of(node, "eps")
    if x is None or not isinstance(eps, float):
        return 0.0
    variance = float(np.mean(x.cells - x.mean**2))
    return eps / (variance + eps) if variance > 0.0 else 0.0


def _outputs_per_input(node: Node, weight: Node) -> float:
    """Outputs per input of an orthogonal weight as it was drawn: rows over columns, of a kernel's flattened matrix."""
    shape = shape_of(strip(weight))
    if len(shape) < 2:
        return 1.0
    rows, columns = shape[0], math.prod(shape[1:])
    turned = operator(node).startswith("conv_transpose") or (
        operator(node) in PRODUCTS and operator(weight) not in ("t", "transpose")
    )
    return columns / rows if turned else rows / columns


__all__ = ["Spread", "fluctuation", "spreads"]
