"""Structures of images and features against Monte Carlo: convolutions, normalizations, pooling, gates, sharing."""

from __future__ import annotations

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
IMAGES = torch.zeros(6, 3, 16, 16)
MAPS = torch.zeros(6, 32, 8, 8)
VECTORS = torch.zeros(16, 64)
TOKENS = torch.zeros(6, 12, 64)


def linear(i: int = 64, o: int = 64, **options: Any) -> Callable[[], nn.Module]:
    return partial(nn.Linear, i, o, **options)


def conv(i: int, o: int, k: int = 3, **options: Any) -> Callable[[], nn.Module]:
    return partial(nn.Conv2d, i, o, k, **({"padding": k // 2} | options))


def he(layer: Any, mode: str = "fan_in") -> Any:
    nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


# -- zero padding, strides, transposed, grouped and depthwise convolutions --------------------------------------------------


class Padded(nn.Module):
    """Three He convolutions over a small map, where the border is most of it; the last one strides."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([he(nn.Conv2d(32, 64, 3, padding=1)), he(nn.Conv2d(64, 48, 5, padding=2)),
                                     he(nn.Conv2d(48, 64, 3, stride=2, padding=1))])  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = F.relu(layer(x))
        return x


class StridedStem(nn.Module):
    """ResNet's stem and a strided block with its 1×1 shortcut, all normalized."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            he(nn.Conv2d(3, 64, 7, 2, 3, bias=False), "fan_out"), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        self.body = nn.Sequential(he(nn.Conv2d(64, 96, 3, 2, 1, bias=False), "fan_out"), nn.BatchNorm2d(96), nn.ReLU(),
                                  he(nn.Conv2d(96, 96, 3, 1, 1, bias=False), "fan_out"), nn.BatchNorm2d(96))  # fmt: skip
        self.short = nn.Sequential(he(nn.Conv2d(64, 96, 1, 2, bias=False), "fan_out"), nn.BatchNorm2d(96))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        return F.relu(self.body(x) + self.short(x))


class Generator(nn.Module):
    """DCGAN's generator: transposed convolutions of N(0, 0.02²) with batch norms."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Sequential(
            nn.ConvTranspose2d(64, 128, 4, 1, 0, bias=False), nn.BatchNorm2d(128), nn.ReLU(True),
            nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(True),
            nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False), nn.Tanh())  # fmt: skip
        for module in self.up:
            if isinstance(module, nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0.0, 0.02)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.up(z[:, :, None, None])


class InvertedResiduals(nn.Module):
    """MobileNetV2: expansion, depthwise with stride, projection; then one that keeps its shape."""

    def __init__(self, affine: bool = True) -> None:
        super().__init__()
        self.first, self.second = self.block(16, 24, 2, affine), self.block(24, 24, 1, affine)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    @staticmethod
    def block(i: int, o: int, stride: int, affine: bool) -> nn.Module:
        wide = 6 * i
        return nn.Sequential(
            nn.Conv2d(i, wide, 1, bias=False), nn.BatchNorm2d(wide, affine=affine), nn.ReLU6(),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide, affine=affine), nn.ReLU6(),
            nn.Conv2d(wide, o, 1, bias=False), nn.BatchNorm2d(o, affine=affine))  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return x + self.second(x)


add("padded He convolutions over a small map", Padded, MAPS)
add("a strided stem and a strided block with a shortcut", StridedStem, IMAGES)
add("a generator of transposed convolutions", Generator, VECTORS)
add("a transposed convolution whose kernel its stride does not divide", lambda m, x: m.b(F.relu(m.a(x))), MAPS,
    a=partial(nn.ConvTranspose2d, 32, 64, 3, 2, 1, 1), b=partial(nn.ConvTranspose2d, 64, 32, 5, 3))  # fmt: skip
add("a ResNeXt bottleneck of grouped convolutions", lambda m, x: F.relu(x + m.c(F.relu(m.b(F.relu(m.a(x)))))), MAPS, a=conv(32, 64, 1),
    b=conv(64, 64, groups=8), c=conv(64, 32, 1))  # fmt: skip
add("depthwise convolutions by fan-out", lambda m, x: F.relu(m.b(F.relu(m.a(x)))), MAPS,
    a=lambda: he(nn.Conv2d(32, 32, 3, padding=1, groups=32), "fan_out"), b=lambda: he(nn.Conv2d(32, 64, 3, 2, 1, groups=32), "fan_out"))  # fmt: skip
add(
    "inverted residuals whose norms have no parameters",
    lambda m, x: m.b(x),
    torch.zeros(6, 16, 12, 12),
    b=partial(InvertedResiduals, affine=False),
)
add("inverted residuals", InvertedResiduals, torch.zeros(6, 16, 12, 12))
add("a stack of depthwise-separable convolutions without norms",
    lambda m, x: F.relu(m.d(F.relu(m.c(F.relu(m.b(F.relu(m.a(x)))))))), MAPS, a=conv(32, 32, groups=32), b=conv(32, 64, 1),
    c=conv(64, 64, groups=64), d=conv(64, 64, 1))  # fmt: skip
add("a ConvNeXt block", lambda m, x: x + (m.g * m.d(F.gelu(m.c(m.n(m.a(x).permute(0, 2, 3, 1)))))).permute(0, 3, 1, 2), MAPS,
    a=conv(32, 32, 7, groups=32), n=lambda: nn.LayerNorm(32, eps=1e-6), c=linear(32, 128), d=linear(128, 32),
    g=lambda: nn.Parameter(1e-6 * torch.ones(32)))  # fmt: skip


class PlacesOfPatches(nn.Module):
    """MobileViT's patches put back: every second pixel along each dimension shares a part, which a strided convolution adds up."""

    def __init__(self) -> None:
        super().__init__()
        self.own, self.shared = nn.Linear(48, 64, bias=False), nn.Linear(48, 64, bias=False)
        self.mix, self.down = conv(64, 64, padding=1, bias=False)(), conv(64, 64, 3, stride=2, padding=1, bias=False)()

    def forward(self, x: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
        x = (self.own(x) + 2.0 * self.shared(shared)).view(4, 4, 64, 64).transpose(1, 3)
        x = x.reshape(4 * 64 * 8, 8, 2, 2).transpose(1, 2).reshape(4, 64, 16, 16)
        return self.down(self.mix(x)).mean((2, 3))


add("patches that attention ran over place by place", PlacesOfPatches, torch.zeros(16, 64, 48), torch.zeros(16, 1, 48))

# -- normalizations ---------------------------------------------------------------------------------------------------------


class BatchNormed(nn.Module):
    """Six layers of convolution, batch norm, ReLU: the gradient grows by 1/(1 − 1/π) a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(*(layer for _ in range(6) for layer in (
            he(nn.Conv2d(32, 32, 3, padding=1, bias=False)), nn.BatchNorm2d(32), nn.ReLU())))  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class BatchNormedVectors(nn.Module):
    """Six layers of linear, batch norm, ReLU over a batch of 16."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(*(layer for _ in range(6) for layer in (he(nn.Linear(64, 64)), nn.BatchNorm1d(64), nn.ReLU())))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class BatchNormedTower(nn.Module):
    """A tower of linear, batch norm, ReLU over a batch of eight: an error of a few per cent a layer would be a factor."""

    def __init__(self, depth: int = 24, width: int = 256) -> None:
        super().__init__()
        layers = (
            layer for _ in range(depth) for layer in (nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU())
        )
        self.net = nn.Sequential(nn.Linear(64, width), *layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


def attended_after(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Attention of four heads on a single token: the values alone get a gradient, which tells the channels of a norm apart."""
    qkv = m.n(m.a(x).flatten(0, 1)).view(*x.shape[:2], 4, 48).transpose(1, 2)
    return m.b(F.scaled_dot_product_attention(*qkv.split(16, dim=-1)).transpose(1, 2).flatten(2))


def centred_tokens(x: torch.Tensor) -> torch.Tensor:
    return x - x.mean((0, 1), keepdim=True)


class RectifiedSums(nn.Module):
    """Eight ReLU(x + branch(x)) in a row, as in the first ResNet: the stream is skewed, and a step of a ReLU meets the one before."""

    def __init__(self, n: int = 48) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(conv(n, n)(), nn.BatchNorm2d(n), nn.ReLU(), conv(n, n)(), nn.BatchNorm2d(n)) for _ in range(8)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for branch in self.branches:
            x = F.relu(x + branch(x))
        return x


class ChannelsFirstNorm(nn.Module):
    """ConvNeXt's own layer norm over the channels of an image."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(1, keepdim=True)
        var = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(var + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class GroupNormByHand(nn.Module):
    """Groups of channels normalized over a reshape, with weights and biases."""

    def __init__(self, n: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight, self.bias = nn.Parameter(torch.ones(1, n, 1, 1)), nn.Parameter(torch.zeros(1, n, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, c, h, w = x.shape
        y = x.view(b, self.groups, -1)
        y = (y - y.mean(-1, keepdim=True)) / (y.var(-1, keepdim=True) + 1e-5).sqrt()
        return y.view(b, c, h, w) * self.weight + self.bias


class BatchNormByHand(nn.Module):
    """Statistics of a batch, written out."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
        return (x - mean) * torch.rsqrt(var + 1e-5) * self.weight[:, None, None] + self.bias[:, None, None]


class RMSByHand(nn.Module):
    """Llama's norm, with its casts."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kind = x.dtype
        x = x.to(torch.float32)
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)).to(kind)


class StandardizedConv(nn.Conv2d):
    """Weights centred and scaled by filter (BiT, NFNet), with NFNet's gain."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__(i, o, 3, padding=1)
        self.gain = nn.Parameter(torch.ones(o, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        var, mean = torch.var_mean(self.weight, (1, 2, 3), keepdim=True, unbiased=False)
        weight = (self.weight - mean) / torch.sqrt(var * self.weight[0].numel() + 1e-4) * self.gain
        return F.conv2d(x, weight, self.bias, padding=1)


class StandardizedByBatchNorm(nn.Conv2d):
    """timm's StdConv2d: the weight's own batch norm."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = F.batch_norm(self.weight.reshape(1, self.out_channels, -1), None, None, training=True, momentum=0.0, eps=1e-6)
        return F.conv2d(x, weight.reshape_as(self.weight), self.bias, padding=1)


class FewSamples(nn.Module):
    """Batch norm of tokens, most of whose variance the 16 tokens of each of four samples share: three directions hold it."""

    def __init__(self) -> None:
        super().__init__()
        self.own, self.shared, self.a = (nn.Linear(64, n, bias=False) for n in (64, 64, 128))
        self.b = nn.Linear(128, 16, bias=False)
        self.norm = nn.BatchNorm1d(128)

    def forward(self, x: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
        x = self.a(self.own(x) + 2.0 * self.shared(shared))
        return self.b(self.norm(x.flatten(0, 1)).view_as(x).mean(1))


def around(norm: Callable[[], nn.Module]) -> dict[str, Callable[[], nn.Module]]:
    return {"a": conv(32, 64), "n": norm, "b": conv(64, 32)}


add("six layers with batch norm of images", BatchNormed, MAPS)
add("six layers with batch norm of vectors", BatchNormedVectors, VECTORS)
add("rows normalized before their average is taken away, so that only what the norm does differently to each moves a bias",
    lambda m, x: centred_tokens(F.layer_norm(m.a(x), (48,))), torch.zeros(4, 12, 768), a=partial(nn.Linear, 768, 48))  # fmt: skip
add(
    "sums of a stream and a branch, rectified",
    RectifiedSums,
    torch.zeros(6, 48, 8, 8),
    bits=0.06,
    grad_bits=0.25,
    why="narrower than usual: errors of 0.1 bit a block",
)
add("a tower with batch norm of eight vectors", BatchNormedTower, torch.zeros(8, 64))
add("batch norm over few samples of what tokens share", FewSamples, torch.zeros(4, 16, 64), torch.zeros(4, 1, 64), draws=40)
add("queries, keys and values that one batch norm made", lambda m, x: attended_after(m, x), torch.zeros(4, 1, 96), draws=40,
    a=linear(96, 192, bias=False), n=lambda: nn.BatchNorm1d(192), b=linear(64, 64))  # fmt: skip
add("batch norm by hand of ReLUs", lambda m, x: m.b(m.n(F.relu(m.a(x)))), MAPS, **around(lambda: BatchNormByHand(64)),
    grad_bits=0.9, why="a centred ReLU is no function of its source: sums of gradients before it keep what centring removes")  # fmt: skip
add("layer norm over channels by hand", lambda m, x: m.b(F.gelu(m.n(m.a(x)))), MAPS, **around(lambda: ChannelsFirstNorm(64)))
add("layer norm over channels by hand of ReLUs", lambda m, x: m.b(m.n(F.relu(m.a(x)))), MAPS, **around(lambda: ChannelsFirstNorm(64)),
    bits=0.9, why="the square of a centred ReLU is taken as that of a normal variable")  # fmt: skip
add("layer norm over the whole image", lambda m, x: m.b(m.n(F.relu(m.a(x)))), MAPS, **around(lambda: nn.LayerNorm([64, 8, 8])))
add("group norm by hand of ReLUs", lambda m, x: m.b(m.n(F.relu(m.a(x)))), MAPS, **around(lambda: GroupNormByHand(64, 8)))
add("group norm of one group", lambda m, x: m.b(F.silu(m.n(m.a(x)))), MAPS, **around(lambda: nn.GroupNorm(1, 64)))
add("instance norm of ReLUs", lambda m, x: m.b(m.n(F.relu(m.a(x)))), MAPS, **around(lambda: nn.InstanceNorm2d(64, affine=True)))
add("RMS norm by hand around a gated block", lambda m, x: x + m.d(F.silu(m.g(m.n(x))) * m.u(m.n(x))), TOKENS, n=lambda: RMSByHand(64),
    g=linear(64, 128, bias=False), u=linear(64, 128, bias=False), d=linear(128, 64, bias=False))  # fmt: skip
add("post-norm residual blocks", lambda m, x: m.n(m.p(x + m.b(F.relu(m.a(x)))) + m.d(F.relu(m.c(x)))), TOKENS, a=linear(64, 128),
    b=linear(128, 64), c=linear(64, 128), d=linear(128, 64), n=lambda: nn.LayerNorm(64), p=lambda: nn.LayerNorm(64))  # fmt: skip
add("weight-standardized convolutions of ReLUs", lambda m, x: m.b(1.7 * F.relu(m.a(x))), MAPS, a=lambda: StandardizedConv(32, 64),
    b=lambda: StandardizedConv(64, 64))  # fmt: skip
add("weights standardized by a batch norm of ReLUs", lambda m, x: m.b(F.relu(m.n(m.a(x)))), MAPS,
    a=lambda: StandardizedByBatchNorm(32, 64, 3), n=lambda: nn.GroupNorm(8, 64), b=lambda: StandardizedByBatchNorm(64, 64, 3))  # fmt: skip
add("a spectrally scaled weight", lambda m, x: m.b(F.leaky_relu(m.a(x), 0.1)), VECTORS, a=linear(),
    b=lambda: nn.utils.parametrizations.weight_norm(nn.Linear(64, 96)))  # fmt: skip

# -- pooling of correlated positions ----------------------------------------------------------------------------------------


def correlated(pool: Callable[[torch.Tensor], Any]) -> Callable[..., Any]:
    """A pool of ReLUs of a convolution of ReLUs."""
    return lambda m, x: (
        m.o(pool(F.relu(m.b(F.relu(m.a(x))))).flatten(1)) if hasattr(m, "o") else pool(F.relu(m.b(F.relu(m.a(x)))))
    )


PARTS: dict[str, Callable[[], Any]] = {"a": conv(32, 64), "b": conv(64, 64)}
add("global average pooling and a head", correlated(lambda x: F.adaptive_avg_pool2d(x, 1)), MAPS, o=linear(64, 32), **PARTS)
add(
    "average and max pools in turn",
    lambda m, x: F.max_pool2d(F.relu(m.b(F.avg_pool2d(F.relu(m.a(x)), 2))), 3, 1, 1),
    MAPS,
    **PARTS,
)
add("adaptive pools whose windows overlap", correlated(lambda x: F.adaptive_avg_pool2d(x, 3)), MAPS, **PARTS)
add("an adaptive max pool", correlated(lambda x: F.adaptive_max_pool2d(x, (2, 1))), MAPS, **PARTS)
add("average and max of everything, concatenated", correlated(lambda x: torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)), MAPS,
    o=linear(128, 32), **PARTS)  # fmt: skip
add("generalized mean pooling", correlated(lambda x: F.avg_pool2d(x.clamp(min=1e-6).pow(3), 8).pow(1 / 3)), MAPS, **PARTS,
    missing="the law of an average of cubes near zero, where the cube root is steep")  # fmt: skip
add("max pools over images with a mean and correlated pixels", lambda m, x: F.max_pool2d(F.relu(m.b(F.avg_pool2d(F.relu(m.a(x)), 2))), 2),
    MAPS, laws=((0.5, 1.0, 0.5),), **PARTS)  # fmt: skip
add("a pyramid of pooled scales", lambda m, x: torch.cat([x] + [F.interpolate(F.relu(m.b(F.adaptive_avg_pool2d(m.a(x), s))), size=(8, 8),
    mode="bilinear", align_corners=False) for s in (1, 2, 4)], 1), MAPS, **PARTS)  # fmt: skip

# -- gates, dropped paths, scales -------------------------------------------------------------------------------------------


class SqueezeExcite(nn.Module):
    """A convolution whose channels are scaled by a gate of their averages (SENet), inside a residual block."""

    def __init__(self, gate: Callable[[torch.Tensor], torch.Tensor] = torch.sigmoid) -> None:
        super().__init__()
        self.conv = nn.Conv2d(32, 32, 3, padding=1)
        self.reduce, self.expand, self.gate = nn.Conv2d(32, 8, 1), nn.Conv2d(8, 32, 1), gate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.conv(x))
        return x + y * self.gate(self.expand(F.relu(self.reduce(y.mean((2, 3), keepdim=True)))))


class DropPath(nn.Module):
    """timm's: a sample's branch is dropped or scaled up."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        keep = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(1 - self.p)
        return x * keep.div_(1 - self.p)


class Scaled(nn.Module):
    """CaiT's blocks: layer norm, MLP, layer scale, dropped path, twice."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(64) for _ in range(2))
        self.mlps = nn.ModuleList(nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 64)) for _ in range(2))
        self.scales = nn.ParameterList(nn.Parameter(scale * torch.ones(64)) for _ in range(2))
        self.drop = DropPath(0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for norm, mlp, scale in zip(self.norms, self.mlps, self.scales, strict=True):
            x = x + self.drop(scale * mlp(norm(x)))
        return x


class DeepSupervision(nn.Module):
    """A residual stream from which parts of different scale are cut, stacked and joined again."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(64, 96), nn.Linear(96, 96), nn.Linear(144, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.a(x)
        first, second, third = 3.0 * y[..., :32], F.relu(y[..., 32:64]), torch.sigmoid(y[..., 64:])
        z = self.b(torch.cat([first, second, third], -1))
        stacked = torch.stack([z[..., :48] * 0.1, z[..., 48:] + 1.0, first.repeat(1, 1, 2)[..., :48]], 1)
        return self.c(stacked.transpose(1, 2).flatten(2)) + stacked.sum(1)[..., :1]


add("squeeze and excite in a residual block", SqueezeExcite, MAPS)
add("a hard squeeze and excite of signed features", lambda m, x: (lambda y: y * F.hardsigmoid(m.e(F.silu(m.r(y.mean((2, 3)))))).view(6, 64, 1, 1)
    )(m.c(x)), MAPS, c=conv(32, 64), r=linear(64, 16), e=linear(16, 64))  # fmt: skip
add("a spatial gate of averages and maxima", lambda m, x: (lambda y: y * torch.sigmoid(m.s(torch.cat([y.mean(1, keepdim=True),
    y.amax(1, keepdim=True)], 1))))(F.relu(m.a(x))), MAPS, a=conv(32, 64), s=conv(2, 1, 7))  # fmt: skip
add("a spatial gating unit of tokens", lambda m, x: (lambda u, v: m.o(u * m.s(m.n(v).transpose(1, 2)).transpose(1, 2)))(
    *F.gelu(m.a(x)).chunk(2, -1)), TOKENS, a=linear(64, 256), n=lambda: nn.LayerNorm(128), s=lambda: gated_by_one(nn.Linear(12, 12)),
    o=linear(128, 64))  # fmt: skip
add("three highway layers", lambda m, x: (lambda f: f(2, f(1, f(0, x))))(lambda n, y: (lambda t: t * F.relu(m.h[n](y)) + (1 - t) * y)(
    torch.sigmoid(m.t[n](y)))), VECTORS, h=lambda: nn.ModuleList(nn.Linear(64, 64) for _ in range(3)),
    t=lambda: nn.ModuleList(biased(nn.Linear(64, 64), -2.0) for _ in range(3)))  # fmt: skip
add("FiLM by a condition", lambda m, x, c: (lambda s, t: (1 + s) * m.n(x) + t)(*m.f(F.silu(c))[:, None].chunk(2, -1)), TOKENS,
    torch.zeros(6, 64), n=lambda: nn.LayerNorm(64, elementwise_affine=False), f=linear(64, 128))  # fmt: skip
add("layer scale of 0.1 and dropped paths", lambda m, x: m.s(x), TOKENS, s=partial(Scaled, 0.1))
add("layer scale of 1e-5 and dropped paths", lambda m, x: m.s(x), TOKENS, s=partial(Scaled, 1e-5))
add("a batch norm of zero gain ends the branch", lambda m, x: F.relu(x + m.n(m.b(F.relu(m.a(x))))), MAPS, a=conv(32, 64), b=conv(64, 32),
    n=lambda: zero_gain(nn.BatchNorm2d(32)))  # fmt: skip
add("slices, stacks and cats of different laws", DeepSupervision, TOKENS)
add("a copy of a transposed map that others read", lambda m, x: (lambda y: m.o(m.n(y)) + torch.tanh(3 * m.p(y.contiguous())))(
    m.a(x).transpose(1, 2)), TOKENS, a=linear(), n=lambda: nn.LayerNorm(12), o=linear(12, 12), p=linear(12, 12))  # fmt: skip
add("a copy of another kind that others read", lambda m, x: (lambda y: m.o(m.n(y)) + torch.tanh(3 * m.p(y.double().float())))(m.a(x)),
    TOKENS, a=linear(), n=lambda: nn.LayerNorm(64), o=linear(), p=linear())  # fmt: skip
add("a value and advantages less their mean", lambda m, x: (lambda v, a: v + a - a.mean(-1, keepdim=True))(m.v(F.relu(m.f(x))), m.a(F.relu(m.f(x)))),
    VECTORS, f=linear(), v=linear(64, 1), a=linear(64, 6), draws=48)  # fmt: skip


def gated_by_one(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    nn.init.ones_(layer.bias)
    return layer


def biased(layer: nn.Linear, value: float) -> nn.Linear:
    nn.init.constant_(layer.bias, value)
    return layer


def zero_gain(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    nn.init.zeros_(norm.weight)
    return norm


def copying(layer: Any, gain: float = 1.0) -> Any:
    """A layer that starts as a multiple of the identity."""
    nn.init.eye_(layer.weight) if layer.weight.dim() == 2 else nn.init.dirac_(layer.weight)
    with torch.no_grad():
        layer.weight.mul_(gain)
    return layer


add("a layer that starts as the identity beside what it copies", lambda m, x: m.o((lambda y: y + m.e(y))(m.a(x))), VECTORS,
    a=linear(), e=lambda: copying(nn.Linear(64, 64, bias=False)), o=linear(), draws=24)  # fmt: skip
add("a ReLU of a multiple of a ReLU, by a matrix", lambda m, x: m.o(F.relu(m.e(F.relu(m.a(x))))), VECTORS,
    a=linear(), e=lambda: copying(nn.Linear(64, 64, bias=False), 0.5), o=linear(), draws=24)  # fmt: skip
add("kernels that start as the identity beside what they copy", lambda m, x: m.o((lambda y: y + m.e(y) - F.relu(m.f(y)))(m.a(x))), MAPS,
    a=conv(32, 32), e=lambda: copying(nn.Conv2d(32, 32, 1, bias=False)), f=lambda: copying(nn.Conv2d(32, 32, 3, padding=1)), o=conv(32, 16))  # fmt: skip


@pytest.mark.parametrize("row", TABLE.parametrized())
def test_structure_is_predicted(row: Structure) -> None:
    """Mean, second moment, zeros, pair moments and gradient of every node lie within five standard errors and the bound."""
    assert not (wrong := disagreements(row)), wrong
