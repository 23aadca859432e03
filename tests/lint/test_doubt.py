"""Findings say how far draws lie apart and what they assume; chance and bent assumptions lower their severity."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from initlint.graph.built import build_recorded
from initlint.lint.analyse import analyse
from initlint.lint.doubt import between_draws, lowered, with_assumptions
from initlint.lint.finding import Finding, Severity, Span
from initlint.propagate.flags import FLAGS
from initlint.propagate.signals import Signal

ERROR, WARNING = Severity.ERROR, Severity.WARNING


@pytest.mark.parametrize(
    ("severity", "decades", "spread", "after"),
    [
        (ERROR, 5.0, 0.5, ERROR),
        (ERROR, -5.0, 3.0, WARNING),
        (WARNING, -2.0, 0.9, WARNING),
        (WARNING, 2.0, 1.1, None),
    ],
    ids=["far beyond chance", "an error within chance", "a warning beyond it", "a warning within chance"],
)
def test_severity_is_lowered_by_what_chance_explains(severity, decades, spread, after):
    """Two standard deviations are what another seed may undo."""
    assert lowered(severity, decades, spread) is after


@pytest.mark.parametrize(
    ("spread", "lag", "words"),
    [
        (0.05, 0.0, ""),
        (0.42, -0.2, " (10^±0.4 between draws)"),
        (1.57, -5.4, " (in the typical draw, 10^-5.4 of the mean; 10^±1.6 between draws)"),
    ],
)
def test_spread_is_told_where_it_is_worth_it(spread, lag, words):
    assert between_draws(spread, lag) == words


def rests_on(flag, **evidence):
    finding = Finding(
        code="INI101", name="exploding-signal", severity=ERROR, message="It grows.", span=Span(path="m.py", line=1, end_line=1, end_column=2),
        target="m.py::Net", rests_on=("out",), evidence=evidence,
    )  # fmt: skip
    facts = SimpleNamespace(signals={"out": Signal(mean=0.0, second_moment=1.0, flags=(flag,) if flag else ())})
    return with_assumptions(finding, facts)


@pytest.mark.parametrize("flag", FLAGS)
def test_assumption_is_named_and_a_severe_one_lowers_an_error(flag):
    found = rests_on(flag)
    assert FLAGS[flag].assuming in found.message
    assert found.severity is (WARNING if FLAGS[flag].severe else ERROR)


@pytest.mark.parametrize("flag", FLAGS)
def test_forty_decades_are_an_error_whatever_they_rest_on(flag):
    found = rests_on(flag, decades=40.0, spread_decades=1.0)
    assert FLAGS[flag].assuming in found.message
    assert found.severity is ERROR


def test_finding_on_sound_ground_is_unchanged():
    found = rests_on("")
    assert (found.message, found.severity) == ("It grows.", ERROR)


class Shared(nn.Module):
    """One matrix, four times too large, applied again and again."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 64, bias=False)
        self.others = nn.ModuleList(nn.Linear(64, 64, bias=False) for _ in range(4))
        for layer in (self.layer, *self.others):
            nn.init.normal_(layer.weight, std=0.5)

    def forward(self, x):
        for layer in self.others:
            x = self.layer(torch.relu(layer(torch.relu(x))))
        return x


def test_finding_of_a_rule_names_its_assumption_and_its_spread():
    """A signal that grows through a shared weight: reported, with what is assumed."""
    found = analyse(build_recorded(Shared), (torch.zeros(4, 64),), target="m.py::Shared", path=__file__).findings
    grown = next(item for item in found if item.name == "exploding-signal")
    assert "shared weight is independent" in grown.message
    assert 0.0 < grown.evidence["spread_decades"] < 0.5
