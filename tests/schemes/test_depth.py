"""GPT-2, DeepNorm, T-Fixup, μP: factors by depth, role and width."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from tests.schemes.held import initialized, is_drawn_with, refusal, rms
from tests.schemes.models import ByHand, Language, Parallel, ResidualMlp, plain, tokens

IDS = tokens()


class TestGpt2:
    def test_every_weight(self):
        """.02 everywhere, .02/√(2N) for what writes the residual stream, .01 for positions; N = 3 layers, 6 branches."""
        model, _ = initialized(Language, IDS, "gpt2")
        layer = model.layers[1]
        for weight in (layer.attention.packed.weight, layer.up.weight, model.read.weight, model.tokens.weight[1:]):
            assert is_drawn_with(weight, 0.02)
        for weight in (layer.attention.mix.weight, layer.down.weight):
            assert is_drawn_with(weight, 0.02 / math.sqrt(6))
        assert is_drawn_with(model.places, 0.01)
        assert all(rms(p) == 0 for name, p in model.named_parameters() if name.endswith("bias"))

    @pytest.mark.parametrize("together", [True, False])
    def test_parallel_blocks(self, together):
        """Attention and feed-forward side by side are two branches a block, in one sum or in two: N = 2, √4."""
        model, _ = initialized(lambda: Parallel(together=together), torch.zeros(2, 5, 64), "gpt2")
        assert is_drawn_with(model.mixers[1].mix.weight, 0.02 / 2) and is_drawn_with(model.downs[1].weight, 0.02 / 2)

    def test_a_padding_row_stays_zero(self):
        model, _ = initialized(Language, IDS, "gpt2")
        assert rms(model.tokens.weight[0]) == 0

    def test_tied_readout_is_the_table(self):
        model, _ = initialized(lambda: Language(tied=True), IDS, "gpt2")
        assert model.read.weight is model.tokens.weight
        assert is_drawn_with(model.read.weight[1:], 0.02)

    @pytest.mark.parametrize(
        ("build", "args", "reason"),
        [
            pytest.param(lambda: Language("after"), IDS, "deepnorm", id="post-norm"),
            pytest.param(ResidualMlp, torch.zeros(2, 32), "no attention", id="no attention"),
            pytest.param(plain, torch.zeros(2, 64), "no residual", id="no branch"),
        ],
    )
    def test_does_not_apply(self, build, args, reason):
        assert reason in refusal(build, args, "gpt2")


def xavier(rows, columns):
    return math.sqrt(2 / (rows + columns))


class TestDeepNorm:
    def test_an_encoder(self):
        """β = (8N)^(−1/4) on value, output and feed-forward, 1 on query and key; N = 3."""
        model, done = initialized(lambda: Language("after"), IDS, "deepnorm")
        beta = 24**-0.25
        query, key, value = model.layers[0].attention.packed.weight.chunk(3)
        said = {
            change.place.view: change.std
            for change in done.changes
            if "layers.2.attention.packed.weight" in change.place.parameter
        }
        assert said == {
            "[0:64]": pytest.approx(xavier(64, 64)),
            "[64:128]": pytest.approx(xavier(64, 64)),
            "[128:192]": pytest.approx(beta * xavier(64, 64)),
        }
        assert rms(query) == pytest.approx(xavier(64, 64), rel=0.05) and rms(value) == pytest.approx(beta * rms(key), rel=0.06)
        assert rms(model.layers[1].down.weight) == pytest.approx(beta * xavier(64, 256), rel=0.03)
        assert rms(model.read.weight) == pytest.approx(xavier(64, 100), rel=0.03)

    def test_alpha_in_the_code_is_checked(self):
        """α = (2N)^¼ = 1.565 for N = 3: said when `forward` has another one."""
        _, done = initialized(lambda: Language("after"), IDS, "deepnorm")
        assert any("1.565" in note for note in done.notes)
        _, done = initialized(lambda: Language("after", alpha=6**0.25), IDS, "deepnorm")
        assert not any("forward" in note for note in done.notes)

    def test_an_encoder_and_a_decoder(self):
        """Encoder β = .87(N⁴M)^(−1/16), decoder (12M)^(−1/4); the memory's value rows belong to the decoder."""
        build = lambda: nn.Transformer(32, 4, 2, 3, 64, batch_first=True)  # noqa: E731
        _model, done = initialized(build, (torch.zeros(2, 5, 32), torch.zeros(2, 6, 32)), "deepnorm")
        encoder, decoder = 0.87 * (2**4 * 3) ** (-1 / 16), 36**-0.25
        said = {f"{change.place.parameter}{change.place.view}": change.std for change in done.changes}
        assert said["encoder.layers.1.linear1.weight"] == pytest.approx(encoder * xavier(32, 64))
        assert said["decoder.layers.2.linear1.weight"] == pytest.approx(decoder * xavier(32, 64))
        memory = "decoder.layers.0.multihead_attn.in_proj_weight"
        assert said[f"{memory}[0:32]"] == said[f"{memory}[32:64]"] == pytest.approx(xavier(32, 32))
        assert said[f"{memory}[64:96]"] == pytest.approx(decoder * xavier(32, 32))

    def test_the_gradient_reaches_the_first_block(self):
        """With α and β of 8 blocks the gradient does not fall towards the input; as constructed it does not keep (theory, 19)."""
        model, _ = initialized(lambda: Language("after", depth=8, alpha=16**0.25), IDS, "deepnorm")
        seen = []
        x = model.tokens(IDS) + model.places
        x.retain_grad()
        seen.append(x)
        for layer in model.layers:
            x = layer(x)
        x.retain_grad()
        (x * torch.randn_like(x)).sum().backward()
        assert 0.5 < rms(seen[0].grad) / rms(x.grad) < 2

    @pytest.mark.parametrize("where", ["before", None])
    def test_does_not_apply(self, where):
        assert "not normalized after its sums" in refusal(lambda: Language(where), IDS, "deepnorm")


