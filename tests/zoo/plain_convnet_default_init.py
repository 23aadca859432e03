"""VGG-like stack of 3x3 convolutions, no batch norm."""

import torch.nn as nn
import torch.nn.functional as F


class PlainConvNet(nn.Module):
    def __init__(self, in_channels=1, width=64, num_layers=20, num_classes=10):
        super(PlainConvNet, self).__init__()
        self.conv_in = nn.Conv2d(in_channels, width, kernel_size=3, padding=1)
        self.convs = nn.ModuleList()
        for i in range(num_layers):
            self.convs.append(nn.Conv2d(width, width, kernel_size=3, padding=1))  # finding: vanishing-signal
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, x):
        x = F.relu(self.conv_in(x))
        for conv in self.convs:
            x = F.relu(conv(x))
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.classifier(x)
