"""Deterministic and nearly deterministic identities: ZerO and IDInit.

    Zhao, Schäfer, Anandkumar 2022   [I 0], or Hadamard columns where outputs are added; writers and classifier zero
    Pan et al. 2025                  identity repeated where outputs are added, wrapped where inputs are dropped; writers ε·identity

ZerO's expansions beyond the next power of two make exact duplicates: min(out, 2^⌈log₂ in⌉) rows differ. IDInit lifts that with
noise on every entry, and its ε keeps a gradient for what lies behind units that are dead at the start.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.schemes.orthogonal import matrices_of
from initlint.schemes.plan import Change, DoesNotApply, Draw, draw, zeros
from initlint.schemes.variance import Said, one_of, weights_of, zero_biases

if TYPE_CHECKING:
    from initlint.schemes.anatomy import Anatomy, Weight


def zero(anatomy: Anatomy) -> Said:
    """ZerO: partial identities and Hadamard matrices, writers of branches and the classifier zero; nothing is random."""
    _centred(anatomy, "ZerO")
    writers = anatomy.writers()
    if not writers:
        yield "no residual branch was found: the classifier alone is zero, and every layer before it an identity"
    for weight in weights_of(anatomy):
        rows, columns = (
            weight.shape[0] // weight.groups,
            weight.shape[1] * (math.prod(weight.kernel) if _patches(weight) else 1),
        )
        if weight.node in writers:
            yield Change(place=weight.place, draw=zeros(), why="last layer of a branch: zero", std=0.0)
        elif weight.last:
            yield Change(place=weight.place, draw=zeros(), why="classifier: zero", std=0.0)
        elif rows <= columns:
            yield from _each(weight, draw("hadamard_identity_", **_grouping(weight)), "partial identity")
        else:
            yield from _each(weight, draw("hadamard_identity_", **_grouping(weight)), "Hadamard matrix, columns orthonormal")
            distinct = 2 ** math.ceil(math.log2(columns))
            if rows > distinct:
                yield f"{weight.name}: {rows} rows, of which only {distinct} differ; duplicates learn the same until their readers differ"
    yield from zero_biases(anatomy)


def idinit(
    anatomy: Anatomy, *, last: str = "loose", convolution: str = "channel", tau: float = 1.0, epsilon: float = 1e-6
) -> Said:
    """IDInit: padded identities with noise on every entry, writers of branches an ε-identity.

    last         "loose": ε·identity with noise, so that what lies behind dead units still gets a gradient; "zero": exactly zero
    convolution  "channel": identity on the centre tap; "patch": the kernel as one matrix (of c_out ≤ c_in outputs most inputs
                 are then wrapped into sums)
    tau          size of the identity's entries
    epsilon      size of the noise, and of the identity of a loose last layer
    """
    one_of("last", last, ("loose", "zero"))
    one_of("convolution", convolution, ("channel", "patch"))
    if convolution == "channel":
        _centred(anatomy, "IDInit with convolution='channel'")
    writers = anatomy.writers()
    for weight in weights_of(anatomy):
        grouping = _grouping(weight)
        if weight.kernel and convolution == "patch":
            grouping["patch"] = True
        if weight.node in writers and last == "zero":
            yield Change(place=weight.place, draw=zeros(), why="last layer of a branch: zero", std=0.0)
        elif weight.node in writers:
            step = draw("padded_identity_", gain=epsilon, noise=epsilon, **grouping)
            yield from _each(weight, step, f"last layer of a branch: {epsilon:g} of an identity")
        else:
            step = draw("padded_identity_", gain=tau, noise=epsilon, **grouping)
            yield from _each(weight, step, _shape_in_words(weight))
    yield from zero_biases(anatomy)
    yield "identities reach targets with negative eigenvalues only with momentum: train with momentum SGD or Adam"


def _shape_in_words(weight: Weight) -> str:
    rows, columns = weight.shape[0] // weight.groups, weight.shape[1]
    if rows > columns:
        return "identity, repeated where outputs are added"
    return "identity, wrapped and scaled where inputs are dropped" if rows < columns else "identity"


def _each(weight: Weight, step: Draw, why: str) -> Iterator[Change]:
    for place in matrices_of(weight):
        if place is None:
            raise DoesNotApply(f"the layout of {weight.name} is not known: no identity can be written into it")
        yield Change(place=place, draw=step, why=why)


def _grouping(weight: Weight) -> dict[str, float | int | bool | str]:
    options: dict[str, float | int | bool | str] = {} if weight.groups == 1 else {"groups": weight.groups}
    if _patches(weight):
        options["patch"] = True
    return options


def _patches(weight: Weight) -> bool:
    """A kernel as wide as its stride cuts patches and is a matrix on them."""
    return bool(weight.kernel) and weight.kind == "convolution" and math.prod(weight.kernel) == weight.stride


def _centred(anatomy: Anatomy, scheme: str) -> None:
    for weight in anatomy.weights:
        if weight.kernel and not _patches(weight) and not all(size % 2 for size in weight.kernel):
            raise DoesNotApply(f"{weight.name} has an even kernel {weight.kernel}: {scheme} needs a centre tap")
