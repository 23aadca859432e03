"""Single steps of recurrent cells, from their gates. Whole recurrent layers are sampled with the real operator."""

from __future__ import annotations

from typing import Any

from initlint.propagate.moments import Moments
from initlint.propagate.ops.arithmetic import add, mul
from initlint.propagate.ops.functions import affine, torch_function, unary
from initlint.propagate.ops.matrix import linear
from initlint.propagate.ops.registry import as_moments, transfer
from initlint.propagate.ops.view import chunk
from initlint.propagate.tape import Tape


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
