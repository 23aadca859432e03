"""`x.data` leaves no operator behind: what is read by it is traced as detached, what is assigned to it is recorded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.graph.cuts import cuts
from initlint.graph.data_attribute import data_recorded
from initlint.graph.dataflow import dependence_of, operator

WIDE = 512  # inputs: a weight of as many squared goes to meta


class Reading(nn.Module):
    """Reads one weight by `data`, the other as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.trained = nn.Linear(WIDE, WIDE, bias=False), nn.Linear(WIDE, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.trained(x @ self.read.weight.data.t())


def test_data_is_traced_as_detached() -> None:
    """The weight stays the parameter that it is, and no gradient comes back to it."""
    traced = capture(build_recorded(Reading), (torch.randn(4, WIDE),))
    dependence = dependence_of(traced)
    assert [item.name for item in traced.parameters.values() if item.kind == "constant"] == []
    assert "detach" in {operator(node) for node in dependence.order}
    (parameters,) = cuts(traced, dependence).values()
    assert [traced.parameters[name].name for name in parameters] == ["read.weight"]


class Assigned(nn.Module):
    """A start computed with NumPy."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDE, WIDE)
        drawn = np.random.default_rng(0).standard_normal((WIDE, WIDE)) * 0.5
        self.layer.weight.data = torch.from_numpy(drawn.astype(np.float32))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x)
        return out


def test_values_assigned_to_data_of_a_large_weight_are_recorded() -> None:
    """NumPy's values lie on the CPU where the model's weights have none; four standard errors of a second moment of so many."""
    law = build_recorded(Assigned).parameters["layer.weight"].law
    assert law.second_moment == pytest.approx(0.25, rel=4 * 2**0.5 / WIDE)


def test_the_attribute_is_as_it_was() -> None:
    """Torch's own afterwards, whatever happened."""
    build_recorded(Assigned)
    with pytest.raises(RuntimeError):
        build_recorded(Broken)
    with data_recorded():
        build_recorded(Assigned)
        assert "data" in vars(torch.Tensor)
    assert "data" not in vars(torch.Tensor)


class Broken(nn.Module):
    """A constructor that fails."""

    def __init__(self) -> None:
        super().__init__()
        raise RuntimeError("no such file")
