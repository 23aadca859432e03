"""What holds for every scheme: code and application agree, refusals change nothing, what is not to be touched is not."""

from __future__ import annotations

import ast

import pytest
import torch
from torch import nn

import initlint
from initlint.graph.built import LostLaws
from initlint.schemes.catalog import SCHEMES
from tests.schemes.held import initialized, is_drawn_with, rms
from tests.schemes.models import Cnn, ConvResNet, Language, Maxout, ResidualMlp, plain, tokens

MODELS = {
    "mlp": (lambda: plain(nn.Tanh, depth=4), torch.zeros(2, 64)),
    "cnn": (Cnn, torch.zeros(2, 3, 16, 16)),
    "resnet": (ConvResNet, torch.zeros(2, 3, 8, 8)),
    "pre-norm": (Language, tokens()),
    "post-norm": (lambda: Language("after", depth=2), tokens()),
    "no norm": (lambda: Language(None, depth=2), tokens()),
    "gated": (lambda: ResidualMlp(3, gate=True), torch.zeros(2, 32)),
    "maxout": (lambda: Maxout(depth=2), torch.zeros(2, 256)),
}
FITTING = {
    "mlp": ("lecun", "xavier", "kaiming", "orthogonal", "lsuv", "kumar", "edge-of-chaos", "zero", "idinit"),
    "cnn": ("kaiming", "orthogonal", "convolution-aware"),
    "resnet": ("fixup", "stable-resnet", "zero", "idinit", "lsuv"),
    "pre-norm": ("gpt2", "orthogonal", "idinit"),
    "post-norm": ("deepnorm", "xavier"),
    "no norm": ("t-fixup", "stable-resnet"),
    "gated": ("skipinit", "fixup"),
    "maxout": ("maxout",),
}


@pytest.mark.parametrize(("kind", "scheme"), [(kind, scheme) for kind, schemes in FITTING.items() for scheme in schemes])
def test_the_code_does_what_was_done(kind, scheme):
    """Pasted and run with the same seed it writes the same numbers; it is plain PyTorch; it draws the caller's own numbers."""
    build, args = MODELS[kind]
    model = build()
    start = [value.clone() for value in model.parameters()]
    torch.manual_seed(5)
    done = initlint.initialize(model, args, scheme=scheme)
    names = {alias.name for node in ast.walk(ast.parse(done.code)) if isinstance(node, ast.Import) for alias in node.names}
    assert names <= {"torch", "math"} and "initlint" not in done.code.replace("initlint.", "")
    after = [value.clone() for value in model.parameters()]
    with torch.no_grad():
        for value, old in zip(model.parameters(), start, strict=True):
            value.copy_(old)
    namespace = {}
    exec(done.code, namespace)
    torch.manual_seed(5)
    namespace["init_weights"](model)
    assert all(torch.equal(a, b) for a, b in zip(after, model.parameters(), strict=True))
    assert done.changes and all(change.why and change.before for change in done.changes)


def test_every_scheme_is_tested():
    assert {scheme for schemes in FITTING.values() for scheme in schemes} >= set(SCHEMES) - {
        "auto",
        "mup",
        "delta-orthogonal",
        "clipped-sparse",
    }
    assert all(scheme.summary and scheme.source for scheme in SCHEMES.values())


