"""Growth over the steps of a recurrence: what multiplies is told from what adds up, and the levels are those of real draws."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import initlint
from initlint.lint.recurrences import growth

STEPS = 32


@pytest.mark.parametrize(
    ("level", "decades"),
    [
        pytest.param(lambda t: 1.5**t, 31 * math.log10(1.5), id="multiplied"),
        pytest.param(lambda t: float(t + 1), 0.57, id="added up"),
        pytest.param(lambda t: 1.0, 0.0, id="kept"),
        pytest.param(lambda t: 1.0 - 0.5**t + 1e-3, 0.0, id="settled"),
    ],
)
def test_growth_is_what_goes_on(level, decades: float) -> None:
    """What grows in proportion to time comes to twice what its last half does, at most."""
    assert growth([(float(t), level(t) ** 2) for t in range(STEPS)]) == pytest.approx(decades, abs=0.05)


def test_levels_over_time_are_those_of_draws() -> None:
    """A rectified recurrent layer whose weights have 1.2 times the variance that keeps a state."""
    steps, units, draws = 12, 256, 32

    def made() -> nn.RNN:
        layer = nn.RNN(8, units, nonlinearity="relu", batch_first=True)
        nn.init.normal_(layer.weight_hh_l0, std=(2.4 / units) ** 0.5)
        return layer

    signals = initlint.analyze(made, [torch.randn(4, steps, 8)]).signals
    levels = dict(next(signal for signal in signals.values() if signal.levels).levels)
    torch.manual_seed(0)
    with torch.no_grad():
        drawn = torch.stack([made()(torch.randn(64, steps, 8))[0].square().mean((0, 2)) for _ in range(draws)])
    for step in (0, steps - 1):  # other levels are averages over neighbouring steps
        error = float(drawn[:, step].std()) / draws**0.5
        assert levels[step] == pytest.approx(float(drawn[:, step].mean()), abs=5 * error)
