"""What one input of a forward is tried as: its kind, shape and the role of its values; and the tensor that is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch

Kind = Literal["float", "int", "bool"]
Role = Literal["", "edges", "steps", "ones", "order", "groups", "full", "hidden", "places"]

BATCH = 4
TIME = 64
STEPS = 1000  # diffusion steps
NODES = 32
EDGES = 96


@dataclass(frozen=True, slots=True)
class Spec:
    """One input.

    kind, shape  of the tensor
    high         exclusive bound of integers
    role         how integer values are chosen: "" random, "edges" node numbers below `high`, "steps" spread over [0, high),
                 "ones", "order" 0 … n-1 along the last axis, "groups" sorted group numbers, "full" `high` everywhere; "hidden" marks a recurrent state, layers before the batch,
                 "places" where the elements of a sequence are, the same in all samples
    """

    kind: Kind
    shape: tuple[int, ...]
    high: int = 2
    role: Role = ""

    def sized(self, index: int, size: int) -> Spec:
        """The same with one dimension changed."""
        shape = list(self.shape)
        shape[index] = size
        return replace(self, shape=tuple(shape))

    def shaped(self, *shape: int) -> Spec:
        """The same in another shape."""
        return replace(self, shape=tuple(shape))

    @property
    def dtype(self) -> torch.dtype:
        """Of the tensor."""
        return {"float": torch.float32, "int": torch.int64, "bool": torch.bool}[self.kind]

    def __str__(self) -> str:
        text = f"{str(self.dtype).removeprefix('torch.')}[{','.join(map(str, self.shape))}]"
        return f"{text} below {self.high}" if self.kind == "int" and self.role in ("", "edges", "steps", "places") else text


State = Mapping[str, Spec]


def realize(spec: Spec, seed: int = 0) -> torch.Tensor:
    """A small real tensor with sensible values; the caller's random state is left alone."""
    generator = torch.Generator().manual_seed(seed)
    shape = spec.shape
    if spec.kind == "float":
        if spec.role == "ones":
            return torch.ones(shape)
        if spec.role == "steps":
            return torch.rand(shape, generator=generator)
        return torch.randn(shape, generator=generator)
    if spec.role == "ones":
        return torch.ones(shape, dtype=spec.dtype)
    if spec.role == "full":
        return torch.full(shape, spec.high, dtype=spec.dtype)
    if spec.role == "order":
        return torch.arange(shape[-1] if shape else 1).remainder(max(spec.high, 1)).expand(shape).clone()
    if spec.role == "groups":
        return torch.arange(shape[0]) * 2 // max(shape[0], 1)
    if spec.role == "steps":
        count = max(torch.Size(shape).numel(), 1)
        return ((torch.arange(count) * 2 + 1) * spec.high // (2 * count)).reshape(shape)
    return torch.randint(0, max(spec.high, 1), shape, generator=generator, dtype=torch.int64).to(spec.dtype)
