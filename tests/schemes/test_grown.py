"""Grown models against their origin: recipes of composable expansions compute the same, and every slip of one is named.

The recipes are written out by hand here (Gesmundo, Maile 2023; theory, classic initializations, section 27).
"""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import initlint

IDS = torch.randint(0, 50, (2, 9), generator=torch.Generator().manual_seed(0))


class Rms(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gain = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-12) * self.gain


class Net(nn.Module):
    """Pre-norm transformer; sizes of stream, feed-forward, heads, key and value all apart."""

    def __init__(self, h=16, p=24, heads=2, k=6, v=5, layers=2, norm=Rms):
        super().__init__()
        self.sizes = (heads, k, v)
        self.table = nn.Embedding(50, h)
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    "n1": norm(h), "q": nn.Linear(h, heads * k), "k": nn.Linear(h, heads * k), "v": nn.Linear(h, heads * v),
                    "o": nn.Linear(heads * v, h), "n2": norm(h), "up": nn.Linear(h, p), "down": nn.Linear(p, h),
                }
            )
            for _ in range(layers)
        )  # fmt: skip
        self.last = norm(h)
        self.read = nn.Linear(h, 50)

    def forward(self, ids):
        x = self.table(ids)
        heads, k, v = self.sizes
        for layer in self.layers:
            y = layer["n1"](x)
            q, key, value = (layer[n](y).unflatten(-1, (heads, s)).transpose(1, 2) for n, s in (("q", k), ("k", k), ("v", v)))
            x = x + layer["o"](F.scaled_dot_product_attention(q, key, value).transpose(1, 2).flatten(2))
            x = x + layer["down"](torch.relu(layer["up"](layer["n2"](x))))
        return self.read(self.last(x))


def spread(old, new, index):
    """Copy old entries to the places `index` (a tuple of index tensors) of a larger tensor, the rest random."""
    with torch.no_grad():
        nn.init.normal_(new)
        new[torch.meshgrid(*index, indexing="ij")] = old


def units(old, new, heads=1, new_heads=1):
    a, b = old // heads, new // new_heads
    return torch.tensor([head * b + i for head in range(heads) for i in range(a)])


def grow(origin, **sizes):
    """Random new entries, old ones in their places; nothing is zero yet."""
    base = {
        "h": 16,
        "p": 24,
        "heads": 2,
        "k": 6,
        "v": 5,
        "layers": 2,
        **({"norm": sizes.pop("norm")} if "norm" in sizes else {}),
    }
    new = Net(**{**base, **sizes})
    heads, grown_heads = 2, new.sizes[0]
    old = dict(origin.named_parameters())
    for name, parameter in new.named_parameters():
        if name not in old:
            continue
        kind = name.split(".")[-2]
        index = [units(a, b) for a, b in zip(old[name].shape, parameter.shape, strict=True)]
        if kind in ("q", "k", "v"):
            index[0] = units(old[name].shape[0], parameter.shape[0], heads, grown_heads)
        if kind == "o" and name.endswith("weight"):
            index[1] = units(old[name].shape[1], parameter.shape[1], heads, grown_heads)
        spread(old[name], parameter, tuple(index))
    return new


def zero(tensor, rows=None, columns=None):
    with torch.no_grad():
        if rows is not None:
            tensor[rows] = 0
        else:
            tensor[:, columns] = 0


def wider_feed_forward(origin):
    new = grow(origin, p=40)
    for layer in new.layers:
        zero(layer["down"].weight, columns=slice(24, None))
    return new


def more_heads(origin):
    new = grow(origin, heads=3)
    for layer in new.layers:
        zero(layer["o"].weight, columns=slice(10, None))
    return new


def larger_values(origin):
    new = grow(origin, v=8)
    for layer in new.layers:
        zero(layer["o"].weight, columns=torch.tensor([5, 6, 7, 13, 14, 15]))
    return new


def larger_keys(origin, rescale=True):
    new = grow(origin, k=10)
    for layer in new.layers:
        extra = torch.tensor([6, 7, 8, 9, 16, 17, 18, 19])
        zero(layer["k"].weight, rows=extra)
        zero(layer["k"].bias, rows=extra)
        with torch.no_grad():
            factor = (10 / 6) ** 0.5 if rescale else 1.0
            layer["k"].weight.mul_(factor)
            layer["k"].bias.mul_(factor)
    return new


def wider_stream(origin, rescale=True, norm=Rms):
    new = grow(origin, h=24, norm=norm)
    zero(new.table.weight, columns=slice(16, None))
    for layer in new.layers:
        for name in ("o", "down"):
            zero(layer[name].weight, rows=slice(16, None))
            zero(layer[name].bias, rows=slice(16, None))
    if rescale:
        with torch.no_grad():
            for module in new.modules():
                if isinstance(module, Rms):
                    module.gain[:16] *= (16 / 24) ** 0.5
    return new


