"""LSUV: unit variance of every layer's output, on data and as predicted."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.schemes.held import initialized, pre_activations
from tests.schemes.models import ConvResNet, Language, ResidualMlp, plain, tokens

KINDS = (nn.Linear, nn.Conv2d)


def stds(model, x):
    found = []
    hooks = [
        m.register_forward_hook(lambda _m, _i, out: found.append(out.std().item()))
        for m in model.modules()
        if isinstance(m, KINDS)
    ]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return found


class TestOnData:
    @pytest.mark.parametrize(
        ("build", "data"),
        [
            pytest.param(lambda: plain(nn.GELU, depth=6), 3 * torch.randn(64, 64) + 1, id="a plain stack, data off centre"),
            pytest.param(ConvResNet, torch.randn(16, 3, 8, 8), id="a residual net"),
            pytest.param(lambda: ConvResNet(norm=True, widths=(16, 32)), torch.randn(16, 3, 8, 8), id="batch norm in between"),
            pytest.param(Language, tokens(8), id="packed attention"),
        ],
    )
    def test_every_layer_has_unit_std(self, build, data):
        """Within the tolerance of .1 for this very batch, all layers, the residual ones too."""
        model, _ = initialized(build, data, "lsuv", data=data)
        assert stds(model, data) == pytest.approx([1.0] * len(stds(model, data)), abs=0.1)

    def test_rows_stay_orthonormal(self):
        data = torch.randn(64, 64)
        model, _ = initialized(lambda: plain(depth=4), data, "lsuv", data=data)
        gram = model[2].weight.detach() @ model[2].weight.detach().T
        assert gram / gram[0, 0] == pytest.approx(torch.eye(128), abs=1e-4)

    def test_buffers_and_mode_are_left(self):
        model, _ = initialized(
            lambda: ConvResNet(norm=True, widths=(16,)), torch.randn(4, 3, 8, 8), "lsuv", data=torch.randn(4, 3, 8, 8)
        )
        assert model.training and not model.stages[0].norms[0].running_mean.any()

    def test_the_code_writes_the_same(self):
        data = torch.randn(32, 64)
        model, done = initialized(lambda: plain(depth=4), data, "lsuv", data=data)
        again = plain(depth=4)
        namespace = {}
        exec(done.code, namespace)
        torch.manual_seed(1)
        plain(depth=4)  # what `initialized` drew before
        namespace["init_weights"](again)
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


class TestPredicted:
    def test_a_rectified_stack(self):
        """G = 1 for the first layer, 2 for those after ReLU (theory, section 7), to the 1 % at which it stops."""
        _, done = initialized(lambda: plain(depth=5, width=256), torch.zeros(2, 64), "lsuv")
        factors = {c.place.parameter: dict(c.draw.options)["factor"] for c in done.changes if c.draw.function == ".mul_"}
        # orthonormal columns of 64 → 256 keep the norm, a quarter of the second moment: the factor makes up for it
        assert factors["0.weight"] == pytest.approx(2.0, rel=0.01)
        assert [factors[f"{n}.weight"] ** 2 for n in (2, 4, 6)] == pytest.approx([2.0] * 3, rel=0.03)

    def test_tanh(self):
        """2.536 = 1/E[tanh²]."""
        _, done = initialized(lambda: plain(nn.Tanh, depth=5, width=256), torch.zeros(2, 64), "lsuv")
        factors = {c.place.parameter: dict(c.draw.options)["factor"] for c in done.changes if c.draw.function == ".mul_"}
        assert [factors[f"{n}.weight"] ** 2 for n in (2, 4, 6)] == pytest.approx([2.536] * 3, rel=0.03)

    def test_real_inputs_agree(self):
        """Every output of a residual net near one on white inputs, without ever having seen any."""
        model, _ = initialized(lambda: ResidualMlp(6, 256), torch.zeros(2, 32), "lsuv")
        found = pre_activations(model, nn.Linear, torch.randn(256, 32, generator=torch.Generator().manual_seed(0)))
        assert all(0.75 < q < 1.3 for q in found)
