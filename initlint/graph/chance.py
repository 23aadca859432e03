"""Operators that draw anew at every pass, by their plain names: what every walk over a graph has to know of chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initlint.graph.dataflow import operator

if TYPE_CHECKING:
    from torch.fx import Node

# Whole tensors of numbers, whole tensors of indices, and which elements stay.
DRAWING = frozenset(
    "rand randn rand_like randn_like uniform normal normal_functional bernoulli exponential cauchy log_normal poisson rrelu".split()
)
COUNTING = frozenset("randint randint_like randperm random geometric multinomial".split())
DROPPING = frozenset("dropout alpha_dropout feature_dropout feature_alpha_dropout native_dropout".split())


def with_in_place(names: frozenset[str]) -> frozenset[str]:
    """The names, and those of the operators that write to their first argument."""
    return names | {f"{name}_" for name in names}


def draws(node: Node) -> bool:
    """Whether two runs of the same call give different values; a dropout out of training or of rate zero does not."""
    name = operator(node)
    if name in DROPPING:
        return len(node.args) < 3 or bool(node.args[1] and node.args[2])
    if name == "scaled_dot_product_attention":
        return bool(node.args[4] if len(node.args) > 4 else node.kwargs.get("dropout_p"))
    return name in DRAWING or name in COUNTING