class TestWhatIsLeft:
    def test_names_play_no_part(self):
        """The same net with modules called anything gets the same changes."""

        class Odd(nn.Module):
            def __init__(self):
                super().__init__()
                self.classifier, self.embedding = nn.Linear(64, 128), nn.Linear(128, 10)

            def forward(self, x):
                return self.embedding(torch.relu(self.classifier(x)))

        _, odd = initialized(Odd, torch.zeros(2, 64), "kaiming")
        _, even = initialized(lambda: plain(depth=2), torch.zeros(2, 64), "kaiming")
        assert [change.std for change in odd.changes] == [change.std for change in even.changes]

    def test_frozen(self):
        def build():
            model = plain(depth=3)
            model[2].requires_grad_(False)
            return model

        _, done = initialized(build, torch.zeros(2, 64), "kaiming")
        assert "2.weight" not in {change.place.parameter for change in done.changes}
        assert any("frozen" in note for note in done.notes)

    def test_a_tied_readout(self):
        """A table that is the readout, too, is no matrix of a variance scheme, and never zeroed as a classifier."""
        model, done = initialized(lambda: Language(tied=True), tokens(), "zero")
        assert rms(model.tokens.weight) > 0.9
        assert any("embedding" in note for note in done.notes)

    def test_adapters(self):
        """B = 0 of a low-rank adapter is on purpose."""

        class Adapted(nn.Module):
            def __init__(self):
                super().__init__()
                self.base, self.a, self.b, self.out = nn.Linear(64, 64), nn.Linear(64, 4), nn.Linear(4, 64), nn.Linear(64, 8)
                nn.init.zeros_(self.b.weight)

            def forward(self, x):
                return self.out(torch.relu(self.base(x) + 0.5 * self.b(self.a(x))))

        model, _ = initialized(Adapted, torch.zeros(2, 64), "kaiming")
        assert rms(model.b.weight) == 0

    def test_a_computed_weight(self):
        _model, done = initialized(
            lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(8, 8)), nn.ReLU(), nn.Linear(8, 2)),
            torch.zeros(2, 8),
            "kaiming",
        )
        assert any("computed" in note for note in done.notes)

    def test_the_random_state_is_the_schemes_alone(self):
        """Analysis draws nothing from the caller's generator."""
        model = plain(depth=3)
        torch.manual_seed(9)
        initlint.initialize(model, torch.zeros(2, 64), scheme="kaiming")
        torch.manual_seed(9)
        assert torch.equal(nn.init.normal_(torch.empty(128, 64), std=1 / 8), model[0].weight)

    def test_mode_and_buffers(self):
        model = Cnn().eval()
        initlint.initialize(model, torch.zeros(2, 3, 16, 16), scheme="kaiming")
        assert not model.training and not model.norm.running_mean.any()


class TestLayouts:
    def test_stored_transposed(self):
        """x @ W with W (in, out): fans are those of the product, orthonormal columns those of its outputs."""

        class Stored(nn.Module):
            def __init__(self):
                super().__init__()
                self.w, self.v = nn.Parameter(torch.randn(64, 200)), nn.Parameter(torch.randn(200, 10))

            def forward(self, x):
                return torch.relu(x @ self.w) @ self.v

        model, _ = initialized(Stored, torch.zeros(2, 64), "kaiming")
        assert is_drawn_with(model.w, 1 / 8) and is_drawn_with(model.v, (2 / 200) ** 0.5)
        model, done = initialized(Stored, torch.zeros(2, 64), "zero")
        assert torch.equal(model.w.T @ torch.eye(64) != 0, torch.ones(200, 64, dtype=torch.bool))  # Hadamard: every entry ±1/16
        assert ".transpose(0, 1)" in done.code

    def test_a_stack_of_experts(self):
        class Experts(nn.Module):
            def __init__(self):
                super().__init__()
                self.w = nn.Parameter(torch.randn(3, 32, 48))

            def forward(self, x):
                return torch.bmm(x, self.w)

        model, _ = initialized(Experts, torch.zeros(3, 5, 32), "orthogonal")
        for matrix in model.w.detach():
            assert matrix @ matrix.T == pytest.approx(torch.eye(32), abs=1e-4)


def test_meta_modules_have_lost_their_laws():
    with torch.device("meta"):
        model = plain(depth=3)
    with pytest.raises(LostLaws):
        initlint.initialize(model, torch.zeros(2, 64))


def test_an_unknown_scheme():
    with pytest.raises(initlint.DoesNotApply, match="'kaiming'"):
        initlint.initialize(plain(depth=3), torch.zeros(2, 64), scheme="kaimin")
