"""Independent entries with the right variance: LeCun, Glorot, He.

    LeCun, Bottou, Orr, Müller 1998   Var = 1/fan_in
    Glorot, Bengio 2010               Var = gain²·2/(fan_in + fan_out)
    He, Zhang, Ren, Sun 2015          Var = 1/(E[φ²]·fan_in), φ the function before the layer; of a rectifier 2/fan_in
                                      or 1/(E[φ'²]·fan_out), φ the function after it

Biases become zero. Fans are those of the operator (groups, strides of a transposed convolution), and of every part of a packed
projection by itself. Embeddings and normalizations keep what they have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from initlint.schemes.plan import Change, DoesNotApply, Draw, Place, normal, uniform, zeros

if TYPE_CHECKING:
    from initlint.schemes.activation import Activation
    from initlint.schemes.anatomy import Anatomy, Part, Weight

Said = Iterator[Change | str]
DISTRIBUTIONS: dict[str, Callable[[float], Draw]] = {"normal": normal, "uniform": uniform}


def lecun(anatomy: Anatomy, *, distribution: str = "normal") -> Said:
    """Var = 1/fan_in: the law for SELU, for linear layers and for inputs of unit variance."""
    made = DISTRIBUTIONS[one_of("distribution", distribution, DISTRIBUTIONS)]
    for weight in weights_of(anatomy):
        yield from with_std(weight, lambda weight, part: 1 / math.sqrt(weight.fan_in), made, "Var = 1/fan_in")
    yield from zero_biases(anatomy)


def xavier(anatomy: Anatomy, *, gain: float = 1.0, distribution: str = "uniform") -> Said:
    """Var = gain²·2/(fan_in + fan_out): a compromise between signal and gradient, for linear layers and tanh."""
    made = DISTRIBUTIONS[one_of("distribution", distribution, DISTRIBUTIONS)]
    for weight in weights_of(anatomy):
        yield from with_std(weight, lambda weight, part: xavier_std(weight, part, gain), made, "Var = 2/(fan_in + fan_out)")
    yield from zero_biases(anatomy)


def xavier_std(weight: Weight, part: Part, gain: float) -> float:
    """Standard deviation of one part, by the fans of that part alone."""
    share = (part.stop - part.start) / weight.shape[0] if weight.shape[0] else 1.0
    return gain * math.sqrt(2 / (weight.fan_in + weight.fan_out * share))


def kaiming(anatomy: Anatomy, *, mode: str = "fan_in", distribution: str = "normal") -> Said:
    """Var = 1/(E[φ²]·fan_in) with the function φ that the layer's input went through: 2/fan_in after a rectifier.

    mode  "fan_out" keeps the gradient instead: Var = 1/(E[φ'²]·fan_out) with the function after the layer
    """
    made = DISTRIBUTIONS[one_of("distribution", distribution, DISTRIBUTIONS)]
    one_of("mode", mode, ("fan_in", "fan_out"))
    for weight in weights_of(anatomy):
        if mode == "fan_in":
            gain = forward_gain(weight.before)
            why = f"Var = {_of(gain)}/fan_in, input {weight.before.name}"
            yield from with_std(weight, lambda weight, part, gain=gain: math.sqrt(gain / weight.fan_in), made, why)  # type: ignore[misc]
        else:
            gain = backward_gain(weight.after)
            why = f"Var = {_of(gain)}/fan_out, output {weight.after.name if weight.after else 'identity'}"
            yield from with_std(weight, lambda weight, part, gain=gain: math.sqrt(gain / weight.fan_out), made, why)  # type: ignore[misc]
    yield from zero_biases(anatomy)


def forward_gain(before: Activation, q: float = 1.0) -> float:
    """q/E[φ(z)²], E[z²] = q: the fan_in·Var that undoes what the function before a layer does to the second moment."""
    return _inverse(before.at(q).square / q, before)


def backward_gain(after: Activation | None, q: float = 1.0) -> float:
    """1/E[φ'(z)²], E[z²] = q: the same for the gradient and the function after a layer."""
    return 1.0 if after is None else _inverse(after.at(q).slope_square, after)


def _inverse(kept: float, function: Activation) -> float:
    if not math.isfinite(kept) or kept < 1e-9:
        raise DoesNotApply(
            f"the function {function.name} keeps {kept:.3g} of a unit Gaussian: no finite variance makes up for it"
        )
    return 1 / kept


# -- what other families use, too ------------------------------------------------------------------------------------------


def weights_of(anatomy: Anatomy) -> tuple[Weight, ...]:
    """All weights.

    Raises:
        DoesNotApply: there are none.
    """
    if not anatomy.weights:
        raise DoesNotApply("the model has no linear, convolutional or recurrent weight that can be set")
    return anatomy.weights


def with_std(
    weight: Weight, std: Callable[[Weight, Part], float], made: Callable[[float], Draw], why: str, factor: float = 1.0
) -> Iterator[Change]:
    """Independent entries; one write where all parts are alike, else one a part."""
    values = [factor * std(weight, part) for part in weight.parts]
    if len(set(values)) == 1:
        whole = replace(weight.place, transposed=weight.place.transposed and weight.place.rows is not None)
        yield Change(place=whole, draw=made(values[0]), why=why, std=values[0])
        return
    for part, value in zip(weight.parts, values, strict=True):
        yield Change(place=part_of(weight, part), draw=made(value), why=why, std=value)


def part_of(weight: Weight, part: Part) -> Place:
    """The place of some output rows of a weight."""
    if (part.start, part.stop) == (0, weight.shape[0]):
        return weight.place
    offset = weight.place.rows[0] if weight.place.rows else 0
    return replace(weight.place, rows=(offset + part.start, offset + part.stop))


def zero_biases(anatomy: Anatomy, of: Callable[[Weight], bool] = lambda weight: True) -> Iterator[Change]:
    """Zero for what the layers add. Recurrent gates keep theirs: a forget bias is there on purpose."""
    done: set[str] = set()
    for weight in anatomy.weights:
        if weight.kind != "recurrent" and of(weight):
            for bias in weight.biases:
                if bias not in done:
                    done.add(bias)
                    yield Change(place=Place(parameter=bias), draw=zeros(), why="biases zero", std=0.0)


def one_of(name: str, value: str, known: Collection[str]) -> str:
    """The value of an option that must be one of these words.

    Raises:
        DoesNotApply: it is not.
    """
    if value not in known:
        raise DoesNotApply(f"{name}={value!r} is not one of {', '.join(known)}")
    return value


def _of(gain: float) -> str:
    return f"{gain:.3g}"
