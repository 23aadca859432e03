"""Structures of attention against Monte Carlo: masks, positions, windows, tokens apart, pooling, norms of queries and keys."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.propagate.structures import Structure, Table, disagreements

TABLE = Table()
add = TABLE.add
TOKENS = torch.zeros(4, 12, 64)
IMAGES = torch.zeros(4, 3, 16, 16)


def linear(i: int = 64, o: int = 64, **options: Any) -> Callable[[], nn.Module]:
    return partial(nn.Linear, i, o, **options)


def heads(x: torch.Tensor, n: int = 4) -> torch.Tensor:
    return x.unflatten(-1, (n, -1)).transpose(1, 2)


def joined(x: torch.Tensor) -> torch.Tensor:
    return x.transpose(1, 2).flatten(2)


# -- attention --------------------------------------------------------------------------------------------------------------


class Attention(nn.Module):
    """Queries, keys and values from one layer; `logits` may change the scores before the softmax."""

    def __init__(self, width: int = 64, scale: float | None = None) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.scale = (width // 4) ** -0.5 if scale is None else scale

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        return scores

    def turn(self, q: torch.Tensor, k: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return q, k

    def share(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.softmax(-1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (heads(part) for part in self.qkv(x).chunk(3, -1))
        q, k = self.turn(q, k)
        return self.out(joined(self.share(self.logits(q @ k.transpose(-2, -1) * self.scale)) @ v))


class Causal(Attention):
    """GPT-2's: a registered buffer of the lower triangle."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.tril(torch.ones(12, 12)).view(1, 1, 12, 12))

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.masked_fill(self.mask[:, :, :12, :12] == 0, torch.finfo(scores.dtype).min)


class CausalStack(nn.Module):
    """Three causal layers on small tokens: what came of early positions differs from what came of late ones."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.ModuleDict({"norm": nn.LayerNorm(64), "attention": Causal()}) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = 0.02 * x
        for layer in self.layers:
            x = x + layer["attention"](layer["norm"](x))
        return x


class FusedAttention(Attention):
    """By torch's own function."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(joined(F.scaled_dot_product_attention(*(heads(part) for part in self.qkv(x).chunk(3, -1)))))


def again(m: Any, x: torch.Tensor) -> torch.Tensor:
    """A residual block called three times."""
    for _ in range(3):
        x = x + m.a(m.n(x))
    return x


class SharedOutput(nn.Module):
    """Three layers that write by one matrix: what their sum has in common from layer to layer is no token's own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(64, 64), nn.LayerNorm(64)
        self.layers = nn.ModuleList(FusedAttention() for _ in range(3))
        for layer in self.layers:
            layer.out = self.layers[0].out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for layer in self.layers:
            x = x + layer(self.norm(x))
        return x


class PastBias(Attention):
    """T5's decoder: a bias by the distance to an earlier token; all later ones, which are hidden, have that of none."""

    how = "add"

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Embedding(12, 4)
        place = torch.arange(12)
        self.register_buffer("apart", (place[:, None] - place).clamp(min=0))

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        bias, later = self.bias(self.apart).permute(2, 0, 1)[None], torch.ones(12, 12, dtype=torch.bool).triu(1)
        if self.how == "add":
            return scores + (bias + torch.zeros(12, 12).masked_fill(later, torch.finfo(scores.dtype).min))
        if self.how == "where":
            return scores + torch.where(later, float("-inf"), bias)
        return scores + bias.masked_fill(later, float("-inf"))


class GroupedConvolutions(nn.Module):
    """SqueezeBERT's: queries, keys and values from convolutions of one position in four groups (Iandola et al. 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Conv1d(64, 64, 1, groups=4) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.transpose(1, 2)
        q, k, v = (layer(x).unflatten(1, (4, 16)) for layer in (self.q, self.k, self.v))
        return ((q.transpose(2, 3) @ k / 4).softmax(-1) @ v.transpose(2, 3)).transpose(2, 3).flatten(1, 2)


class RelativeBias(Attention):
    """T5's: a bias by bucket of the distance, one for every head."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(16, 4)

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        place = torch.arange(12)
        return scores + self.table((place[None, :] - place[:, None]).clamp(-8, 7) + 8).permute(2, 0, 1)


class MaskedTwice(Attention):
    """Swin v2's in transformers: the mask of the windows, one mask for each sample here, is added a second time."""

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        part = torch.arange(12)[None] // torch.tensor([12, 6, 6, 3])[:, None]
        mask = torch.zeros(4, 12, 12).masked_fill(part[:, :, None] != part[:, None], -100.0)[:, None]
        return scores + mask + mask


