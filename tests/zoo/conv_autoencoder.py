"""Convolutional autoencoder: strided convolutions down, transposed convolutions up."""

import torch.nn as nn


class ConvAutoencoder(nn.Module):
    def __init__(self, in_channels=1, base_channel_size=32, latent_dim=64, act_fn=nn.GELU):
        super().__init__()
        c = base_channel_size
        self.encoder = nn.Sequential(
            nn.Conv2d(in_channels, c, kernel_size=3, padding=1, stride=2),  # 32x32 => 16x16
            act_fn(),
            nn.Conv2d(c, c, kernel_size=3, padding=1),
            act_fn(),
            nn.Conv2d(c, 2 * c, kernel_size=3, padding=1, stride=2),  # 16x16 => 8x8
            act_fn(),
            nn.Conv2d(2 * c, 2 * c, kernel_size=3, padding=1, stride=2),  # 8x8 => 4x4
            act_fn(),
            nn.Flatten(),
            nn.Linear(2 * 16 * c, latent_dim),
        )
        self.linear = nn.Sequential(nn.Linear(latent_dim, 2 * 16 * c), act_fn())
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(2 * c, 2 * c, kernel_size=3, output_padding=1, padding=1, stride=2),
            act_fn(),
            nn.ConvTranspose2d(2 * c, c, kernel_size=3, output_padding=1, padding=1, stride=2),
            act_fn(),
            nn.ConvTranspose2d(c, in_channels, kernel_size=3, output_padding=1, padding=1, stride=2),
        )
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
                nn.init.zeros_(m.bias)

    def forward(self, x):
        z = self.encoder(x)
        h = self.linear(z)
        h = h.reshape(h.shape[0], -1, 4, 4)
        return self.decoder(h)
