"""Growth over the steps of a recurrence: what multiplies is told from what adds up, and the levels are those of real draws."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import initlint
from initlint.lint.recurrences import growth
from initlint.propagate.signals import Level

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
    assert growth([Level(step=t, second_moment=level(t) ** 2) for t in range(STEPS)]).decades == pytest.approx(decades, abs=0.05)


@pytest.mark.parametrize(("units", "power"), [(16, 4.0), (256, 2.4)])
def test_levels_over_time_are_those_of_the_typical_draw(units: int, power: float) -> None:
    """Rectified layers whose weights have more variance than what keeps a state, `power` times 1/units: the mean of ln q over draws.

    Of 16 units the mean of q itself is that of the largest draws, decades above.
    """
    steps, draws, at_least = 32, 64, 4

    def made() -> nn.RNN:
        layer = nn.RNN(8, units, nonlinearity="relu", batch_first=True)
        nn.init.normal_(layer.weight_hh_l0, std=(power / units) ** 0.5)
        return layer

    signals = initlint.analyze(made, [torch.randn(16, steps, 8)]).signals
    levels = {level.step: level for level in next(signal for signal in signals.values() if signal.levels).levels}
    torch.manual_seed(0)
    with torch.no_grad():
        logs = torch.stack([made()(torch.randn(64, steps, 8))[0].square().mean((0, 2)).log() for _ in range(draws)])
    for step in (0, steps - 1):
        spread = float(logs[:, step].std())
        error = spread * (1 / draws + 1 / at_least) ** 0.5
        assert math.log(levels[step].second_moment) == pytest.approx(float(logs[:, step].mean()), abs=4 * error)
    measured = float((logs[:, -1] - logs[:, 0]).std())
    # of four numbers, 4 s²/σ² is χ² with three degrees of freedom: from .024 to 16.3 but for one case in 500
    assert 0.07 < levels[steps - 1].spread / measured < 2.3  # σ itself is known to a tenth
    assert units > 16 or logs[:, -1].exp().mean().log() > math.log(levels[steps - 1].second_moment) + 5
