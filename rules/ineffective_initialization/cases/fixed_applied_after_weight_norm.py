"""A vocoder whose convolutions are initialized by apply, after weight norm has taken their weights over."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import weight_norm


def init_weights(m: nn.Module, mean: float = 0.0, std: float = 0.01) -> None:
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        m.weight.data.normal_(mean, std)  # finding: ineffective-initialization


class ResBlock(nn.Module):
    def __init__(self, channels: int, kernel_size: int = 3, dilation: tuple[int, ...] = (1, 3)) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            [weight_norm(nn.Conv1d(channels, channels, kernel_size, dilation=d, padding=d).apply(init_weights)) for d in dilation]
        )
        self.convs2 = nn.ModuleList(
            [weight_norm(nn.Conv1d(channels, channels, kernel_size, padding=1).apply(init_weights)) for _ in dilation]
        )

    def forward(self, x: Tensor) -> Tensor:
        for first, second in zip(self.convs1, self.convs2, strict=True):
            x = x + second(F.leaky_relu(first(F.leaky_relu(x, 0.1)), 0.1))
        return x


class Generator(nn.Module):
    def __init__(self, mel: int = 80, channels: int = 64) -> None:
        super().__init__()
        self.conv_pre = weight_norm(nn.Conv1d(mel, channels, 7, padding=3))
        self.up = weight_norm(nn.ConvTranspose1d(channels, channels // 2, 16, 8, padding=4).apply(init_weights))
        self.block = ResBlock(channels // 2)
        self.conv_post = weight_norm(nn.Conv1d(channels // 2, 1, 7, padding=3).apply(init_weights))

    def forward(self, mel: Tensor) -> Tensor:
        x = self.up(F.leaky_relu(self.conv_pre(mel), 0.1))
        return torch.tanh(self.conv_post(F.leaky_relu(self.block(x))))
