"""Norms as they are written by hand: a tensor less its own average, and times a function of its own average square."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from initlint.propagate.attended import scaled_by_place
from initlint.propagate.moments import Moments
from initlint.propagate.ops.functions import affine
from initlint.propagate.pointwise import Cotangent, apply, grid, lineage, profile_of, spread, times
from initlint.propagate.scale import felt
from initlint.propagate.tape import Tape

TINY = 1e-6  # share of an average square below which what is added to it before the root is nothing


def shifted_by_average(tape: Tape, x: Moments, average: Moments, factor: float, scale: float) -> Moments:
    """scale · (x + factor · average of x over some dimensions): `x - x.mean(...)` and its kin, exactly."""
    from initlint.propagate.ops.reduce import centred, project

    assert average.averaged_of is not None
    dims = average.averaged_of[1]
    if factor == -1.0:
        z = centred(tape, x, dims)
        shared = z.with_(affine=(z, 1.0, 0.0))
        count = float(math.prod([x.shape[d] for d in dims]))

        def report(g: Cotangent) -> list[Cotangent]:
            # what flows into the average is part of what centring sends back; it is only reported here
            total = g.total()
            into = None if total is None else total.averaged(total.dim_axes(dims)).scaled(count)
            return [Cotangent(total), Cotangent(spent=into)]

        result = tape.record_coherent([z, average], shared, report)
        return result if scale == 1.0 else affine(tape, result, scale, 0.0)
    mean, pair = project(x, x.dim_axes(dims), factor)
    z = x.with_(mean=mean * scale, pair=pair * scale**2, zeros=0.0)
    count = float(math.prod([x.shape[d] for d in dims]))

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
    from initlint.propagate.ops.norm import few_directions, rescaled

    profile = profile_of(scale)
    middle = len(profile.values) // 2
    level = profile_of(profile.source.origin).values  # the average square v: E[v f²] is what is left of x², whatever v does
    w = grid(len(level))[1].reshape(-1, *(1,) * (level.ndim - 1))
    typical = np.sqrt((w * level * profile.values**2).sum(0) / np.maximum((w * level).sum(0), 1e-300))
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
    typical, share = (np.broadcast_to(a.reshape(-1) if a.size == 1 else a.reshape(shape), shape) for a in (typical, share))
    size = float((w * level).sum(0).mean())
    eps = float(np.mean((1.0 - share) / np.maximum(share, TINY))) * size
    few = few_directions(x, x.mean, x.pair, axes, eps if eps > TINY * size else 0.0)
    y = rescaled(tape, x, dims, x.mean, x.pair, typical, share, False, few)
    shared = y.with_(affine=(y, 1.0, 0.0))

    def report(g: Cotangent) -> list[Cotangent | None]:
        total = g.total()
        if total is None:
            return [None, None]
        into = times(total, spread(x))
        count = float(math.prod([x.shape[d] for d in dims]))
        into = into.averaged(into.dim_axes(dims)).scaled(count)
        degree = felt(tape, tape.shown.get(id(shared), shared), math.prod(x.shape) / count)
        return [Cotangent(total), felt_by(scale, scaled_by_place(into, degree))]

    return tape.record_coherent([y, scale], shared, report)


def felt_by(scale: Moments, into: Moments) -> Cotangent:
    """What a norm's scale r gets, Σ g x = (Σ g y)/r: of the two factors the first hardly knows the size of x, the second is a function
    of it, as all that r comes from."""
    profile = profile_of(scale)
    if tuple(map(len, into.dims)) != tuple(map(len, profile.source.dims)) or not np.all(profile.values > 0.0):
        return Cotangent(into)
    w = grid(len(profile.values))[1].reshape(-1, *(1,) * (profile.values.ndim - 1))
    size = 1.0 / profile.values
    result = Cotangent()
    result.add_coherent(into, profile.source, size / np.sqrt((w * size**2).sum(0)))
    return result


def slope_of_divisor(x: Moments, y: Moments) -> Moments:
    """x/y² for a function y = h(v) of the average square v of x: of exchangeable entries E[x²/h⁴] is E[v/h⁴]."""
    slope = apply(lambda v: v**-2.0, y)
    assert slope.profile is not None
    level, values = profile_of(slope.profile.source.origin).values, slope.profile.values
    w = grid(len(level))[1]
    level, values = level.reshape(len(w), -1), values.reshape(len(w), -1) ** 2
    if level.shape != values.shape:
        return times(spread(x), spread(slope))
    even = (w @ (level * values)).mean() / max(float((w @ level).mean() * (w @ values).mean()), 1e-300)
    return times(spread(x), spread(slope)).scaled(math.sqrt(even))


def reported_to(tape: Tape, z: Moments, part: Moments, slope: Moments) -> Moments:
    """z, whose cotangent times `slope` is only reported for `part`: other entries of the tape account for it."""

    def report(g: Cotangent) -> list[Cotangent]:
        total = g.whole()
        return [g, Cotangent(spent=None if total is None else times(total, slope))]

    return tape.record_coherent([z, part], z.with_(affine=(z, 1.0, 0.0)), report)
