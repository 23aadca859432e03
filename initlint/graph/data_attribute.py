"""The attribute `data` of tensors, exchanged for a while: no operator is called for it, so that neither a trace nor a record sees it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

_own: Any = torch._C.TensorBase.data  # type: ignore[attr-defined,unused-ignore]


@contextlib.contextmanager
def data_traced() -> Iterator[None]:
    """Reading `x.data` is `x.detach()`: the same values without a gradient, and an operator that stands in the graph.

    Otherwise torch.export takes the result for a constant of its own, whose values nobody knows.
    """
    with _exchanged(torch.Tensor.detach, _own.__set__):
        yield


@contextlib.contextmanager
def data_recorded() -> Iterator[None]:
    """Real values can be assigned to `x.data` of a tensor on meta, as NumPy's: they go to meta by a copy, which a record sees."""

    def assign(tensor: torch.Tensor, values: torch.Tensor) -> None:
        if tensor.is_meta and isinstance(values, torch.Tensor) and not values.is_meta:
            values = torch.empty_like(values, device="meta", requires_grad=False).copy_(values.detach())
        _own.__set__(tensor, values)

    with _exchanged(_own.__get__, assign):
        yield


@contextlib.contextmanager
def _exchanged(read: Callable[..., Any], assign: Callable[..., None]) -> Iterator[None]:
    before = vars(torch.Tensor).get("data")  # of a model that is built while another one is watched
    torch.Tensor.data = property(read, assign)  # type: ignore[assignment,unused-ignore]
    try:
        yield
    finally:
        if before is None:
            del torch.Tensor.data
        else:
            torch.Tensor.data = before
