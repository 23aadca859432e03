"""Fourier transforms and complex numbers.

A complex tensor is carried by the Hermitian moments E[Re(x_u x̄_v)], its real and imaginary parts taken as alike and
independent (circular), which they are after a transform of independent entries, except at frequency zero. For y = A x

    E[Re(y_o ȳ_o')] = Σ_ii' (Re A_oi Re A_o'i' + Im A_oi Im A_o'i') E[x_i x_i'],     gradient: Re(Aᴴ ȳ), half of it for real x

so a transform is the sum of two known real maps. Frequency zero, where what entries share adds up, is a group of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from initlint.propagate.axes import Array, Axis
from initlint.propagate.linear import mean_map, pair_map
from initlint.propagate.moments import Moments, outer_means, replaced
from initlint.propagate.ops.filtering import convolution, transformed
from initlint.propagate.ops.gather import single
from initlint.propagate.ops.registry import CannotPredict, as_moments, transfer
from initlint.propagate.pointwise import Profile, apply, from_profile, times
from initlint.propagate.tape import Tape

Complex = npt.NDArray[np.complex128]


def spectral_map(x: Moments, k: int, matrix: Complex, target: Axis, factor: float) -> Moments:
    """factor · the Hermitian moments of A x along axis k."""
    source = x.axes[k]
    parts = pair_map(np.ascontiguousarray(matrix.real), source, target) + pair_map(np.ascontiguousarray(matrix.imag), source, target)
    pair = np.moveaxis(np.tensordot(factor * parts, x.pair, (1, k)), 0, k)
    mean = np.moveaxis(np.tensordot(mean_map(np.ascontiguousarray(matrix.real), source, target), x.mean, (1, k)), 0, k)
    if target.size == 1:
        return x.with_(dims=replaced(x.dims, k, ()), mean=mean.take(0, axis=k), pair=pair.take(0, axis=k), zeros=0.0, positive=False, negative=False)
    return x.with_(dims=replaced(x.dims, k, (target,)), mean=mean, pair=pair, zeros=0.0, positive=False, valid=None)


def along_frequencies(tape: Tape, x: Moments, d: int, matrix: Complex, *, to_complex: bool, zero_apart: bool) -> Moments:
    """A x along dimension d, A the matrix of a transform; the real part of it unless `to_complex`."""
    before = x
    x = single(x, d)
    if not x.dims[d]:
        raise CannotPredict("a transform of one entry")
    k = x.position(d)
    labels = None
    if zero_apart and matrix.shape[0] > 1:
        labels = np.minimum(np.arange(matrix.shape[0]), 1).astype(np.int64)
    target = Axis(matrix.shape[0], labels, x.axes[k].role)
    factor = 1.0 if to_complex or not before.complex else 0.5
    y = spectral_map(x, k, matrix, target, factor)
    y.complex = to_complex
    if to_complex and zero_apart and (not before.complex or before.spectrum) and tuple(map(len, before.dims)) == tuple(map(len, x.dims)):
        y.spectrum = before.spectrum | {k}
    like = x.axes[k]

    def pull(g: Moments) -> list[Moments]:
        g = single(g, d)
        if not g.dims[d]:
            raise CannotPredict("a transform to one entry")
        back = spectral_map(g, g.position(d), np.ascontiguousarray(matrix.conj().T), like, 0.5 if to_complex and not before.complex else 1.0)
        back.complex = before.complex
        return [back.with_(mean=np.zeros_like(back.mean))]

    return tape.record([before], y, pull)


def _norm(size: int, norm: str | None, inverse: bool) -> float:
    if norm == "ortho":
        return float(size**-0.5)
    if norm == "forward":
        return 1.0 if inverse else 1.0 / size
    return 1.0 / size if inverse else 1.0


def _complex(tape: Tape, x: Moments, n: int | None, dim: int, norm: str | None, inverse: bool, half: bool) -> Moments:
    """fft, ifft, and rfft (`half`)."""
    d = x.dim(dim)
    size = x.shape[d]
    goal = size if n is None else int(n)
    rows, columns = np.arange(goal // 2 + 1 if half else goal), np.arange(min(size, goal))
    matrix = np.zeros((len(rows), size), dtype=np.complex128)
    matrix[:, : len(columns)] = np.exp((2j if inverse else -2j) * np.pi * np.outer(rows, columns) / goal) * _norm(goal, norm, inverse)
    y = along_frequencies(tape, x, d, matrix, to_complex=True, zero_apart=not inverse)
    if half:
        y.filtered = transformed(x, d, goal, _norm(goal, norm, False), y)
    return y


def _real(tape: Tape, x: Moments, n: int | None, dim: int, norm: str | None, hermitian: bool) -> Moments:
    """irfft: every frequency but zero and the last of an even number counts twice; of those only the real part counts.

    `hermitian` for what is still the spectrum of a real tensor: there they are real.
    """
    d = x.dim(dim)
    size = x.shape[d]
    goal = 2 * (size - 1) if n is None else int(n)
    used = min(size, goal // 2 + 1)
    weight = np.full(used, 2.0)
    # at these the spectrum of a real signal is real: its square is all in the real part, not half of it
    edges = [0, -1] if goal % 2 == 0 and used == goal // 2 + 1 else [0]
    weight[edges] = 2**0.5 if hermitian else 1.0
    matrix = np.zeros((goal, size), dtype=np.complex128)
    matrix[:, :used] = np.exp(2j * np.pi * np.outer(np.arange(goal), np.arange(used)) / goal) * weight * _norm(goal, norm, True)
    mark, known = len(tape.entries), x.filtered
    y = along_frequencies(tape, x, d, matrix, to_complex=False, zero_apart=False)
    if known is None or len(known.factors) < 2 or known.size != goal or known.d != d - len(x.dims) or tape.blocked:
        return y
    return convolution(tape, known, y, mark, goal * _norm(goal, norm, True)) or y


def _several(x: Moments, sizes: Any, dims: Any) -> list[tuple[int | None, int]]:
    along = list(dims) if dims is not None else list(range(-len(sizes), 0)) if sizes is not None else list(range(len(x.dims)))
    return list(zip(list(sizes) if sizes is not None else [None] * len(along), [x.dim(d) for d in along], strict=True))


def _register() -> None:
    def one(inverse: bool, half: bool) -> Callable[..., Moments]:
        def run(tape: Tape, x: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Moments:
            return _complex(tape, as_moments(x), n, dim, norm, inverse, half)

        return run

    def many(inverse: bool, half: bool, default: Sequence[int] | None) -> Callable[..., Moments]:
        def run(tape: Tape, x: Any, s: Any = None, dim: Any = default, norm: str | None = None) -> Moments:
            x = as_moments(x)
            for n, (size, d) in enumerate(reversed(_several(x, s, dim))):
                x = _complex(tape, x, size, d, norm, inverse, half and n == 0)
            return x

        return run

    def real(tape: Tape, x: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Moments:
        x = as_moments(x)
        return _real(tape, x, n, dim, norm, bool(x.spectrum))

    def reals(default: Sequence[int] | None) -> Callable[..., Moments]:
        def run(tape: Tape, x: Any, s: Any = None, dim: Any = default, norm: str | None = None) -> Moments:
            x = as_moments(x)
            plan = _several(x, s, dim)
            hermitian = bool(x.spectrum)
            for size, d in plan[:-1]:
                x = _complex(tape, x, size, d, norm, True, False)
            return _real(tape, x, plan[-1][0], plan[-1][1], norm, hermitian)

        return run

    transfer("fft_fft")(one(False, False))
    transfer("fft_ifft")(one(True, False))
    transfer("fft_rfft")(one(False, True))
    transfer("fft_irfft")(real)
    for suffix, default in (("2", (-2, -1)), ("n", None)):
        transfer(f"fft_fft{suffix}")(many(False, False, default))
        transfer(f"fft_ifft{suffix}")(many(True, False, default))
        transfer(f"fft_rfft{suffix}")(many(False, True, default))
        transfer(f"fft_irfft{suffix}")(reals(default))


_register()


def part(real: bool) -> Callable[..., Moments]:
    def run(tape: Tape, x: Any) -> Moments:
        """Half of the square each; at frequency zero of a real tensor's spectrum all of it is in the real part."""
        x = as_moments(x)
        if not x.complex:
            return x
        share = np.full((1,) * x.pair.ndim, True)
        for k in x.spectrum:
            axis = x.axes[k]
            zero = (axis.rows[0] == 0) & (axis.rows[1] == 0)
            share = share & zero.reshape([-1 if n == k else 1 for n in range(x.pair.ndim)])
        special = (1.0 if real else 0.0) if x.spectrum else 0.5
        y = x.with_(pair=x.pair * np.where(share, special, 0.5), complex=False, mean=x.mean if real else np.zeros_like(x.mean))
        return tape.record([x], y, lambda g: [g.with_(complex=True)])

    return run


