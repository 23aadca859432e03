"""`auto`: healthy models keep every number, sick ones lose their finding with the least change, hopeless ones are refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import initlint
from initlint.lint.finding import Severity
from tests.schemes.held import initialized, refusal, rms
from tests.schemes.models import Cnn, ConvResNet, Language, ResidualMlp, plain, tokens


def serious(model, args):
    return [item.code for item in initlint.analyze(model, args).findings if item.severity > Severity.INFO]


class He(ResidualMlp):
    """32 unscaled He blocks: the trunk grows geometrically."""

    def __init__(self):
        super().__init__(32)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight)


def constant():
    model = plain(depth=4)
    nn.init.constant_(model[2].weight, 0.01)
    return model


def wide():
    model = plain(nn.Tanh, depth=10)
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight)
    return model


@pytest.mark.parametrize(
    ("build", "args"),
    [
        pytest.param(Cnn, torch.zeros(2, 3, 16, 16), id="a small CNN"),
        pytest.param(lambda: ConvResNet(norm=True), torch.zeros(2, 3, 8, 8), id="a residual net with batch norm"),
        pytest.param(Language, tokens(), id="a pre-norm transformer"),
    ],
)
def test_what_is_right_is_kept(build, args):
    torch.manual_seed(1)
    model = build()
    before = [value.clone() for value in model.parameters()]
    done = initlint.initialize(model, args)
    assert done.changes == () and "nothing to change" in done.code
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("build", "args"),
    [
        pytest.param(lambda: plain(depth=30), torch.zeros(8, 64), id="a vanishing default stack"),
        pytest.param(He, torch.zeros(8, 32), id="unscaled residual branches"),
        pytest.param(constant, torch.zeros(8, 64), id="a constant matrix"),
        pytest.param(wide, torch.zeros(8, 64), id="saturated tanh"),
    ],
)
def test_what_is_wrong_is_mended(build, args):
    torch.manual_seed(1)
    assert serious(build(), args)
    model, done = initialized(build, args, "auto")
    assert done.changes and serious(model, args) == []
    again = initlint.initialize(model, args)
    assert again.changes == ()


def test_only_the_constant_matrix_is_drawn():
    model, done = initialized(constant, torch.zeros(8, 64), "auto")
    assert [change.place.parameter for change in done.changes] == ["2.weight"]
    assert rms(model[2].weight) > 0


def test_only_the_writers_are_scaled():
    """Least change: b of every block by 1/√32, a and the rest keep every number."""
    _, done = initialized(He, torch.zeros(8, 32), "auto")
    assert {change.place.parameter for change in done.changes} == {f"blocks.{i}.b.weight" for i in range(32)}
    assert {change.draw.function for change in done.changes} == {".mul_"}


def test_what_no_draw_mends():
    """Thirty sigmoid layers lose the input whatever their variance: it says so, and names the rule."""
    assert "vanishing-signal" in refusal(lambda: plain(nn.Sigmoid, depth=30), torch.zeros(8, 64), "auto")
