"""EfficientNet-like network: MBConv blocks with squeeze-and-excitation and swish."""

import torch
from torch import nn


class SqueezeExcitation(nn.Module):
    def __init__(self, in_ch: int, reduced: int):
        super().__init__()
        self.se = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(in_ch, reduced, 1), nn.SiLU(), nn.Conv2d(reduced, in_ch, 1), nn.Sigmoid()
        )

    def forward(self, x):
        return x * self.se(x)


class MBConv(nn.Module):
    def __init__(self, in_ch, out_ch, kernel, stride, expand=6, se_ratio=0.25, survival=0.9):
        super().__init__()
        self.survival = survival
        self.residual = in_ch == out_ch and stride == 1
        mid = in_ch * expand
        self.expand = (
            nn.Identity()
            if expand == 1
            else nn.Sequential(nn.Conv2d(in_ch, mid, 1, bias=False), nn.BatchNorm2d(mid), nn.SiLU())
        )
        self.depthwise = nn.Sequential(
            nn.Conv2d(mid, mid, kernel, stride, kernel // 2, groups=mid, bias=False), nn.BatchNorm2d(mid), nn.SiLU()
        )
        self.se = SqueezeExcitation(mid, max(1, int(in_ch * se_ratio)))
        self.project = nn.Sequential(nn.Conv2d(mid, out_ch, 1, bias=False), nn.BatchNorm2d(out_ch))

    def drop_connect(self, x):
        if not self.training:
            return x
        keep = torch.rand(x.shape[0], 1, 1, 1, device=x.device) < self.survival
        return x / self.survival * keep

    def forward(self, x):
        h = self.project(self.se(self.depthwise(self.expand(x))))
        if self.residual:
            h = self.drop_connect(h) + x
        return h


SETTINGS = (
    # expand, channels, repeats, stride, kernel
    (1, 16, 1, 1, 3),
    (6, 24, 2, 1, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 2, 1, 5),
)


class EfficientNet(nn.Module):
    def __init__(self, num_classes=10, stem=32, last=512, dropout=0.2):
        super().__init__()
        blocks = [nn.Conv2d(3, stem, 3, 1, 1, bias=False), nn.BatchNorm2d(stem), nn.SiLU()]
        ch = stem
        for expand, out, repeats, stride, kernel in SETTINGS:
            for i in range(repeats):
                blocks.append(MBConv(ch, out, kernel, stride if i == 0 else 1, expand))
                ch = out
        blocks += [nn.Conv2d(ch, last, 1, bias=False), nn.BatchNorm2d(last), nn.SiLU(), nn.AdaptiveAvgPool2d(1)]
        self.features = nn.Sequential(*blocks)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(last, num_classes))

    def forward(self, x):
        return self.classifier(self.features(x))
