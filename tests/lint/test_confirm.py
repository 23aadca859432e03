"""Warnings are held against a few real draws: what they refute is withdrawn, all else stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from initlint.graph.built import build_recorded
from initlint.lint.analyse import analyse
from initlint.lint.confirm import confirmed
from initlint.lint.finding import Severity
from initlint.lint.judge import judge

INPUTS = (torch.empty(16, 64, device="meta"),)
DEPTH = 24


def stack(gain: float) -> nn.Module:
    layers = [layer for _ in range(DEPTH) for layer in (nn.Linear(64, 64), nn.ReLU())]
    for layer in layers[::2]:
        nn.init.normal_(layer.weight, 0.0, gain * (2 / 64) ** 0.5)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers, nn.Linear(64, 10))


def healthy() -> nn.Module:
    return stack(1.0)


def exploding() -> nn.Module:
    return stack(2.0)


def analysed(build):
    recorded = build_recorded(build, roots=())
    return recorded, analyse(recorded, INPUTS, target="x", path=__file__)


def with_growth(signals, factor: float):
    """The signals of a prediction that has gone wrong: every node `factor` times more than the one before."""
    return {
        name: replace(item, second_moment=None if item.second_moment is None else item.second_moment * factor**n)
        for n, (name, item) in enumerate(signals.items())
    }


def codes(findings) -> list[str]:
    return [item.code for item in findings if item.severity >= Severity.WARNING]


def test_what_reality_refutes_is_withdrawn() -> None:
    recorded, result = analysed(healthy)
    wrong = replace(result.facts, signals=with_growth(result.facts.signals, 3.0))
    said = judge(wrong)
    assert codes(said) == ["INI101"]
    held = confirmed(wrong, said, recorded, healthy, result.propagation.layouts)
    assert codes(held.findings) == []
    assert codes(held.withdrawn) == ["INI101"]
    assert "INI101" in held.notes[0]


def test_what_holds_stays() -> None:
    recorded, result = analysed(exploding)
    assert codes(result.findings) == ["INI101"]
    held = confirmed(result.facts, result.findings, recorded, exploding, result.propagation.layouts)
    assert held.findings == result.findings
    assert not held.withdrawn


def refuses() -> nn.Module:
    raise RuntimeError("not twice")


def slow(clock):
    """A constructor after which an hour has passed."""

    def build() -> nn.Module:
        clock[0] += 3600.0
        return healthy()

    return build


def test_a_slow_constructor_is_not_called_again_and_again(monkeypatch) -> None:
    recorded, result = analysed(healthy)
    wrong = replace(result.facts, signals=with_growth(result.facts.signals, 3.0))
    clock = [0.0]
    monkeypatch.setattr("initlint.lint.confirm.time.monotonic", lambda: clock[0])
    assert codes(confirmed(wrong, judge(wrong), recorded, slow(clock), {}).findings) == ["INI101"]
    assert clock == [3600.0]


@pytest.mark.parametrize("build", [None, refuses])
def test_what_cannot_be_drawn_is_judged_by_the_prediction(build) -> None:
    recorded, result = analysed(healthy)
    wrong = replace(result.facts, signals=with_growth(result.facts.signals, 3.0))
    assert codes(confirmed(wrong, judge(wrong), recorded, build, {}).findings) == ["INI101"]


def test_nothing_is_drawn_without_a_warning() -> None:
    recorded, result = analysed(healthy)
    assert confirmed(result.facts, result.findings, recorded, refuses, {}).findings == result.findings
