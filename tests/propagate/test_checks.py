"""What only a check reads is not needed: a distribution that validates its arguments leaves nothing unknown."""

from __future__ import annotations

import torch
from torch import nn
from torch.distributions import Normal

import initlint


class Actor(nn.Module):
    """A policy head as reinforcement learning writes it, with an assertion of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Linear(8, 3)
        self.log_std = nn.Linear(8, 3)

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        law = Normal(self.mean(state), self.log_std(state).clamp(-20, 2).exp())
        action = law.rsample()
        assert action.isfinite().all()
        return law.log_prob(action)


def test_conditions_that_only_checks_read_are_skipped() -> None:
    analysis = initlint.analyze(Actor, (torch.randn(4, 8),))
    assert not analysis.coverage.unknown
    assert analysis.coverage.known == analysis.coverage.floating