transfer("real")(part(True))
transfer("imag")(part(False))


@transfer("view_as_real")
def view_as_real(tape: Tape, x: Any) -> Moments:
    x = as_moments(x)
    pair = np.stack([x.pair / 2, np.zeros_like(x.pair)], axis=-1)
    y = Moments((*x.dims, (Axis(2, None, "channel"),)), np.expand_dims(x.mean, -1) / 2, pair, method=x.method, flags=x.flags)

    def pull(g: Moments) -> list[Moments]:
        return [_folded(g)]

    return tape.record([x], y, pull)


def _folded(x: Moments) -> Moments:
    """The last dimension, of size two, as the parts of complex numbers."""
    x = single(x, len(x.dims) - 1)
    x = x.coarsened(x.position(len(x.dims) - 1))
    return Moments(x.dims[:-1], x.mean[..., 0], 2 * x.pair[..., 0], method=x.method, flags=x.flags, complex=True)


@transfer("view_as_complex")
def view_as_complex(tape: Tape, x: Any) -> Moments:
    x = as_moments(x)

    def pull(g: Moments) -> list[Moments]:
        pair = np.stack([g.pair / 2, np.zeros_like(g.pair)], axis=-1)
        return [Moments((*g.dims, (Axis(2),)), np.expand_dims(g.mean, -1), pair)]

    return tape.record([x], _folded(x), pull)


