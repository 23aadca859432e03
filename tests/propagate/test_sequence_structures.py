"""Structures of sequences against Monte Carlo: attention in its forms, recurrences, scans, tied weights, integers, spectra."""

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
VECTORS = torch.zeros(16, 64)
TOKENS = torch.zeros(4, 12, 64)
IDS = torch.zeros(4, 12, dtype=torch.long)
IMAGES = torch.zeros(4, 3, 16, 16)
SHORT = torch.zeros(4, 6, 64)


def linear(i: int = 64, o: int = 64, **options: Any) -> Callable[[], nn.Module]:
    return partial(nn.Linear, i, o, **options)


def parameter(*shape: int, std: float = 1.0, mean: float = 0.0) -> Callable[[], nn.Parameter]:
    return lambda: nn.Parameter(mean + std * torch.randn(*shape))


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


class RelativeBias(Attention):
    """T5's: a bias by bucket of the distance, one for every head."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(16, 4)

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        place = torch.arange(12)
        return scores + self.table((place[None, :] - place[:, None]).clamp(-8, 7) + 8).permute(2, 0, 1)


class Slopes(Attention):
    """ALiBi: a fixed slope for every head."""

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        place = torch.arange(12)
        return scores - (place[None] - place[:, None]).abs() * 2.0 ** -torch.arange(1.0, 5.0)[:, None, None]


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
        for n, (rows, columns) in enumerate((r, c) for r in (slice(0, 4), slice(4, 6), slice(6, 8)) for c in (slice(0, 4), slice(4, 6), slice(6, 8))):
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
add("relative position biases of variance one", RelativeBias, TOKENS)
add("slopes of distance", Slopes, TOKENS,
    bits=0.25, why="distances are known in groups of positions")  # fmt: skip
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

# -- linear attention, scans ------------------------------------------------------------------------------------------------


class LinearAttention(nn.Module):
    """Feature maps elu + 1, causal by a running sum of outer products."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(64, 64) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = F.elu(heads(self.q(x))) + 1, F.elu(heads(self.k(x))) + 1, heads(self.v(x))
        state = torch.cumsum(k[..., :, None] * v[..., None, :], 2)
        above = torch.einsum("bhtd,bhtde->bhte", q, state)
        below = torch.einsum("bhtd,bhtd->bht", q, torch.cumsum(k, 2))
        return self.o(joined(above / (below[..., None] + 1e-6)))


