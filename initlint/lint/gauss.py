"""A few expectations under a Gaussian that judge activations: units that never fire, slopes that are left.

Sums over a fixed grid in plain Python: rules need two digits, not quadrature to machine precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

POINTS = 241
WIDTH = 6.0  # standard deviations to either side


def _normal() -> tuple[tuple[float, float], ...]:
    step = 2 * WIDTH / (POINTS - 1)
    places = [-WIDTH + step * number for number in range(POINTS)]
    weights = [math.exp(-place * place / 2) for place in places]
    total = sum(weights)
    return tuple((place, weight / total) for place, weight in zip(places, weights, strict=True))


GRID = _normal()


def never_positive(mean: float, second_moment: float, k_batch: float | None, samples: int) -> float:
    """Share of units whose Gaussian input is negative for all of `samples` independent inputs.

    A unit's own mean is N(mean, C − mean²) over weights, its spread over inputs √(q − C), C = k_batch:
    E_ξ[Φ(−(mean + √(C − mean²)·ξ)/√(q − C))^N] (docs/theory, section 4).
    """
    shared = mean**2 if k_batch is None else max(k_batch, mean**2)
    among_units = math.sqrt(max(shared - mean**2, 0.0))
    among_inputs = math.sqrt(max(second_moment - shared, 1e-30 * second_moment))
    total = 0.0
    for place, weight in GRID:
        below = 0.5 * math.erfc((mean + among_units * place) / among_inputs / math.sqrt(2))
        total += weight * (below**samples if below > 0 else 0.0)
    return total


def _sigmoid_slope(z: float) -> float:
    tail = math.exp(-abs(z))
    return tail / (1 + tail) ** 2


SLOPES: Mapping[str, Callable[[float], float]] = {
    "tanh": lambda z: 4 * _sigmoid_slope(2 * z),
    "sigmoid": _sigmoid_slope,
    "hardtanh": lambda z: 1.0 if abs(z) < 1 else 0.0,
    "hardsigmoid": lambda z: 1 / 6 if abs(z) < 3 else 0.0,
    "erf": lambda z: 2 / math.sqrt(math.pi) * math.exp(-min(z * z, 700.0)),
}


def slope_left(function: str, spread: float) -> float:
    """E[φ'(z)²] / max φ'² for z ~ N(0, spread²): the share of the gradient that a bounded function lets through.

    Integrated over z where the slope lives, not over z/spread: a wide Gaussian is flat there.
    """
    slope = SLOPES[function]
    largest = slope(0.0) ** 2
    reach = min(WIDTH * spread, 20.0)
    step = 2 * reach / (POINTS - 1)
    total = 0.0
    for number in range(POINTS):
        z = -reach + step * number
        total += slope(z) ** 2 * math.exp(-((z / spread) ** 2) / 2)
    return total * step / (spread * math.sqrt(2 * math.pi)) / largest


def between_left(low: float, high: float, spread: float) -> float:
    """The share of inputs that a function with slope between two bounds and none beyond them lets through, if the input's mean
    is in the middle: P(|z| < (high − low)/2), z ~ N(0, spread²). No other mean leaves more."""
    return math.erf((high - low) / 2 / (spread * math.sqrt(2)))