class TestTFixup:
    def test_roles(self):
        """.67 N^(−1/4) on value, output and feed-forward; embeddings d^(−1/2)(9N)^(−1/4); N = 3."""
        _model, done = initialized(lambda: Language(None), IDS, "t-fixup")
        factor = 0.67 * 3**-0.25
        said = {f"{change.place.parameter}{change.place.view}": change.std for change in done.changes}
        assert said["layers.1.attention.mix.weight"] == pytest.approx(factor * xavier(64, 64))
        assert said["layers.1.attention.packed.weight[128:192]"] == pytest.approx(factor * xavier(64, 64))
        assert said["layers.1.attention.packed.weight[0:64]"] == pytest.approx(xavier(64, 64))
        assert said["layers.1.up.weight"] == pytest.approx(factor * xavier(64, 256))
        assert said["tokens.weight"] == pytest.approx(64**-0.5 * 27**-0.25)

    def test_interleaved_heads_written_by_hand(self):
        """Keys and values alternate head by head: only the values' rows shrink."""
        model, _ = initialized(lambda: Language(None, attention=ByHand), IDS, "t-fixup")
        packed = model.layers[0].attention.holds.weight.detach().view(4, 2, 16, 64)
        factor = 0.67 * 3**-0.25
        assert rms(packed[:, 1]) / rms(packed[:, 0]) == pytest.approx(factor, rel=0.05)

    def test_the_trunk_hardly_grows(self):
        """q_L/q_0 near 1.08 whatever the depth (theory, 20); the trunk here starts small beside its branches' biases of zero."""
        growth = []
        for depth in (3, 12):
            model, _ = initialized(lambda depth=depth: Language(None, depth=depth), IDS, "t-fixup")
            x = first = model.tokens(IDS) + model.places
            for layer in model.layers:
                x = layer(x)
            growth.append((rms(x) / rms(first)) ** 2)
        assert growth == pytest.approx([1.08, 1.08], abs=0.12)

    @pytest.mark.parametrize("where", ["before", "after"])
    def test_does_not_apply(self, where):
        assert "normalized" in refusal(lambda: Language(where), IDS, "t-fixup")


class TestMup:
    def test_roles_by_place(self):
        """m = 128/32 = 4: input 1/fan_in and rate 1; hidden 2/fan_in (rectifier) and rate 1/4; readout 1/(4 fan_in), rate 1/4."""
        _, done = initialized(lambda: plain(depth=3), torch.zeros(2, 64), "mup", base_width=32)
        said = {change.place.parameter: (change.std, change.rate) for change in done.changes}
        assert said["0.weight"] == (pytest.approx(math.sqrt(1 / 64)), 1.0)
        assert said["2.weight"] == (pytest.approx(math.sqrt(2 / 128)), 0.25)
        assert said["4.weight"] == (pytest.approx(math.sqrt(1 / 128 / 4)), 0.25)

    def test_a_base_model_tells_the_dimensions(self):
        _, done = initialized(lambda: plain(depth=3), torch.zeros(2, 64), "mup", base=lambda: plain(depth=3, width=32))
        assert {change.place.parameter: change.rate for change in done.changes if "weight" in change.place.parameter} == {
            "0.weight": 1.0,
            "2.weight": 0.25,
            "4.weight": 0.25,
        }

    def test_logits_shrink_with_width(self):
        """Standard: constant; μP: ∝ 1/√m."""
        sizes = []
        for width in (64, 1024):
            model, _ = initialized(
                lambda width=width: plain(nn.Tanh, depth=3, width=width), torch.zeros(2, 64), "mup", base_width=64
            )
            sizes.append(rms(model(torch.randn(256, 64, generator=torch.Generator().manual_seed(0)))))
        assert sizes[1] / sizes[0] == pytest.approx(1 / 4, rel=0.25)

    def test_zero_readout(self):
        model, _ = initialized(Language, IDS, "mup", base_width=32, zero_readout=True)
        query, key, _ = model.layers[0].attention.packed.weight.chunk(3)
        assert rms(model.read.weight) == rms(query) == 0 and rms(key) > 0

    def test_needs_a_base(self):
        assert "base_width" in refusal(lambda: plain(depth=3), torch.zeros(2, 64), "mup")
