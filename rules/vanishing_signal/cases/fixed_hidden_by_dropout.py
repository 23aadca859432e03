"""Plain convolutions as torch starts them, before a classifier whose dropout makes two samples differ again."""

from torch import Tensor, nn

WIDTHS = (32, 32, "pool", 64, 64, "pool", 128, 128, 128, "pool", 192, 192, 192)


class Patches(nn.Module):
    def __init__(self, bands: int = 4, classes: int = 6) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in WIDTHS:
            if isinstance(width, int):
                layers += [nn.Conv2d(bands, width, 3, padding=1), nn.ReLU()]  # finding: vanishing-signal
                bands = width
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(192 * 16, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, classes))
        for layer in self.features:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        for layer in self.classifier:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).flatten(1))
