"""LeCun, Xavier, Kaiming: variances of the papers, fans of the operators, and the signal they keep."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import initlint
from tests.schemes.held import initialized, is_drawn_with, pre_activations, refusal, rms
from tests.schemes.models import Cnn, Language, Tagger, plain, tokens

IMAGE = torch.zeros(4, 3, 16, 16)


class TestKaiming:
    @pytest.mark.parametrize(
        ("name", "variance"),
        [
            pytest.param("one.weight", 1 / 27, id="the first layer reads the input: 1/fan_in"),
            pytest.param("two.weight", 2 / 36, id="a group's fan is that of the group; pooling is looked through"),
            pytest.param("three.weight", 2 / 288, id="after a rectifier 2/fan_in"),
            pytest.param(
                "four.weight", 2.3530 / (32 * 16 / 4), id="GELU keeps .425; a transposed convolution reads 16 taps / stride 4"
            ),
            pytest.param("head.weight", 2 / 8, id="the head, through the average"),
        ],
    )
    def test_convolutional(self, name, variance):
        """1/E[φ²]: ReLU 2; GELU 2.353 by E[GELU(z)²] = .4250 (docs/theory, section 4)."""
        model, _ = initialized(Cnn, IMAGE, "kaiming")
        assert is_drawn_with(model.get_parameter(name), math.sqrt(variance))

    def test_the_printed_variance_is_exact(self):
        _, done = initialized(Cnn, IMAGE, "kaiming")
        said = {change.place.parameter: change.std for change in done.changes}
        assert said["three.weight"] == pytest.approx(math.sqrt(2 / 288))
        assert said["one.bias"] == said["head.bias"] == 0.0

    def test_fan_out_keeps_the_gradient(self):
        """Var = 2/fan_out before a rectifier; 1/fan_out where none follows."""
        _, done = initialized(lambda: plain(depth=3, width=96), torch.zeros(2, 64), "kaiming", mode="fan_out")
        said = {change.place.parameter: change.std for change in done.changes}
        assert said["0.weight"] == said["2.weight"] == pytest.approx(math.sqrt(2 / 96))
        assert said["4.weight"] == pytest.approx(math.sqrt(1 / 10))

    @pytest.mark.parametrize(
        ("act", "depth"),
        [(nn.ReLU, 20), (lambda: nn.LeakyReLU(0.3), 20), (nn.PReLU, 20), (nn.Tanh, 20)]
        + [(act, 6) for act in (nn.GELU, nn.SiLU, nn.ELU, nn.Mish)],  # whose fixed point is unstable: what scatters, grows
    )
    def test_every_layer_keeps_a_unit_second_moment(self, act, depth):
        """On real inputs; layers of 512 units scatter by √(5·depth/512), nats of q for a rectifier (docs/theory, section 9)."""
        model, _ = initialized(lambda: plain(act, depth=depth, width=512), torch.zeros(8, 64), "kaiming")
        found = pre_activations(model, nn.Linear, torch.randn(256, 64, generator=torch.Generator().manual_seed(2)))
        assert all(abs(math.log(q)) < 3 * math.sqrt(5 * depth / 512) for q in found)

    def test_the_prediction_agrees(self):
        """initlint.analyze of the initialized model: unit second moments at every layer."""
        model, _ = initialized(lambda: plain(depth=8, width=256), torch.zeros(8, 64), "kaiming")
        signals = initlint.analyze(model, torch.zeros(8, 64)).signals
        layers = [signal.second_moment for name, signal in signals.items() if name.startswith("linear")]
        assert layers == pytest.approx([1.0] * 8, rel=0.1)

    def test_a_gate_of_two_halves_is_one_function(self):
        """E[(SiLU(u) v)²] = E[SiLU²] = .3557 for independent u, v: the reader gets 2.811/fan_in."""

        class Gated(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b, self.c = nn.Linear(64, 128), nn.Linear(64, 128), nn.Linear(128, 64)

            def forward(self, x):
                return self.c(torch.nn.functional.silu(self.a(x)) * self.b(x))

        _, done = initialized(Gated, torch.zeros(2, 64), "kaiming")
        said = {change.place.parameter: change.std for change in done.changes}
        kept = torch.nn.functional.silu(torch.randn(1 << 22, generator=torch.Generator().manual_seed(0))).pow(2).mean().item()
        assert said["c.weight"] ** 2 * 128 == pytest.approx(1 / kept, rel=5e-3)  # 5 errors of the sample

    def test_uniform(self):
        model, _ = initialized(lambda: plain(depth=3), torch.zeros(2, 64), "kaiming", distribution="uniform")
        assert float(model[2].weight.detach().abs().max()) == pytest.approx(math.sqrt(3 * 2 / 128), rel=1e-3)

    def test_a_wrong_word(self):
        assert "fan_in, fan_out" in refusal(plain, torch.zeros(2, 64), "kaiming", mode="fan")
        assert "no option 'node'" in refusal(plain, torch.zeros(2, 64), "kaiming", node="fan")


class TestXavier:
    def test_both_fans(self):
        _, done = initialized(lambda: plain(depth=3, width=96), torch.zeros(2, 64), "xavier")
        said = {change.place.parameter: change.std for change in done.changes}
        assert said["0.weight"] == pytest.approx(math.sqrt(2 / (64 + 96)))
        assert said["4.weight"] == pytest.approx(math.sqrt(2 / (96 + 10)))

    def test_a_packed_projection_is_three_matrices(self):
        """3E rows over E inputs: each third has fans E and E, Var = 1/E, not 2/(4E)."""
        _, done = initialized(Language, tokens(), "xavier")
        packed = next(change for change in done.changes if "packed.weight" in change.place.parameter)
        assert packed.std == pytest.approx(math.sqrt(2 / 128))

    def test_taps_count_in_both_fans(self):
        _, done = initialized(Cnn, IMAGE, "xavier", gain=2.0)
        said = {change.place.parameter: change.std for change in done.changes}
        assert said["three.weight"] == pytest.approx(2 * math.sqrt(2 / (288 + 288)))

    def test_torch_agrees(self):
        torch.manual_seed(0)
        reference = nn.init.xavier_uniform_(torch.empty(400, 300))
        model, _ = initialized(lambda: nn.Sequential(nn.Linear(300, 400)), torch.zeros(2, 300), "xavier")
        assert is_drawn_with(model[0].weight, rms(reference))


class TestLecun:
    def test_selu_keeps_a_unit_second_moment(self):
        """G = 1 is SELU's own fixed point: 30 layers predict 1."""
        model, _ = initialized(lambda: plain(nn.SELU, depth=30, width=512), torch.zeros(8, 64), "lecun")
        found = pre_activations(model, nn.Linear, torch.randn(256, 64, generator=torch.Generator().manual_seed(2)))
        assert found[-2] == pytest.approx(1, abs=0.25)

    def test_gates_of_a_recurrent_layer(self):
        """Input and recurrent matrices by their own fans; recurrent biases and the embedding keep what they have."""
        model, done = initialized(Tagger, torch.randint(0, 50, (2, 7)), "lecun")
        assert is_drawn_with(model.memory.weight_ih_l0, 1 / math.sqrt(32))
        assert is_drawn_with(model.memory.weight_hh_l0, 1 / math.sqrt(48))
        assert {change.place.parameter for change in done.changes} == {
            "memory.weight_ih_l0", "memory.weight_hh_l0", "out.weight", "out.bias",
        }  # fmt: skip

    def test_nothing_to_set(self):
        assert "no linear" in refusal(lambda: nn.Sequential(nn.LayerNorm(8)), torch.zeros(2, 8), "lecun")
