"""One procedure for all operator tests: trace a small module, predict, measure over real initializations, compare.

A difference is an error when it exceeds five standard errors of the measurement plus the bound that the row states for a
documented approximation (in bits; the usual 0.06 is the O(1/width) of the finite test layers).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.propagate import propagate
from initlint.propagate.oracle import Row, compare, measure

SIGMAS = 5.0
FINITE_WIDTH = 0.06


class Net(nn.Module):
    """A forward function with named parts, made afresh by every call of its factory."""

    def __init__(self, run: Callable[..., Any], parts: dict[str, Callable[[], Any]]) -> None:
        super().__init__()
        self.run = run
        for name, make in parts.items():
            setattr(self, name, make())

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.run(self, *inputs)


def net(run: Callable[..., Any], **parts: Callable[[], Any]) -> Callable[[], nn.Module]:
    """A factory of modules: `net(lambda m, x: m.fc(x).relu(), fc=lambda: nn.Linear(8, 8))`."""
    return lambda: Net(run, parts)


def judged(
    build: Callable[[], nn.Module], inputs: Sequence[torch.Tensor], *, draws: int = 16, bits: float = FINITE_WIDTH,
    grad_bits: float = FINITE_WIDTH, parameters: bool = True,
) -> list[tuple[Row, str]]:  # fmt: skip
    """Rows in which prediction and measurement disagree, with what is wrong; empty when the propagation is right."""
    traced = capture(build_recorded(build), tuple(inputs))
    predicted = propagate(traced)
    measured = measure(traced, build, draws=draws, seed=11, layouts=predicted.layouts)
    wrong = []
    for row in compare(predicted.signals, measured):
        if row.node in traced.parameters and not parameters:
            continue
        if row.bits > bits + SIGMAS * row.doubt:
            wrong.append((row, f"q {row.predicted:.4g} for {row.measured}" if row.predicted is not None else "no prediction"))
        elif row.grad_bits is not None and row.grad_bits > grad_bits + SIGMAS * row.grad_doubt:
            wrong.append((row, f"g {row.grad_predicted} for {row.grad_measured}"))
        signal, truth = predicted.signals[row.node], measured[row.node]
        scale = math.sqrt(truth.second_moment.value) if math.isfinite(truth.second_moment.value) else math.inf
        if signal.mean is not None and abs(signal.mean - truth.mean.value) > SIGMAS * truth.mean.error + 0.03 * scale:
            wrong.append((row, f"mean {signal.mean:.4g} for {truth.mean}"))
        if abs(signal.zero_fraction - truth.zero_fraction.value) > SIGMAS * truth.zero_fraction.error + 0.03:
            wrong.append((row, f"zeros {signal.zero_fraction:.3f} for {truth.zero_fraction}"))
        for name, guess, found in (("k_pos", signal.k_pos, truth.k_pos), ("k_batch", signal.k_batch, truth.k_batch)):
            if found is not None and guess is not None and math.isfinite(scale):
                slack = SIGMAS * found.error + max(bits, 0.06) * truth.second_moment.value
                if abs(guess - found.value) > slack:
                    wrong.append((row, f"{name} {guess:.4g} for {found}"))
    return wrong