class Selective(nn.Module):
    """Mamba's scan by steps: step sizes from the input, decay by exp(Δ A) of states 1 … 8, gate, skip."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.conv = nn.Linear(64, 128), nn.Conv1d(64, 64, 4, groups=64, padding=3)
        self.x, self.dt, self.out = nn.Linear(64, 4 + 16, bias=False), nn.Linear(4, 64), nn.Linear(64, 64)
        self.log_a = nn.Parameter(torch.log(torch.arange(1.0, 9.0)).repeat(64, 1))
        self.d = nn.Parameter(torch.ones(64))
        nn.init.uniform_(self.dt.weight, -0.5, 0.5)
        step = torch.exp(torch.rand(64) * (math.log(0.1) - math.log(0.001)) + math.log(0.001))
        with torch.no_grad():
            self.dt.bias.copy_(step + torch.log(-torch.expm1(-step)))

    def forward(self, u: torch.Tensor) -> torch.Tensor:
        x, z = self.into(u).chunk(2, -1)
        x = F.silu(self.conv(x.transpose(1, 2))[..., : u.shape[1]]).transpose(1, 2)
        dt, b, c = self.x(x).split([4, 8, 8], -1)
        dt = F.softplus(self.dt(dt))
        a = -torch.exp(self.log_a)
        state, ys = u.new_zeros(u.shape[0], 64, 8), []
        for t in range(u.shape[1]):
            state = state * torch.exp(dt[:, t, :, None] * a) + (dt[:, t] * x[:, t])[:, :, None] * b[:, t, None, :]
            ys.append((state * c[:, t, None, :]).sum(-1))
        return self.out((torch.stack(ys, 1) + x * self.d) * F.silu(z))


class LongConvolution(nn.Module):
    """S4D by its kernel: a decaying complex exponential, applied by FFT."""

    def __init__(self) -> None:
        super().__init__()
        self.log_dt = nn.Parameter(torch.rand(64) * (math.log(0.1) - math.log(0.01)) + math.log(0.01))
        self.c = nn.Parameter(torch.randn(64, 8, 2) * 0.5**0.5)
        self.log_real, self.imaginary = nn.Parameter(torch.log(0.5 * torch.ones(64, 8))), nn.Parameter(math.pi * torch.arange(8.0).repeat(64, 1))
        self.d, self.out = nn.Parameter(torch.randn(64)), nn.Linear(64, 64)

    def forward(self, u: torch.Tensor) -> torch.Tensor:
        n = u.shape[1]
        a = (-torch.exp(self.log_real) + 1j * self.imaginary) * torch.exp(self.log_dt)[:, None]
        powers = torch.exp(a[..., None] * torch.arange(n))
        kernel = 2 * torch.einsum("hn,hnl->hl", torch.view_as_complex(self.c) * (torch.exp(a) - 1) / a, powers).real
        u = u.transpose(1, 2)
        y = torch.fft.irfft(torch.fft.rfft(u, n=2 * n) * torch.fft.rfft(kernel, n=2 * n), n=2 * n)[..., :n]
        return self.out(F.gelu(y + u * self.d[:, None]).transpose(1, 2))


class GatedScan(nn.Module):
    """A diagonal recurrence with gates from the input (RG-LRU, HGRN) in logarithms."""

    def __init__(self) -> None:
        super().__init__()
        self.f, self.i = nn.Linear(64, 64), nn.Linear(64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        f, v, h, out = torch.sigmoid(self.f(x)), torch.tanh(self.i(x)), x.new_zeros(x.shape[0], 64), []
        for t in range(x.shape[1]):
            h = f[:, t] * h + (1 - f[:, t]) * v[:, t]
            out.append(h)
        return torch.stack(out, 1)


add("causal linear attention by running sums", LinearAttention, TOKENS,
    missing="a ratio of two sums over the same keys: what the keys share cancels in the gradient")  # fmt: skip
add("a selective state-space scan by steps", Selective, SHORT,
    grad_bits=2.4, why="rates 1 … 8 are one group, and the slower get more gradient")  # fmt: skip
add("a state-space convolution by FFT", LongConvolution, TOKENS,
    missing="complex numbers whose real and imaginary parts have different laws")  # fmt: skip
add("a gated diagonal recurrence", GatedScan, SHORT,
    missing="moments of a tensor with another that the same weights made: steps that share a bias are independent here")  # fmt: skip

# -- recurrent layers, shared and tied weights ------------------------------------------------------------------------------


class Unrolled(nn.Module):
    """One block called five times: weights shared over depth (ALBERT, universal transformers)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(64), nn.Linear(64, 128), nn.Linear(128, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(5):
            x = x + self.down(F.gelu(self.up(self.norm(x))))
        return x


class PlainUnrolled(nn.Module):
    """A He layer with ReLU applied four times to its own output."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(128, 128)
        nn.init.kaiming_normal_(self.layer.weight, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(4):
            x = F.relu(self.layer(x))
        return x


class TiedModel(nn.Module):
    """GPT-2 in small: embedding N(0, 0.02²) tied to the head, positions, one block."""

    def __init__(self) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(100, 64), nn.Embedding(16, 64)
        self.norm, self.attention, self.last = nn.LayerNorm(64), Causal(), nn.LayerNorm(64)
        self.head = nn.Linear(64, 100, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        self.head.weight = self.wte.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.wte(ids) + self.wpe(torch.arange(12))
        return self.head(self.last(x + self.attention(self.norm(x))))


class TiedAutoencoder(nn.Module):
    """A decoder by the transposed weight of the encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(64, 128)
        self.bias = nn.Parameter(torch.zeros(64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(torch.tanh(self.encoder(x)), self.encoder.weight.t(), self.bias)


class Siamese(nn.Module):
    """One encoder for two inputs whose outputs are compared."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64))
        self.head = nn.Linear(192, 8)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        a, b = self.encoder(x), self.encoder(y)
        return self.head(torch.cat([a, b, (a - b).abs()], -1))


class Seq2Seq(nn.Module):
    """A GRU encoder whose last state starts a decoder of cells with a shared output layer."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.cell, self.out = nn.GRU(64, 64, batch_first=True), nn.GRUCell(64, 64), nn.Linear(64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, y, ys = self.encoder(x)[1][0], x[:, -1], []
        for _ in range(3):
            h = self.cell(y, h)
            y = self.out(h)
            ys.append(y)
        return torch.stack(ys, 1)


for _name, _kind in {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}.items():
    add(f"two layers of {_name} in both directions and a head", lambda m, i: m.o(m.r(m.e(i))[0].mean(1)), IDS, o=linear(128, 10),
        r=partial(_kind, 64, 64, 2, batch_first=True, bidirectional=True), e=partial(nn.Embedding, 50, 64))  # fmt: skip
    add(f"{_name} over the same input at every step", lambda m, x: m.r(x[:, None].expand(-1, 12, -1))[0][:, -1], VECTORS,
        bits=0.35, grad_bits=0.95, why="the same weights meet the same direction at every step", r=partial(_kind, 64, 64, batch_first=True))  # fmt: skip
add("an encoder of GRUs and a decoder of cells", Seq2Seq, SHORT,
    missing="moments of a tensor with another that the same weights made: steps that share a bias are independent here")  # fmt: skip
add("a pre-norm block called five times", Unrolled, TOKENS,
    missing="moments of a tensor with another that the same weights made: the same block adds the same direction every time")  # fmt: skip
add("a plain layer called four times", PlainUnrolled, torch.zeros(8, 128))
add("an embedding tied to the head of a causal model", TiedModel, IDS,
    missing="moments of a tensor with another that the same weights made: the logit of the token itself")  # fmt: skip
add("a tied autoencoder", TiedAutoencoder, VECTORS,
    missing="moments of a tensor with another that the same weights made: Wᵀ f(W x) has a part along x")  # fmt: skip
add("one encoder for two inputs", Siamese, VECTORS, VECTORS,
    missing="moments of a tensor with another that the same weights made: biases that both inputs meet cancel in the difference")  # fmt: skip

# -- experts ----------------------------------------------------------------------------------------------------------------


class SoftExperts(nn.Module):
    """All experts computed, mixed by a softmax of a router."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(64, 4, bias=False)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64)) for _ in range(4))

    def weights(self, x: torch.Tensor) -> torch.Tensor:
        return F.softmax(self.router(x), -1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = self.weights(x)
        return torch.stack([expert(x) * weights[..., n, None] for n, expert in enumerate(self.experts)]).sum(0)


class TopExperts(SoftExperts):
    """Only the two best experts keep a weight, renormalized (Mixtral, dense form)."""

    def weights(self, x: torch.Tensor) -> torch.Tensor:
        best, index = F.softmax(self.router(x), -1).topk(2, -1)
        return torch.zeros(*x.shape[:-1], 4).scatter(-1, index, best / best.sum(-1, keepdim=True))


class OneHotExperts(SoftExperts):
    """Switch: the best expert, scaled by its probability, chosen by a one-hot product."""

    def weights(self, x: torch.Tensor) -> torch.Tensor:
        shares = F.softmax(self.router(x), -1)
        return shares * F.one_hot(shares.argmax(-1), 4)


add("experts mixed by a softmax", SoftExperts, TOKENS)
add("the two best of four experts", TopExperts, TOKENS,
    grad_bits=1.2, why="what was selected is large, and the softmax before it sends back more")  # fmt: skip
add("the best of four experts by one-hot", OneHotExperts, TOKENS,
    missing="that the selected share is the largest")  # fmt: skip

# -- dependent products and sums, constants, integers, spectra, writes --------------------------------------------------------


class FourierMixing(nn.Module):
    """FNet: the real part of a transform over features and tokens, inside a post-norm block."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.out, self.up, self.down = nn.LayerNorm(64), nn.LayerNorm(64), nn.Linear(64, 128), nn.Linear(128, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(x + torch.fft.fft(torch.fft.fft(x, dim=-1), dim=-2).real)
        return self.out(x + self.down(F.gelu(self.up(x))))


class SpectralLayer(nn.Module):
    """A Fourier neural operator's layer: the lowest modes by complex weights, written into zeros, and back."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(32, 32, 5, dtype=torch.cfloat) / 32**2)
        self.skip = nn.Conv1d(32, 32, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spectrum = torch.fft.rfft(x)
        kept = torch.zeros(x.shape[0], 32, spectrum.shape[-1], dtype=torch.cfloat)
        kept[:, :, :5] = torch.einsum("bix,iox->box", spectrum[:, :, :5], self.weight)
        return F.gelu(torch.fft.irfft(kept, n=x.shape[-1]) + self.skip(x))


class GlobalFilter(nn.Module):
    """GFNet: a learned complex filter in the frequencies of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 5, 32, 2) * 0.02)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.fft.rfft2(x, dim=(1, 2), norm="ortho") * torch.view_as_complex(self.weight)
        return x + torch.fft.irfft2(y, s=(8, 8), dim=(1, 2), norm="ortho")


class Written(nn.Module):
    """A buffer of zeros filled through views: chunks by copy_, a strided slice by +=, a scaled view, a masked write."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(64, 64), nn.Linear(64, 32), nn.Linear(64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros(4, 12, 64)
        y[:, 1:].copy_(F.relu(self.a(x[:, :-1])))
        y[..., ::2] += self.b(x)
        y.view(4, 12, 4, 16)[:, :, 1].mul_(0.5)
        y[:, 3] = 1.0
        y.transpose(0, 1)[5].add_(2.0)
        return self.c(y)


class Buckets(nn.Module):
    """Types, positions counted by a cumulative sum of ids that are not padding, and hashed pairs of neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places, self.pairs = nn.Embedding(40, 64, padding_idx=0), nn.Embedding(16, 64), nn.Embedding(32, 64)
        self.norm, self.out = nn.LayerNorm(64), nn.Linear(64, 64)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        places = torch.cumsum(torch.ones_like(ids), 1)
        pairs = (ids * 7 + torch.roll(ids, 1, 1) * 3) % 32
        x = self.words(ids) + self.places(places) + self.pairs(pairs)
        return self.out(self.norm(x))


def timesteps(t: torch.Tensor) -> torch.Tensor:
    angle = 1000 * t[:, None] * torch.exp(-math.log(10000) * torch.arange(32) / 32)
    return torch.cat([angle.cos(), angle.sin()], -1)


add("swish, mish and gelu by products", lambda m, x: m.d(m.c(y := m.b(m.a(x) * torch.sigmoid(1.5 * m.a(x)))) * torch.tanh(F.softplus(y))),
    VECTORS, a=linear(64, 128), b=linear(128), c=linear(), d=linear())  # fmt: skip
add("x f(x) where f goes through another layer of x", lambda m, x: m.c((y := F.relu(m.a(x))) * torch.sigmoid(m.b(y))), VECTORS,
    a=linear(64, 128), b=linear(128, 128), c=linear(128))  # fmt: skip
add("a cubic of one layer", lambda m, x: m.b((y := m.a(x)) + 0.5 * y**2 - y * y * y), VECTORS, a=linear(64, 128), b=linear(128))
add("branches that share their first layer, summed", lambda m, x: m.d((y := m.a(x)) + F.relu(y) - 0.5 * torch.tanh(m.b(y)) + x), VECTORS,
    a=linear(), b=linear(), d=linear())  # fmt: skip
add("a sum of a signal, its copy and its negative part", lambda m, x: m.b((y := m.a(x)) + 2 * y - F.relu(-y)), VECTORS, a=linear(), b=linear())
add("a signal centred by its own running parts", lambda m, x: m.b((y := F.relu(m.a(x))) - y.mean(1, keepdim=True) + y.cumsum(1) / 12), TOKENS,
    a=linear(), b=linear())  # fmt: skip
add("differences and products of neighbours", lambda m, x: m.b(torch.cat([(y := m.a(x))[:, 1:] - y[:, :-1], y[:, 1:] * y[:, :-1]], -1)), TOKENS,
    a=linear(), b=linear(128))  # fmt: skip
add("a table of sinusoids added and a scale of √d", lambda m, i: m.o(m.e(i) * 8.0 + m.p[:12]), IDS, e=partial(nn.Embedding, 50, 64),
    p=lambda: Constant(torch.cat([timesteps(torch.arange(16) / 1000)], -1)), o=linear())  # fmt: skip
add("sinusoids of a random time modulate tokens", lambda m, x, t: m.o(m.n(x) * (1 + m.f(F.silu(m.t(timesteps(t)))))[:, None]), TOKENS,
    torch.zeros(4), n=lambda: nn.LayerNorm(64), t=linear(), f=linear(), o=linear(),
    missing="groups of a known table by size: low frequencies hardly turn")  # fmt: skip
add("a fixed blur of a convolution's channels", lambda m, x: m.b(F.conv2d(F.relu(m.a(x)), m.k.value.expand(32, 1, 3, 3), stride=2, padding=1, groups=32)),
    IMAGES, a=partial(nn.Conv2d, 3, 32, 3, padding=1), b=partial(nn.Conv2d, 32, 32, 3, padding=1),
    k=lambda: Constant(torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1]))[None, None] / 16))  # fmt: skip
add("integers counted, hashed and looked up", Buckets, IDS)
add("Fourier mixing of tokens", FourierMixing, TOKENS)
add("a spectral layer that keeps the lowest modes", SpectralLayer, torch.zeros(4, 32, 24))
add("a global filter of an image's frequencies", GlobalFilter, torch.zeros(4, 8, 8, 32))
add("writes through views", Written, TOKENS,
    zeros="a view that is written to has the zeros of the whole")  # fmt: skip


class Constant(nn.Module):
    """A buffer with values, `value`."""

    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value)

    def __getitem__(self, key: Any) -> torch.Tensor:
        return self.value[key]


@pytest.mark.parametrize("row", TABLE.parametrized())
def test_structure_is_predicted(row: Structure) -> None:
    """Mean, second moment, zeros, pair moments and gradient of every node lie within five standard errors and the bound."""
    assert not (wrong := disagreements(row)), wrong
