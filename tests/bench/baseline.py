"""What a check is compared with: import torch, build the model on meta, export it. Nothing of initlint runs."""

from __future__ import annotations

import sys

import torch

from tests.bench import models


def main(name: str) -> None:
    """Build on meta and export in train mode, as the fastest user of torch.export could."""
    with torch.device("meta"):
        model = getattr(models, name)()
        tokens = torch.zeros(2, 64, dtype=torch.int64)
    model.train()
    torch.export.export(model, (tokens,), {"use_cache": False}, strict=False)


if __name__ == "__main__":
    main(sys.argv[1])
