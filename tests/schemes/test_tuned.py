"""Kumar's rule, the edge of chaos, maxout, clipped sparsifying functions: constants of the papers, and what they do to signal."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from initlint.schemes.tuned import maxout_gain
from tests.schemes.held import initialized, is_drawn_with, pre_activations, refusal, rms
from tests.schemes.models import Maxout, ResidualMlp, plain

VECTOR = torch.zeros(4, 64)


def said(done):
    return {change.place.parameter: change.std for change in done.changes}


class Shifted(nn.Module):
    """relu(x − τ), clipped at `top`: zero on 85 % of unit Gaussian inputs."""

    def __init__(self, top=1.0):
        super().__init__()
        self.top = top

    def forward(self, x):
        y = torch.relu(x - 1.0364)
        return y if self.top is None else torch.clamp(y, max=self.top)


class Curved(nn.Module):
    """A function nobody has a name for: x·σ(1.3x) + .2·sin(x) − .1."""

    def forward(self, x):
        return x * torch.sigmoid(1.3 * x) * 0.5 + torch.tanh(x) - 0.1


class TestKumar:
    @pytest.mark.parametrize(
        ("act", "constant"),
        [
            pytest.param(nn.Tanh, 1.0, id="tanh: φ'(0) = 1, φ(0) = 0"),
            pytest.param(nn.Sigmoid, 12.8, id="sigmoid: 16/(1 + 1/4)"),
            pytest.param(nn.ReLU, 2.0, id="rectifier: 2, the paper's special case"),
            pytest.param(nn.Hardtanh, 1.0, id="linear about zero"),
        ],
    )
    def test_constants(self, act, constant):
        _, done = initialized(lambda: plain(act, depth=4), VECTOR, "kumar")
        assert said(done)["2.weight"] == pytest.approx(math.sqrt(constant / 128), rel=1e-4)
        assert said(done)["6.weight"] == pytest.approx(math.sqrt(1 / 128))

    def test_a_function_without_a_name(self):
        """φ'(0) = 1/4 + 1, φ(0) = −.1."""
        _, done = initialized(lambda: plain(Curved, depth=4), VECTOR, "kumar")
        assert said(done)["2.weight"] ** 2 * 128 == pytest.approx(1 / (1.25**2 * 1.01), rel=1e-4)

    @pytest.mark.parametrize("act", [nn.SiLU, nn.GELU, nn.Softplus])
    def test_diverging_functions(self, act):
        """4/N (SiLU, GELU) and 2.70/N (softplus) grow without bound over layers."""
        assert "diverges" in refusal(lambda: plain(act, depth=4), VECTOR, "kumar")

    def test_a_flat_function(self):
        assert "flat at zero" in refusal(lambda: plain(Shifted, depth=4), VECTOR, "kumar")


class TestEdgeOfChaos:
    def test_tanh(self):
        """q = .5: σ_w = 1.299, σ_b = .195 (theory, classic initializations, section 9)."""
        _model, done = initialized(lambda: plain(nn.Tanh, depth=5), VECTOR, "edge-of-chaos")
        assert said(done)["2.weight"] * math.sqrt(128) == pytest.approx(1.299, abs=1e-3)
        assert said(done)["2.bias"] == pytest.approx(0.195, abs=1e-3)
        assert said(done)["0.weight"] == pytest.approx(math.sqrt(0.5 / 64), rel=1e-2)

    def test_gelu_has_a_stable_point_only_at_large_q(self):
        """q = 4: σ_w = 1.406, σ_b = .432."""
        _, done = initialized(lambda: plain(nn.GELU, depth=5), VECTOR, "edge-of-chaos")
        assert said(done)["2.weight"] * math.sqrt(128) == pytest.approx(1.406, abs=2e-3)
        assert said(done)["2.bias"] == pytest.approx(0.432, abs=2e-3)

    @pytest.mark.parametrize(("act", "gain"), [(nn.ReLU, 2), (lambda: nn.LeakyReLU(0.2), 2 / 1.04)])
    def test_homogeneous(self, act, gain):
        _, done = initialized(lambda: plain(act, depth=5), VECTOR, "edge-of-chaos")
        assert said(done)["2.weight"] == pytest.approx(math.sqrt(gain / 128), rel=1e-4)
        assert said(done)["2.bias"] == 0

    def test_signal_stays_where_it_was_put(self):
        """40 layers of tanh, 400 units: q = .5 at the last (theory: .5/.488), and the gradient is kept."""
        model, _ = initialized(lambda: plain(nn.Tanh, depth=40, width=400), VECTOR, "edge-of-chaos")
        x = torch.randn(256, 64, generator=torch.Generator().manual_seed(0))
        assert pre_activations(model, nn.Linear, x)[-2] == pytest.approx(0.5, abs=0.06)
        first = model[0](x)
        last = model[1:-2](first)
        cotangent = torch.randn_like(last)
        (gradient,) = torch.autograd.grad(last, first, cotangent)
        # χ = 1 a layer; a layer of 400 units scatters by √(2·E[φ'⁴]/E[φ'²]²/400)
        assert abs(math.log((rms(gradient) / rms(cotangent)) ** 2)) < 3 * math.sqrt(38 * 3 / 400)

    @pytest.mark.parametrize(
        ("build", "args", "reason"),
        [
            pytest.param(lambda: plain(nn.SiLU, depth=5), VECTOR, "no stable critical point", id="SiLU has none"),
            pytest.param(lambda: plain(nn.Tanh, depth=5, bias=False), VECTOR, "has no bias", id="no bias to draw"),
            pytest.param(ResidualMlp, torch.zeros(4, 32), "residual", id="residual branches"),
            pytest.param(lambda: nn.Linear(64, 3), VECTOR, "nothing to tune", id="no activation"),
        ],
    )
    def test_does_not_apply(self, build, args, reason):
        assert reason in refusal(build, args, "edge-of-chaos")


