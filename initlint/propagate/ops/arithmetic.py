"""Sums, products and quotients of tensors: coherent on one source, exact with an average of the same tensor, else independent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.propagate.covariance import covariance
from initlint.propagate.known import numbers
from initlint.propagate.meeting import both_ways, dependent_product
from initlint.propagate.moments import Moments, align
from initlint.propagate.near import of_sum
from initlint.propagate.ops.by_hand import normalized_by_hand, normalizing, reported_to, shifted_by_average, slope_of_divisor
from initlint.propagate.ops.differences import of_slices, rest_of_running_sum
from initlint.propagate.ops.functions import affine, binary_on_source, on_table, torch_function, unary
from initlint.propagate.ops.gather import flags_of, worst
from initlint.propagate.ops.registry import CannotPredict, as_moments, scalar_of, transfer
from initlint.propagate.ops.view import expanded, unbroadcast
from initlint.propagate.pointwise import (
    Cotangent,
    lineage,
    profile_of,
    sample_of_sum,
    spread,
    times,
)
from initlint.propagate.rows import rows_of_table, same_image, sum_of_dependent_rows, sum_of_images, sum_of_rows
from initlint.propagate.shifted import with_table
from initlint.propagate.sums import conditioned
from initlint.propagate.tape import Known, Tape

if TYPE_CHECKING:
    import torch


SLOW = 0.5  # share of its second moment that is the square of its mean, from which a factor is a gate that hardly varies
MASKED = -64.0  # an additive or filled value at or below this takes an entry out of a softmax: e^{-64} is 1e-28


def added(tape: Tape, x: Moments, y: Moments, alpha: float = 1.0) -> Moments:
    """x + alpha·y: coherent on one source, exact for a tensor and its own average, else independent."""
    together = binary_on_source(tape, x, y, lambda a, b: a + alpha * b)
    if together is not None:
        return together
    for whole, part, factor, scale in ((x, y, alpha, 1.0), (y, x, 1.0 / alpha if alpha else 0.0, alpha)):
        if part.averaged_of is not None and factor and lineage(part.averaged_of[0]) == lineage(whole):
            return shifted_by_average(tape, whole, part, factor, scale)
        if part.averaged_of is not None and factor and whole.parts:
            found = term_shifted(tape, whole, part, factor)
            if found is not None:
                return affine(tape, found, scale, 0.0)
    if x.slice_of is not None and y.slice_of is not None and x.shape == y.shape:
        if x.slice_of[0] is y.slice_of[0] and x.slice_of[1] == y.slice_of[1]:
            return of_slices(tape, x, y, alpha)
    remaining = rest_of_running_sum(tape, x, y, alpha)
    if remaining is not None:
        return remaining
    shared = covariance(tape, x, y)
    a, b, *rest = align(x, y) if shared is None else align(x, y, both_ways(shared))
    mean = a.mean + alpha * b.mean
    pair = a.pair + alpha**2 * b.pair
    if a.mean.any() and b.mean.any():
        pair = pair + alpha * (a.mean_products(b) + b.mean_products(a))
    if shared is not None:
        pair = pair + alpha * rest[0].pair
    zeros = x.zeros * y.zeros if x.zeros and y.zeros else 0.0
    z = Moments(a.dims, mean, pair, zeros=zeros, method=worst([x, y]), flags=flags_of([x, y]), complex=x.complex or y.complex)
    if a.valid is not None or b.valid is not None:
        z.valid, z.both, z.fill = (a.valid, a.both, x.fill) if a.valid is not None else (b.valid, b.both, y.fill)
    if a.is_zero or b.is_zero or alpha == 0.0:
        z.gram = a.gram if b.is_zero or alpha == 0.0 else b.gram
    elif same_image(a, b):
        z.gram = sum_of_images(a, b, alpha)
    elif shared is None:
        z.gram = sum_of_rows(z, (a, 1.0), (b, alpha))
    else:
        z.gram = sum_of_dependent_rows(z, a, b, alpha, rest[0])
    if a.near or b.near:
        z.near = of_sum((a, 1.0), (b, alpha**2))
    z.positive = x.positive and y.positive and alpha > 0
    if alpha == 1.0 and z.shape == x.shape:
        z.sample = sample_of_sum(x, y)
    z.negative = x.negative and y.negative and alpha > 0
    if alpha == 1.0 and len(x.shape) == len(y.shape):
        x, y = (t if t.shape == z.shape else expanded(tape, t, z.shape) for t in (x, y))
        z.parts = ((x, 1.0), (y, 1.0)) if shared is None else ()
        return tape.record_coherent([x, y], z, lambda g: [conditioned(settled(g, z), z, a, b) for a, b in ((x, y), (y, x))])
    if alpha == 1.0:
        return tape.record([x, y], z, lambda g: [unbroadcast(g, x), unbroadcast(g, y)])
    return tape.record([x, y], z, lambda g: [unbroadcast(g, x), unbroadcast(g, y).scaled(alpha)])


def settled(g: Cotangent, z: Moments) -> Cotangent:
    """g with only those terms kept coherent that are functions of z itself; terms of later tensors meet nothing of theirs here."""
    own = None if z.profile is None else z.profile.source
    others = {key: term for key, term in g.coherent.items() if term.source is not own}
    if not others:
        return g
    rest = Cotangent(g.plain)
    rest.coherent = others
    result = Cotangent(rest.total(), g.spent)
    result.coherent = {key: term for key, term in g.coherent.items() if term.source is own}
    return result


def term_shifted(tape: Tape, x: Moments, average: Moments, factor: float) -> Moments | None:
    """x + factor · average, for x a sum of two terms and the average of one of them: v + a − ā is v + (a − ā); None for others."""
    assert average.averaged_of is not None
    base = average.averaged_of[0]
    own = [term for term, share in x.parts if share == 1.0 and lineage(term) == lineage(base) and term.shape == base.shape]
    rest = [term for term, _ in x.parts if all(term is not o for o in own)]
    if len(own) != 1 or len(rest) != 1:
        return None
    z = added(tape, added(tape, own[0], average, factor), rest[0])

    def report(g: Cotangent) -> list[Cotangent]:
        return [g, Cotangent(spent=g.whole())]

    return tape.record_coherent([z, x], z.with_(affine=(z, 1.0, 0.0)), report)


def is_mask(x: Any) -> bool:
    """A known tensor with entries so far below zero that a softmax after it ignores them, and others that it does not."""
    if not isinstance(x, Known) or not x.tensor.is_floating_point() or x.tensor.numel() < 2:
        return False
    return bool((x.tensor <= MASKED).any()) and bool((x.tensor > MASKED).any())


@transfer("add")
def add(tape: Tape, x: Any, y: Any, *, alpha: float = 1.0) -> Any:
    if alpha == 1.0 and isinstance(x, Moments) and is_mask(y):
        from initlint.propagate.ops.attention import with_bias

        return with_bias(tape, expanded(tape, x, np.broadcast_shapes(x.shape, y.shape)), y)
    if alpha == 1.0 and isinstance(y, Moments) and isinstance(x, Known) and (is_mask(x) or scalar_of(x) is None):
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
    wide = on_table(tape, x, y, lambda a, b: a + alpha * b)
    if wide is not None:
        return wide
    tables = x, y
    x, y = pair_up(x, y)
    for table, moments in zip(tables, (x, y), strict=True):
        if isinstance(table, Known) and not table.tensor.is_complex():
            moments.gram = rows_of_table(numbers(table.tensor), moments)
    z = added(tape, x, y, alpha)
    table = tables[1]
    if isinstance(table, Known) and z.shape == x.shape and not table.tensor.is_complex():
        z.shifted = with_table(x, alpha * numbers(table.tensor))
    return z


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
            into = g.whole()
            into = None if into is None else into.scaled(alpha)
        return [g, Cotangent(None if into is None else unbroadcast(into, parameter))]

    return tape.record_coherent([z, parameter], y, pull)


def times_signal(g: Cotangent, x: Moments) -> Cotangent:
    """g·x, with what is known of their dependence.

    A coherent term whose source is x's own multiplies its function by x. One whose source s is a sum with x among its
    terms: x = b s + e with e independent of s and b the regression of x on s, so x c(s) = b s c(s) + e c(s).
    """
    profile = profile_of(x)
    result, rest = Cotangent(), Cotangent(g.plain)
    for key, term in g.coherent.items():
        root, source, values = term.root, term.source, term.values
        if source is profile.source:
            result.add_coherent(root, source, values * profile.values)
            continue
        share = next((a for part, a in source.origin.parts if lineage(part) == lineage(x)), None)
        if share is None or source.origin.shape != x.shape:
            rest.coherent[key] = term
            continue
        own, whole = (origin.q - origin.m**2 for origin in (profile.source.origin, source.origin))
        b = share * own / max(whole, 1e-300)
        whole_profile = profile_of(source.origin)
        result.add_coherent(root, source, values * (b * whole_profile.values))
        here, there = align(spread(x), spread(source.origin))
        left = here.with_(pair=here.pair - b * b * there.pair)
        result.add_plain(times(term.moments, left))
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


def multiplied(tape: Tape, x: Moments, y: Moments, table: Known | None = None, kept: float | None = None) -> Moments:
    """x·y: coherent on one source, else independent factors; `table` when y is a known one, `kept` when y is that or zero, by chance.

    The way back meets a table by the groups of the cotangent, which may be finer than those of x: a causal mask sends
    early positions other gradients, and a rotary table is different there.
    """
    if x.complex and y.complex:
        from initlint.propagate.ops.spectral import square_of_size

        square = square_of_size(tape, x, y)
        if square is not None:
            return square
    together = binary_on_source(tape, x, y, lambda a, b: a * b)
    if together is not None:
        return together
    for whole, scale in ((x, y), (y, x)):
        found = normalizing(whole, scale)
        if found is not None:
            return normalized_by_hand(tape, whole, scale, *found)
    shared = None if table is not None else covariance(tape, x, y)
    z = times(x, y) if shared is None else dependent_product(x, y, shared)
    z.zeros = 1.0 - (1.0 - x.zeros) * (1.0 - y.zeros)
    z.positive = (x.positive and y.positive) or (x.negative and y.negative)
    z.negative = (x.positive and y.negative) or (x.negative and y.positive)
    z.method, z.flags = worst([x, y]), flags_of([x, y])
    z.complex = x.complex or y.complex
    if tuple(map(len, x.dims)) == tuple(map(len, y.dims)) and (x.spectrum == y.spectrum or not (x.complex and y.complex)):
        z.spectrum = x.spectrum | y.spectrum
    if x.filtered is not None and y.filtered is not None:
        z.filtered = x.filtered.times(y.filtered, z)
    if table is not None:
        return tape.record([x], z, lambda g: [real_part(unbroadcast(times(g, spread(as_moments(table, g))), x), z, x)])
    if not z.complex:
        for factor, gate in ((x, y), (y, x)):
            if factor.shape == z.shape and (gate.m**2 > SLOW * gate.q or (kept is not None and factor is x)):
                return gated(tape, z, factor, gate, kept)
    return tape.record(
        [x, y], z,
        lambda g: [real_part(unbroadcast(times(g, spread(b)), a), z, a) for a, b in ((x, y), (y, x))],
    )  # fmt: skip


def gated(tape: Tape, z: Moments, x: Moments, gate: Moments, kept: float | None = None) -> Moments:
    """z = x · gate for a gate that hardly varies: what a function of z behind it sends back goes with x, and the gate gets it times x.

    A mask of `kept` and zero lets through only what comes back where it is `kept`, and is no one's function.
    """
    law = None if kept is None else (np.array([kept]), np.ones(1))

    def pull(g: Cotangent) -> list[Cotangent | None]:
        known = conditioned(settled(g, z), z, x, gate, product=True, law=law)
        into = times_signal(known, x).total() if law is None else None
        back = Cotangent()
        for term in known.coherent.values():
            back.add_coherent(times(term.root, spread(gate)), term.source, term.values)
        if known.plain is not None:
            back.add_plain(times(known.plain, spread(gate)))
        return [back, Cotangent(None if into is None else unbroadcast(into, gate))]

    return tape.record_coherent([x, gate], z, pull)


def real_part(g: Moments, product: Moments, factor: Moments) -> Moments:
    """The cotangent of a factor; a real factor of a complex product gets its real part, half of the square."""
    return g.with_(pair=g.pair / 2, complex=False) if product.complex and not factor.complex else g


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
    wide = on_table(tape, x, y, lambda a, b: a * b)
    if wide is not None:
        return wide
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
    wide = on_table(tape, x, y, lambda a, b: a / b)
    if wide is not None:
        return wide
    x, y = pair_up(x, y)
    together = binary_on_source(tape, x, y, lambda a, b: a / b)
    if together is not None:
        return together
    from initlint.propagate.ops.shares import part_of_sum

    share = part_of_sum(tape, x, y)
    if share is not None:
        return share
    reciprocal = torch_function("reciprocal", (), {})
    if y.broadcast_of is not None and y.shape == x.shape:
        inverse = unary(tape, y.broadcast_of, reciprocal)
        squares = normalizing(x, inverse)
        if squares is not None:
            z = normalized_by_hand(tape, x, inverse, *squares)
            tape.shown[id(z)] = reported_to(tape, z, y, slope_of_divisor(x, y.broadcast_of))
            return tape.shown[id(z)]
    return multiplied(tape, x, unary(tape, y, reciprocal))


def inverted(tensor: torch.Tensor) -> torch.Tensor:
    """1/x of a known tensor, nothing where x is zero."""
    inverse = tensor.double().reciprocal()
    return inverse.masked_fill(~inverse.isfinite(), 0.0)


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
    return add(tape, mul(tape, sub(tape, 1.0, weight), x), mul(tape, weight, y))  # x + w (y - x) would have x twice


@transfer("pow")
def power(tape: Tape, x: Any, y: Any) -> Moments:
    exponent, base = scalar_of(y), scalar_of(x)
    if exponent is not None and isinstance(x, Moments):
        return unary(tape, x, torch_function("pow", (exponent,), {}))
    if base is not None and isinstance(y, Moments):
        return unary(tape, y, torch_function("mul", (float(np.log(base)),), {})) if base <= 0 else unary(
            tape, y, lambda t: base**t
        )
    wide = on_table(tape, x, y, lambda a, b: a**b)
    if wide is not None:
        return wide
    raise CannotPredict("a power of two tensors")
