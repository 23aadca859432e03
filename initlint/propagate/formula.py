"""The law of a node's second moment in symbols, for `explain` and `Signal.formula`; sympy is imported only when asked.

Each law is that of one operator in what it reads: fan_in·Var_w·q_in + Var_b. `values` gives every symbol its number, so that
the expression can be checked and printed beside the numbers. Laws assume what the text of each says; the numbers of the
propagation do not come from here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from initlint.propagate.calls import name_of

if TYPE_CHECKING:
    import sympy
    from torch import fx

    from initlint.graph.model import TracedModel
    from initlint.propagate.signals import Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbolic:
    """An expression and the value of each of its symbols."""

    expression: sympy.Expr
    values: Mapping[sympy.Symbol, float]

    @property
    def number(self) -> float:
        """The expression at its values."""
        return float(self.expression.subs(self.values).evalf())


class _Reader:
    """What the rules read of one node: its operands' signals and its weights' laws, as symbols with values."""

    def __init__(self, node: fx.Node, traced: TracedModel, signals: Mapping[str, Signal]) -> None:
        import sympy

        self.sp = sympy
        self.node = node
        self.args: Any = node.args
        self.traced = traced
        self.signals = signals
        self.values: dict[sympy.Symbol, float] = {}

    def symbol(self, name: str, value: float | None) -> Any:
        if value is None:
            raise KeyError(name)
        symbol = self.sp.Symbol(name, nonnegative=True) if value >= 0 else self.sp.Symbol(name, real=True)
        self.values[symbol] = float(value)
        return symbol

    def signal(self, position: int) -> Signal:
        return self.signals[self.args[position].name]

    def q(self, position: int = 0, name: str = "q_in") -> Any:
        return self.symbol(name, self.signal(position).second_moment)

    def variance_of(self, position: int, name: str) -> Any:
        """E[w²] of a weight: the variance of a centred law; zero where there is none."""
        if len(self.args) <= position or self.args[position] is None:
            return self.sp.Integer(0)
        return self.symbol(name, self.signal(position).second_moment)

    def shape(self, position: int | None = None) -> tuple[int, ...]:
        node = self.node if position is None else self.args[position]
        return tuple(int(n) for n in node.meta["val"].shape)


def linear(r: _Reader) -> Any:
    """fan_in · Var_w · q_in + Var_b, for centred independent weights."""
    fan = r.symbol("fan_in", r.shape(1)[-1])
    return fan * r.variance_of(1, "Var_w") * r.q() + r.variance_of(2, "Var_b")


def convolution(r: _Reader) -> Any:
    """fan_in · inside · Var_w · q_in + Var_b; `inside` is the share of taps that do not read padding."""
    weight, size, out = r.shape(1), r.shape(0), r.shape()
    args = r.args
    n = len(weight) - 2

    def each(position: int, default: int) -> list[int]:
        value = args[position] if len(args) > position else default
        values = list(value) if isinstance(value, list | tuple) else [value]
        return [int(values[j % len(values)]) for j in range(n)]

    if len(args) > 4 and isinstance(args[4], str):
        raise KeyError("padding by name")
    stride, padding, dilation = each(3, 1), each(4, 0), each(5, 1)
    inside = 1.0
    for j in range(n):
        k, source, target = weight[2 + j], size[2 + j], out[2 + j]
        reads = [0 <= o * stride[j] - padding[j] + t * dilation[j] < source for o in range(target) for t in range(k)]
        inside *= sum(reads) / len(reads)
    fan = r.symbol("fan_in", math.prod(weight[1:]))
    share = r.symbol("inside", inside) if inside < 1 else r.sp.Integer(1)
    return fan * share * r.variance_of(1, "Var_w") * r.q() + r.variance_of(2, "Var_b")


def embedding(r: _Reader) -> Any:
    """Var_w: a row of the table."""
    return r.symbol("Var_w", r.signal(0).second_moment)


def rectified(slope: float) -> Callable[[_Reader], Any]:
    def law(r: _Reader) -> Any:
        """(1 + a²)/2 · q_in for a centred input; a is the slope below zero."""
        given = slope
        if name_of(r.node.target).startswith("leaky"):
            given = float(r.args[1]) if len(r.args) > 1 else 0.01
        a = r.sp.nsimplify(given)
        return (1 + a**2) * r.q() / 2

    return law


def gelu(r: _Reader) -> Any:
    """Closed form at mean zero: q/4 + q/(2π) asin(q/(1+q)) + q²/(π (1+q) √(1+2q))."""
    q, sp = r.q(), r.sp
    return q / 4 + q / (2 * sp.pi) * sp.asin(q / (1 + q)) + q**2 / (sp.pi * (1 + q) * sp.sqrt(1 + 2 * q))


def integral(function: Callable[[Any, Any], Any]) -> Callable[[_Reader], Any]:
    def law(r: _Reader) -> Any:
        """E[f(z)²] for a centred Gaussian z with second moment q_in, left as an integral."""
        q, sp = r.q(), r.sp
        z = sp.Symbol("z", real=True)
        density = sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)
        return sp.Integral(function(sp, sp.sqrt(q) * z) ** 2 * density, (z, -sp.oo, sp.oo))

    return law


def normalized(centre: bool) -> Callable[[_Reader], Any]:
    def law(r: _Reader) -> Any:
        """γ² v/(v + ε) + β², with v what is left of q_in after the mean was taken out."""
        args = r.args
        batch = name_of(r.node.target).startswith("batch")
        weight, bias = (1, 2) if batch else (2, 3)
        q, signal = r.q(), r.signal(0)
        eps = args[7] if batch else args[4] if centre and len(args) > 4 else args[3] if not centre and len(args) > 3 else 1e-5
        common = 0.0
        if centre:
            common = (signal.k_batch or 0.0) if batch else (signal.mean or 0.0) ** 2
        v = q - r.symbol("common", common) if common else q
        scale = r.symbol("gamma2", r.signal(weight).second_moment) if len(args) > weight and args[weight] is not None else r.sp.Integer(1)
        shift = r.variance_of(bias, "beta2") if centre else r.sp.Integer(0)
        epsilon = r.symbol("epsilon", 1.2e-7 if eps is None else float(eps))
        return scale * v / (v + epsilon) + shift

    return law


def added(r: _Reader) -> Any:
    """q_1 + q_2 + 2·cross; `cross` is what the terms share, zero when one ends in a fresh centred weight."""
    alpha = float(dict[str, Any](r.node.kwargs).get("alpha", 1.0))
    sign = -1.0 if name_of(r.node.target).startswith("sub") else 1.0
    first, second = r.q(0, "q_1"), None
    if isinstance(r.args[1], int | float):
        c = r.symbol("c", sign * alpha * float(r.args[1]))
        return first + 2 * c * r.symbol("mean", r.signal(0).mean) + c**2
    second = r.q(1, "q_2") * (alpha**2 if alpha != 1.0 else 1)
    here = r.signals[r.node.name].second_moment
    rest = (here or 0.0) - r.values[r.sp.Symbol("q_1", nonnegative=True)] - float(second.subs(r.values))
    if abs(rest) <= 1e-9 * (here or 1.0):
        return first + second
    return first + second + 2 * r.symbol("cross", rest / 2)


def multiplied(r: _Reader) -> Any:
    """q_1 · q_2 for independent factors, a² q for a number."""
    other = r.args[1]
    inverse = name_of(r.node.target).startswith("div")
    if isinstance(other, int | float):
        a = r.symbol("a", float(other))
        return r.q() / a**2 if inverse else a**2 * r.q()
    if inverse:
        raise KeyError("a quotient")
    return r.q(0, "q_1") * r.q(1, "q_2")


def dropout(r: _Reader) -> Any:
    """q_in / (1 − p)."""
    p = float(r.args[1])
    return r.q() if p == 0 else r.q() / (1 - r.symbol("p", p))


def same(r: _Reader) -> Any:
    """q_in: elements are only moved."""
    return r.q()


def attention(r: _Reader) -> Any:
    """q_v (c + (1 − c) P₂): tokens that have c in common are averaged with participation P₂ of the softmax."""
    q, value = r.q(2, "q_v"), r.signal(2)
    c = (value.k_pos or 0.0) / (value.second_moment or 1.0)
    here = r.signals[r.node.name].second_moment or 0.0
    rest = (here / (value.second_moment or 1.0) - c) / max(1.0 - c, 1e-12)
    common = r.symbol("c", c)
    return q * (common + (1 - common) * r.symbol("P_2", rest))


LAWS: dict[str, Callable[[_Reader], Any]] = {
    "linear": linear, "conv1d": convolution, "conv2d": convolution, "conv3d": convolution, "embedding": embedding,
    "relu": rectified(0.0), "leaky_relu": rectified(0.01), "gelu": gelu,
    "tanh": integral(lambda sp, z: sp.tanh(z)), "sigmoid": integral(lambda sp, z: 1 / (1 + sp.exp(-z))),
    "silu": integral(lambda sp, z: z / (1 + sp.exp(-z))), "sin": lambda r: (1 - r.sp.exp(-2 * r.q())) / 2,
    "softplus": integral(lambda sp, z: sp.log(1 + sp.exp(z))), "erf": integral(lambda sp, z: sp.erf(z)),
    "layer_norm": normalized(True), "batch_norm": normalized(True), "rms_norm": normalized(False),
    "add": added, "sub": added, "mul": multiplied, "div": multiplied, "dropout": dropout,
    "scaled_dot_product_attention": attention,
    **dict.fromkeys(
        ("view", "reshape", "transpose", "permute", "unsqueeze", "squeeze", "flatten", "unflatten", "contiguous", "clone", "alias",
         "detach", "expand", "roll", "flip", "to", "pixel_shuffle", "pixel_unshuffle", "repeat"), same),
}  # fmt: skip


def law_of(name: str, traced: TracedModel, signals: Mapping[str, Signal]) -> Symbolic | None:
    """The law of one node, or None where there is no simple one."""
    node = next((n for n in traced.program.graph.nodes if n.name == name), None)
    if node is None or node.op != "call_function":
        return None
    rule = LAWS.get(name_of(node.target).rstrip("_"))
    if rule is None or not node.args:
        return None
    reader = _Reader(node, traced, signals)
    try:
        expression = rule(reader)
    except (KeyError, AttributeError, TypeError, IndexError):
        return None
    return Symbolic(expression=expression, values=reader.values)


def expression_of(name: str, traced: TracedModel, signals: Mapping[str, Signal]) -> sympy.Expr | None:
    """The expression alone, for `Signal.formula`."""
    law = law_of(name, traced, signals)
    return None if law is None else law.expression
