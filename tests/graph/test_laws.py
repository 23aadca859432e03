"""The record of a constructor's writes: its law of a large tensor is that of the real one, drawn many times."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from initlint.graph.built import build_recorded
from initlint.graph.op_laws import SAMPLES

Init = Callable[[], torch.Tensor]
N = 320  # a side of a tensor above the size that is kept real


def init(function: Callable[..., object], **options: object) -> Init:
    def make() -> torch.Tensor:
        weight = torch.empty(N, N)
        function(weight, **options)
        return weight

    return make


def scaled_in_place() -> torch.Tensor:
    weight = torch.empty(N, N).normal_()
    weight.mul_(0.1).add_(0.5)
    return weight


def half_zero() -> torch.Tensor:
    weight = torch.randn(N, N)
    weight[: N // 2].zero_()
    return weight


def through_data() -> torch.Tensor:
    weight = nn.Linear(N, N).weight
    weight.data = torch.randn(N, N) * 0.3
    return weight.detach()


LAWS: dict[str, Init] = {
    "normal": init(nn.init.normal_, mean=0.1, std=0.2),
    "uniform": init(nn.init.uniform_, a=-0.3, b=0.1),
    "kaiming uniform": init(nn.init.kaiming_uniform_, a=math.sqrt(5)),
    "xavier normal with a gain": init(nn.init.xavier_normal_, gain=5 / 3),
    "truncated at two standard deviations": init(nn.init.trunc_normal_, std=0.02, a=-0.04, b=0.04),
    "truncated far outside": init(nn.init.trunc_normal_, std=0.02),
    "orthogonal": init(nn.init.orthogonal_, gain=2.0),
    "sparse": init(nn.init.sparse_, sparsity=0.9, std=0.5),
    "identity": init(nn.init.eye_),
    "a constant": init(nn.init.constant_, val=0.3),
    "scaled and shifted in place": scaled_in_place,
    "half of it zeroed": half_zero,
    "assigned through .data": through_data,
    "norms of the columns of a random matrix": lambda: torch.linalg.vector_norm(torch.randn(N, 60, N), dim=1),
    "a random number scaled": lambda: torch.randn(N, N) / math.sqrt(N),
    "a sum of two draws": lambda: torch.randn(N, N) + torch.rand(N, N),
    "a product of two draws": lambda: torch.randn(N, N) * torch.rand(N, N),
    "an element-wise function of a draw": lambda: torch.rand(N, N).log().neg(),
    "a square": lambda: torch.randn(N, N) ** 2,
    "a difference from itself": lambda: (lambda w: w - w)(torch.randn(N, N)),
    "clamped": lambda: torch.randn(N, N).clamp(-1.0, 1.0),
    "a lower triangle": lambda: torch.randn(N, N).tril(),
    "an upper triangle off the diagonal": lambda: torch.randn(N, N).triu(5),
    "a product of matrices": lambda: torch.randn(N, N) @ torch.rand(N, N),
    "the orthonormal factor of a draw": lambda: torch.linalg.qr(torch.randn(N, N))[0],
    "padded with zeros": lambda: nn.functional.pad(torch.randn(N, N), (0, N)),
    "joined from two laws": lambda: torch.cat([torch.randn(N, N), torch.zeros(N, N)]),
    "drawn with torch.normal": lambda: torch.normal(0.0, 0.05, (N, N)),
    "a copy": lambda: torch.empty(N, N).copy_(torch.randn(N, N) * 3),
}


class Holder(nn.Module):
    def __init__(self, make: Init) -> None:
        super().__init__()
        self.weight = nn.Parameter(make())


# Entries of one draw that are independent, where not all of them are: those of a product share rows and columns.
INDEPENDENT = {"a product of matrices": N}


@pytest.mark.parametrize("name", LAWS)
def test_the_recorded_law_has_the_moments_of_real_draws(name: str) -> None:
    """Nothing is allocated, and mean and second moment lie within five standard errors of four real draws.

    A law that was found by sampling has a standard error of its own, from the number of its samples.
    """
    law = build_recorded(lambda: Holder(LAWS[name])).parameters["weight"].law
    torch.manual_seed(0)
    draws = torch.stack([LAWS[name]().detach().double().reshape(-1) for _ in range(4)])
    counts = [4 * INDEPENDENT.get(name, N * N)] + [SAMPLES] * (law.family == "measured")
    error = 5 * math.sqrt(sum(1 / count for count in counts))
    squares = draws**2
    rounding = 1e-6
    assert law.mean == pytest.approx(float(draws.mean()), rel=rounding, abs=error * float(draws.std()) + rounding)
    assert law.second_moment == pytest.approx(float(squares.mean()), rel=rounding, abs=error * float(squares.std()))


def test_a_law_that_is_lost_is_said_to_be_unknown() -> None:
    """A number is true or absent; of a small tensor it is that of a draw."""
    parameter = build_recorded(lambda: Holder(lambda: torch.randn(10 * N, 10 * N).cumsum(0))).parameters["weight"]
    assert parameter.law.family == "unknown"
    assert parameter.law.source == "cumsum"


def test_memory_nobody_wrote_is_uninitialized() -> None:
    """torch.empty has no law."""
    parameter = build_recorded(lambda: Holder(lambda: torch.empty(N, N))).parameters["weight"]
    assert parameter.law.family == "uninitialized"


def test_the_last_write_points_at_its_line() -> None:
    """Who wrote a parameter last, and what it held before."""

    def build() -> nn.Module:
        model = nn.Linear(N, N)
        nn.init.zeros_(model.weight)
        return model

    parameter = build_recorded(build).parameters["weight"]
    site = parameter.writes[-1].site
    assert site is not None
    assert (site.path, site.line) == (__file__, build.__code__.co_firstlineno + 2)
    assert [write.law.family for write in parameter.writes] == ["uniform", "constant"]


def test_the_caller_is_left_as_found() -> None:
    """Random state, default dtype and grad mode."""
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    build_recorded(lambda: nn.Linear(4, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


def test_memory_that_held_random_numbers_does_not_make_its_next_values_random() -> None:
    """A table given as a list is exact, whatever was freed before it."""

    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for _ in range(5):
                nn.init.orthogonal_(torch.empty(8, 8))
            self.decay = nn.Parameter(torch.empty(64))
            self.decay.data.copy_(torch.tensor([-5 + 8 * k / 63 for k in range(64)]))

    for _ in range(20):
        assert build_recorded(Table).parameters["decay"].law.family == "exact"


def assigned() -> torch.Tensor:
    weight = torch.randn(N, N)
    weight[:] = weight[0]
    return weight


def one_by_one() -> torch.Tensor:
    weight = torch.randn(N, N)
    for row in range(1, N):
        weight[row] = weight[0]
    return weight


def changed_afterwards() -> torch.Tensor:
    weight = torch.randn(1, N).repeat(N, 1)
    weight[0].mul_(2.0)
    return weight


def drawn_one_by_one() -> torch.Tensor:
    weight = torch.empty(N, N)
    row = torch.empty(N)
    for number in range(N):
        weight[number] = row.normal_()
    return weight


# What entries share that differ in their row, in their column: one where they are copies of one another.
SHARED: dict[str, tuple[Init, tuple[float, float]]] = {
    "a row for all": (assigned, (1, 0)),
    "a row copied one by one": (one_by_one, (1, 0)),
    "a row expanded": (lambda: torch.empty(N, N).copy_(torch.randn(1, N).expand(N, N)), (1, 0)),
    "a row expanded and kept so": (lambda: torch.randn(N).expand(N, N), (1, 0)),
    "a row repeated": (lambda: torch.randn(N).repeat(N, 1), (1, 0)),
    "a row stacked": (lambda: torch.stack([torch.randn(N)] * N), (1, 0)),
    "a row times ones": (lambda: torch.ones(N, 1) * torch.randn(1, N), (1, 0)),
    "a row, repeated and turned": (lambda: torch.randn(1, N).repeat(N, 1).t(), (0, 1)),
    "a row, repeated and scaled": (lambda: torch.randn(1, N).repeat(N, 1).div_(0.5).mul_(0.5), (1, 0)),
    "a column for all": (lambda: torch.empty(N, N).copy_(torch.randn(N, 1)), (0, 1)),
    "a row and noise": (lambda: torch.randn(1, N) * 0.6 + torch.randn(N, N) * 0.8, (0.36, 0)),
    "a row of its own for every unit": (drawn_one_by_one, (0, 0)),
    "one row changed afterwards": (changed_afterwards, (0, 0)),  # less is known than is true
}


@pytest.mark.parametrize("name", SHARED)
def test_the_record_knows_which_entries_are_copies(name: str) -> None:
    """And claims nothing that a real draw does not have."""
    make, (row, column) = SHARED[name]
    law = build_recorded(lambda: Holder(make)).parameters["weight"].law
    pair = law.pair or (law.second_moment, 0.0, 0.0, 0.0)
    assert [pair[1] / pair[0], pair[2] / pair[0], pair[3]] == pytest.approx([row, column, 0.0])
    torch.manual_seed(0)
    real = make().detach().double()
    share = float((real[:-1] * real[1:]).mean() / (real**2).mean())
    if law.pair is not None:
        assert share == pytest.approx(row, abs=5 / N + 4 * row * math.sqrt(2 / N) * (row < 1))
