"""Weights that depend on themselves: power iterations and orthogonal parametrizations, old and new interface."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils import spectral_norm as old_spectral_norm

from tests.propagate.judged import judged, net

MODELS = {
    "old spectral norm of a linear layer": net(lambda m, x: m.fc(x), fc=lambda: old_spectral_norm(nn.Linear(64, 96))),
    "old spectral norm of a convolution": net(
        lambda m, x: m.conv(x.reshape(-1, 4, 4, 4)), conv=lambda: old_spectral_norm(nn.Conv2d(4, 64, 3, padding=1))
    ),
    "new spectral norm": pytest.param(
        net(lambda m, x: m.fc(x), fc=lambda: parametrizations.spectral_norm(nn.Linear(64, 96))),
        marks=pytest.mark.xfail(
            strict=True, reason="its constructor iterates 15 times: buffers that depend on the weight, which no law records"
        ),
    ),
}


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_the_prediction_is_what_is_measured(build: Callable[[], nn.Module]) -> None:
    """Forward, within the spread of the draws: 16 drawn norms of a matrix with some hundred singular values are within 0.2 bit.

    Only second moments are judged: gradients end at what is drawn, and means of drawn vectors are noise.
    """
    wrong = judged(build, (torch.randn(16, 64),), draws=24, bits=0.2, grad_bits=0.5, parameters=False)
    assert not [(row.node, why) for row, why in wrong if row.bits > 0.2]
