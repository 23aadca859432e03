"""Functions of one tensor, element by element: integrated over its Gaussian source; several operators in a row are one function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.propagate import views
from initlint.propagate.axes import Array
from initlint.propagate.known import numbers
from initlint.propagate.moments import Moments, outer_means
from initlint.propagate.ops.registry import TRANSFERS, CannotPredict, as_moments, scalar_of
from initlint.propagate.pointwise import (
    Cotangent,
    Profile,
    apply,
    combine,
    finite,
    from_profile,
    profile_of,
)
from initlint.propagate.tape import Known, Tape

if TYPE_CHECKING:
    import torch


# f(x) and further arguments that are numbers; every one is evaluated by torch itself, so there is nothing to get wrong
UNARY = (
    "relu gelu silu sigmoid tanh exp log sqrt rsqrt square abs sin cos softplus elu selu celu leaky_relu hardswish "
    "hardsigmoid hardtanh relu6 mish erf erfc erfinv reciprocal log1p expm1 sign sgn floor ceil round trunc frac clamp "
    "clamp_min clamp_max logit log_sigmoid log2 log10 exp2 softshrink hardshrink threshold tan asin acos atan sinh cosh "
    "asinh acosh atanh nan_to_num logical_not isnan isinf isfinite gt lt ge le eq ne sinc i0 special_erf heaviside xlogy "
    "logaddexp clip fmod remainder floor_divide digamma lgamma special_expit "
    "bitwise_not logical_and logical_or __and__ __or__ __xor__ logical_xor bitwise_and bitwise_or bitwise_xor"
).split()
# a random condition is carried as 0 and 1
LOGICAL = {
    "__and__": "logical_and", "__or__": "logical_or", "__xor__": "logical_xor", "bitwise_not": "logical_not",
    "bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_xor": "logical_xor",
}  # fmt: skip
HOMOGENEOUS = {"relu", "leaky_relu", "abs"}


def torch_function(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., Any]:
    """The operator itself on float64 tensors, further arguments fixed; a boolean result counts as 0 and 1."""
    import torch

    packet = getattr(torch.ops.aten, LOGICAL.get(name, name))

    def call(*tensors: torch.Tensor) -> torch.Tensor:
        result = packet(*tensors, *args, **kwargs)
        if isinstance(result, tuple):
            result = result[0]
        return result if result.is_floating_point() else result.to(torch.float64)

    return call


def on_grid(function: Callable[..., Any]) -> Callable[..., Array]:
    """A torch function as one of float64 arrays."""
    import torch

    def call(*arrays: Array) -> Array:
        with torch.no_grad():
            return np.asarray(function(*(torch.from_numpy(np.array(a)) for a in arrays)).numpy())

    return call


def derivatives(function: Callable[..., Any], *arrays: Array) -> list[Array]:
    """∂f/∂x_i at every grid point; zero where the function has none."""
    import torch

    with torch.enable_grad():
        inputs = [torch.from_numpy(np.array(a)).requires_grad_() for a in arrays]
        output = function(*inputs)
        if not output.requires_grad:
            return [np.zeros_like(a) for a in arrays]
        grads = torch.autograd.grad(output, inputs, torch.ones_like(output), allow_unused=True)
    result = []
    for g, a in zip(grads, arrays, strict=True):
        value = np.zeros_like(a) if g is None else g.numpy()
        finite = np.isfinite(value)
        result.append(value if finite.all() else np.where(finite, value, 0.0))
    return result


def through(source_of: Moments, coefficient: Callable[[], Array], output: Moments | None = None) -> Callable[[Cotangent], Cotangent]:
    """Pull a cotangent through y = f(x): every term is multiplied by f'(z) on the grid of y's source.

    That is x's own unless y, the `output`, is broadcast against others: then the cotangents of its new axes come together in x.
    """

    def pull(g: Cotangent) -> Cotangent:
        into = profile_of(source_of).source
        at = into if output is None else profile_of(output).source
        slope, index = coefficient(), () if at is into else views.broadcast_from(into, at)
        result = Cotangent()
        foreign = Cotangent(g.plain)
        for key, term in g.coherent.items():
            source = term.source
            if views.place_of(source) is at:
                values = term.values * views.as_seen(slope, at, source)
                result.add_coherent(term.root, views.onto(source, at, into, index), values)
            else:
                foreign.coherent[key] = term
        if foreign.coherent:
            foreign.plain = foreign.total()
        if foreign.plain is not None:
            result.add_coherent(foreign.plain, views.onto(at, at, into, index), slope)
        return result

    return pull


def unary(tape: Tape, x: Moments, function: Callable[..., Any], method: str = "quadrature") -> Moments:
    """f(x) with its pullback."""
    y = apply(on_grid(function), x, method=method)
    pull = through(x, lambda: derivatives(function, profile_of(x).values)[0])
    return tape.record_coherent([x], y, lambda g: [pull(g)])


def _register_unary() -> None:
    for name in UNARY:
        if name in TRANSFERS:
            continue

        def run(tape: Tape, x: Any, *args: Any, _name: str = name, **kwargs: Any) -> Moments:
            if isinstance(x, Moments) and x.complex:
                from initlint.propagate.ops.spectral import of_complex

                return of_complex(tape, x, _name)
            numbers = tuple(a if isinstance(a, str) or a is None else scalar_of(a) for a in args)
            kwargs = {k: v if isinstance(v, str) or v is None else scalar_of(v) for k, v in kwargs.items()}
            if any(a is None and b is not None for a, b in zip(numbers, args, strict=True)) or not isinstance(x, Moments):
                return several(tape, _name, x, args, kwargs)
            method = "closed" if _name in HOMOGENEOUS else "quadrature"
            return unary(tape, as_moments(x), torch_function(_name, numbers, kwargs), method)

        TRANSFERS[name] = run


def several(tape: Tape, name: str, x: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Moments:
    """An element-wise operator with two tensor arguments: exact on one source, else sampled."""
    number = scalar_of(x)
    if number is not None and len(args) == 1 and isinstance(args[0], Moments):
        import torch

        packet = getattr(torch.ops.aten, LOGICAL.get(name, name))
        left = torch.tensor(number, dtype=torch.float64)
        return unary(tape, args[0], lambda t: _as_float(packet(left, t)))
    if len(args) >= 1 and (isinstance(x, Moments) or isinstance(args[0], Moments)):
        function = torch_function(name, args[1:], kwargs)
        if isinstance(x, Moments) and isinstance(args[0], Moments):
            together = binary_on_source(tape, x, args[0], function)
        else:
            together = on_table(tape, x, args[0], function)
        if together is not None:
            return together
        if all(map(is_truth, (x, args[0]))) and LOGICAL.get(name, name) in ("logical_and", "logical_or"):
            return of_truths(tape, LOGICAL.get(name, name) == "logical_and", *map(as_moments, (x, args[0])))
    raise CannotPredict(f"aten.{name} of several independent tensors")


def is_truth(x: Any) -> bool:
    """Whether a tensor is a condition, zeros and ones: then E x² = E x."""
    import torch

    if isinstance(x, Known):
        return x.tensor.dtype == torch.bool
    return isinstance(x, Moments) and math.isclose(x.q, x.m, rel_tol=1e-9, abs_tol=1e-12)


def of_truths(tape: Tape, both: bool, x: Moments, y: Moments) -> Moments:
    """x and y, or x or y, of conditions that are independent: not x or y is (not x) and (not y)."""
    from initlint.propagate.ops.arithmetic import multiplied

    if both:
        return multiplied(tape, x, y)
    return affine(tape, multiplied(tape, affine(tape, x, -1.0, 1.0), affine(tape, y, -1.0, 1.0)), -1.0, 1.0)


def _as_float(result: Any) -> Any:
    import torch

    return result if result.is_floating_point() else result.to(torch.float64)


def binary_on_source(tape: Tape, x: Moments, y: Moments, function: Callable[..., Any]) -> Moments | None:
    """f(x, y) where both are functions of one source, with exact correlations; None where they are not."""
    z = combine(on_grid(function), x, y)
    if z is None:
        return None

    def pull(g: Cotangent) -> list[Cotangent]:
        layout = views.layout_of(profile_of(z).source)
        left, right = derivatives(function, *(views.in_view(profile_of(t), layout).values for t in (x, y)))
        return [through(x, lambda: left, z)(g), through(y, lambda: right, z)(g)]

    return tape.record_coherent([x, y], z, pull)


def on_table(tape: Tape, x: Any, y: Any, function: Callable[..., Any]) -> Moments | None:
    """f(x, y) where one is a known tensor, of shape that the other has not: a function of the other for every index.

    None where it varies along an axis of the other's source, whose indices are exchangeable, or is too large to be followed.
    """
    if isinstance(x, Known):
        x, y, given = y, x, function
        function = lambda a, b: given(b, a)  # noqa: E731
    if not isinstance(x, Moments) or not isinstance(y, Known) or not views.may_widen(x, y.shape) or y.tensor.is_complex():
        return None
    found = views.widened(profile_of(x), numbers(y.tensor))
    if found is None:
        return None
    wide, table = found[0], torch_tensor(found[1])
    z = from_profile(Profile(wide.source, finite(on_grid(lambda t: function(t, table))(wide.values))), x, "quadrature")
    pull = through(x, lambda: derivatives(lambda t: function(t, table), wide.values)[0], z)
    return tape.record_coherent([x], z, lambda g: [pull(g)])


def torch_tensor(values: Array) -> Any:
    import torch

    return torch.from_numpy(np.array(values))


def affine(tape: Tape, x: Moments, factor: float, shift: float) -> Moments:
    """factor · x + shift. Linear, so nothing is assumed; remembers what it is a function of."""
    if factor == 1.0 and shift == 0.0:
        return x
    if x.profile is not None:
        y = from_profile(Profile(x.profile.source, factor * x.profile.values + shift), x, x.method)
    else:
        y = x.scaled(factor)
        if shift:
            mean = y.mean + shift
            cross = outer_means(y.axes, y.mean, np.ones_like(y.mean))
            pair = y.pair + shift * (cross + outer_means(y.axes, np.ones_like(y.mean), y.mean)) + shift**2
            y = y.with_(mean=mean, pair=pair, zeros=0.0, positive=y.positive and shift > 0, negative=y.negative and shift < 0)
        y.affine = (x, factor, shift)
        y.shifted = None if x.shifted is None else x.shifted.scaled(factor, x.shifted.rest.scaled(factor))
        if not shift:
            y.spectrum = x.spectrum
            y.filtered = None if x.filtered is None else x.filtered.scaled(factor, y)

    def pull(g: Cotangent) -> list[Cotangent]:
        base = x
        while base.profile is None and base.affine is not None:
            base = base.affine[0]
        if base.profile is None and not g.coherent:
            return [Cotangent(None if g.plain is None else g.plain.scaled(factor))]
        return [through(x, lambda: np.full_like(profile_of(x).values, factor))(g)]

    return tape.record_coherent([x], y, pull)
