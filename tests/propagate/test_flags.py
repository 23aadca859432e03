"""Flags are set where an assumption is bent, inherited, and reset by a normalization; what is as assumed has none."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.propagate.backward import run as formulas
from initlint.propagate.flags import FLAGS
from tests.propagate.judged import net

torch.set_num_threads(1)

X = torch.zeros(16, 32)
T = torch.zeros(4, 8, 32)
ROWS = torch.tensor([0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 9])


def linear(n=32, m=32):
    return lambda: nn.Linear(n, m)


def flags(build, *inputs):
    """Flags of the output."""
    traced = capture(build_recorded(build), inputs)
    return formulas(traced).signals[traced.outputs[0]].flags


def narrow(depth=60, width=16):
    def build():
        layers = []
        for _ in range(depth):
            layers += [nn.Linear(width, width), nn.ReLU()]
            nn.init.kaiming_normal_(layers[-2].weight, nonlinearity="relu")
        return nn.Sequential(*layers)

    return build


def misaligned(_, x):
    """Small and large stretches of three and five positions, which rows of six cut at six different places."""
    small, large = x[:, :3], 100.0 * x[:, 3:]
    return torch.cat([small, large, small, small, large, small, small, small, large, small], dim=1).reshape(4, 6, 6, 32)


class Unwritten(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(32, 32))

    def forward(self, x):
        return nn.functional.linear(x, self.weight)


class Tied(nn.Module):
    """An embedding that is also the head."""

    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(50, 32), nn.Linear(32, 50, bias=False)
        self.head.weight = self.table.weight

    def forward(self, ids):
        return self.head(self.table(ids))


def linear_attention(m, x):
    q, k = (torch.nn.functional.elu(layer(x)) + 1 for layer in (m.a, m.b))
    return (q @ (k.transpose(1, 2) @ m.c(x))) / (q @ k.sum(1).unsqueeze(2))


BENT = {
    "sampled_operator": (net(lambda m, x: torch.special.bessel_j1(m.a(x)), a=linear()), X),
    "shared_weight": (net(lambda m, x: m.a(torch.relu(m.a(x))), a=linear()), X),
    "few_samples": (net(lambda m, x: m.b(m.a(x)), a=linear(), b=lambda: nn.BatchNorm1d(32)), X[:4]),
    "non_gaussian": (net(lambda m, x: torch.tanh(m.a(x) * m.b(x)), a=linear(), b=linear()), X),
    "heavy_tailed": (net(lambda m, x: torch.tanh(m.c(m.a(x))), a=narrow(), c=linear(16)), X[:, :16]),
    "selected": (net(lambda m, x: torch.topk(m.a(x), 4).values, a=linear()), X),
    "averaged_groups": (net(misaligned), T),
    "uninitialized_weight": (Unwritten, X),
    "wide_divisor": (
        net(
            lambda m, x: m.a(x) / m.b(x).square().view(16, 16, 2).mean(-1, keepdim=True).expand(16, 16, 2).reshape(16, 32),
            a=linear(),
            b=linear(),
        ),
        X,
    ),
    "shared_divisor": (net(linear_attention, a=linear(), b=linear(), c=linear()), T),
    "even_transform": (net(lambda m, x: torch.fft.fft2(m.a(torch.fft.fft2(x).real)), a=lambda: nn.LayerNorm(32)), T),
    "running_sum": (net(lambda m, x: m.a(x).cumsum(1), a=linear()), T),
    "messages": (net(lambda m, x: torch.zeros(16, 32).index_add(0, ROWS, m.a(x)), a=linear()), X),
}


def test_every_flag_has_a_row():
    """And every row a flag of the table; `refuted` is not bent by an operator (see `test_trial`)."""
    assert BENT.keys() | {"refuted"} == FLAGS.keys()


@pytest.mark.parametrize("flag", BENT)
def test_flag_is_set_where_the_assumption_is_bent(flag):
    build, *inputs = BENT[flag]
    assert flag in flags(build, *inputs)


def test_table_tied_to_the_head_is_a_shared_weight():
    assert flags(Tied, torch.zeros(2, 6, dtype=torch.int64)) == ("shared_weight",)


def test_weight_used_twice_side_by_side_is_none():
    """Only what a weight made itself depends on it."""
    assert flags(net(lambda m, x: m.a(x) + m.a(x.flip(0)), a=linear()), X) == ()


def test_flag_is_inherited():
    assert "non_gaussian" in flags(net(lambda m, x: m.c(torch.tanh(m.a(x) * m.b(x))), a=linear(), b=linear(), c=linear()), X)


def test_normalization_resets_it():
    build = net(lambda m, x: m.n(torch.tanh(m.a(x) * m.b(x))), a=linear(), b=linear(), n=lambda: nn.LayerNorm(32))
    assert flags(build, X) == ()


def test_small_term_of_a_sum_does_not_matter():
    """A term with less than a twentieth of the second moment hands on no flag."""
    build = net(lambda m, x: x + 1e-3 * torch.tanh(m.a(x) * m.b(x)), a=linear(), b=linear())
    assert flags(build, X) == ()


@pytest.mark.parametrize(
    ("build", "inputs"),
    [
        (net(lambda m, x: m.b(torch.relu(m.a(x))), a=linear(), b=linear()), X),
        (net(lambda m, x: m.b(torch.nn.functional.gelu(m.a(x))), a=linear(), b=linear()), X),
        (lambda: nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True), T),
        (net(lambda m, x: m.b(m.a(x)), a=linear(), b=lambda: nn.BatchNorm1d(32)), X),
    ],
    ids=["perceptron", "gelu", "transformer", "batch norm"],
)
def test_usual_models_bend_nothing(build, inputs):
    assert flags(build, inputs) == ()
