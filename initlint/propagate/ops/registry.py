"""The table from ATen operator names to transfer functions.

A transfer function is called as `f(tape, *args, **kwargs)` with the operator's own arguments, tensors replaced by
`Moments` or `Known`, and returns the outputs. It is keyed on the overload packet ("add" serves add.Tensor, add.Scalar and
add_), or on "library::name" for an operator outside of ATen; operators that obey one law are registered together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from initlint.propagate.known import known_moments
from initlint.propagate.moments import Moments, point
from initlint.propagate.tape import Known

Transfer = Callable[..., Any]

TRANSFERS: dict[str, Transfer] = {}


Registered = TypeVar("Registered", bound=Transfer)


def transfer(*names: str) -> Callable[[Registered], Registered]:
    """Register a function for some operators; a second registration of a name is an error."""

    def register(function: Registered) -> Registered:
        for name in names:
            if name in TRANSFERS:
                raise ValueError(f"two transfer functions for aten.{name}")
            TRANSFERS[name] = function
        return function

    return register


class CannotPredict(Exception):
    """No formula fits these arguments; the operator is sampled instead."""


class CannotSample(CannotPredict):
    """Nor would drawing its operands say anything: a draw does not have what the result depends on."""


def as_moments(value: Any, like: Moments | None = None) -> Moments:
    """A tensor or number as `Moments`; groups of known tensors follow `like`."""
    if isinstance(value, Moments):
        return value
    if isinstance(value, Known):
        return known_moments(value, like)
    if isinstance(value, bool | int | float):
        return point(float(value))
    raise CannotPredict(f"a {type(value).__name__} where a tensor was expected")


def scalar_of(value: Any) -> float | None:
    """The number that a value is, or None where it varies or is random."""
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, Known):
        if value.tensor.numel() == 0 or value.tensor.is_complex():
            return None
        first = value.tensor.reshape(-1)[0]
        if value.tensor.numel() > 1 and not bool((value.tensor == first).all()):
            return None
        return float(first)
    if isinstance(value, Moments) and value.pair.size and value.profile is None:
        mean = float(value.mean.flat[0])
        if abs(value.pair.flat[0] - mean * mean) > 1e-14 * mean * mean:
            return None  # a spread, as nearly always
        if bool((value.mean == mean).all()) and bool((abs(value.pair - mean * mean) <= 1e-14 * mean * mean).all()):
            return mean
    return None