class MaskedByPrediction(Attention):
    """Mask2Former: which keys are seen is predicted, and written as minus infinity into zeros that are added."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Linear(64, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (heads(part) for part in self.qkv(x).chunk(3, -1))
        hidden = (self.seen(x).sigmoid() < 0.4).detach()
        mask = torch.zeros_like(hidden, dtype=x.dtype).masked_fill_(hidden, float("-inf"))
        return self.out(joined((q @ k.transpose(-2, -1) * self.scale + mask[:, None]).softmax(-1) @ v))


class MaskedBias(RelativeBias):
    """T5's decoder: the mask of every sample takes entries out of the biases, which all samples share."""

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        bias = super().logits(torch.zeros(1, 4, 12, 12))
        seen = torch.ones(12, 12, dtype=torch.bool).tril().expand(4, 1, 12, 12)
        return scores + torch.where(seen, bias, torch.finfo(bias.dtype).min)


class Slopes(Attention):
    """ALiBi: a fixed slope for every head."""

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        place = torch.arange(12)
        return scores - (place[None] - place[:, None]).abs() * 2.0 ** -torch.arange(1.0, 5.0)[:, None, None]


class SlopesInProduct(nn.Module):
    """BLOOM's ALiBi: a slope over the keys is added by baddbmm, heads and samples are taken apart, and a mask hides what comes."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(64, 192), nn.Linear(64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, _ = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, 4, 16).permute(2, 0, 3, 1, 4).reshape(3, b * 4, n, 16)
        slopes = (2.0 ** -torch.arange(1.0, 5.0)[:, None, None] * torch.arange(n)).repeat(b, 1, 1)
        scores = torch.baddbmm(slopes, q, k.transpose(1, 2), alpha=0.25).view(b, 4, n, n)
        hidden = torch.full((n, n), torch.finfo(torch.float32).min).triu(1)
        weights = (scores + hidden).softmax(-1).view(b * 4, n, n)
        return self.out((weights @ v).view(b, 4, n, 16).transpose(1, 2).flatten(2))


class Rotary(Attention):
    """Llama's rotation of queries and keys by halves."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("inverse", 1.0 / 10000 ** (torch.arange(0, 16, 2) / 16), persistent=False)

    def turn(self, q: torch.Tensor, k: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        angle = torch.outer(torch.arange(12.0), self.inverse)
        cos, sin = torch.cat([angle, angle], -1).cos(), torch.cat([angle, angle], -1).sin()
        half = lambda y: torch.cat([-y[..., 8:], y[..., :8]], -1)  # noqa: E731
        return q * cos + half(q) * sin, k * cos + half(k) * sin


class RotaryByComplexNumbers(Attention):
    """The same rotation as a product of complex numbers (the first Llama)."""

    def turn(self, q: torch.Tensor, k: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        angle = torch.outer(torch.arange(12.0), 1.0 / 10000 ** (torch.arange(0, 16, 2) / 16))
        phase = torch.polar(torch.ones_like(angle), angle)
        turned = lambda y: torch.view_as_real(torch.view_as_complex(y.unflatten(-1, (-1, 2))) * phase).flatten(-2)  # noqa: E731
        return turned(q), turned(k)


class NormedQueries(Attention):
    """Layer norms of queries and keys (ViT-22B), so that the logits have variance one whatever comes."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k = nn.LayerNorm(16), nn.LayerNorm(16)

    def turn(self, q: torch.Tensor, k: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.q(q), self.k(k)


class Cosine(Attention):
    """Swin v2: cosines by a learned temperature, which makes the logits sharp."""

    def __init__(self) -> None:
        super().__init__(scale=1.0)
        self.log_scale = nn.Parameter(torch.log(10 * torch.ones(4, 1, 1)))

    def turn(self, q: torch.Tensor, k: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return F.normalize(q, dim=-1), F.normalize(k, dim=-1)

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        return scores * self.log_scale.clamp(max=math.log(100.0)).exp()


class Sigmoids(Attention):
    """Sigmoid attention with its bias of −log T."""

    def share(self, scores: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(scores - math.log(12))


class RegionsAndWindows(nn.Module):
    """One layer of attention for a map of regions, and for windows of a region with its parts (Chen et al. 2022): what it adds has
    bias and weights in common, at places that are not in the same order, and the average over regions is made of that."""

    def __init__(self) -> None:
        super().__init__()
        self.regions, self.parts = nn.Linear(64, 64), nn.Linear(64, 64)
        self.shared, self.norm, self.head = Attention(), nn.LayerNorm(64), nn.Linear(64, 16)

    def forward(self, regions: torch.Tensor, parts: torch.Tensor) -> torch.Tensor:
        regions, parts = self.regions(regions), self.parts(parts)
        regions = regions + self.shared(self.norm(regions))
        windows = torch.cat([regions.reshape(64, 1, 64), parts.reshape(64, 4, 64)], 1)
        windows = windows + self.shared(self.norm(windows))
        return self.head(windows[:, :1].reshape(4, 16, 64).mean(1))  # type: ignore[no-any-return]


class LookingAround(Attention):
    """Windows of four tokens attend to themselves and to the windows beside them (local-attention): borders are filled and masked."""

    def around(self, x: torch.Tensor) -> torch.Tensor:
        return F.pad(x, (0, 0, 0, 0, 1, 1), value=-1.0).unfold(1, 3, 1).movedim(-1, 2).flatten(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (heads(part).reshape(-1, 6, 4, 16) for part in self.qkv(x).chunk(3, -1))
        places = self.around(torch.arange(24, dtype=torch.float32).reshape(1, 6, 4, 1)).squeeze(-1)[:, :, None]
        scores = torch.einsum("bhie,bhje->bhij", q * self.scale, self.around(k)).masked_fill(places == -1, -1e9)
        out = torch.einsum("bhij,bhje->bhie", scores.softmax(-1), self.around(v))
        return self.out(joined(out.reshape(len(x), 4, 24, 16)))


def sharp(scale: float) -> type[Attention]:
    return type("Sharp", (Attention,), {"__init__": lambda self: Attention.__init__(self, scale=scale)})


class Windows(nn.Module):
    """Swin's shifted windows: a roll, windows of 4×4, a mask between what was not neighbours, relative biases, and back."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(32), nn.Linear(32, 96), nn.Linear(32, 32)
        self.table = nn.Parameter(torch.zeros(49, 2))
        nn.init.trunc_normal_(self.table, std=0.02)
        place = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")).flatten(1)
        apart = (place[:, :, None] - place[:, None, :] + 3).permute(1, 2, 0)
        self.register_buffer("index", apart[..., 0] * 7 + apart[..., 1])
        region = torch.zeros(8, 8)
        for n, (rows, columns) in enumerate(
            (r, c) for r in (slice(0, 4), slice(4, 6), slice(6, 8)) for c in (slice(0, 4), slice(4, 6), slice(6, 8))
        ):
            region[rows, columns] = n
        region = region.view(2, 4, 2, 4).transpose(1, 2).reshape(4, 16)
        self.register_buffer("mask", torch.zeros(4, 16, 16).masked_fill(region[:, None] != region[:, :, None], -100.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        short, x = x, torch.roll(self.norm(x), (-2, -2), (1, 2))
        windows = x.view(4, 2, 4, 2, 4, 32).transpose(2, 3).reshape(16, 16, 32)
        q, k, v = self.qkv(windows).reshape(16, 16, 3, 2, 16).permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q * 0.25) @ k.transpose(-2, -1) + self.table[self.index.view(-1)].view(16, 16, 2).permute(2, 0, 1)
        scores = (scores.view(4, 4, 2, 16, 16) + self.mask[None, :, None]).view(16, 2, 16, 16)
        y = self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(16, 16, 32))
        y = torch.roll(y.view(4, 2, 2, 4, 4, 32).transpose(2, 3).reshape(4, 8, 8, 32), (2, 2), (1, 2))
        return short + y


class ViT(nn.Module):
    """Patches, a class token, positions, two pre-norm blocks, a head on the class token."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 64, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, 64))
        self.place = nn.Parameter(torch.randn(1, 17, 64) * 0.02)
        nn.init.normal_(self.token, std=1e-6)
        self.blocks = nn.ModuleList(nn.ModuleDict({"n": nn.LayerNorm(64), "a": Attention(), "o": nn.LayerNorm(64),
            "m": nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 64))}) for _ in range(2))  # fmt: skip
        self.norm, self.head = nn.LayerNorm(64), nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.place
        for block in self.blocks:
            x = x + block["a"](block["n"](x))
            x = x + block["m"](block["o"](x))
        return self.head(self.norm(x)[:, 0])


class AttentionPool(nn.Module):
    """CLIP's: the mean of all positions queries them."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.randn(17, 64) / 8)
        self.q, self.k, self.v, self.o = (nn.Linear(64, 64) for _ in range(4))
        self.stem = nn.Conv2d(3, 64, 4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.stem(x)).flatten(2).transpose(1, 2)
        x = torch.cat([x.mean(1, keepdim=True), x], 1) + self.place
        return self.o(joined(F.scaled_dot_product_attention(heads(self.q(x[:, :1])), heads(self.k(x)), heads(self.v(x)))))


class LearnedQuery(nn.Module):
    """Attention pooling by one learned query over tokens that share a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.common = nn.Parameter(torch.randn(1, 1, 64) * 0.02), nn.Parameter(torch.randn(1, 1, 64))
        self.attention, self.norm = nn.MultiheadAttention(64, 4, batch_first=True), nn.LayerNorm(64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.common
        y = self.attention(self.query.expand(x.shape[0], -1, -1), x, x, need_weights=False)[0]
        return self.norm(y).squeeze(1)


class GroupedQueries(nn.Module):
    """Llama's: keys and values of two heads, repeated for eight, causal."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.o = nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False)
        self.k, self.v = nn.Linear(64, 16, bias=False), nn.Linear(64, 16, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = heads(self.q(x), 8), heads(self.k(x), 2), heads(self.v(x), 2)
        k, v = (y[:, :, None].expand(-1, -1, 4, -1, -1).reshape(4, 8, 12, 8) for y in (k, v))
        scores = q @ k.transpose(2, 3) / 8**0.5 + torch.full((12, 12), float("-inf")).triu(1)
        return self.o(joined(F.softmax(scores, -1, dtype=torch.float32).to(q.dtype) @ v))


add("attention with flat logits", Attention, TOKENS)
add("attention with logits of variance one", sharp(1.0), TOKENS)
add("attention with sharp logits", sharp(6.0), TOKENS)
add("causal attention by a buffer", Causal, TOKENS)
add("layers of causal attention on small tokens", CausalStack, TOKENS)
add("queries and keys from grouped convolutions", GroupedConvolutions, TOKENS)
add("relative position biases of variance one", RelativeBias, TOKENS)
for how in ("add", "where", "masked_fill"):
    add(f"relative position biases of the past, hidden by {how}", type("PastBias", (PastBias,), {"how": how}), TOKENS, draws=96,
        grad_bits=0.1, why="narrower: it is about 0.7 bits of one gradient")
add("relative position biases masked by sample", MaskedBias, TOKENS)
add("one mask added twice", MaskedTwice, TOKENS)
add("a predicted mask", MaskedByPrediction, TOKENS)
add("slopes of distance", Slopes, TOKENS)
add("slopes over keys in one product, then a mask", SlopesInProduct, torch.zeros(4, 48, 64))
add("rotary embeddings", Rotary, TOKENS)
add("rotary embeddings by complex numbers", RotaryByComplexNumbers, TOKENS)
add("queries and keys normalized", NormedQueries, TOKENS)
add("cosines by a temperature", Cosine, TOKENS,
    grad_bits=3.0, why="sharp weights and their logits are dependent: what the temperature and the norms get is smaller")  # fmt: skip
add("sigmoid attention", Sigmoids, TOKENS)
add("shifted windows with masks and relative biases", Windows, torch.zeros(4, 8, 8, 32),
    zeros="a softmax 100 below the largest is e⁻¹⁰⁰, not zero")  # fmt: skip
add("a vision transformer with a class token", ViT, IMAGES)
add("attention pooling by the mean", AttentionPool, IMAGES)
add("attention pooling by a learned query", LearnedQuery, TOKENS)
add("grouped queries, repeated", GroupedQueries, TOKENS)
add("attention over tokens with a mean and correlation from the settings", Attention, TOKENS, laws=((0.5, 1.0, 0.5),))
add("cross attention of two laws", lambda m, x, y: x + m.a(m.n(x), F.relu(m.y(y)), F.relu(m.y(y)), need_weights=False)[0], TOKENS,
    torch.zeros(4, 7, 32), n=lambda: nn.LayerNorm(64), y=linear(32, 64), a=lambda: nn.MultiheadAttention(64, 4, batch_first=True))  # fmt: skip

add("attention to a window and those beside it", LookingAround, torch.zeros(4, 24, 64))
add("attention shared by regions and by windows of a region with its parts", RegionsAndWindows, torch.zeros(4, 16, 64),
    torch.zeros(4, 64, 64), laws=((0.0, 1.0, 0.0),) * 2, grad_bits=0.6, draws=48, why="what comes back by the two ways counts as independent")  # fmt: skip


add("one block of attention three times", lambda m, x: again(m, m.e(x)), TOKENS, e=linear(), n=lambda: nn.LayerNorm(64), a=Attention)
add("one block of normalized attention three times", lambda m, x: (lambda f: f(f(f(m.e(x)))))(lambda y: m.n(y + m.a(y))), TOKENS, e=linear(),
    n=lambda: nn.LayerNorm(64), a=FusedAttention)  # fmt: skip
add("one block of causal attention three times", lambda m, x: again(m, m.e(x)), TOKENS, e=linear(), n=lambda: nn.LayerNorm(64), a=Causal)
add("layers of attention with one output projection", SharedOutput, TOKENS)


@pytest.mark.parametrize("row", TABLE.parametrized())
def test_structure_is_predicted(row: Structure) -> None:
    """Mean, second moment, zeros, pair moments and gradient of every node lie within five standard errors and the bound."""
    assert not (wrong := disagreements(row)), wrong
