"""Element-wise operators: functions of one Gaussian source exactly, of several independent tensors by their moments.

Law for one source: quadrature over the standard normal behind it (`pointwise`). For independent factors E[(xy)(xy)'] =
E[xx'] E[yy'], for independent terms second moments add. Derivatives are the real operator's own, by autograd on the grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.propagate.axes import Array
from initlint.propagate.moments import Moments, align, constant, outer_means
from initlint.propagate.ops.gather import flags_of, worst
from initlint.propagate.ops.registry import TRANSFERS, CannotPredict, as_moments, scalar_of, transfer
from initlint.propagate.ops.view import unbroadcast
from initlint.propagate.pointwise import (
    Cotangent,
    Profile,
    apply,
    combine,
    from_profile,
    lineage,
    profile_of,
    sample_of_sum,
    times,
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
    "logaddexp clip fmod remainder floor_divide digamma lgamma log_sigmoid_forward special_expit "
    "bitwise_not logical_and logical_or __and__ __or__ logical_xor bitwise_and bitwise_or"
).split()
HOMOGENEOUS = {"relu", "leaky_relu", "abs"}


def torch_function(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., Any]:
    """The operator itself on float64 tensors, further arguments fixed; a boolean result counts as 0 and 1."""
    import torch

    packet = getattr(torch.ops.aten, name)

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
        grads = torch.autograd.grad(output.sum(), inputs, allow_unused=True)
    result = []
    for g, a in zip(grads, arrays, strict=True):
        value = np.zeros_like(a) if g is None else g.numpy()
        result.append(np.where(np.isfinite(value), value, 0.0))
    return result


def through(source_of: Moments, coefficient: Callable[[], Array]) -> Callable[[Cotangent], Cotangent]:
    """Pull a cotangent through y = f(x): every term is multiplied by f'(z) on the grid of x's source."""

    def pull(g: Cotangent) -> Cotangent:
        profile = profile_of(source_of)
        slope = coefficient()
        result = Cotangent()
        foreign = Cotangent(g.plain)
        for key, (root, source, values) in g.coherent.items():
            if source is profile.source:
                result.add_coherent(root, source, values * slope)
            else:
                foreign.coherent[key] = (root, source, values)
        if foreign.coherent:
            foreign.plain = foreign.total()
        if foreign.plain is not None:
            result.add_coherent(foreign.plain, profile.source, slope)
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
            numbers = tuple(a if isinstance(a, str) or a is None else scalar_of(a) for a in args)
            kwargs = {k: v if isinstance(v, str) or v is None else scalar_of(v) for k, v in kwargs.items()}
            if any(a is None and b is not None for a, b in zip(numbers, args, strict=True)) or scalar_of(x) is not None:
                return several(tape, _name, x, args, kwargs)
            method = "closed" if _name in HOMOGENEOUS else "quadrature"
            return unary(tape, as_moments(x), torch_function(_name, numbers, kwargs), method)

        TRANSFERS[name] = run


def several(tape: Tape, name: str, x: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Moments:
    """An element-wise operator with two tensor arguments: exact on one source, else sampled."""
    number = scalar_of(x)
    if number is not None and len(args) == 1 and isinstance(args[0], Moments):
        import torch

        packet = getattr(torch.ops.aten, name)
        left = torch.tensor(number, dtype=torch.float64)
        return unary(tape, args[0], lambda t: _as_float(packet(left, t)))
    if len(args) >= 1 and isinstance(x, Moments) and isinstance(args[0], Moments):
        function = torch_function(name, args[1:], kwargs)
        together = binary_on_source(tape, x, args[0], function)
        if together is not None:
            return together
    raise CannotPredict(f"aten.{name} of several independent tensors")


def _as_float(result: Any) -> Any:
    import torch

    return result if result.is_floating_point() else result.to(torch.float64)


def binary_on_source(tape: Tape, x: Moments, y: Moments, function: Callable[..., Any]) -> Moments | None:
    """f(x, y) where both are functions of one source, with exact correlations; None where they are not."""
    z = combine(on_grid(function), x, y)
    if z is None:
        return None

    def pull(g: Cotangent) -> list[Cotangent]:
        left, right = derivatives(function, profile_of(x).values, profile_of(y).values)
        return [through(x, lambda: left)(g), through(y, lambda: right)(g)]

    return tape.record_coherent([x, y], z, pull)


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
        if not shift:
            y.spectrum = x.spectrum

    def pull(g: Cotangent) -> list[Cotangent]:
        base = x
        while base.profile is None and base.affine is not None:
            base = base.affine[0]
        if base.profile is None and not g.coherent:
            return [Cotangent(None if g.plain is None else g.plain.scaled(factor))]
        return [through(x, lambda: np.full_like(profile_of(x).values, factor))(g)]

    return tape.record_coherent([x], y, pull)


def added(tape: Tape, x: Moments, y: Moments, alpha: float = 1.0) -> Moments:
    """x + alpha·y: coherent on one source, exact for a tensor and its own average, else independent."""
    together = binary_on_source(tape, x, y, lambda a, b: a + alpha * b)
    if together is not None:
        return together
    for whole, part, factor, scale in ((x, y, alpha, 1.0), (y, x, 1.0 / alpha if alpha else 0.0, alpha)):
        if part.averaged_of is not None and factor and lineage(part.averaged_of[0]) == lineage(whole):
            return shifted_by_average(tape, whole, part, factor, scale)
    if x.slice_of is not None and y.slice_of is not None and x.shape == y.shape:
        if x.slice_of[0] is y.slice_of[0] and x.slice_of[1] == y.slice_of[1]:
            return of_slices(tape, x, y, alpha)
    a, b = align(x, y)
    mean = a.mean + alpha * b.mean
    pair = a.pair + alpha**2 * b.pair
    if np.any(a.mean) and np.any(b.mean):
        pair = pair + alpha * (a.mean_products(b) + b.mean_products(a))
    zeros = x.zeros * y.zeros if x.zeros and y.zeros else 0.0
    z = Moments(a.dims, mean, pair, zeros=zeros, method=worst([x, y]), flags=flags_of([x, y]), complex=x.complex or y.complex)
    if a.valid is not None or b.valid is not None:
        z.valid, z.fill = (a.valid, x.fill) if a.valid is not None else (b.valid, y.fill)
    if a.gram is not None and b.gram is not None and a.gram.base is b.gram.base and a.gram.axes == b.gram.axes:
        z.gram = a.gram
    z.positive = x.positive and y.positive and alpha > 0
    if alpha == 1.0 and z.shape == x.shape:
        z.sample = sample_of_sum(x, y)
    z.negative = x.negative and y.negative and alpha > 0
    if x.shape == y.shape and alpha == 1.0:
        z.parts = ((x, 1.0), (y, 1.0))
        return tape.record_coherent([x, y], z, lambda g: [settled(g, z)] * 2)
    return tape.record([x, y], z, lambda g: [unbroadcast(g, x), unbroadcast(g, y).scaled(alpha)])


def of_slices(tape: Tape, x: Moments, y: Moments, alpha: float) -> Moments:
    """x + alpha·y for two slices of one tensor along one dimension: a known linear map of that tensor."""
    from initlint.propagate.ops.conv import along

    assert x.slice_of is not None and y.slice_of is not None
    base, d, first = x.slice_of
    second = y.slice_of[2]
    matrix = np.zeros((len(first), base.shape[d]))
    matrix[np.arange(len(first)), first] += 1.0
    matrix[np.arange(len(first)), second] += alpha
    z = along(tape, base, d, matrix)
    shared = z.with_(affine=(z, 1.0, 0.0))

    def report(g: Cotangent) -> list[Cotangent]:
        total = copy_of(g).total()
        return [g, Cotangent(spent=total), Cotangent(spent=None if total is None else total.scaled(alpha))]

    return tape.record_coherent([z, x, y], shared, report)


def settled(g: Cotangent, z: Moments) -> Cotangent:
    """g with only those terms kept coherent that are functions of z itself; terms of later tensors meet nothing of theirs here."""
    own = None if z.profile is None else z.profile.source
    others = {key: term for key, term in g.coherent.items() if term[1] is not own}
    if not others:
        return g
    rest = Cotangent(g.plain)
    rest.coherent = others
    result = Cotangent(rest.total(), g.spent)
    result.coherent = {key: term for key, term in g.coherent.items() if term[1] is own}
    return result


def shifted_by_average(tape: Tape, x: Moments, average: Moments, factor: float, scale: float) -> Moments:
    """scale · (x + factor · average of x over some dimensions): `x - x.mean(...)` and its kin, exactly."""
    from initlint.propagate.ops.reduce import centred, project

    assert average.averaged_of is not None
    dims = average.averaged_of[1]
    if factor == -1.0:
        z = centred(tape, x, dims)
        shared = z.with_(affine=(z, 1.0, 0.0))
        count = float(np.prod([x.shape[d] for d in dims]))

        def report(g: Cotangent) -> list[Cotangent]:
            # what flows into the average is part of what centring sends back; it is only reported here
            total = g.total()
            into = None if total is None else total.averaged(total.dim_axes(dims)).scaled(count)
            return [Cotangent(total), Cotangent(spent=into)]

        result = tape.record_coherent([z, average], shared, report)
        return result if scale == 1.0 else affine(tape, result, scale, 0.0)
    mean, pair = project(x, x.dim_axes(dims), factor)
    z = x.with_(mean=mean * scale, pair=pair * scale**2, zeros=0.0)
    count = float(np.prod([x.shape[d] for d in dims]))

    def pull(g: Moments) -> list[Moments | Cotangent]:
        own = g.with_(pair=project(g, g.dim_axes(dims), factor)[1] * scale**2)
        return [own, Cotangent(spent=g.averaged(g.dim_axes(dims)).scaled(count * factor * scale))]

    return tape.record([x, average], z, pull)


def normalizing(x: Moments, scale: Moments) -> tuple[Moments, tuple[int, ...]] | None:
    """(the squares, dimensions) if `scale` is a function of the average square of x itself, over dimensions of x."""
    if scale.profile is None and scale.broadcast_of is not None:
        scale = scale.broadcast_of
    if scale.profile is None or len(scale.dims) != len(x.dims):
        return None
    base = scale.profile.source.origin
    if base.averaged_of is None:
        return None
    squares, dims = base.averaged_of
    if squares.profile is None or lineage(squares) != lineage(x):
        return None
    return squares, dims


def normalized_by_hand(tape: Tape, x: Moments, scale: Moments, squares: Moments, dims: Sequence[int]) -> Moments:
    """x times a function of its own average square: a normalization, whatever it is written like."""
    from initlint.propagate.ops.norm import rescaled

    profile = profile_of(scale)
    middle = len(profile.values) // 2
    typical = (profile.values[middle - 1] + profile.values[middle]) / 2
    with np.errstate(all="ignore"):
        # d log f / d log v = −share/2 for f = (v + ε)^(−1/2)
        step = np.gradient(np.log(np.maximum(profile.values, 1e-300)), axis=0)[middle]
        arguments = np.gradient(np.log(np.maximum(profile_of(profile.source.origin).values, 1e-300)), axis=0)[middle]
        share = np.clip(np.where(arguments > 1e-12, -2.0 * step / arguments, 1.0), 0.0, 1.0)
    tape.severed[id(squares)] = id(x)
    tape.kept.append(squares)
    axes = x.dim_axes(dims)
    rest = [k for k in range(len(x.axes)) if k not in axes]
    shape = [x.axes[k].groups for k in rest]
    y = rescaled(tape, x, dims, x.mean, x.pair, np.broadcast_to(typical.reshape(-1), (int(np.prod(shape)),)).reshape(shape) if typical.size == 1
                 else typical.reshape(shape), share.reshape(shape) if share.size > 1 else np.full(shape, float(share.reshape(-1)[0])), False)  # fmt: skip
    shared = y.with_(affine=(y, 1.0, 0.0))

    def report(g: Cotangent) -> list[Cotangent | None]:
        total = g.total()
        if total is None:
            return [None, None]
        into = times(total, spread(x))
        count = float(np.prod([x.shape[d] for d in dims]))
        return [Cotangent(total), Cotangent(into.averaged(into.dim_axes(dims)).scaled(count))]

    return tape.record_coherent([y, scale], shared, report)


def is_mask(x: Any) -> bool:
    """A known tensor with entries so far below zero that a softmax after it ignores them, and others that it does not."""
    if not isinstance(x, Known) or not x.tensor.is_floating_point() or x.tensor.numel() < 2:
        return False
    return bool((x.tensor <= MASKED).any()) and bool((x.tensor > MASKED).any())


@transfer("add")
def add(tape: Tape, x: Any, y: Any, *, alpha: float = 1.0) -> Any:
    if alpha == 1.0 and isinstance(x, Moments) and is_mask(y):
        from initlint.propagate.ops.attention import with_bias
        from initlint.propagate.ops.view import expanded

        return with_bias(tape, expanded(tape, x, np.broadcast_shapes(x.shape, y.shape)), y)
    if alpha == 1.0 and isinstance(y, Moments) and is_mask(x):
        return add(tape, y, x)
    if any(isinstance(v, Moments) and v.valid is not None for v in (x, y)) and scalar_of(y) is not None:
        x, y = pair_up(x, y)
        return added(tape, x, y, alpha)
    left, right = scalar_of(x), scalar_of(y)
    if right is not None and isinstance(x, Moments) and fits(x, y) and not isinstance(y, Moments):
        return affine(tape, x, 1.0, alpha * right)
    if left is not None and isinstance(y, Moments) and fits(y, x) and not isinstance(x, Moments):
        return affine(tape, y, alpha, left)
    if isinstance(x, Moments) and isinstance(y, Moments):
        if right is not None and fits(x, y):
            return with_parameter(tape, x, y, 1.0, alpha * right, alpha)
        if left is not None and alpha == 1.0 and fits(y, x):
            return with_parameter(tape, y, x, 1.0, left, 1.0)
    x, y = pair_up(x, y)
    return added(tape, x, y, alpha)


def with_parameter(
    tape: Tape, x: Moments, parameter: Moments, factor: float, shift: float, alpha: float | None = None
) -> Moments:
    """factor·x + shift where a tensor that is the same everywhere at the start (γ = 1, β = 0) gave the factor or the shift.

    The result stays a function of x's source. The parameter's cotangent is that of the result, times alpha for a shift,
    times x for a factor (alpha None), summed over what was broadcast.
    """
    z = affine(tape, x, factor, shift)
    y = z.with_(affine=(z, 1.0, 0.0))

    def pull(g: Cotangent) -> list[Cotangent]:
        if alpha is None:
            into = times_signal(g, x).total()
        else:
            into = copy_of(g).total()
            into = None if into is None else into.scaled(alpha)
        return [g, Cotangent(None if into is None else unbroadcast(into, parameter))]

    return tape.record_coherent([z, parameter], y, pull)


def copy_of(g: Cotangent) -> Cotangent:
    """The same terms, to be totalled without touching g."""
    result = Cotangent(g.plain)
    result.coherent = dict(g.coherent)
    return result


def times_signal(g: Cotangent, x: Moments) -> Cotangent:
    """g·x, with what is known of their dependence.

    A coherent term whose source is x's own multiplies its function by x. One whose source s is a sum with x among its
    terms: x = b s + e with e independent of s and b the regression of x on s, so x c(s) = b s c(s) + e c(s).
    """
    profile = profile_of(x)
    result, rest = Cotangent(), Cotangent(g.plain)
    for key, (root, source, values) in g.coherent.items():
        if source is profile.source:
            result.add_coherent(root, source, values * profile.values)
            continue
        share = next((a for part, a in source.origin.parts if lineage(part) == lineage(x)), None)
        if share is None or source.origin.shape != x.shape:
            rest.coherent[key] = (root, source, values)
            continue
        own, whole = profile.source.origin.centered(), source.origin.centered()
        top = (0,) * whole.ndim
        b = share * float(own[top]) / max(float(whole[top]), 1e-300)
        whole_profile = profile_of(source.origin)
        result.add_coherent(root, source, values * (b * whole_profile.values))
        here, there = align(spread(x), spread(source.origin))
        left = here.with_(pair=here.pair - b * b * there.pair)
        single = Cotangent()
        single.coherent[key] = (root, source, values)
        total = single.total()
        if total is not None:
            result.add_plain(times(total, left))
    plain = rest.total()
    if plain is not None:
        result.add_plain(times(plain, spread(x)))
    return result


def fits(x: Moments, other: Any) -> bool:
    """Whether broadcasting x against `other` leaves x's shape."""
    shape = tuple(getattr(other, "shape", ()))
    return len(shape) <= len(x.shape) and all(n in (1, m) for n, m in zip(shape[::-1], x.shape[::-1], strict=False))


