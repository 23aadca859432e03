"""A decoder whose deviations are computed from the first dimension of a transposed convolution's weight, without its kernel."""

from torch import Tensor, nn


class Decoder(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.up1 = nn.ConvTranspose2d(width, width // 2, 5, stride=1, padding=2)
        self.up2 = nn.ConvTranspose2d(width // 2, 3, 4, stride=2, padding=1)
        for layer in (self.up1, self.up2):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # finding: miscounted-fan
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.up2(self.up1(x).relu())
