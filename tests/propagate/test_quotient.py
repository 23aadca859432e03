"""Quotients of Gaussian quadratic forms against draws of them, and their directions against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest

from initlint.propagate.axes import Array, Axis
from initlint.propagate.moments import Moments
from initlint.propagate.quotient import LOWEST, Quotient, by_states, eigenvalues, of_two, quotient, spectrum, weighted

DRAWS = 200_000


@pytest.mark.parametrize(
    ("values", "counts", "eps", "unlike"),
    [
        ([0.0, 2.0, 0.5], [1.0, 3.0, 60.0], 0.0, 0.0),  # what four samples' tokens share stands out
        ([0.0, 1.0], [1.0, 7.0], 0.0, 0.0),
        ([3.0, 0.2], [1.0, 15.0], 0.5, 0.0),  # ε holds a good part of the scale
        ([0.0, 1.0], [1.0, 15.0], 0.0, 0.6),
        ([1.0], [24.0], 0.0, 2.0),
    ],
)
def test_the_moments_are_those_of_draws(values: list[float], counts: list[float], eps: float, unlike: float) -> None:
    """Every moment lies within five standard errors of its average over draws of the χ² variables."""
    generator = np.random.default_rng(0)
    own, n = np.array(values), sum(counts)
    upper = min(1.0 / (1.0 + unlike), 0.5)
    root = np.sqrt(unlike)
    powers = []
    for value, count in zip(values, counts, strict=True):  # directions of two eigenvalues, `upper` of them the larger one
        first, second = value * (1.0 + root * np.sqrt(1.0 / upper - 1.0)), value * (1.0 - root / np.sqrt(1.0 / upper - 1.0))
        powers.append(
            first * generator.chisquare(upper * count, DRAWS) + second * generator.chisquare((1.0 - upper) * count, DRAWS)
        )
    a = np.array(powers)
    s = a.sum(0) + n * eps
    few = quotient(own, np.array(counts), eps, np.full(len(own), unlike))
    check(few, own, np.array(counts), a, s)


@pytest.mark.parametrize(("fixed", "eps"), [(0.5, 0.0), (3.0, 0.0), (3.0, 0.5)])
def test_a_mean_is_a_fixed_length_along_the_average(fixed: float, eps: float) -> None:
    """The same where the first direction is (√δ + √λ z)² for a known δ."""
    generator = np.random.default_rng(1)
    own, counts = np.array([0.8 + fixed, 0.4]), np.array([1.0, 15.0])
    first = (np.sqrt(fixed) + np.sqrt(0.8) * generator.standard_normal(DRAWS)) ** 2
    a = np.stack([first, 0.4 * generator.chisquare(15.0, DRAWS)])
    check(quotient(own, counts, eps, np.zeros(2), fixed), own, counts, a, a.sum(0) + 16.0 * eps)


@pytest.mark.parametrize(("fixed", "shared", "eps"), [(0.0, 6.0, 0.0), (0.0, 6.0, 0.3), (0.0, 0.0, 0.0), (3.0, 0.5, 0.0)])
def test_two_rows_have_lengths_with_something_in_common(fixed: float, shared: float, eps: float) -> None:
    """E[x_k x'_k/√(S S')] of two rows whose averages covary, against draws of them."""
    generator = np.random.default_rng(2)
    own, counts = np.array([6.5, 0.4]), np.array([1.0, 15.0])
    common = np.sqrt(shared) * generator.standard_normal(DRAWS)
    first = [np.sqrt(fixed) + common + np.sqrt(6.5 - shared) * generator.standard_normal(DRAWS) for _ in range(2)]
    s = [x**2 + 0.4 * generator.chisquare(15.0, DRAWS) + 16.0 * eps for x in first]
    cross = np.array([shared + fixed, 0.0])
    ratio = of_two(quotient(own + np.array([fixed, 0.0]), counts, eps, np.zeros(2), fixed), cross)
    samples = 16.0 * first[0] * first[1] / np.sqrt(s[0] * s[1])
    assert abs(ratio[0] * cross[0] - samples.mean()) < 5.0 * samples.std() / np.sqrt(DRAWS) + 1e-3 * samples.mean()


def check(few: Quotient, own: Array, counts: Array, a: Array, s: Array) -> None:
    """Every moment lies within five standard errors of its average over draws of the powers `a` and their sum."""
    n, per, left_out = counts.sum(), counts[:, None], np.exp(LOWEST)  # of the integral, at its lower end

    def near(found: Array | float, samples: Array) -> None:
        error = samples.std(-1) / np.sqrt(DRAWS)
        np.testing.assert_array_less(np.abs(found - samples.mean(-1)), 5.0 * error + left_out)

    near(few.inverse, n / s)
    near(few.kept * own, n * a / s / per)
    near(few.once, n * a / s**2 / per)
    near(few.twice, n * a[:, None] * a[None] / s**3 / per[:, None])


def dense(axes: tuple[Axis, Axis], pair: Array) -> Array:
    """The covariance matrix that pair moments stand for."""
    index = []
    for axis in axes:
        labels = np.zeros(axis.size, dtype=np.int64) if axis.labels is None else axis.labels
        apart = axis.groups + labels[:, None] * axis.groups + labels[None]
        index.append(np.where(np.eye(axis.size, dtype=bool), labels[:, None], apart))
    size = axes[0].size * axes[1].size
    return np.asarray(pair[index[0][:, None, :, None], index[1][None, :, None, :]].reshape(size, size))


def test_directions_are_those_of_the_dense_covariance() -> None:
    """Projections on averages and differences along two axes, one of them with groups, as matrices."""
    axes = (Axis(3, np.array([0, 1, 1])), Axis(4, np.array([0, 0, 1, 1])))
    generator = np.random.default_rng(1)
    pair = generator.normal(size=(axes[0].states, axes[1].states))
    mirrored = [np.concatenate([np.arange(2), 2 + np.arange(4).reshape(2, 2).T.ravel()])] * 2
    pair = pair + pair[np.ix_(*mirrored)]
    x = Moments(((axes[0],), (axes[1],)), np.zeros((2, 2)), pair)
    average = [np.full((n, n), 1.0 / n) for n in (3, 4)]
    sides = [(m, np.eye(len(m)) - m) for m in average]
    projections = [np.kron(p, q) for p in sides[0] for q in sides[1]]
    whole = dense(axes, pair)

    factors = np.array([0.3, 2.0, 0.7, 1.4])
    operator = sum(f * p for f, p in zip(factors, projections, strict=True))
    np.testing.assert_allclose(dense(axes, weighted(x, pair, factors, [0, 1])), operator @ whole @ operator, atol=1e-12)
    np.testing.assert_allclose(dense(axes, weighted(x, pair, factors, [0, 1], (0,))), operator @ whole, atol=1e-12)

    values = eigenvalues(x, pair, [0, 1])
    np.testing.assert_allclose(values, [np.trace(p @ whole) / np.trace(p) for p in projections], atol=1e-12)
    np.testing.assert_allclose(
        dense(axes, by_states(x, spectrum(x, pair, [0, 1]), [0, 1])),
        sum(v * p for v, p in zip(values, projections, strict=True)),
        atol=1e-12,
    )