def pair_up(x: Any, y: Any) -> tuple[Moments, Moments]:
    """Both as moments, a known tensor grouped like the other."""
    if isinstance(x, Moments):
        return x, as_moments(y, x)
    y = as_moments(y)
    return as_moments(x, y), y


@transfer("sub")
def sub(tape: Tape, x: Any, y: Any, *, alpha: float = 1.0) -> Any:
    if tape.segments and alpha == 1.0 and isinstance(x, Moments):
        from initlint.propagate.ops.scatter import below_largest

        found = below_largest(tape, x, y)
        if found is not None:
            return found
    return add(tape, x, y, alpha=-alpha)


@transfer("rsub")
def rsub(tape: Tape, x: Any, y: Any, alpha: float = 1.0) -> Any:
    return add(tape, y, x, alpha=-alpha)


@transfer("neg")
def neg(tape: Tape, x: Any) -> Moments:
    return affine(tape, as_moments(x), -1.0, 0.0)


def multiplied(tape: Tape, x: Moments, y: Moments, table: Known | None = None) -> Moments:
    """x·y: coherent on one source, else independent factors; `table` when y is a known one.

    The way back meets a table by the groups of the cotangent, which may be finer than those of x: a causal mask sends
    early positions other gradients, and a rotary table is different there.
    """
    together = binary_on_source(tape, x, y, lambda a, b: a * b)
    if together is not None:
        return together
    for whole, scale in ((x, y), (y, x)):
        found = normalizing(whole, scale)
        if found is not None:
            return normalized_by_hand(tape, whole, scale, *found)
    z = times(x, y)
    z.zeros = 1.0 - (1.0 - x.zeros) * (1.0 - y.zeros)
    z.positive = (x.positive and y.positive) or (x.negative and y.negative)
    z.negative = (x.positive and y.negative) or (x.negative and y.positive)
    z.method, z.flags = worst([x, y]), flags_of([x, y])
    z.complex = x.complex or y.complex
    if tuple(map(len, x.dims)) == tuple(map(len, y.dims)) and (x.spectrum == y.spectrum or not (x.complex and y.complex)):
        z.spectrum = x.spectrum | y.spectrum
    if table is not None:
        return tape.record([x], z, lambda g: [real_part(unbroadcast(times(g, spread(as_moments(table, g))), x), z, x)])
    return tape.record(
        [x, y], z,
        lambda g: [real_part(unbroadcast(times(g, spread(b)), a), z, a) for a, b in ((x, y), (y, x))],
    )  # fmt: skip