@transfer("complex")
def complex_(tape: Tape, real: Any, imaginary: Any) -> Moments:
    from initlint.propagate.ops.arithmetic import added

    a, b = as_moments(real), as_moments(imaginary)
    y = added(tape, a, b).with_(mean=a.mean, complex=True) if a.shape == b.shape else None
    if y is None:
        raise CannotPredict("parts of different shapes")
    half = lambda g: [g.with_(pair=g.pair / 2, complex=False)] * 2  # noqa: E731
    return tape.record([a, b], y, half)


@transfer("conj", "_conj", "conj_physical", "resolve_conj")
def conjugate(tape: Tape, x: Any) -> Moments:
    x = as_moments(x)
    return tape.record([x], x.with_(), lambda g: [g])


def of_complex(tape: Tape, z: Moments, name: str) -> Moments:
    """Functions of complex entries: the modulus alone.

    For circular Gaussian z it has Rayleigh's law, P(|z|² > s) = e^(−s/q), written here as a function of a normal variable; the
    squares of two have the correlation |ρ|² (Isserlis 1918). The cotangent gets the factor z/|z|, of size one, whose products
    have the mean (π/4) ρ + O(ρ³) (Price 1958).
    """
    import torch

    if name != "abs" or np.any(z.mean):
        raise CannotPredict(f"aten.{name} of complex numbers")
    scale = outer_means(z.axes, np.sqrt(z.cells), np.sqrt(z.cells))
    likeness = np.clip(np.divide(z.pair, scale, out=np.zeros_like(z.pair), where=scale > 0), -1.0, 1.0)
    same = tuple(slice(0, axis.groups) for axis in z.axes)
    likeness[same] = 1.0
    rank = Moments(z.dims, np.zeros_like(z.mean), likeness**2)

    def rayleigh(u: Array) -> Array:
        return np.asarray(np.sqrt(-torch.special.log_ndtr(torch.from_numpy(-u)).numpy()))

    unit = apply(rayleigh, rank)
    assert unit.profile is not None
    y = from_profile(Profile(unit.profile.source, unit.profile.values * np.sqrt(z.cells)), unit, "quadrature")
    phase = likeness * (np.pi / 4)
    phase[same] = 1.0
    factor = Moments(z.dims, np.zeros_like(z.mean), phase)

    def pull(g: Moments) -> list[Moments]:
        back = times(g, factor)
        back.complex = True
        return [back]

    return tape.record([z], y, pull)
