"""Writes to views of one storage: which element has which law, against the values of a real tensor."""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn

from initlint.graph.built import build_recorded
from initlint.graph.laws import constant
from initlint.graph.model import Parameter
from initlint.graph.stretches import MANY, Stretch, overlaid, spans_of

SHAPES = ((24,), (6, 8), (3, 4, 5), (2, 3, 4, 3))


def any_view(tensor: torch.Tensor, dice: random.Random) -> torch.Tensor:
    """A part of it: a slice of each dimension, some of them with steps, perhaps in another order of dimensions."""
    parts = []
    for size in tensor.shape:
        start = dice.randrange(size)
        parts.append(slice(start, dice.randrange(start + 1, size + 1), dice.choice((1, 1, 2))))
    view = tensor[tuple(parts)]
    return view.permute(dice.sample(range(view.dim()), view.dim()))


@pytest.mark.parametrize("seed", range(40))
def test_a_write_to_a_view_changes_its_elements_and_no_others(seed: int) -> None:
    """Twelve writes of one number each, one over the other."""
    dice = random.Random(seed)
    values = torch.zeros(dice.choice(SHAPES))
    held = [Stretch(0, values.numel(), constant(0.0))]
    for number in range(1, 13):
        view = any_view(values, dice)
        view.fill_(number)
        spans = spans_of(view)
        assert spans is not None
        held = overlaid(held, spans, Stretch(0, view.numel(), constant(float(number))))
    assert [s.start for s in held[1:]] == [s.stop for s in held[:-1]]
    assert [law for s in held for law in [s.law.mean] * (s.stop - s.start)] == values.flatten().tolist()


def test_of_too_many_rows_and_of_overlapping_ones_there_are_no_stretches() -> None:
    """They get the average law of all."""
    assert spans_of(torch.zeros(MANY + 1, 4)[:, :2]) is None
    assert spans_of(torch.zeros(1, 4).expand(3, 4)) is None


class Conditioned(nn.Module):
    """The first half of each row scales, the second shifts."""

    def __init__(self, rows: int = 300, width: int = 256) -> None:
        super().__init__()
        self.table = nn.Embedding(rows, 2 * width)
        with torch.no_grad():
            scale, shift = self.table.weight.chunk(2, dim=1)
            scale.normal_(1.0, 0.02)
            shift.fill_(-4.5)


def test_columns_have_laws_of_their_own() -> None:
    """A table too large to be kept real, written by column: a part for each, over all rows."""
    law = build_recorded(Conditioned).parameters["table.weight"].law
    assert law.family == "mixture"
    assert [(region, part.mean) for region, part in law.parts] == [
        (((0, 300, 1), (0, 256, 1)), 1.0),
        (((0, 300, 1), (256, 512, 1)), -4.5),
    ]


class Tied(nn.Module):
    """A decoder that starts from the encoder's rows, each of length one."""

    def __init__(self, codes: int = 1024, width: int = 256) -> None:
        super().__init__()
        self.encoder = nn.Parameter(nn.functional.normalize(torch.randn(codes, width), dim=1))
        self.decoder = nn.Linear(codes, width, bias=False)
        self.decoder.weight.data.copy_(self.encoder.data.t())


def test_a_draw_is_repeated_through_views_of_its_parameter() -> None:
    """Rows of length one, and what was copied from them: second moment 1/width exactly."""
    found: dict[str, Parameter] = dict(build_recorded(Tied).parameters)
    assert [found[name].law.second_moment for name in ("encoder", "decoder.weight")] == pytest.approx([1 / 256, 1 / 256], rel=1e-5)