def another_layer(origin):
    new = grow(origin, layers=3)
    for name in ("o", "down"):
        zero(new.layers[2][name].weight, rows=slice(None))
        zero(new.layers[2][name].bias, rows=slice(None))
    return new


@pytest.mark.parametrize("recipe", [wider_feed_forward, more_heads, larger_values, larger_keys, wider_stream, another_layer])
def test_a_recipe_is_exact(recipe):
    """Different random weights in all free places, and the same function."""
    torch.manual_seed(0)
    origin = Net()
    found = initlint.growth(origin, recipe(origin), IDS)
    assert found.complaints == ()
    assert found.preserves
    assert any(item.demand == "zero" for item in found.requirements)


@pytest.mark.parametrize(
    ("recipe", "parameter", "index"),
    [
        pytest.param(wider_feed_forward, "layers.1.down.weight", (3, 30), id="a column that reads a new unit"),
        pytest.param(more_heads, "layers.0.o.weight", (0, 12), id="a column that reads a new head"),
        pytest.param(larger_values, "layers.0.o.weight", (0, 6), id="a column that reads a new value entry of an old head"),
        pytest.param(larger_keys, "layers.0.k.weight", (7, 0), id="a new key entry of an old head"),
        pytest.param(larger_keys, "layers.0.k.bias", (7,), id="its bias"),
        pytest.param(wider_stream, "layers.0.o.weight", (20, 0), id="a row that writes the wider stream"),
        pytest.param(wider_stream, "table.weight", (3, 20), id="an embedding of the wider stream"),
        pytest.param(another_layer, "layers.2.down.weight", (0, 0), id="the last layer of a new branch"),
        pytest.param(another_layer, "layers.2.o.bias", (0,), id="its bias"),
        pytest.param(wider_feed_forward, "layers.1.up.weight", (0, 0), id="an old entry that was changed"),
    ],
)
def test_a_slip_is_named(recipe, parameter, index):
    torch.manual_seed(0)
    origin = Net()
    grown = recipe(origin)
    with torch.no_grad():
        grown.get_parameter(parameter)[index] += 1.0
    found = initlint.growth(origin, grown, IDS)
    assert [item.parameter for item in found.complaints] == [parameter]


def test_keys_without_their_factor():
    torch.manual_seed(0)
    origin = Net()
    found = initlint.growth(origin, larger_keys(origin, rescale=False), IDS)
    assert {item.parameter.split(".")[2] for item in found.complaints} == {"k"} and not found.preserves


def test_gains_without_their_factor():
    torch.manual_seed(0)
    origin = Net()
    found = initlint.growth(origin, wider_stream(origin, rescale=False), IDS)
    assert {item.parameter.rpartition(".")[2] for item in found.complaints} == {"gain"} and not found.preserves


def test_layer_norm_has_no_exact_recipe():
    torch.manual_seed(0)
    origin = Net(norm=nn.LayerNorm)
    found = initlint.growth(origin, wider_stream(origin, rescale=False, norm=nn.LayerNorm), IDS)
    assert any("LayerNorm" in item.message for item in found.complaints) and not found.preserves


def test_zero_on_both_sides_is_dead():
    torch.manual_seed(0)
    origin = Net()
    grown = wider_feed_forward(origin)
    zero(grown.layers[0]["up"].weight, rows=slice(24, None))
    found = initlint.growth(origin, grown, IDS)
    assert [item.parameter for item in found.complaints] == ["layers.0.up.weight"]
    assert found.preserves and "gradient" in found.complaints[0].message


def test_a_plain_net():
    """Without a residual stream: rows free, the columns that read them zero."""
    torch.manual_seed(0)
    origin = nn.Sequential(nn.Linear(8, 12), nn.Tanh(), nn.Linear(12, 3))
    grown = nn.Sequential(nn.Linear(8, 20), nn.Tanh(), nn.Linear(20, 3))
    with torch.no_grad():
        grown[0].weight[:12], grown[0].bias[:12] = origin[0].weight, origin[0].bias
        grown[2].weight[:, :12], grown[2].bias[:] = origin[2].weight, origin[2].bias
    x = torch.zeros(4, 8)
    assert [item.parameter for item in initlint.growth(origin, grown, x).complaints] == ["2.weight"]
    zero(grown[2].weight, columns=slice(12, None))
    assert initlint.growth(origin, grown, x).preserves


def test_nothing_changes():
    torch.manual_seed(0)
    origin = Net()
    before = copy.deepcopy(origin.state_dict())
    grown = wider_feed_forward(origin)
    initlint.growth(origin, grown, IDS)
    assert all(torch.equal(before[name], value) for name, value in origin.state_dict().items())
    assert next(grown.parameters()).dtype == torch.float32
