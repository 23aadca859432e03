"""Structures of sequences against Monte Carlo: scans, recurrences, shared and tied weights, experts, writes, integers, spectra."""

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
from tests.propagate.test_attention_structures import Causal, heads, joined

TABLE = Table()
add = TABLE.add
VECTORS = torch.zeros(16, 64)
TOKENS = torch.zeros(4, 12, 64)
IDS = torch.zeros(4, 12, dtype=torch.long)
IMAGES = torch.zeros(4, 3, 16, 16)
SHORT = torch.zeros(4, 6, 64)


def linear(i: int = 64, o: int = 64, **options: Any) -> Callable[[], nn.Module]:
    return partial(nn.Linear, i, o, **options)


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
        self.log_real, self.imaginary = (
            nn.Parameter(torch.log(0.5 * torch.ones(64, 8))),
            nn.Parameter(math.pi * torch.arange(8.0).repeat(64, 1)),
        )
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


class Decays(nn.Module):
    """What a chunk of a state-space model (Dao & Gu 2024, listing 1) leaves for the next one: each step, decayed by those after it."""

    def __init__(self) -> None:
        super().__init__()
        self.dt, self.x, self.out = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 64)

    def forward(self, u: torch.Tensor) -> torch.Tensor:
        passed = torch.cumsum(-F.softplus(self.dt(u)), 1)
        return self.out((self.x(u) * torch.exp(passed[:, -1:] - passed)).sum(1))


