"""Orthogonal matrices, delta-orthogonal kernels, kernels with orthonormal spectra."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from initlint.schemes import draws
from tests.schemes.held import initialized, pre_activations, refusal, rms
from tests.schemes.models import Cnn, Language, PlainCnn, Tagger, plain, tokens

IMAGE = torch.zeros(2, 4, 8, 8)


def gram_defect(matrix):
    """‖W Wᵀ/ḡ − I‖²/r of the shorter side: 0 of an isometry (docs/theory, estimators)."""
    matrix = matrix.detach().flatten(1).double()
    matrix = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    gram = matrix @ matrix.T
    return float((gram / gram.diagonal().mean() - torch.eye(len(gram))).pow(2).sum() / len(gram))


class TestOrthogonal:
    def test_gain_follows_the_rectifier(self):
        """√2 after ReLU, 1 for the first layer: rows (or columns) have that norm."""
        model, _ = initialized(lambda: plain(depth=3), torch.zeros(2, 64), "orthogonal")
        first, middle = model[0].weight.detach(), model[2].weight.detach()
        assert gram_defect(first) < 1e-8 and gram_defect(middle) < 1e-8
        assert first.norm(dim=0) == pytest.approx(torch.ones(64), abs=1e-4)
        assert middle.norm(dim=1) == pytest.approx(torch.full((128,), math.sqrt(2)), abs=1e-4)

    def test_parts_of_a_packed_projection_each(self):
        model, _ = initialized(Language, tokens(), "orthogonal")
        for third in model.layers[0].attention.packed.weight.chunk(3):
            assert gram_defect(third) < 1e-8

    def test_gates_of_an_lstm_each(self):
        model, _ = initialized(Tagger, torch.randint(0, 50, (2, 7)), "orthogonal")
        assert all(gram_defect(gate) < 1e-8 for gate in model.memory.weight_hh_l0.chunk(4))

    def test_groups_each(self):
        """A flattened orthogonal matrix over all groups would not be orthogonal within one."""
        model, _ = initialized(Cnn, torch.zeros(2, 3, 16, 16), "orthogonal")
        for group in model.two.weight.chunk(4):
            assert gram_defect(group) < 1e-8

    def test_half_precision(self):
        """Nothing factorizes a bfloat16 matrix: it is drawn in single precision."""
        model, done = initialized(
            lambda: plain(depth=2).to(torch.bfloat16), torch.zeros(2, 64, dtype=torch.bfloat16), "orthogonal"
        )
        assert model[0].weight.dtype == torch.bfloat16
        assert gram_defect(model[0].weight.float()) < 1e-3  # 8 bits of mantissa
        assert "def grouped_orthogonal_" in done.code

    def test_signal_of_a_square_linear_net_is_kept_exactly(self):
        model, _ = initialized(lambda: nn.Sequential(*(nn.Linear(64, 64) for _ in range(20))), torch.zeros(2, 64), "orthogonal")
        x = torch.randn(16, 64)
        assert model(x).norm(dim=1).detach() == pytest.approx(x.norm(dim=1), rel=1e-4)


class TestDeltaOrthogonal:
    def test_only_the_centre_tap(self):
        model, _ = initialized(PlainCnn, IMAGE, "delta-orthogonal")
        weight = model.layers[1].weight.detach()
        centre = weight[:, :, 1, 1]
        assert weight.pow(2).sum() == pytest.approx(centre.pow(2).sum())
        assert centre.T @ centre == pytest.approx(2 * torch.eye(16), abs=1e-4)

    def test_groups_each(self):
        model, _ = initialized(lambda: PlainCnn(groups=4), IMAGE, "delta-orthogonal")
        for group in model.layers[2].weight.detach()[:, :, 1, 1].chunk(4):
            assert group.T @ group == pytest.approx(2 * torch.eye(8), abs=1e-4)

    def test_zero_padding_loses_nothing(self):
        """Only the centre tap is used: a linear net keeps the norm of every input exactly."""
        model, _ = initialized(lambda: PlainCnn(act=lambda x: x), IMAGE, "delta-orthogonal")
        x = torch.randn(2, 4, 8, 8)
        y = x
        for layer in model.layers:
            y = layer(y)
        assert y.pow(2).sum().item() == pytest.approx(x.pow(2).sum().item(), rel=1e-4)

    def test_tanh_sits_on_the_critical_line(self):
        """σ_w² E[φ'²] = 1 and σ_w² E[φ²] + σ_b² = q at q = 1/4, over 4 layers; E by a plain sum over 10⁷ draws."""
        model, _ = initialized(lambda: PlainCnn(act=torch.tanh), IMAGE, "delta-orthogonal")
        z = 0.5 * torch.randn(10**7, generator=torch.Generator().manual_seed(0))
        slope = (1 - torch.tanh(z) ** 2).pow(2).mean().item()
        centre = model.layers[1].weight.detach()[:, :, 1, 1]
        gain = (centre.T @ centre).diagonal().mean().item()
        assert gain == pytest.approx(1 / slope, rel=2e-3)

    @pytest.mark.parametrize(
        ("build", "args", "reason"),
        [
            pytest.param(lambda: plain(depth=3), torch.zeros(2, 64), "no convolution", id="matrices only"),
            pytest.param(lambda: nn.Conv2d(8, 4, 3), torch.zeros(2, 8, 8, 8), "cannot be orthonormal", id="fewer outputs"),
            pytest.param(lambda: nn.Conv2d(4, 8, 4), torch.zeros(2, 4, 8, 8), "no centre tap", id="an even kernel"),
            pytest.param(lambda: nn.ConvTranspose2d(4, 8, 3), torch.zeros(2, 4, 8, 8), "transposed", id="transposed"),
        ],
    )
    def test_does_not_apply(self, build, args, reason):
        assert reason in refusal(build, args, "delta-orthogonal")


class TestConvolutionAware:
    def test_variance(self):
        """2/fan_in after a rectifier, exactly: the bank is rescaled to it."""
        model, _ = initialized(PlainCnn, IMAGE, "convolution-aware")
        assert float(model.layers[1].weight.detach().var()) * 16 * 9 == pytest.approx(2, rel=1e-4)

    def test_spectra_are_orthonormal(self):
        """A 3×3 kernel has 3·2 real Fourier coefficients: up to six slices of a filter have real, orthogonal spectra."""
        weight = torch.zeros(5, 6, 3, 3)
        torch.manual_seed(0)
        with torch.no_grad():
            draws.convolution_aware_(weight, 1.0, noise=0.0)
        spectra = torch.fft.rfft2(weight[0].double()).flatten(1)
        # irfft drops the imaginary part of what must be real; the columns of conjugate pairs share it, so that products of
        # different slices are only nearly zero against their own norm
        gram = (spectra.real @ spectra.real.T) / spectra.real.pow(2).sum(1).mean()
        off = gram - torch.diag(gram.diagonal())
        assert off.abs().mean() < 0.2

    def test_one_tap_is_an_orthogonal_matrix(self):
        model, _ = initialized(
            lambda: nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 1)), IMAGE, "convolution-aware"
        )
        assert gram_defect(model[2].weight) < 1e-8

    def test_signal_is_kept(self):
        """White inputs of second moment one stay there, borders and a hundredth of noise aside."""
        model, _ = initialized(
            lambda: nn.Sequential(nn.Conv2d(64, 64, 3, padding=1, padding_mode="circular")),
            torch.zeros(2, 64, 8, 8),
            "convolution-aware",
        )
        found = pre_activations(model, nn.Conv2d, torch.randn(32, 64, 8, 8))
        assert found[0] == pytest.approx(1, rel=0.05)
        assert rms(model[0].weight) == pytest.approx(1 / 24, rel=1e-3)
