"""One procedure for all operator tests: trace a small module, predict by formulas alone, measure over real initializations, compare.

A difference is an error when it exceeds five standard errors of the measurement plus the bound that the row states for a
documented approximation (in bits; the usual 0.06 is the O(1/width) of the finite test layers).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx, nn

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.propagate.backward import run as formulas
from initlint.propagate.calls import EMPTY, name_of
from initlint.propagate.covariance import BROKEN
from initlint.propagate.ops import TRANSFERS
from initlint.propagate.oracle import Measured, Row, compare, measure
from initlint.propagate.signals import Signal

SIGMAS = 5.0
FINITE_WIDTH = 0.06
ZEROS = 0.15
FLOATING = {"float16", "bfloat16", "float32", "float64"}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What one module showed: its operators by base name, those that were sampled, and the rows that disagree."""

    operators: frozenset[str]
    sampled: frozenset[str]
    wrong: tuple[tuple[Row, str], ...]
    blamed: frozenset[str]  # operators of the nodes where a disagreement begins


def judged(
    build: Callable[[], nn.Module], inputs: Sequence[torch.Tensor], *, draws: int = 16, bits: float = FINITE_WIDTH,
    grad_bits: float = FINITE_WIDTH, parameters: bool = True,
) -> list[tuple[Row, str]]:  # fmt: skip
    """Rows in which prediction and measurement disagree, with what is wrong; empty when the propagation is right."""
    return list(examined(build, inputs, draws=draws, bits=bits, grad_bits=grad_bits, parameters=parameters).wrong)


@contextmanager
def no_broken_rules() -> Iterator[None]:
    """Rules about dependent tensors that raise count as none, and would make a number a little wrong without a word."""
    raised: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = raised.append  # type: ignore[method-assign]
    level = BROKEN.level
    BROKEN.addHandler(handler)
    BROKEN.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        BROKEN.removeHandler(handler)
        BROKEN.setLevel(level)
    assert not raised, [str(record.exc_info) for record in raised]


def examined(
    build: Callable[[], nn.Module], inputs: Sequence[torch.Tensor], *, draws: int = 16, bits: float = FINITE_WIDTH,
    grad_bits: float = FINITE_WIDTH, parameters: bool = True, laws: Sequence[tuple[float, float, float]] = ((0.0, 1.0, 0.0),),
) -> Examined:  # fmt: skip
    """Trace once; predict and measure once for each law (mean, std, correlation inside a sample) of the floating inputs."""
    traced = capture(build_recorded(build), tuple(inputs))
    nodes = {node.name: node for node in traced.program.graph.nodes}
    operators = {node.name: base_name(node) for node in nodes.values() if node.op == "call_function"}
    sampled: set[str] = set()
    blamed: set[str] = set()
    wrong: list[tuple[Row, str]] = []
    for mean, std, correlation in laws:
        prescribed = {
            name: replace(law, mean=mean, std=std, correlation=correlation)
            if law.dtype.removeprefix("torch.") in FLOATING
            else law
            for name, law in traced.inputs.items()
        }
        moved = replace(traced, inputs=prescribed)
        with no_broken_rules():
            predicted = formulas(moved)
        measured = measure(moved, build, draws=draws, seed=11, layouts=predicted.layouts)
        sampled |= {operators[name] for name in predicted.coverage.sampled}
        found = [
            (row, text)
            for row in compare(predicted.signals, measured)
            if (row.node not in moved.parameters or parameters) and operators.get(row.node) not in EMPTY
            for text in faults(row, predicted.signals[row.node], measured[row.node], bits, grad_bits)
        ]
        named = f" at mean {mean:g}, std {std:g}, correlation {correlation:g}" if len(laws) > 1 else ""
        wrong += [(row, text + named) for row, text in found]
        forward = {row.node for row, text in found if not text.startswith("g ")}
        backward = {row.node for row, _ in found} - forward
        first = {n for n in forward if not any(i.name in forward for i in nodes[n].all_input_nodes)}
        # a pullback is that of the users, whose own cotangents are right
        for n in backward - forward:
            if not any(user.name in backward | forward for user in nodes[n].users):
                blamed |= {operators[user.name] for user in nodes[n].users if user.name in operators}
        blamed |= {operators.get(n, "(input)") for n in first}
    return Examined(
        operators=frozenset(operators.values()), sampled=frozenset(sampled), wrong=tuple(wrong), blamed=frozenset(blamed)
    )


def base_name(node: fx.Node) -> str:
    """The registry's name of an operator: "add" for aten.add_.Tensor."""
    name = name_of(node.target)
    return name[:-1] if name.endswith("_") and not name.endswith("__") and name not in TRANSFERS else name


def faults(row: Row, signal: Signal, truth: Measured, bits: float, grad_bits: float) -> Iterator[str]:
    """What is wrong with one node, a text each."""
    if row.bits > bits + SIGMAS * row.doubt:
        yield f"q {row.predicted:.4g} for {row.measured}" if row.predicted is not None else "no prediction"
    elif row.grad_bits is not None and row.grad_bits > grad_bits + SIGMAS * row.grad_doubt:
        yield f"g {row.grad_predicted} for {row.grad_measured}"
    assert truth.mean is not None and truth.zero_fraction is not None
    scale = math.sqrt(truth.second_moment.value) if math.isfinite(truth.second_moment.value) else math.inf
    if signal.mean is not None and abs(signal.mean - truth.mean.value) > SIGMAS * truth.mean.error + 0.03 * scale:
        yield f"mean {signal.mean:.4g} for {truth.mean}"
    # a share of zeros is claimed for what a rectifier or a mask made, not for sums; behind a maximum it is approximate
    if (
        signal.zero_fraction
        and abs(signal.zero_fraction - truth.zero_fraction.value) > SIGMAS * truth.zero_fraction.error + ZEROS
    ):
        yield f"zeros {signal.zero_fraction:.3f} for {truth.zero_fraction}"
    for name, guess, found in (("k_pos", signal.k_pos, truth.k_pos), ("k_batch", signal.k_batch, truth.k_batch)):
        if found is not None and guess is not None and math.isfinite(scale):
            slack = SIGMAS * found.error + max(bits, 0.06) * truth.second_moment.value
            if abs(guess - found.value) > slack:
                yield f"{name} {guess:.4g} for {found}"