def real_part(g: Moments, product: Moments, factor: Moments) -> Moments:
    """The cotangent of a factor; a real factor of a complex product gets its real part, half of the square."""
    return g.with_(pair=g.pair / 2, complex=False) if product.complex and not factor.complex else g


def spread(x: Moments) -> Moments:
    """x as a factor of a zero-mean cotangent: only its pair moments count."""
    return Moments(x.dims, np.zeros_like(x.mean), x.pair)


@transfer("mul")
def mul(tape: Tape, x: Any, y: Any) -> Any:
    left, right = scalar_of(x), scalar_of(y)
    if right is not None and isinstance(x, Moments) and fits(x, y) and not isinstance(y, Moments):
        return affine(tape, x, right, 0.0)
    if left is not None and isinstance(y, Moments) and fits(y, x) and not isinstance(x, Moments):
        return affine(tape, y, left, 0.0)
    if isinstance(x, Moments) and isinstance(y, Moments):
        for tensor, parameter, value in ((x, y, right), (y, x, left)):
            if value is not None and fits(tensor, parameter):
                return with_parameter(tape, tensor, parameter, value, 0.0)
    if isinstance(x, Known):
        x, y = y, x
    table = y if isinstance(y, Known) else None
    x, y = pair_up(x, y)
    z = multiplied(tape, x, y, table)
    if tape.segments and table is not None:
        from initlint.propagate.ops.scatter import weighted

        weighted(tape, x, table, z)
    return z


