"""What a model of the zoo is trained to make small: (what it put out, target) → loss."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def entropy(out: object, y: Tensor) -> Tensor:
    """Cross-entropy of the first output; over the last axis for sequences."""
    logits = out[0] if isinstance(out, tuple) else out
    assert isinstance(logits, Tensor)
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), y.reshape(-1))


def square(out: object, y: Tensor) -> Tensor:
    """Mean squared error of the first output."""
    value = out[0] if isinstance(out, tuple) else out
    assert isinstance(value, Tensor)
    return F.mse_loss(value, y)


def contrast(out: object, y: Tensor) -> Tensor:
    """Which texts belong to which images, several being right."""
    assert isinstance(out, tuple)
    right = (y[:, None] == y).float()
    right = right / right.sum(1, keepdim=True)
    return (F.cross_entropy(out[0], right) + F.cross_entropy(out[1], right)) / 2


def vae_loss(out: object, y: Tensor) -> Tensor:
    """Negative evidence bound, a pixel."""
    assert isinstance(out, tuple)
    recon, mu, logvar = out
    divergence = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return (F.binary_cross_entropy(recon, y, reduction="sum") + divergence) / y.numel()


def first_shape(out: object, y: Tensor) -> Tensor:
    """Cross-entropy with classes in the second axis."""
    assert isinstance(out, Tensor)
    return F.cross_entropy(out, y)


def flow_loss(out: object, y: Tensor) -> Tensor:
    """Negative log-likelihood a dimension."""
    assert isinstance(out, tuple)
    z, logdet = out
    return (0.5 * (z**2 + math.log(2 * math.pi)).sum(-1) - logdet).mean() / z.shape[-1]


def binary(out: object, y: Tensor) -> Tensor:
    """Logistic loss."""
    assert isinstance(out, Tensor)
    return F.binary_cross_entropy_with_logits(out.squeeze(-1), y)