class WrittenByParts(nn.Module):
    """The diagonal blocks of Longformer: written by slices of length one and by selects, read by selects."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(64, 64), nn.Linear(64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x.new_zeros(x.shape[0], 2, 12, 64)
        y[:, :-1, :, 32:] = self.a(x)[:, None, :, :32]
        y[:, -1] = self.a(x).relu()
        y[:, 0, 1:7, :32] = x[:, :6, :32]
        return self.b(y.flatten(1, 2))


add("causal linear attention by running sums", LinearAttention, TOKENS,
    missing="a ratio of two sums over the same keys: what the keys share cancels in the gradient")  # fmt: skip
add("a selective state-space scan by steps", Selective, SHORT)
add("a chunk of decays by running sums", Decays, TOKENS,
    missing="that the last of the running sums is longer than the others of its octave")  # fmt: skip
add("a tensor written by slices of length one", WrittenByParts, TOKENS,
    zeros="a view that is written to has the zeros of the whole")  # fmt: skip
add("positions where both or either condition holds", lambda m, x: m.b(torch.where((m.a(x) > 0) & (x > -1) | (m.b(x) > 1), x, 0.0)), TOKENS,
    a=linear(), b=linear())  # fmt: skip
add("a state-space convolution by FFT", LongConvolution, TOKENS,
    missing="complex numbers whose real and imaginary parts have different laws")  # fmt: skip
add("a gated diagonal recurrence", GatedScan, SHORT)

# -- a tensor that meets its own past ----------------------------------------------------------------------------------------


class Mixed(nn.Module):
    """Each token a mixture of itself and the one before, by fixed shares that differ between features (RWKV's token shift)."""

    def __init__(self, shift: Callable[[torch.Tensor], torch.Tensor], layers: int) -> None:
        super().__init__()
        self.shift = shift
        self.layers = nn.ModuleList(nn.Linear(64, 64) for _ in range(layers))
        self.share = nn.Parameter(torch.linspace(0.1, 0.9, 64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x * self.share + self.shift(x) * (1 - self.share))
        return x


class Averages(nn.Module):
    """Running averages with weights from the input, by steps, then a mixture of neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.k, self.v = nn.Linear(64, 64, bias=False), nn.Linear(64, 64)
        self.out, self.last = nn.Linear(64, 64), nn.Linear(64, 64)
        self.share = nn.Parameter(torch.linspace(0.1, 0.9, 64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        k, v = self.k(x), self.v(x)
        above = below = torch.zeros_like(k[:, 0])
        outputs = []
        for t in range(x.shape[1]):
            weight = torch.exp(k[:, t])
            above, below = 0.7 * above + weight * v[:, t], 0.7 * below + weight
            outputs.append(above / below)
        y = self.out(torch.stack(outputs, 1))
        return self.last(y * self.share + F.pad(y, (0, 0, 1, -1)) * (1 - self.share))


for how, shift in {
    "padding": lambda x: F.pad(x, (0, 0, 1, -1)),
    "roll": lambda x: torch.roll(x, 1, 1),
    "cat": lambda x: torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1),
}.items():
    add(f"tokens mixed with the ones before, by {how}", lambda m, x: m.mixed(x), TOKENS, mixed=partial(Mixed, shift, 3))
add("neighbouring running averages mixed", Averages, TOKENS)


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


class PostNormUnrolled(nn.Module):
    """One post-norm block called three times, as in ALBERT."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(64), nn.Linear(64, 128), nn.Linear(128, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            x = self.norm(x + self.down(F.gelu(self.up(x))))
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


def _forgetful(layer: nn.LSTM) -> nn.LSTM:
    """Orthogonal and Xavier weights, zero biases but one for the forget gate, as many authors write it."""
    for name, parameter in layer.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
            parameter.data[layer.hidden_size : 2 * layer.hidden_size].fill_(1.0)
        else:
            (nn.init.orthogonal_ if "hh" in name else nn.init.xavier_uniform_)(parameter)
    return layer


for _name, _kind in {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}.items():
    add(f"two layers of {_name} in both directions and a head", lambda m, i: m.o(m.r(m.e(i))[0].mean(1)), IDS, o=linear(128, 10),
        r=partial(_kind, 64, 64, 2, batch_first=True, bidirectional=True), e=partial(nn.Embedding, 50, 64))  # fmt: skip
    add(
        f"{_name} over the same input at every step",
        lambda m, x: m.r(x[:, None].expand(-1, 12, -1))[0][:, -1],
        VECTORS,
        r=partial(_kind, 64, 64, batch_first=True),
    )
    add(
        f"the last state of {_name} of two layers in both directions",
        lambda m, x: m.o(m.r(x)[0][:, -1]),
        torch.zeros(4, 32, 64),
        r=partial(_kind, 64, 64, 2, batch_first=True, bidirectional=True),
        o=linear(128, 10),
        draws=24,
    )
    add(f"{_name} of many units, made narrower", lambda m, x: m.o(m.r(x)[0][:, -1]), torch.zeros(4, 32, 64), draws=6,
        r=partial(_kind, 64, 512 if _kind is nn.LSTM else 1024, batch_first=True), o=linear(512 if _kind is nn.LSTM else 1024, 10))  # fmt: skip
add(
    "final states of every layer and direction of an LSTM",
    lambda m, x: m.o(m.r(x)[1][0].transpose(0, 1).flatten(1)),
    torch.zeros(4, 32, 64),
    r=partial(nn.LSTM, 64, 64, 2, batch_first=True, bidirectional=True),
    o=linear(256, 10),
    draws=24,
)
add(
    "an LSTM with an open forget gate",
    lambda m, x: m.r(x)[0][:, -1],
    torch.zeros(4, 32, 64),
    r=lambda: _forgetful(nn.LSTM(64, 64, batch_first=True)),
)
add(
    "an LSTM with projected states, time first",
    lambda m, x: m.r(x)[0].mean(0),
    torch.zeros(32, 4, 64),
    r=partial(nn.LSTM, 64, 64, 2, proj_size=32),
)
add("an encoder and a decoder of LSTMs", lambda m, x: m.d(x[:, :8], m.e(x)[1])[0], torch.zeros(4, 32, 64),
    e=partial(nn.LSTM, 64, 64, 2, batch_first=True), d=partial(nn.LSTM, 64, 64, 2, batch_first=True))  # fmt: skip
add("an encoder of GRUs and a decoder of cells", Seq2Seq, SHORT,
    missing="moments of a tensor with another that the same weights made: steps that share a bias are independent here")  # fmt: skip
add("a pre-norm block called five times", Unrolled, TOKENS)
add("a post-norm block called three times", PostNormUnrolled, TOKENS)
add("a plain layer called four times", PlainUnrolled, torch.zeros(8, 128))
add("an embedding tied to the head of a causal model", TiedModel, IDS,
    missing="moments of a tensor with another that the same weights made: the logit of the token itself")  # fmt: skip
add("a tied autoencoder", TiedAutoencoder, VECTORS,
    missing="moments of a tensor with another that the same weights made: Wᵀ f(W x) has a part along x")  # fmt: skip
add("two tokens selected and averaged", lambda m, x: (lambda h: m.o((h[:, 0] + h[:, 1]) / 2))(F.relu(m.a(x))), TOKENS,
    laws=((0.0, 1.0, 0.0), (0.5, 1.0, 0.5)), a=linear(), o=linear())  # fmt: skip
add("one encoder for two inputs", Siamese, VECTORS, VECTORS)

# -- convolutions by Fourier transforms -------------------------------------------------------------------------------------


def filtered(x: torch.Tensor, kernel: torch.Tensor, size: int) -> torch.Tensor:
    """The causal convolution along the last dimension, as long as x."""
    return torch.fft.irfft(torch.fft.rfft(x, n=size) * torch.fft.rfft(kernel, n=size), n=size)[..., : x.shape[-1]]


class Hyena(nn.Module):
    """Implicit filters: a sine network of positions, decaying windows, gates before and after the convolution (Poli et al. 2023)."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(64, 192), nn.Linear(64, 64)
        time, phase = torch.linspace(0, 1, 32)[:, None], 2 * math.pi * torch.arange(32)[:, None] / 32
        self.register_buffer("z", torch.cat([time, torch.cos(phase), -torch.sin(phase)], -1))
        self.register_buffer("decay", torch.exp(-time * torch.linspace(3.0, 15.0, 64)))
        self.first, self.second, self.third = nn.Linear(3, 64), nn.Linear(64, 64), nn.Linear(64, 64, bias=False)
        self.frequency, self.bias = nn.Parameter(10 * torch.ones(1, 64)), nn.Parameter(torch.randn(64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b, v = self.into(x).mT.chunk(3, 1)
        h = torch.sin(self.frequency * self.second(torch.sin(self.frequency * self.first(self.z))))
        v = v * a
        return self.out(((filtered(v, (self.third(h) * self.decay).mT, 64) + v * self.bias[:, None]) * b).mT)


LONG = torch.zeros(4, 64, 32)
add("a causal filter of white noise", lambda m, x: m.o(F.gelu(filtered(m.a(x.mT).mT, m.k, 64)).mT), LONG, a=linear(), o=linear(64, 10),
    k=lambda: nn.Parameter(torch.randn(64, 32) / 4))  # fmt: skip
add("a causal filter of a random walk, and a skip", lambda m, x: filtered(x.cumsum(-1) / 4, m.k, 64) + x.cumsum(-1) / 4 * m.d[:, None], LONG,
    k=lambda: nn.Parameter(torch.randn(64, 32) / 4), d=lambda: nn.Parameter(torch.randn(64)))  # fmt: skip
add("a circular filter", lambda m, x: filtered(x, m.k, 32) + x, LONG, k=lambda: nn.Parameter(torch.randn(64, 32) / 4))
add("the last value of a causal filter", lambda m, x: m.o(filtered(x, m.k, 64)[..., -1]), LONG, o=linear(64, 10),
    k=lambda: nn.Parameter(torch.randn(64, 32) / 4))  # fmt: skip
add("implicit filters between gates", Hyena, torch.zeros(4, 32, 64))
add("a spectrogram", lambda m, x: m.o(torch.log1p(torch.fft.rfft(m.a(x)).abs() ** 2)), TOKENS, a=linear(), o=linear(33, 10))
add("moduli of a transform", lambda m, x: m.o(torch.fft.fft(m.a(x)).abs()), TOKENS, a=linear(), o=linear())

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
add(
    "a sum of a signal, its copy and its negative part",
    lambda m, x: m.b((y := m.a(x)) + 2 * y - F.relu(-y)),
    VECTORS,
    a=linear(),
    b=linear(),
)
add("a signal centred by its own running parts", lambda m, x: m.b((y := F.relu(m.a(x))) - y.mean(1, keepdim=True) + y.cumsum(1) / 12), TOKENS,
    a=linear(), b=linear())  # fmt: skip
add("differences and products of neighbours", lambda m, x: m.b(torch.cat([(y := m.a(x))[:, 1:] - y[:, :-1], y[:, 1:] * y[:, :-1]], -1)), TOKENS,
    a=linear(), b=linear(128))  # fmt: skip
add("a table of sinusoids added and a scale of √d", lambda m, i: m.o(m.e(i) * 8.0 + m.p[:12]), IDS, e=partial(nn.Embedding, 50, 64),
    p=lambda: Constant(torch.cat([timesteps(torch.arange(16) / 1000)], -1)), o=linear())  # fmt: skip
add("sinusoids of a random time modulate tokens", lambda m, x, t: m.o(m.n(x) * (1 + m.f(F.silu(m.t(timesteps(t)))))[:, None]), TOKENS,
    torch.zeros(4), n=lambda: nn.LayerNorm(64), t=linear(), f=linear(), o=linear())  # fmt: skip
add("a fixed blur of a convolution's channels", lambda m, x: m.b(F.conv2d(F.relu(m.a(x)), m.k.value.expand(32, 1, 3, 3), stride=2, padding=1, groups=32)),
    IMAGES, a=partial(nn.Conv2d, 3, 32, 3, padding=1), b=partial(nn.Conv2d, 32, 32, 3, padding=1),
    k=lambda: Constant(torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1]))[None, None] / 16))  # fmt: skip
add("integers counted, hashed and looked up", Buckets, IDS)
add("look-ups in one table that often are the same row", lambda m, i: m.o(m.e(i) + m.e(m.at.value) + m.e(m.at.value.flip(0))), IDS,
    e=partial(nn.Embedding, 50, 64), o=linear(), at=lambda: Constant(torch.arange(48).reshape(4, 12) // 5))  # fmt: skip
add("the same look-up asked for twice", lambda m, i: torch.tanh(m.o(m.e(i) + m.e(i.clone()))), IDS, e=partial(nn.Embedding, 50, 64), o=linear())
add("a look-up less one that all samples share", lambda m, i: m.o(m.e(m.at.value) - m.e(m.at.value[:1])), IDS, e=partial(nn.Embedding, 50, 64),
    o=linear(), at=lambda: Constant(torch.arange(48).reshape(4, 12) % 7))  # fmt: skip
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