@transfer("div", "true_divide", "divide")
def div(tape: Tape, x: Any, y: Any, *, rounding_mode: str | None = None) -> Any:
    right = scalar_of(y)
    if rounding_mode is not None:
        if right is None or not isinstance(x, Moments):
            raise CannotPredict("division with rounding")
        return unary(tape, x, torch_function("div", (right,), {"rounding_mode": rounding_mode}))
    if right is not None and isinstance(x, Moments) and fits(x, y) and not isinstance(y, Moments):
        return affine(tape, x, 1.0 / right if right else float("inf"), 0.0)
    if isinstance(x, Moments) and isinstance(y, Known):
        return mul(tape, x, Known(inverted(y.tensor)))
    if tape.segments and isinstance(x, Moments):
        from initlint.propagate.ops.scatter import share_of_sum

        found = share_of_sum(tape, x, y)
        if found is not None:
            return found
    x, y = pair_up(x, y)
    together = binary_on_source(tape, x, y, lambda a, b: a / b)
    if together is not None:
        return together
    share = part_of_sum(tape, x, y)
    if share is not None:
        return share
    reciprocal = torch_function("reciprocal", (), {})
    if y.broadcast_of is not None and y.shape == x.shape:
        inverse = unary(tape, y.broadcast_of, reciprocal)
        squares = normalizing(x, inverse)
        if squares is not None:
            z = normalized_by_hand(tape, x, inverse, *squares)
            return reported_to(tape, z, y, times(spread(x), spread(apply(lambda v: v**-2.0, y))))
    return multiplied(tape, x, unary(tape, y, reciprocal))


