"""Isometries: orthogonal matrices, delta-orthogonal kernels, kernels with orthonormal spectra.

    Saxe, McClelland, Ganguli 2013       W = g Q, Q with orthonormal rows or columns; g² = 1/E[φ²], √2 for a rectifier
    Xiao et al. 2018                     all taps zero but the centre, which is g times a matrix with orthonormal columns
    Aghajanyan 2017                      input slices of a filter with orthonormal spectra, variance 2/fan_in after a rectifier

Of a matrix with more rows than columns the columns are orthonormal: the norm is kept, the second moment per unit falls to
in/out, and the next layer's fan-in is right for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from initlint.schemes.plan import Change, DoesNotApply, Draw, Place, draw, normal
from initlint.schemes.variance import Said, forward_gain, part_of, weights_of, zero_biases

if TYPE_CHECKING:
    from initlint.schemes.activation import Activation
    from initlint.schemes.anatomy import Anatomy, Weight

HALVES = ("torch.float16", "torch.bfloat16")  # nothing factorizes matrices of these


def orthogonal(anatomy: Anatomy, *, gain: float = 0.0) -> Said:
    """Orthonormal rows or columns times a gain: √(1/E[φ²]) of the function before the layer, √2 after a rectifier.

    gain  for all layers; 0: each its own
    """
    for weight in weights_of(anatomy):
        own = gain or math.sqrt(forward_gain(weight.before))
        yield from orthogonal_weight(anatomy, weight, own, f"orthogonal, gain {own:.4g}, input {weight.before.name}")
    yield from zero_biases(anatomy)


def orthogonal_weight(anatomy: Anatomy, weight: Weight, gain: float, why: str) -> Said:
    """One weight, every part, group and member of a stack by itself."""
    for place in matrices_of(weight):
        if place is None:
            yield f"{weight.name}: the layout of its operator is not known; entries are independent, of the same second moment"
            std = gain / math.sqrt(weight.fan_in)
            yield Change(place=replace(weight.place, transposed=False), draw=normal(std), why=why, std=std)
        else:
            yield Change(place=place, draw=_orthogonal(anatomy, weight, gain), why=why)


def matrices_of(weight: Weight) -> Iterator[Place | None]:
    """The places of the matrices or kernels that a weight is made of; None where that is not known."""
    if not weight.shape[0] or weight.stack < 0:
        yield None
    elif weight.stack:
        yield from (replace(weight.place, item=number) for number in range(weight.stack))
    else:
        yield from (part_of(weight, part) for part in weight.parts)


def _orthogonal(anatomy: Anatomy, weight: Weight, gain: float) -> Draw:
    kernel_turned = weight.place.transposed and bool(weight.kernel)  # torch's own wants a tensor that it can flatten
    if weight.groups == 1 and anatomy.dtypes[weight.name] not in HALVES and not kernel_turned:
        return draw("nn.init.orthogonal_", gain=gain)
    return draw("grouped_orthogonal_", gain=gain, groups=weight.groups)


def delta_orthogonal(anatomy: Anatomy, *, q: float = 0.0) -> Said:
    """Convolutions that move no signal between positions: an orthogonal centre tap, the other taps zero.

    q  second moment on the critical line, for functions that are not homogeneous; 0: one over the number of layers
    """
    convolutions = [weight for weight in weights_of(anatomy) if weight.kernel]
    if not convolutions:
        raise DoesNotApply("the model has no convolution; for matrices it is the scheme `orthogonal`")
    for weight in convolutions:
        rows, columns = weight.shape[0] // weight.groups, weight.shape[1]
        if weight.kind == "transposed convolution":
            raise DoesNotApply(f"{weight.name} is a transposed convolution, which has no centre tap of its own")
        if columns > rows:
            raise DoesNotApply(
                f"{weight.name} has more inputs ({columns}) than outputs ({rows}) a group: "
                "its columns cannot be orthonormal, information would be lost"
            )
        if not all(size % 2 for size in weight.kernel):
            raise DoesNotApply(f"{weight.name} has an even kernel {weight.kernel}: no centre tap")
    target = q or 1 / len(anatomy.weights)
    for weight in anatomy.weights:
        gain, spread = critical(weight.before, target)
        words = f"gain {gain:.4g}, input {weight.before.name}"
        if weight.kernel:
            step = draw("delta_orthogonal_", gain=gain, groups=weight.groups)
            yield Change(place=weight.place, draw=step, why=f"orthogonal centre tap, {words}")
        else:
            yield from orthogonal_weight(anatomy, weight, gain, f"orthogonal, {words}")
        if spread:
            for bias in weight.biases:
                yield Change(place=Place(parameter=bias), draw=normal(spread), why=f"critical at q = {target:.3g}", std=spread)
    yield from zero_biases(anatomy, lambda weight: not critical(weight.before, target)[1])


def critical(before: Activation, q: float) -> tuple[float, float]:
    """(σ_w, σ_b) with σ_w² E[φ'²] = 1 and σ_w² E[φ²] + σ_b² = q (Schoenholz et al. 2017); σ_b = 0 where φ is homogeneous."""
    if before.is_homogeneous:
        return math.sqrt(forward_gain(before)), 0.0
    kept = before.at(q)
    gain = 1 / kept.slope_square
    rest = q - gain * kept.square
    if rest < 0:
        raise DoesNotApply(f"{before.name} has no critical point at the second moment {q:.3g}; another `q` may have one")
    return math.sqrt(gain), math.sqrt(rest)


def convolution_aware(anatomy: Anatomy) -> Said:
    """Kernels whose input slices have orthonormal spectra, of variance 1/(E[φ²]·fan_in); matrices orthogonal."""
    if not any(weight.kernel for weight in weights_of(anatomy)):
        raise DoesNotApply("the model has no convolution; for matrices it is the scheme `orthogonal`")
    for weight in anatomy.weights:
        gain = forward_gain(weight.before)
        std = math.sqrt(gain / weight.fan_in)
        if math.prod(weight.kernel) > 1:  # of one tap the spectrum is one number
            why = f"convolution aware, Var = {gain:.3g}/fan_in, input {weight.before.name}"
            place = weight.place if weight.kind == "convolution" else replace(weight.place, transposed=weight.stack >= 0)
            yield Change(place=place, draw=draw("convolution_aware_", std=std), why=why, std=std)
        else:
            yield from orthogonal_weight(anatomy, weight, math.sqrt(gain), f"orthogonal, gain {math.sqrt(gain):.4g}")
    yield from zero_biases(anatomy)
