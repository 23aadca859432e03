"""Ties of parameters that are made and undone while a model is constructed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from initlint.graph.built import build_recorded

Step = Callable[[nn.Module], None]


def tie(model: nn.Module) -> None:
    model.head.weight = model.table.weight


def new_table(model: nn.Module) -> None:
    model.table.weight = nn.Parameter(torch.randn(10, 4))


def table_anew(model: nn.Module) -> None:
    model.table = nn.Embedding(10, 4)


def larger_table(model: nn.Module) -> None:
    model.table = nn.Embedding(12, 4)


def new_head(model: nn.Module) -> None:
    model.head.weight = nn.Parameter(torch.randn(10, 4))


def shared_memory(model: nn.Module) -> None:
    model.table.weight = nn.Parameter(torch.randn(10, 4))
    model.head.weight.data = model.table.weight.data


def exchange(model: nn.Module) -> None:
    old = model.head.weight
    model.head.weight = model.table.weight
    model.table.weight = old


def move_out(model: nn.Module) -> None:
    model.kept = model.table.weight
    model.table.weight = nn.Parameter(torch.randn(10, 4))


def in_place(model: nn.Module) -> None:
    nn.init.normal_(model.table.weight, std=0.02)


def after(*steps: Step) -> list[tuple[str, str, bool]]:
    """The ties that are lost behind these steps."""

    def make() -> nn.Module:
        model = nn.Module()
        model.table = nn.Embedding(10, 4)
        model.head = nn.Linear(4, 10, bias=False)
        for step in steps:
            step(model)
        return model

    return [(item.name, item.source, item.source_replaced) for item in build_recorded(make, roots=("/",)).untied]


@pytest.mark.parametrize(
    ("steps", "source_replaced"),
    [
        pytest.param((tie, new_table), True, id="a new parameter"),
        pytest.param((tie, table_anew), True, id="a new module"),
        pytest.param((tie, new_head), False, id="the other side"),
        pytest.param((tie, new_table, tie, table_anew), True, id="tied again and lost again"),
    ],
)
def test_a_tie_is_lost(steps: tuple[Step, ...], source_replaced: bool) -> None:
    assert after(*steps) == [("head.weight", "table.weight", source_replaced)]


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((new_table,), id="none was made"),
        pytest.param((tie,), id="it holds"),
        pytest.param((tie, in_place), id="written in place"),
        pytest.param((tie, new_table, tie), id="made again"),
        pytest.param((new_table, tie), id="made behind it"),
        pytest.param((tie, larger_table), id="of another size"),
        pytest.param((tie, shared_memory), id="one memory all the same"),
        pytest.param((exchange,), id="exchanged"),
        pytest.param((move_out,), id="moved"),
    ],
)
def test_no_tie_is_lost(steps: tuple[Step, ...]) -> None:
    assert after(*steps) == []