def inverted(tensor: torch.Tensor) -> torch.Tensor:
    """1/x of a known tensor, nothing where x is zero."""
    inverse = tensor.double().reciprocal()
    return inverse.masked_fill(~inverse.isfinite(), 0.0)


EVEN = 0.6  # relative variance of the terms of a sum up to which a term's share is taken as linear in them


def part_of_sum(tape: Tape, x: Moments, y: Moments) -> Moments | None:
    """x over its own sum, for terms that are about alike: x/Σx = 1/n + (x − x̄)/(n E[x]) to first order; else None.

    The shares of the chosen experts are of this kind. Their mean is exactly 1/n, and what all terms share has no gradient.
    """
    from initlint.propagate.ops.reduce import centred

    if y.affine is None or y.affine[2] or y.affine[0].averaged_of is None or not x.positive or x.m <= 0:
        return None
    base, dims = y.affine[0].averaged_of
    count = float(np.prod([x.shape[d] for d in dims]))
    if lineage(base) != lineage(x) or abs(y.affine[1] - count) > 1e-9 * count:
        return None
    apart = centred(tape, x, dims)
    if apart.q > EVEN * x.m**2:
        return None
    z = affine(tape, apart, 1.0 / (count * x.m), 1.0 / count)
    z.positive = True
    slope = spread(x).scaled(y.m**-2.0)

    def report(g: Cotangent) -> list[Cotangent]:
        total = copy_of(g).total()
        return [g, Cotangent(spent=None if total is None else unbroadcast(times(total, slope), y))]

    return tape.record_coherent([z, y], z.with_(affine=(z, 1.0, 0.0)), report)


