"""Flags: the assumptions that a prediction may rest on although they do not hold exactly, as one table.

The propagation takes wide sums as Gaussian, weights as independent, positions of one group as alike. `assumptions` finds the
nodes where that is known to be wrong; findings name the flags of what they rest on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flag:
    """One bent assumption.

    meaning    what is not as the propagation takes it
    assuming   how a finding says it: "computed assuming …"
    severe     the number may be off by more than a factor of two
    """

    meaning: str
    assuming: str
    severe: bool = False


FLAGS: Mapping[str, Flag] = {
    "uninitialized_weight": Flag(
        "a weight upstream is memory nobody wrote, and counts as zero", "that memory nobody wrote is zero", severe=True
    ),
    "heavy_tailed": Flag(
        "a function that is not homogeneous reads a value whose scale differs by factors from draw to draw (finite width)",
        "one scale for all draws",
        severe=True,
    ),
    "few_samples": Flag(
        "a batch norm has fewer than eight values a channel, so that its variance is a matter of chance",
        "enough samples for batch norm",
        severe=True,
    ),
    "shared_weight": Flag(
        "one random weight is used again on what it made itself: later uses are taken as independent of earlier ones",
        "that each use of a shared weight is independent",
    ),
    "non_gaussian": Flag(
        "a function that is not homogeneous reads a product, a selection or a sum of few terms, taken as Gaussian",
        "that activations read Gaussian values",
    ),
    "averaged_groups": Flag(
        "positions whose second moments differ by more than a factor of two were averaged where a view mixes them",
        "that unlike positions are alike",
    ),
    "selected": Flag(
        "sorted, largest or topmost entries were taken: their law is not that of the others",
        "that selected entries are like the rest",
    ),
    "sampled_operator": Flag(
        "an operator without a formula was run on a few random tensors with the right moments",
        "that a few samples of an operator stand for it",
    ),
    "wide_divisor": Flag(
        "something was divided by values that come near zero, as far as their moments say: the quotient hangs on a few of them",
        "that a divisor's law is known down to zero",
        severe=True,
    ),
    "shared_divisor": Flag(
        "a product was divided by another one of the same factor, as in linear attention: what both owe to that factor cancels, and "
        "is taken as independent",
        "that a quotient's two products have nothing in common",
    ),
    "even_transform": Flag(
        "a Fourier transform was taken of what came of the real part of another one: such a part is even, so that its transform is real, and "
        "both parts are taken as alike",
        "that the two parts of a transform are alike",
    ),
    "running_sum": Flag(
        "sums over the first, the first two, … places are taken as alike where they have nearly as many terms",
        "that running sums of nearly as many terms are alike",
    ),
    "messages": Flag(
        "rows of a graph that get nearly as many messages are taken as alike, and so are their neighbours",
        "that rows of a graph with nearly as many neighbours are alike",
    ),
    "refuted": Flag(
        "a few real draws of the whole model refuted the prediction, or there was none; what they measured stands in its place",
        "that a few draws of the model stand for all",
    ),
}