class TestMaxout:
    @pytest.mark.parametrize(
        ("pieces", "gain"),
        [(2, 1.0), (3, 2 * math.pi / (math.sqrt(3) + 2 * math.pi)), (4, math.pi / (math.sqrt(3) + math.pi)), (5, 0.5555)],
    )
    def test_constants(self, pieces, gain):
        """c_K = 1/E[(max of K normals)²]; the closed forms of the paper."""
        assert maxout_gain(pieces) == pytest.approx(gain, abs=1e-4)

    def test_signal_is_kept(self):
        """Second moment one after every maximum."""
        model, _ = initialized(lambda: Maxout(5), torch.zeros(8, 256), "maxout")
        assert is_drawn_with(model.layers[2].weight, math.sqrt(0.5555 / 256))
        x = torch.randn(64, 256, generator=torch.Generator().manual_seed(0))
        for layer in model.layers:
            x = layer(x).view(64, -1, 5).amax(-1)
        assert rms(x) ** 2 == pytest.approx(1, rel=0.1)

    def test_two_halves_that_compete(self):
        class Halves(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.Linear(64, 64), nn.Linear(32, 8)

            def forward(self, x):
                return self.b(torch.maximum(*self.a(x).chunk(2, dim=-1)))

        _, done = initialized(Halves, VECTOR, "maxout")
        assert said(done)["a.weight"] == pytest.approx(math.sqrt(1 / 64))

    def test_a_maximum_over_positions_is_no_maxout(self):
        class Pooled(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.Linear(64, 64), nn.Linear(64, 8)

            def forward(self, x):
                return self.b(self.a(x).amax(1))

        assert "maximum over groups" in refusal(Pooled, torch.zeros(2, 5, 64), "maxout")


class TestClippedSparse:
    def test_the_edge_at_unit_q(self):
        """k = 1: σ_w² = 1/(Φ(−τ) − Φ(−τ−m)), σ_b² = 1 − σ_w² E[φ²], τ = Φ⁻¹(.85), m = 1."""
        _, done = initialized(lambda: plain(Shifted, depth=4), VECTOR, "clipped-sparse")
        tail = lambda t: 0.5 * math.erfc(t / math.sqrt(2))  # noqa: E731
        gain = 1 / (tail(1.0364) - tail(2.0364))
        z = torch.randn(1 << 22, generator=torch.Generator().manual_seed(0))
        square = torch.clamp(torch.relu(z - 1.0364), max=1.0).pow(2).mean().item()
        assert said(done)["2.weight"] ** 2 * 128 == pytest.approx(gain, rel=2e-3)
        assert said(done)["2.bias"] ** 2 == pytest.approx(1 - gain * square, abs=0.01)

    def test_signal_and_sparsity_stay(self):
        """600 units, 50 layers: q .98–1.13, zeros .82–.84 (theory, section 22)."""
        model, _ = initialized(lambda: plain(Shifted, depth=50, width=600), VECTOR, "clipped-sparse")
        x = torch.randn(128, 64, generator=torch.Generator().manual_seed(0))
        found = pre_activations(model, nn.Linear, x)
        assert 0.8 < found[-2] < 1.25
        assert 0.78 < (model[:-1](x) == 0).float().mean().item() < 0.88

    def test_unclipped_runs_away(self):
        assert "Clip" in refusal(lambda: plain(lambda: Shifted(None), depth=4), VECTOR, "clipped-sparse")

    def test_a_rectifier_is_not_sparse(self):
        assert "55 %" in refusal(lambda: plain(depth=4), VECTOR, "clipped-sparse")
