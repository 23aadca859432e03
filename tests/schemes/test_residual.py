"""Fixup, SkipInit, Stable ResNet: what each writes into which layer of a branch, and the growth that is left."""

from __future__ import annotations

import math

import pytest
import torch

from tests.schemes.held import initialized, is_drawn_with, refusal, rms
from tests.schemes.models import ConvResNet, Language, ResidualMlp, plain, tokens

IMAGE, VECTOR = torch.zeros(2, 3, 8, 8), torch.zeros(4, 32)


class TestFixup:
    @pytest.mark.parametrize(("layers", "power"), [(2, -1 / 2), (3, -1 / 4)])
    def test_branch_layers(self, layers, power):
        """He × L^(−1/(2m−2)) for all but the last, which is zero; L = 4 branches, m layers each."""
        model, _ = initialized(lambda: ConvResNet(layers=layers), IMAGE, "fixup")
        block = model.stages[1]
        assert is_drawn_with(block.convs[0].weight, math.sqrt(2 / 144) * 4**power)
        assert rms(block.convs[-1].weight) == 0
        assert rms(model.fc.weight) == rms(model.fc.bias) == 0

    def test_stem_and_shortcut_are_plain(self):
        """The stem reads the input (1/fan_in), the projection the rectified trunk (2/fan_in)."""
        model, _ = initialized(ConvResNet, IMAGE, "fixup")
        assert is_drawn_with(model.stem.weight, math.sqrt(1 / 27))
        assert is_drawn_with(model.stages[2].shortcut.weight, math.sqrt(2 / 16))

    def test_gradient_reaches_the_last_layers(self):
        """Zero classifier and zero last layers do not meet in one product after one step of the classifier."""
        model, _ = initialized(ConvResNet, IMAGE, "fixup")
        torch.nn.functional.cross_entropy(model(torch.randn(8, 3, 8, 8)), torch.arange(8)).backward()
        assert rms(model.fc.weight.grad) > 0
        torch.nn.init.normal_(model.fc.weight, std=0.1)
        torch.nn.functional.cross_entropy(model(torch.randn(8, 3, 8, 8)), torch.arange(8)).backward()
        assert all(rms(block.convs[-1].weight.grad) > 0 for block in model.stages)

    def test_the_trunk_does_not_grow(self):
        """At the start every block is the identity, whatever the depth."""
        model, done = initialized(lambda: ResidualMlp(8), VECTOR, "fixup")
        x = torch.randn(8, 32)
        assert torch.equal(_through(model, x), model.into(x))
        assert any("learned scale" in note for note in done.notes)

    @pytest.mark.parametrize(
        ("build", "args", "reason"),
        [
            pytest.param(lambda: ConvResNet(norm=True), IMAGE, "normalized", id="batch norm in the branch"),
            pytest.param(lambda: plain(depth=3), torch.zeros(2, 64), "no residual branch", id="no sum"),
            pytest.param(lambda: Language(where=None), tokens(), "t-fixup", id="attention"),
        ],
    )
    def test_does_not_apply(self, build, args, reason):
        assert reason in refusal(build, args, "fixup")


def _through(model, x):
    x = model.into(x)
    for block in model.blocks:
        x = block(x)
    return x


class TestSkipInit:
    def test_gates_are_zero(self):
        """Only the gates change; the block is the identity, and the gate's gradient is not zero."""
        model, done = initialized(lambda: ResidualMlp(gate=True), VECTOR, "skipinit")
        assert {change.place.parameter for change in done.changes} == {f"blocks.{i}.scale" for i in range(16)}
        x = torch.randn(8, 32)
        assert torch.equal(_through(model, x), model.into(x))
        model(x).pow(2).sum().backward()
        assert all(abs(block.scale.grad.item()) > 0 and rms(block.b.weight.grad) == 0 for block in model.blocks)

    def test_with_depth(self):
        model, _ = initialized(lambda: ResidualMlp(gate=True), VECTOR, "skipinit", value="depth")
        assert model.blocks[3].scale.item() == pytest.approx(1 / 4)

    def test_the_last_gain_of_a_batch_norm_is_the_gate(self):
        model, _ = initialized(lambda: ConvResNet(norm=True), IMAGE, "skipinit")
        for block in model.stages:
            assert rms(block.norms[-1].weight) == 0 and rms(block.norms[0].weight) == 1

    def test_one_zero_a_branch(self):
        """A gate of zero before a last layer of zero never learns: the layer is drawn anew."""

        def build():
            model = ResidualMlp(gate=True)
            for block in model.blocks:
                torch.nn.init.zeros_(block.b.weight)
            return model

        model, _ = initialized(build, VECTOR, "skipinit")
        assert is_drawn_with(model.blocks[0].b.weight, math.sqrt(2 / 64))

    def test_does_not_apply(self):
        assert "no scale" in refusal(ResidualMlp, VECTOR, "skipinit")


class TestStableResNet:
    @pytest.mark.parametrize("depth", [5, 40])
    def test_growth_is_bounded(self, depth):
        """Branches of gain one times λ = 1/√L: q_L/q_0 = (1 + 1/L)^L < e, also of the gradient; on real passes.

        A branch's share scatters by 2/√64 from draw to draw; L of them of size 1/L by 2/√(64 L) in all.
        """
        model, _ = initialized(lambda: ResidualMlp(depth), VECTOR, "stable-resnet")
        before = model.into(torch.randn(256, 32))
        after = before
        for block in model.blocks:
            after = block(after)
        cotangent = torch.randn_like(after)
        (gradient,) = torch.autograd.grad(after, before, cotangent)
        wanted, scatter = (1 + 1 / depth) ** depth, 3 * 2 / math.sqrt(64 * depth)
        assert (rms(after) / rms(before)) ** 2 == pytest.approx(wanted, rel=scatter)
        assert (rms(gradient) / rms(cotangent)) ** 2 == pytest.approx(wanted, rel=scatter)

    def test_uniform(self):
        model, _ = initialized(ResidualMlp, VECTOR, "stable-resnet")
        assert is_drawn_with(model.blocks[5].b.weight, math.sqrt(2 / 64) / 4)
        assert is_drawn_with(model.blocks[5].a.weight, math.sqrt(1 / 64))
        assert is_drawn_with(model.out.weight, math.sqrt(1 / 64))

    def test_decreasing(self):
        """λ_l = 1/(√l ln(l + 1)), l from 1."""
        _, done = initialized(ResidualMlp, VECTOR, "stable-resnet", schedule="decreasing")
        said = {change.place.parameter: change.std for change in done.changes}
        for number in (1, 2, 16):
            wanted = math.sqrt(2 / 64) / (math.sqrt(number) * math.log(number + 1))
            assert said[f"blocks.{number - 1}.b.weight"] == pytest.approx(wanted)

    def test_a_gate_takes_the_scale(self):
        model, _ = initialized(lambda: ResidualMlp(gate=True), VECTOR, "stable-resnet")
        assert model.blocks[0].scale.item() == pytest.approx(1 / 4)
        assert is_drawn_with(model.blocks[0].b.weight, math.sqrt(2 / 64))
