"""A decoder whose deviations count the inputs that a place of the output sums over: kernel over stride of each channel."""

from torch import Tensor, nn


class Decoder(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.up1 = nn.ConvTranspose2d(width, width // 2, 5, stride=1, padding=2)
        self.up2 = nn.ConvTranspose2d(width // 2, 3, 4, stride=2, padding=1)
        for layer in (self.up1, self.up2):
            nn.init.normal_(
                layer.weight, std=(2 * layer.stride[0] ** 2 / (layer.in_channels * layer.kernel_size[0] ** 2)) ** 0.5
            )
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.up2(self.up1(x).relu())
