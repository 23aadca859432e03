"""Interpolation: a known linear map, dimension by dimension, with the matrix of the real operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from initlint.propagate.axes import Array
from initlint.propagate.moments import Moments
from initlint.propagate.ops.maps import matrix_of, separable
from initlint.propagate.ops.registry import TRANSFERS, CannotPredict, as_moments, transfer
from initlint.propagate.ops.view import repeat_interleave
from initlint.propagate.tape import Tape


@transfer("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d", "upsample_bilinear2d",
          "upsample_trilinear3d", "upsample_bicubic2d", "_upsample_bicubic2d_aa", "_upsample_bilinear2d_aa",
          "_upsample_nearest_exact1d", "_upsample_nearest_exact2d")  # fmt: skip
def upsample(tape: Tape, x: Any, *args: Any, **kwargs: Any) -> Moments:
    raise CannotPredict("the mode is in the name")


def interpolated(tape: Tape, name: str, x: Any, size: Any, factors: Any, corners: bool) -> Moments:
    """Interpolation, dimension by dimension, with the matrix of the real operator."""
    import torch

    x = as_moments(x)
    n = int(name.rstrip("_a")[-2])
    first = len(x.shape) - n
    goal = list(size) if size is not None else [int(x.shape[first + j] * factors[j]) for j in range(n)]
    if "nearest" in name and all(g % s == 0 for g, s in zip(goal, x.shape[first:], strict=True)):
        return _repeated(tape, x, goal)
    mode = "nearest" if "nearest" in name else "cubic" if "bicubic" in name else "linear"
    smooth = name.endswith("_aa")

    def matrix(j: int, size: int) -> Array:
        def run(unit: Any) -> Any:
            image = unit[:, None, None, :]  # rows: columns of one pixel count as channels last, which smoothing confuses
            if mode == "nearest":
                return torch.nn.functional.interpolate(image, size=(1, goal[j]), mode="nearest")[:, 0, 0]
            kind = "bicubic" if mode == "cubic" else "bilinear"
            return torch.nn.functional.interpolate(
                image, size=(1, goal[j]), mode=kind, align_corners=corners and size > 1, antialias=smooth
            )[:, 0, 0]

        return matrix_of(run, size)

    return separable(tape, x, n, matrix)


def _repeated(tape: Tape, x: Moments, goal: Sequence[int]) -> Moments:
    first = len(x.shape) - len(goal)
    for j, size in enumerate(goal):
        times = size // x.shape[first + j]
        if times > 1:
            x = repeat_interleave(tape, x, times, first + j)
    return x


def _register_interpolation() -> None:
    for name in [n for n in TRANSFERS if "upsample" in n]:

        def run(tape: Tape, x: Any, size: Any = None, *args: Any, _name: str = name, **kwargs: Any) -> Moments:
            rest = list(args)
            corners = bool(rest.pop(0)) if "nearest" not in _name and rest else bool(kwargs.get("align_corners", False))
            factors = rest[0] if rest and isinstance(rest[0], list | tuple) else kwargs.get("scale_factors")
            if factors is None and rest and size is None:
                factors = [f for f in rest if f is not None]
            return interpolated(tape, _name, x, size, factors, corners)

        TRANSFERS[name] = run


_register_interpolation()