def reported_to(tape: Tape, z: Moments, part: Moments, slope: Moments) -> Moments:
    """z, whose cotangent times `slope` is only reported for `part`: other entries of the tape account for it."""

    def report(g: Cotangent) -> list[Cotangent]:
        total = copy_of(g).total()
        return [g, Cotangent(spent=None if total is None else times(total, slope))]

    return tape.record_coherent([z, part], z.with_(affine=(z, 1.0, 0.0)), report)


@transfer("addcmul")
def addcmul(tape: Tape, x: Any, a: Any, b: Any, *, value: float = 1.0) -> Any:
    return add(tape, x, mul(tape, a, b), alpha=value)


@transfer("addcdiv")
def addcdiv(tape: Tape, x: Any, a: Any, b: Any, *, value: float = 1.0) -> Any:
    return add(tape, x, div(tape, a, b), alpha=value)


@transfer("lerp")
def lerp(tape: Tape, x: Any, y: Any, weight: Any) -> Any:
    if isinstance(weight, int | float):
        return add(tape, mul(tape, x, 1.0 - weight), y, alpha=float(weight))
    return add(tape, x, mul(tape, weight, sub(tape, y, x)))


@transfer("pow")
def power(tape: Tape, x: Any, y: Any) -> Moments:
    exponent, base = scalar_of(y), scalar_of(x)
    if exponent is not None and isinstance(x, Moments):
        return unary(tape, x, torch_function("pow", (exponent,), {}))
    if base is not None and isinstance(y, Moments):
        return unary(tape, y, torch_function("mul", (float(np.log(base)),), {})) if base <= 0 else unary(
            tape, y, lambda t: base**t
        )
    raise CannotPredict("a power of two tensors")


