"""ZerO and IDInit: the matrices themselves, which layer gets which, and what is left of the signal."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from initlint.schemes import draws
from tests.schemes.held import initialized, refusal, rms
from tests.schemes.models import ConvResNet, Language, ResidualMlp, plain, tokens

VECTOR = torch.zeros(4, 32)


def drawn(function, *shape, **options):
    weight = torch.full(shape, 7.0)
    with torch.no_grad():
        getattr(draws, function)(weight, **options)
    return weight


class TestHadamardIdentity:
    @pytest.mark.parametrize(
        ("rows", "columns", "smallest", "largest"),
        [(64, 64, 1.0, 1.0), (10, 64, 1.0, 1.0), (256, 64, 1.0, 1.0), (200, 64, 0.866, 1.0), (300, 100, 0.707, 0.866)],
    )
    def test_singular_values(self, rows, columns, smallest, largest):
        """Isometric where outputs are a power of two; the numbers of theory, classic initializations, section 16."""
        values = torch.linalg.svdvals(drawn("hadamard_identity_", rows, columns))
        assert values.min().item() == pytest.approx(smallest, abs=2e-3)
        assert values.max().item() == pytest.approx(largest, abs=2e-3)

    def test_entries(self):
        assert set(drawn("hadamard_identity_", 256, 64).unique().tolist()) == {-1 / 16, 1 / 16}
        assert torch.equal(drawn("hadamard_identity_", 3, 5), torch.eye(3, 5))

    def test_distinct_rows(self):
        """min(out, 2^⌈log₂ in⌉): 64 → 256 has 64 distinct rows, 3 → 64 has 4."""
        assert len(drawn("hadamard_identity_", 256, 64).unique(dim=0)) == 64
        assert len(drawn("hadamard_identity_", 64, 3).unique(dim=0)) == 4

    def test_kernels_and_groups(self):
        weight = drawn("hadamard_identity_", 8, 4, 3, 3, groups=2)
        assert torch.equal(weight[:4, :, 1, 1], torch.eye(4)) and torch.equal(weight[4:, :, 1, 1], torch.eye(4))
        assert weight.pow(2).sum() == 8


class TestPaddedIdentity:
    def test_repeated(self):
        """W_ij = τ where i ≡ j mod in: 64 → 256 keeps q, all singular values √(out/in) = 2."""
        weight = drawn("padded_identity_", 256, 64)
        assert torch.equal(weight, torch.eye(64).repeat(4, 1))
        assert torch.linalg.svdvals(weight) == pytest.approx(torch.full((64,), 2.0))

    def test_wrapped(self):
        """Inputs are summed, √(out/in) keeps the second moment: 256 → 64."""
        weight = drawn("padded_identity_", 64, 256)
        assert weight == pytest.approx(torch.eye(64).repeat(1, 4) / 2)
        assert rms(torch.randn(4096, 256) @ weight.T) == pytest.approx(1, rel=0.02)

    def test_noise_is_on_every_entry(self):
        torch.manual_seed(0)
        weight = drawn("padded_identity_", 64, 64, noise=1e-6)
        off = weight[~torch.eye(64, dtype=torch.bool)]
        assert rms(off) == pytest.approx(1e-6, rel=0.05)

    def test_patch(self):
        """The kernel as a matrix (c_out, c_in·k²); of 16 → 16 and 3×3 every entry of the flattened identity wraps 9 times."""
        weight = drawn("padded_identity_", 16, 16, 3, 3, patch=True).reshape(16, 144)
        assert (weight != 0).sum().item() == 144
        assert weight.pow(2).sum(1) == pytest.approx(torch.ones(16))


class TestZero:
    def test_a_residual_net(self):
        """Writers and classifier zero, all other layers partial identities: the logits are zero, the trunk keeps its input."""
        model, done = initialized(ResidualMlp, VECTOR, "zero")
        block = model.blocks[0]
        assert torch.equal(block.a.weight, torch.eye(64)) and rms(block.b.weight) == 0 and rms(model.out.weight) == 0
        assert rms(model.into.bias) == 0
        into = model.into.weight.detach()
        assert into.T @ into == pytest.approx(torch.eye(32), abs=1e-6)
        assert {change.draw.function for change in done.changes} == {"nn.init.zeros_", "hadamard_identity_"}

    def test_it_learns_all_the_same(self):
        """Two steps of gradient descent move the classifier, then the writers."""
        model, _ = initialized(lambda: ConvResNet(widths=(16, 16)), torch.zeros(2, 3, 8, 8), "zero")
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        x, y = torch.randn(16, 3, 8, 8), torch.randint(0, 10, (16,))
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        assert rms(model.fc.weight) > 0 and all(rms(block.convs[-1].weight) > 0 for block in model.stages)

    def test_packed_projections_each(self):
        model, _ = initialized(Language, tokens(), "zero")
        assert all(torch.equal(third, torch.eye(64)) for third in model.layers[0].attention.packed.weight.chunk(3))

    def test_duplicates_are_said(self):
        _, done = initialized(lambda: plain(depth=3, inputs=3, width=64), torch.zeros(2, 3), "zero")
        assert any("only 4 differ" in note for note in done.notes)

    def test_an_even_kernel_that_cuts_patches_is_a_matrix(self):
        model, _ = initialized(
            lambda: nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.ReLU(), nn.Conv2d(8, 4, 1)), torch.zeros(2, 3, 8, 8), "zero"
        )
        assert torch.equal(model[0].weight.reshape(8, 48), torch.eye(8, 48))

    def test_does_not_apply(self):
        assert "even kernel" in refusal(
            lambda: nn.Sequential(nn.Conv2d(3, 8, 4), nn.ReLU(), nn.Conv2d(8, 4, 1)), torch.zeros(2, 3, 8, 8), "zero"
        )


class TestIdInit:
    def test_layers(self):
        """Main stem and first branch layers are identities to 1e-6, writers an ε-identity."""
        model, _ = initialized(ResidualMlp, VECTOR, "idinit")
        block = model.blocks[0]
        assert block.a.weight.detach() == pytest.approx(torch.eye(64), abs=1e-5)
        assert block.b.weight.detach().diagonal() == pytest.approx(torch.full((64,), 1e-6), abs=1e-5)
        assert 0 < rms(block.b.weight) < 1e-5
        assert model.into.weight.detach() == pytest.approx(torch.eye(32).repeat(2, 1), abs=1e-5)

    def test_zero_last_layer(self):
        model, _ = initialized(ResidualMlp, VECTOR, "idinit", last="zero")
        assert all(rms(block.b.weight) == 0 for block in model.blocks)

    def test_dead_units_still_get_a_gradient(self):
        """Behind a unit that outputs zero, a writer of exact zeros starves the layer before it; the loose one does not."""
        for last, alive in (("loose", True), ("zero", False)):
            model, _ = initialized(lambda: ResidualMlp(2), VECTOR, "idinit", last=last)
            model(torch.randn(16, 32)).pow(2).sum().backward()
            assert (rms(model.blocks[0].a.weight.grad) > 0) is alive

    @pytest.mark.parametrize(("convolution", "nonzero"), [("channel", 16), ("patch", 144)])
    def test_convolutions(self, convolution, nonzero):
        model, _ = initialized(ConvResNet, torch.zeros(2, 3, 8, 8), "idinit", convolution=convolution, epsilon=0.0)
        weight = model.stages[0].convs[0].weight
        assert (weight != 0).sum().item() == nonzero

    def test_signal_is_kept_to_the_end_of_the_trunk(self):
        """Every block is the identity up to ε."""
        model, _ = initialized(ResidualMlp, VECTOR, "idinit")
        x = torch.randn(64, 32)
        y = model.into(x)
        for block in model.blocks:
            y = block(y)
        assert rms(y) == pytest.approx(rms(x), rel=1e-3)
