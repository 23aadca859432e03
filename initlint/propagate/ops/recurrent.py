"""Recurrent layers and single steps of recurrent cells.

A cell is made of its gates. A whole layer is run for real on drawn inputs and weights, since its states at different times and
the gradients of weights that serve at every step are anything but independent; its units are many and alike, so a few draws
say enough. Times near both ends are told apart, because the states start from nothing and often only the last one is used; so
are layers and directions.

A wide layer is replaced by a narrower one with the same limit: weights that multiply states get H/H' of the variance, so that
every sum over units, forward and backward, keeps its second moment (the infinite-width limit; its error is O(1/H')).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from initlint.propagate.axes import GROUP_LIMIT, Array, Axis, Labels, canonical, common
from initlint.propagate.moments import Dims, Moments, replaced
from initlint.propagate.ops.arithmetic import add, mul
from initlint.propagate.ops.functions import affine, torch_function, unary
from initlint.propagate.ops.matrix import linear
from initlint.propagate.ops.registry import CannotPredict, as_moments, transfer
from initlint.propagate.ops.view import chunk
from initlint.propagate.signals import Level
from initlint.propagate.tape import Known, Tape

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
WORK = 2_000_000_000  # multiplications of all draws of a layer, about a tenth of a second
STEP, DRAWN = 300_000, 300  # multiplications that take as long as one step's calls, and as drawing one number and measuring it
FEWEST, MOST = 4, 16  # draws
NARROW = 128  # units to which a layer is reduced, if it is too much work


def _function(tape: Tape, name: str, x: Moments) -> Moments:
    return unary(tape, x, torch_function(name, (), {}))


@transfer("lstm_cell")
def lstm_cell(tape: Tape, x: Any, state: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> list[Moments]:
    """c' = σ(f) c + σ(i) tanh(g), h' = σ(o) tanh(c')."""
    h, c = state
    gates = add(tape, linear(tape, x, w_ih, b_ih), linear(tape, h, w_hh, b_hh))
    i, f, g, o = chunk(tape, gates, 4, -1)
    kept = mul(tape, _function(tape, "sigmoid", f), as_moments(c))
    new = add(tape, kept, mul(tape, _function(tape, "sigmoid", i), _function(tape, "tanh", g)))
    return [mul(tape, _function(tape, "sigmoid", o), _function(tape, "tanh", new)), new]


@transfer("gru_cell")
def gru_cell(tape: Tape, x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Moments:
    """h' = (1 − σ(z)) n + σ(z) h, n = tanh(W x + σ(r) (U h))."""
    r1, z1, n1 = chunk(tape, linear(tape, x, w_ih, b_ih), 3, -1)
    r2, z2, n2 = chunk(tape, linear(tape, h, w_hh, b_hh), 3, -1)
    reset = _function(tape, "sigmoid", add(tape, r1, r2))
    update = _function(tape, "sigmoid", add(tape, z1, z2))
    new = _function(tape, "tanh", add(tape, n1, mul(tape, reset, n2)))
    return add(tape, mul(tape, affine(tape, update, -1.0, 1.0), new), mul(tape, update, as_moments(h)))


def _plain(name: str) -> Any:
    def run(tape: Tape, x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Moments:
        return _function(tape, name, add(tape, linear(tape, x, w_ih, b_ih), linear(tape, h, w_hh, b_hh)))

    return run


transfer("rnn_tanh_cell")(_plain("tanh"))
transfer("rnn_relu_cell")(_plain("relu"))


# -- whole layers ---------------------------------------------------------------------------------------------------------


def ends(size: int) -> Labels:
    """Groups of the times of a sequence: both ends by octaves of their distance, and the middle."""
    distance = np.minimum(np.arange(size), np.arange(size)[::-1])
    octave = np.minimum(np.floor(np.log2(distance + 1.0)), GROUP_LIMIT // 2 - 1).astype(np.int64)
    return canonical(np.where(np.arange(size) < size - size // 2, octave, GROUP_LIMIT - octave))


def by_step(values: Sequence[Array], time: int) -> Array:
    """Second moments of each draw at each index of one dimension, a row per draw."""
    return np.stack([np.square(np.moveaxis(drawn, time, 0).reshape(drawn.shape[time], -1), dtype=np.float64).mean(1) for drawn in values])


def levels(steps: Array) -> tuple[Level, ...]:
    """Steps by draw (`by_step`) → what is typical of each group of steps.

    A state that is multiplied by the same weights at every step grows by a power of their size, so that its mean over draws is
    that of a few: with 16 rectified units of twice the usual deviation 10^11 over 32 steps, where the typical draw grows 10^4.5.
    """
    groups = ends(steps.shape[1])
    places = np.arange(steps.shape[1])
    with np.errstate(divide="ignore"):
        logs = np.log(steps)
    found = []
    for group in range(int(groups.max()) + 1):
        inside = groups == group
        level = logs[:, inside].mean(1)
        typical = float(level.mean())
        spread = float((level - logs[:, 0]).std()) if math.isfinite(typical) and np.isfinite(logs[:, 0]).all() else 0.0
        found.append(Level(step=float(places[inside].mean()), second_moment=math.exp(min(typical, 700.0)), spread=spread))
    return tuple(sorted(found, key=lambda level: level.step))


def _axis(size: int, labels: Labels | None, role: Any) -> tuple[Axis, ...]:
    return (Axis(size, labels, role),) if size > 1 else ()


def _timed(x: Moments, d: int) -> Dims:
    """The dimensions of a sequence, its times told apart."""
    dim = x.dims[d]
    if not dim:
        return x.dims
    size, role = x.shape[d], dim[0].role
    axis = Axis(size, ends(size), role)
    if len(dim) == 1 and dim[0].labels is not None and (both := common(dim[0], axis)).groups <= GROUP_LIMIT:
        axis = both
    return (*x.dims[:d], (axis,), *x.dims[d + 1 :])


def _layer(kind: str) -> Callable[..., Any]:
    import torch

    packet = getattr(torch.ops.aten, kind)
    gates = GATES[kind]

    def run(
        tape: Tape, x: Any, hx: Any, params: Any, has_biases: bool, layers: int, dropout: float, train: bool, both_ways: bool,
        batch_first: bool,
    ) -> Any:  # fmt: skip
        from initlint.propagate.sampling import sampled  # which needs the table of operators

        if not isinstance(has_biases, bool) or isinstance(x, list):
            raise CannotPredict("a packed sequence")
        x, params, directions = as_moments(x), [as_moments(p) for p in params], 1 + both_ways
        source = x
        time = 1 if batch_first and len(x.shape) == 3 else 0
        batch = x.dims[1 - time] if len(x.shape) == 3 else None
        each = len(params) // (layers * directions)
        hidden, given = params[1].shape[0] // gates, params[1].shape[1]
        states = list(hx) if isinstance(hx, list | tuple) else [hx]
        length, samples = x.shape[time], 1 if batch is None else x.shape[1 - time]

        def work(width: int) -> int:
            inputs = x.shape[-1] + (layers - 1) * directions * width
            weights = directions * gates * width * (inputs + layers * width)
            return length * (samples * weights + layers * directions * STEP) + DRAWN * (weights + length * samples * inputs)

        width = hidden
        if given == hidden and not any(np.any(p.mean) for p in params if len(p.shape) == 2):
            while width % 2 == 0 and width > NARROW and FEWEST * work(width) > 2 * WORK:
                width //= 2
        share = width / hidden
        if width < hidden:
            x = _scaled_back(tape, x, share)
            params = [
                _narrowed(tape, p, gates, share, n % each < 2 and not (n < each * directions and n % each == 0))
                for n, p in enumerate(params)
            ]
            states = [_fewer(tape, s, share) for s in states]
            given = width

        line = _timed(x, time)
        lead = list(line[:-1])
        halves = np.repeat(np.arange(directions), given) if both_ways else None
        out = (*lead, _axis(directions * given, halves, "channel"))
        count = layers * directions
        level = np.maximum(np.arange(count) - max(count - GROUP_LIMIT, 0), 0)
        last = [
            (_axis(count, level, "position"), *([] if batch is None else [batch]), _axis(n, None, "channel")) for n in (given, width)
        ]
        drawn: list[Array] = []

        def look(of: Moments | None, values: Sequence[Array]) -> None:
            if of is x:
                tape.steps_back.setdefault(id(source), []).append(by_step(values, time))
            elif of is None:
                drawn.append(by_step(values, time))

        results = sampled(
            tape, packet, [x, states if kind == "lstm" else states[0], params, has_biases, layers, dropout, train, both_ways, batch_first],
            {}, seed=len(tape.entries), draws=int(np.clip(WORK // work(width), FEWEST, MOST)),
            outputs=[out, *last], gradients={id(x): line}, ends={id(p) for p in params}, look=look,
        )  # fmt: skip
        if width < hidden:
            results = [_more(tape, y, hidden, directions if n == 0 else 1) for n, y in enumerate(results)]
        tape.steps[id(results[0])] = drawn[0]
        return results

    return run


for _kind in GATES:
    transfer(_kind)(_layer(_kind))


# -- a narrower layer with the same limit ---------------------------------------------------------------------------------


def _resized(x: Moments, d: int, size: int, blocks: int) -> Moments:
    """The same moments in another number of units along dimension d, which is made of `blocks` equal parts."""
    (axis,) = x.dims[d]
    part, new = axis.size // blocks, size // blocks
    labels = None if axis.labels is None else axis.labels.reshape(blocks, part)[:, np.arange(new) * part // new].reshape(-1)
    if labels is not None and len(np.unique(labels)) < axis.groups:
        raise CannotPredict("units that differ")
    return x.with_(dims=replaced(x.dims, x.position(d), (Axis(size, labels, axis.role),)))


def _scaled_back(tape: Tape, x: Moments, share: float) -> Moments:
    """x, whose cotangent is a sum over all units."""
    return tape.record([x], x.with_(), lambda g: [g.scaled(share**-0.5)])


def _narrowed(tape: Tape, weight: Moments, gates: int, share: float, of_states: bool) -> Moments:
    """A weight or bias for fewer units; one that multiplies states is larger, so that their sums are as large as before."""
    rows, columns = weight.shape[0], weight.shape[1:]
    small = _resized(weight, 0, int(rows * share), gates)
    if of_states:
        small = _resized(small, 1, int(columns[0] * share), 1).scaled(share**-0.5)

    def pull(g: Moments) -> list[Moments]:
        wide = _resized(g, 0, rows, gates)
        return [_resized(wide, 1, columns[0], 1) if of_states else wide]

    return tape.record([weight], small, pull)


def _fewer(tape: Tape, state: Any, share: float) -> Any:
    """A first state of fewer units."""
    if isinstance(state, Known):
        return Known(state.tensor[..., : int(state.shape[-1] * share)])
    d, size = len(state.shape) - 1, state.shape[-1]
    return tape.record([state], _resized(state, d, int(size * share), 1), lambda g: [_resized(g, d, size, 1)])


def _more(tape: Tape, y: Moments, hidden: int, directions: int) -> Moments:
    d, size = len(y.shape) - 1, y.shape[-1]
    wide = _resized(y, d, hidden * directions, directions)
    wide.method = y.method
    return tape.record([y], wide, lambda g: [_resized(g, d, size, directions)])