@transfer("glu")
def glu(tape: Tape, x: Any, dim: int = -1) -> Moments:
    from initlint.propagate.ops.view import chunk

    a, b = chunk(tape, x, 2, dim)
    return multiplied(tape, a, unary(tape, b, torch_function("sigmoid", (), {})))


@transfer("prelu", "_prelu_kernel")
def prelu(tape: Tape, x: Any, weight: Any) -> Moments:
    slope = scalar_of(weight)
    x = as_moments(x)
    if slope is None:
        slope = as_moments(weight).m
    y = unary(tape, x, torch_function("leaky_relu", (slope,), {}))
    if not isinstance(weight, Moments):
        return y
    negative = apply(lambda v: np.minimum(v, 0.0), x)

    def pull(g: Moments) -> list[Moments]:
        back = times(g, spread(negative))
        keep = 1 if weight.shape and weight.shape[0] > 1 else -1
        gone = [d for d in range(len(back.dims)) if d != keep]
        return [back.summed(back.dim_axes(gone)).reshaped(weight.shape)]

    return tape.record([weight, y], y.with_(), lambda g: [pull(g)[0], g])


@transfer("maximum", "fmax", "minimum", "fmin")
def extreme(tape: Tape, x: Any, y: Any) -> Moments:
    raise CannotPredict("the larger of two tensors")


@transfer("atan2", "hypot")
def of_two(tape: Tape, x: Any, y: Any) -> Moments:
    raise CannotPredict("a function of two tensors")


def mixture(tape: Tape, share: Moments, x: Moments, y: Moments) -> Moments:
    """x where a random or known condition (0 or 1, independent of both) holds, else y."""
    c, a, b = align(share, x, y)
    other = np.maximum(1.0 - outer_means(c.axes, c.mean, np.ones_like(c.mean)) - outer_means(
        c.axes, np.ones_like(c.mean), c.mean) + c.pair, 0.0)  # fmt: skip
    mean = c.mean * a.mean + (1.0 - c.mean) * b.mean
    pair = c.pair * a.pair + other * b.pair
    if np.any(a.mean) and np.any(b.mean):
        first = outer_means(c.axes, c.mean, np.ones_like(c.mean)) - c.pair
        second = outer_means(c.axes, np.ones_like(c.mean), c.mean) - c.pair
        pair = pair + first * a.mean_products(b) + second * b.mean_products(a)
    part = share.m
    z = Moments(a.dims, mean, pair, method=worst([x, y]), flags=flags_of([x, y]))
    z.zeros = part * x.zeros + (1 - part) * y.zeros
    keep, rest = Moments(c.dims, np.zeros_like(c.mean), c.pair), Moments(c.dims, np.zeros_like(c.mean), other)
    return tape.record([x, y], z, lambda g: [unbroadcast(times(g, keep), x), unbroadcast(times(g, rest), y)])


@transfer("where")
def where(tape: Tape, condition: Any, x: Any, y: Any) -> Any:
    from initlint.propagate.ops.attention import hide

    floor = scalar_of(y)
    if isinstance(condition, Known) and isinstance(x, Moments) and floor is not None and floor <= MASKED:
        return hide(tape, x, ~condition.tensor.bool(), floor)
    if isinstance(condition, Moments) and condition.profile is not None and all(
        lineage(v) == lineage(condition) if isinstance(v, Moments) else scalar_of(v) is not None for v in (x, y)
    ):
        return _where_on_source(tape, condition, x, y)
    if isinstance(condition, Moments) and integral(x) and integral(y) and any(isinstance(v, Known) for v in (x, y)):
        return drawn(condition, x, y)
    shape = np.broadcast_shapes(*(tuple(getattr(v, "shape", ())) for v in (condition, x, y)))
    likely = next((v for v in (x, y, condition) if isinstance(v, Moments) and v.shape == shape), None)
    a, b = as_moments(x, likely), as_moments(y, likely)
    share = as_moments(condition, likely)
    return mixture(tape, share, a, b)


