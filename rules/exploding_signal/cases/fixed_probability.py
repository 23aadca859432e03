"""A judge of samples: what it says lies between 0 and 1, whatever its logits are."""

from torch import Tensor, nn


class Discriminator(nn.Module):
    def __init__(self, pixels: int = 64, width: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(pixels, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, 1),
            nn.Sigmoid(),
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, a=0.2)  # finding: exploding-signal

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
