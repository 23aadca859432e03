"""Draws that `torch.nn.init` lacks. Every function here is whole in itself: it is printed with the code that calls it.

Weights are (out, in / groups, *kernel); everything happens in place and under `torch.no_grad()`.
"""

from __future__ import annotations

import math

import torch
from torch import nn


def grouped_orthogonal_(weight: torch.Tensor, gain: float = 1.0, groups: int = 1) -> None:
    """Orthonormal rows or columns in every group's flattened matrix, times gain (Saxe et al. 2013)."""
    for part in weight.chunk(groups):
        matrix = torch.empty(part.shape[0], part[0].numel(), dtype=torch.float32)
        part.copy_(nn.init.orthogonal_(matrix, gain).reshape(part.shape))


def delta_orthogonal_(weight: torch.Tensor, gain: float = 1.0, groups: int = 1) -> None:
    """Zero but for the centre tap, which has orthonormal columns times gain (Xiao et al. 2018, arXiv:1806.05393)."""
    weight.zero_()
    centre: tuple[int | slice, ...] = (slice(None), slice(None), *(size // 2 for size in weight.shape[2:]))
    for part in weight.chunk(groups):
        matrix = torch.empty(part.shape[:2], dtype=torch.float32)
        part[centre] = nn.init.orthogonal_(matrix, gain).to(weight)


def hadamard_identity_(weight: torch.Tensor, groups: int = 1, patch: bool = False) -> None:
    """ZerO: [I 0] where no output is added, else I·H/√p·I with H the Hadamard matrix of p = 2^⌈log₂ out⌉ rows.

    Of a kernel the centre tap, or, with `patch`, the whole of it as a matrix (Zhao, Schäfer, Anandkumar 2022, arXiv:2110.12661).
    """
    weight.zero_()
    centre: tuple[int | slice, ...] = (slice(None), slice(None), *(size // 2 for size in weight.shape[2:]))
    for part in weight.chunk(groups):
        rows, columns = part.shape[0], part[0].numel() if patch else part.shape[1]
        if rows <= columns:
            matrix = torch.eye(rows, columns)
        else:
            matrix = torch.ones(1, 1)
            while matrix.shape[0] < rows:
                matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
            matrix = matrix[:rows, :columns] / math.sqrt(matrix.shape[0])
        if patch:
            part.copy_(matrix.reshape(part.shape))
        else:
            part[centre] = matrix.to(weight)


def padded_identity_(weight: torch.Tensor, gain: float = 1.0, noise: float = 0.0, groups: int = 1, patch: bool = False) -> None:
    """IDInit: the identity, repeated where outputs are added, wrapped where inputs are dropped, plus N(0, noise²) everywhere.

    Of a kernel the centre tap, or, with `patch`, the whole of it as a matrix (Pan et al. 2025, arXiv:2503.04626). Where inputs
    are wrapped, several are summed into an output: √(out/in) keeps the second moment.
    """
    weight.zero_()
    centre: tuple[int | slice, ...] = (slice(None), slice(None), *(size // 2 for size in weight.shape[2:]))
    for part in weight.chunk(groups):
        rows, columns = part.shape[0], part[0].numel() if patch else part.shape[1]
        row = torch.arange(max(rows, columns)) % rows
        column = torch.arange(max(rows, columns)) % columns
        matrix = torch.zeros(rows, columns)
        matrix[row, column] = gain * min(1.0, math.sqrt(rows / columns))
        if patch:
            part.copy_(matrix.reshape(part.shape))
        else:
            part[centre] = matrix.to(weight)
    if noise:
        weight.add_(torch.randn(weight.shape).to(weight), alpha=noise)


def convolution_aware_(weight: torch.Tensor, std: float, noise: float = 0.05) -> None:
    """Input slices of every filter with orthonormal spectra, plus N(0, noise²), the whole scaled to `std`.

    The spectra are eigenvectors of random symmetric matrices, as many as the real Fourier transform of a slice has coefficients
    (Aghajanyan 2017, arXiv:1702.06295).
    """
    slices, kernel = weight.shape[1], weight.shape[2:]
    spectrum = (*kernel[:-1], kernel[-1] // 2 + 1)
    size = math.prod(spectrum)
    for filter_ in weight:
        vectors = []
        for _ in range(-(-slices // size)):
            random = torch.randn(size, size)
            vectors.append(torch.linalg.eigh(random + random.T).eigenvectors.T)
        spectra = torch.cat(vectors)[:slices].reshape(slices, *spectrum)
        values = torch.fft.irfftn(spectra.to(torch.complex64), s=kernel, dim=tuple(range(1, len(kernel) + 1)))
        filter_.copy_(values + noise * torch.randn(values.shape))
    weight.mul_(std / weight.std())
