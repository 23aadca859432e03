"""A number is true or absent, and where one is absent the reason is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.propagate.backward import run as formulas
from tests.propagate.judged import net


def written(m: Any, x: torch.Tensor) -> torch.Tensor:
    """What is written through a view by an operator that cannot be turned around is lost for the base."""
    y = m.a(x).reshape(4, 4, 4, 16)
    y.movedim(1, 3).mul_(m.a(x).reshape(4, 4, 16, 4))
    return y * 2.0  # type: ignore[no-any-return]


LOST: dict[str, Callable[..., Any]] = {
    "a division by zero": lambda m, x: (m.a(x) / 0.0).relu() + 1.0,
    "a write through a view": written,
    "a constant beyond all numbers": lambda m, x: m.a(x) * float("inf"),
    "a number no float holds": lambda m, x: (m.a(x) * 1e200) ** 2,
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("run", LOST.values(), ids=LOST)
def test_a_lost_node_says_so(run: Callable[..., Any]) -> None:
    """Nodes without a prediction come with a reason, and those without a reason do not come."""
    traced = capture(build_recorded(net(run, a=lambda: nn.Linear(64, 64))), (torch.zeros(16, 64),))
    coverage = formulas(traced).coverage
    assert coverage.known < coverage.floating
    assert coverage.unknown


def test_nothing_is_said_where_all_is_known() -> None:
    """The same for a module without such an operator."""
    traced = capture(build_recorded(net(lambda m, x: m.a(x).relu(), a=lambda: nn.Linear(64, 64))), (torch.zeros(16, 64),))
    coverage = formulas(traced).coverage
    assert coverage.known == coverage.floating
    assert not coverage.unknown


@pytest.mark.parametrize("keep", [False, True])
def test_rows_at_the_places_of_the_largest_are_rows_of_the_table(keep: bool) -> None:
    """What a quantizer looks up: the index that `max` gives beside the value; each row of the table is as likely."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        index = m.a(x).max(1, keepdim=keep)[1]
        return m.o(m.table(index.reshape(-1)))  # type: ignore[no-any-return]

    build = net(run, a=lambda: nn.Linear(64, 100), table=lambda: nn.Embedding(100, 64), o=lambda: nn.Linear(64, 8))
    traced = capture(build_recorded(build), (torch.zeros(16, 64),))
    predicted = formulas(traced)
    assert not predicted.coverage.unknown
    assert predicted.signals["embedding"].second_moment == pytest.approx(1.0)
