"""Fourier transforms and complex numbers.

A complex tensor is carried by the Hermitian moments E[Re(x_u x̄_v)] and, where they are known, those of its real part; else
half of all is real. Both parts are taken as independent, which they are after a transform of independent entries. For y = A x

    E[Re(y_o ȳ_o')] = Σ_ii' (Re A_oi Re A_o'i' + Im A_oi Im A_o'i') E[x_i x_i'],     gradient: Aᴴ ȳ, of a real x its real part

so a transform is the sum of two known real maps. Frequency zero, where what entries share adds up, is a group of its own. The
transform of a real tensor has conjugate entries at k and −k: that it comes back real is remembered as its `spectrum`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from initlint.propagate.axes import Array, Axis
from initlint.propagate.linear import mean_map, pair_map
from initlint.propagate.moments import Moments, align, outer_means, replaced
from initlint.propagate.ops.arithmetic import mul
from initlint.propagate.ops.filtering import convolution, transformed
from initlint.propagate.ops.functions import torch_function, unary
from initlint.propagate.ops.gather import flags_of, single, worst
from initlint.propagate.ops.registry import CannotPredict, CannotSample, as_moments, transfer
from initlint.propagate.ops.view import unbroadcast
from initlint.propagate.pointwise import Cotangent, Profile, apply, from_profile, times
from initlint.propagate.tape import Tape

Complex = npt.NDArray[np.complex128]


def parts(x: Moments) -> tuple[Array, Array]:
    """Pair moments of the real and of the imaginary part."""
    if not x.complex:
        return x.pair, np.zeros_like(x.pair)
    real = x.pair / 2 if x.real is None else x.real
    return real, x.pair - real


def spectral_map(x: Moments, k: int, matrix: Complex, target: Axis, plain: Complex | None = None) -> Moments:
    """A x along axis k: for A = R + iJ the real part is R x_re − J x_im, the imaginary one J x_re + R x_im. `plain` maps means."""
    source = x.axes[k]
    by_real, by_imaginary = (pair_map(np.ascontiguousarray(part), source, target) for part in (matrix.real, matrix.imag))

    def along(map_: Array, pair: Array) -> Array:
        return np.asarray(np.moveaxis(np.tensordot(map_, pair, (1, k)), 0, k))

    real, imaginary = parts(x)
    lean = along(by_real, real) + along(by_imaginary, imaginary)
    other = along(by_imaginary, real) + along(by_real, imaginary)
    if x.spectrum == {k} and matrix.shape[0] == matrix.shape[1]:  # k and −k are conjugate: the imaginary parts cancel
        lean, other = lean + other, np.zeros_like(other)
    pair = lean + other
    of_means = matrix if plain is None else plain
    mean = np.moveaxis(np.tensordot(mean_map(np.ascontiguousarray(of_means.real), source, target), x.mean, (1, k)), 0, k)
    if target.size == 1:
        dims = replaced(x.dims, k, ())
        pair, lean, mean = (np.asarray(a.take(0, axis=k)) for a in (pair, lean, mean))
    else:
        dims = replaced(x.dims, k, (target,))
    y = x.with_(dims=dims, mean=mean, pair=pair, zeros=0.0, positive=False, negative=False, valid=None, complex=True)
    y.real = lean
    return y


def real_part(x: Moments, *, imaginary: bool = False) -> Moments:
    """The real (or the imaginary) part of a complex tensor."""
    real, rest = parts(x)
    return x.with_(pair=rest if imaginary else real, mean=means(x)[imaginary], complex=False)


def means(x: Moments) -> tuple[Array, Array]:
    """Means of the real and of the imaginary part."""
    return x.mean, np.zeros_like(x.mean) if x.imaginary is None else x.imaginary


def as_complex(g: Moments) -> Moments:
    """A cotangent of a complex tensor: products forget that it is one, and then nothing is known of its parts."""
    return g if g.complex else g.with_(complex=True)


def is_real(x: Moments) -> bool:
    """Whether its imaginary part is known to be zero."""
    return not x.complex or (x.real is not None and bool(np.allclose(x.real, x.pair, rtol=1e-9, atol=0.0)))


def of_part(g: Moments, *, imaginary: bool = False) -> Moments:
    """A real tensor as the real (or the imaginary) part of a complex one, the other being zero."""
    z = g.with_(complex=True)
    z.real = np.zeros_like(g.pair) if imaginary else g.pair
    return z


def along_frequencies(
    tape: Tape, x: Moments, d: int, matrix: Complex, *, to_complex: bool, zero_apart: bool, back: Complex | None = None
) -> Moments:
    """A x along dimension d, A the matrix of a transform; the real part of it unless `to_complex`.

    back  Aᴴ, where A has the weights of a signal that is known to be partly real
    """
    before = x
    if len(x.dims[d]) > 1:
        x = single(x, d)
    if not x.dims[d]:
        raise CannotPredict("a transform of one entry")
    k = x.position(d)
    labels = None
    if zero_apart and matrix.shape[0] > 1:
        labels = np.minimum(np.arange(matrix.shape[0]), 1).astype(np.int64)
    target = Axis(matrix.shape[0], labels, x.axes[k].role)
    whole = spectral_map(x, k, matrix, target, None if back is None else back.conj().T)
    y = whole if to_complex else real_part(whole)
    square = matrix.shape[0] == matrix.shape[1]
    if to_complex and target.size > 1 and tuple(map(len, before.dims)) == tuple(map(len, x.dims)):
        if zero_apart and (not before.complex or before.spectrum):
            y.spectrum = before.spectrum | {k}
        elif square and k in before.spectrum:
            y.spectrum = before.spectrum - {k}
            if len(y.spectrum) == 1:  # real at frequency zero, circular elsewhere, whatever both parts were before: see `_real`
                y.real = None
    like = x.axes[k]

    def pull(g: Moments) -> list[Moments]:
        g = as_complex(g) if to_complex else g
        g = g if len(g.dims[d]) == 1 else single(g, d)
        if not g.dims[d]:
            raise CannotPredict("a transform to one entry")
        n = g.position(d)
        sent = spectral_map(g, n, np.ascontiguousarray(matrix.conj().T if back is None else back), like)
        if square and before.complex and sent.axes:  # the transform of a real cotangent is as symmetric as that of a signal
            sent.spectrum = g.spectrum - {n} if n in g.spectrum else g.spectrum | {n} if g.spectrum or is_real(g) else frozenset()
        if not before.complex:
            sent = real_part(sent)
        sent.mean = np.zeros_like(sent.mean)
        return [sent]

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
    weight[edges] = 1.0
    matrix = np.zeros((goal, size), dtype=np.complex128)
    matrix[:, :used] = np.exp(2j * np.pi * np.outer(np.arange(goal), np.arange(used)) / goal) * weight * _norm(goal, norm, True)
    back = matrix.conj().T.copy()
    if hermitian and x.real is None:
        matrix[:, edges] *= 2**0.5
    mark, known = len(tape.entries), x.filtered
    y = along_frequencies(tape, x, d, matrix, to_complex=False, zero_apart=False, back=back)
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


def part(imaginary: bool) -> Callable[..., Moments]:
    def run(tape: Tape, x: Any) -> Moments:
        x = as_moments(x)
        if not x.complex:
            return x
        return tape.record([x], real_part(x, imaginary=imaginary), lambda g: [of_part(g, imaginary=imaginary)])

    return run


transfer("real")(part(False))
transfer("imag")(part(True))


@transfer("view_as_real")
def view_as_real(tape: Tape, x: Any) -> Moments:
    x = as_moments(x)
    y = _unfolded(x)
    y.method, y.flags = x.method, x.flags
    return tape.record([x], y, lambda g: [_folded(g)])


def _unfolded(x: Moments) -> Moments:
    """The parts of complex numbers along a last dimension, told apart where they differ."""
    real, imaginary = parts(x)
    if x.real is None:
        pair, mean = np.stack([real, np.zeros_like(real)], axis=-1), np.expand_dims(sum(means(x), np.zeros_like(x.mean)), -1) / 2
        return Moments((*x.dims, (Axis(2, None, "channel"),)), mean, pair)
    both = outer_means(x.axes, *means(x)), outer_means(x.axes, *means(x)[::-1])
    pair = np.stack([real, imaginary, real, *both, imaginary], axis=-1)  # same: two groups; different: four states
    mean = np.stack(means(x), axis=-1)
    return Moments((*x.dims, (Axis(2, np.arange(2), "channel"),)), mean, pair)


def _folded(x: Moments) -> Moments:
    """The last dimension, of size two, as the parts of complex numbers."""
    x = single(x, len(x.dims) - 1)
    alike = x.axes[-1].labels is None
    first, second = (0, 0) if alike else (0, 1)
    z = Moments(x.dims[:-1], x.mean[..., first], x.pair[..., first] + x.pair[..., second], method=x.method, flags=x.flags, complex=True)
    z.real, z.imaginary = x.pair[..., first], x.mean[..., second]
    return z


@transfer("view_as_complex")
def view_as_complex(tape: Tape, x: Any) -> Moments:
    x = as_moments(x)
    return tape.record([x], _folded(x), lambda g: [_unfolded(as_complex(g))])


@transfer("complex")
def complex_(tape: Tape, real: Any, imaginary: Any) -> Moments:
    a, b = align(as_moments(real), as_moments(imaginary))
    y = Moments(a.dims, a.mean, a.pair + b.pair, method=worst([a, b]), flags=flags_of([a, b]), complex=True)
    y.real, y.imaginary = a.pair, b.mean
    inputs = [as_moments(real), as_moments(imaginary)]
    return tape.record(inputs, y, lambda g: [unbroadcast(real_part(as_complex(g), imaginary=n == 1), x) for n, x in enumerate(inputs)])


@transfer("polar")
def polar(tape: Tape, size: Any, angle: Any) -> Moments:
    """r cos φ + i r sin φ."""
    size, angle = as_moments(size), as_moments(angle)
    return complex_(tape, *(mul(tape, size, unary(tape, angle, torch_function(name, (), {}))) for name in ("cos", "sin")))


@transfer("conj", "_conj", "conj_physical")
def conjugate(tape: Tape, x: Any) -> Moments:
    def same(z: Moments) -> Moments:
        result = z.with_()
        result.real, result.spectrum = z.real, z.spectrum
        result.imaginary = None if z.imaginary is None else -z.imaginary
        return result

    x = as_moments(x)
    return tape.record([x], same(x), lambda g: [same(g)])


def square_of_size(tape: Tape, x: Moments, y: Moments) -> Moments | None:
    """x·y where one is the conjugate of the other: |x|² = a² + b² for Gaussian, independent parts; None of others.

    Cov(a_u², a_v²) = 2 E[a_u a_v]² − 2 (E[a_u] E[a_v])² (Isserlis 1918). A cotangent g goes back as 2 Re(g) x.
    """
    for base, other in ((x, y), (y, x)):
        made = other.made
        if made is None or made.name not in ("conj", "_conj", "conj_physical") or made.args[0] is not base:
            continue
        pair = outer_means(base.axes, base.cells, base.cells)
        for own, mean in zip(parts(base), means(base), strict=True):
            pair = pair + 2.0 * (own**2 - outer_means(base.axes, mean, mean) ** 2)
        z = Moments(base.dims, np.array(base.cells), pair, zeros=base.zeros, method=base.method, flags=base.flags, complex=True)
        z.real = pair

        def pull(g: Cotangent, base: Moments = base) -> list[Cotangent | None]:
            total = g.total()
            if total is None:
                return [None, None]
            lean = real_part(as_complex(total)).scaled(2.0)
            sent, told = (times(v, Moments(base.dims, np.zeros(base.mean.shape), base.pair)) for v in (lean, total))
            sent.complex = told.complex = True
            return [Cotangent(sent), Cotangent(spent=told)]

        return tape.record_coherent([base, other], z, pull)
    return None


def of_complex(tape: Tape, z: Moments, name: str) -> Moments:
    """Functions of complex entries: the modulus alone.

    For circular Gaussian z it has Rayleigh's law, P(|z|² > s) = e^(−s/q), written here as a function of a normal variable; the
    squares of two have the correlation |ρ|² (Isserlis 1918). The cotangent gets the factor z/|z|, of size one, whose products
    have the mean (π/4) ρ + O(ρ³) (Price 1958).
    """
    import torch

    if name != "abs":
        raise CannotSample(f"aten.{name} of complex numbers")  # draws are circular, which decays and phases are not
    if np.any(z.mean):
        raise CannotPredict("the modulus of complex numbers with a mean")
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
