"""The form of a row of the structure tables, and the one procedure that judges it.

A structure is a small model as people write it, with the initialization its author gave it. The default bounds are wider than
those of single operators: its layers are narrow and its parts dependent. What needs more says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from tests.chosen import one_in
from tests.propagate.judged import examined, net

BITS = 0.15
GRAD_BITS = 0.35
ONE_IN = 2  # rows of a table that are judged in every run


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """One row: a sentence, a factory, inputs, the bounds in bits with the reason where they are wider.

    laws      of the floating inputs: mean, std, correlation inside a sample
    missing   what the propagation lacks for this row, if it fails today
    zeros     why shares of zeros are not judged in this row; "" if they are
    """

    name: str
    build: Callable[[], nn.Module]
    inputs: tuple[torch.Tensor, ...]
    bits: float = BITS
    grad_bits: float = GRAD_BITS
    why: str = ""
    draws: int = 12
    laws: tuple[tuple[float, float, float], ...] = ((0.0, 1.0, 0.0),)
    missing: str = ""
    zeros: str = ""


class Table:
    """Structures in the order they were added."""

    def __init__(self) -> None:
        self.rows: list[Structure] = []

    def add(self, name: str, run: Callable[..., Any] | type[nn.Module], *inputs: torch.Tensor, bits: float = BITS,
            grad_bits: float = GRAD_BITS, why: str = "", draws: int = 12, missing: str = "", zeros: str = "",
            laws: tuple[tuple[float, float, float], ...] = ((0.0, 1.0, 0.0),), **parts: Callable[[], Any]) -> None:  # fmt: skip
        """A module's class, or a function of a module with `parts` and of inputs."""
        assert why or (bits, grad_bits) == (BITS, GRAD_BITS), f"{name}: a wider bound needs its reason"
        build = run if isinstance(run, type) else net(run, **parts)
        self.rows.append(
            Structure(name=name, build=build, inputs=inputs, bits=bits, grad_bits=grad_bits, why=why, draws=draws, laws=laws,
                      missing=missing, zeros=zeros)
        )  # fmt: skip

    def parametrized(self) -> list[Any]:
        """The rows for `pytest.mark.parametrize`: those that lack something, which must fail, and a sample of the others in
        every run (`chosen`), the rest with `slow`."""
        return [pytest.param(row, id=row.name, marks=marks_of(row)) for row in self.rows]


def marks_of(row: Structure) -> list[pytest.MarkDecorator]:
    if row.missing:
        return [pytest.mark.xfail(strict=True, reason=row.missing)]
    return [] if one_in(ONE_IN, row.name) else [pytest.mark.slow]


def disagreements(row: Structure) -> str:
    """What is wrong with the prediction of a structure, a line each; empty when nothing is."""
    found = examined(row.build, row.inputs, draws=row.draws, bits=row.bits, grad_bits=row.grad_bits, laws=row.laws)
    return "\n".join(f"{r.node}: {text}" for r, text in found.wrong if not (row.zeros and text.startswith("zeros")))