def integral(value: Any) -> bool:
    """An integer, or a known tensor of them."""
    import torch

    if isinstance(value, Known):
        return not value.tensor.dtype.is_floating_point and not value.tensor.is_complex() and value.tensor.dtype != torch.bool
    return isinstance(value, int)


def drawn(condition: Moments, x: Any, y: Any) -> Known:
    """Integers chosen by a random condition: one draw of them, as every integer path is."""
    import torch

    from initlint.propagate.sampling import SEED, draw

    chosen = torch.from_numpy(np.asarray(draw(condition, np.random.default_rng(SEED)) > 0.5))
    left, right = (v.tensor if isinstance(v, Known) else v for v in (x, y))
    return Known(torch.where(chosen, left, right))


MASKED = -64.0  # an additive or filled value at or below this takes an entry out of a softmax: e^{-64} is 1e-28


def _where_on_source(tape: Tape, condition: Moments, x: Any, y: Any) -> Moments:
    import torch

    left, right = scalar_of(x), scalar_of(y)
    if left is None and right is None:
        chosen = binary_on_source(tape, condition, x, lambda c, a: torch.where(c != 0, a, 0.0))
        other = binary_on_source(tape, condition, y, lambda c, b: torch.where(c != 0, 0.0, b))
        assert chosen is not None and other is not None
        return added(tape, chosen, other)
    if left is not None and right is not None:
        return unary(tape, condition, lambda c: torch.where(c != 0, left, right))
    if right is not None:
        result = binary_on_source(tape, condition, x, lambda c, a: torch.where(c != 0, a, right))
    else:
        assert left is not None
        result = binary_on_source(tape, condition, y, lambda c, b: torch.where(c != 0, left, b))
    assert result is not None
    return result


@transfer("masked_fill")
def masked_fill(tape: Tape, x: Any, mask: Any, value: Any) -> Any:
    from initlint.propagate.ops.attention import hide

    number = scalar_of(value)
    if number is None:
        return where(tape, mask, value, x)
    if isinstance(mask, Known) and number <= MASKED:
        return hide(tape, as_moments(x), mask.tensor.bool(), number)
    if isinstance(mask, Moments) and mask.profile is not None:
        return where(tape, mask, number, x)
    x = as_moments(x)
    return mixture(tape, as_moments(mask, x), constant([1] * len(x.shape), number), x)


@transfer("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "native_dropout")
def dropout(tape: Tape, x: Any, p: float, train: bool = True) -> Any:
    """Multiplication by a mask of independent 0 and 1/(1−p)."""
    return masked(tape, as_moments(x), p, whole=0) if train and p > 0 else x


def masked(tape: Tape, x: Moments, p: float, whole: int) -> Moments:
    """Dropout with one draw an element, or, with `whole`, one draw for all of the last `whole` dimensions."""
    if p >= 1:
        return constant(x.shape, 0.0)
    keep = x.dims[: len(x.dims) - whole]
    mask_axes = [axis for dim in keep for axis in dim]
    pair = np.ones([axis.states for axis in mask_axes])
    pair[tuple(slice(0, axis.groups) for axis in mask_axes)] = 1.0
    same = np.ones([axis.states for axis in mask_axes], dtype=bool)
    for k, axis in enumerate(mask_axes):
        is_same = np.arange(axis.states) < axis.groups
        same &= is_same.reshape([-1 if n == k else 1 for n in range(len(mask_axes))])
    pair[same] = 1.0 / (1.0 - p)
    mask = Moments((*keep, *((),) * whole), np.ones([axis.groups for axis in mask_axes]), pair, zeros=p)
    return multiplied(tape, x, mask)


_register_unary()
