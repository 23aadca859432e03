"""What a call in a graph of ATen operators is: its plain name, whether it draws, views, writes or checks, how it is run for real."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from initlint.graph.chance import DRAWING, DROPPING, with_in_place

if TYPE_CHECKING:
    import torch
    from torch.fx import Node

RANDOM = with_in_place(DRAWING | DROPPING)
EMPTY = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"}
CHECKS = ("_assert", "sym_constrain", "assert_")
NUMBERS = {"item", "_local_scalar_dense", "is_nonzero", "equal"}  # what they give is a Python number
VIEWS = {
    "slice", "select", "view", "reshape", "_unsafe_view", "transpose", "permute", "unsqueeze", "squeeze", "t", "alias",
    "detach", "narrow", "flatten", "unflatten", "swapaxes", "movedim", "contiguous", "to", "view_as", "reshape_as", "numpy_T",
}  # fmt: skip
KEEPING = {"clone", "_to_copy"}


@lru_cache(maxsize=4096)
def name_of(target: Any) -> str:
    """An operator's base name: "add" for aten.add.Tensor, with the underscore of in-place operators kept."""
    packet = getattr(target, "overloadpacket", None)
    return packet.__name__ if packet is not None else getattr(target, "__name__", str(target))


@lru_cache(maxsize=4096)
def writes(target: Any) -> bool:
    """Whether the operator writes to its first argument."""
    schema = getattr(target, "_schema", None)
    if schema is None or not schema.arguments:
        return False
    info = schema.arguments[0].alias_info
    return info is not None and info.is_write


def argument_of(node: Node, name: str) -> Any:
    """What a node was called with for an argument, by its name in the operator's schema; None where there is none."""
    if name in node.kwargs:
        return node.kwargs[name]
    schema = getattr(node.target, "_schema", None)
    named = [] if schema is None else [argument.name for argument in schema.arguments]
    place = named.index(name) if name in named else len(node.args)
    return node.args[place] if place < len(node.args) else None


def copies(node: Node) -> bool:
    """Whether a call makes a tensor of its own where others also read the one it was given, as `contiguous` does of a transposed one.

    Then that one gets the cotangents of all who read it, and the copy only those of its own readers; elsewhere both get the same.
    """
    name, first = name_of(node.target), node.args[0] if node.args else None
    before, after = (getattr(n, "meta", {}).get("val") for n in (first, node))
    if before is None or after is None or len(getattr(first, "users", ())) < 2:
        return False
    if name not in ("contiguous", "to"):
        return name not in VIEWS and not writes(node.target)  # x · 1, or a dropout of nothing
    if name == "contiguous":
        layout = argument_of(node, "memory_format")
        return not (before.is_contiguous() if layout is None else before.is_contiguous(memory_format=layout))
    return bool(before.dtype != after.dtype)


def functional(target: Any) -> Callable[..., Any]:
    """The operator on private copies, so that sampling an in-place one is legal under autograd."""
    if not writes(target):
        return target  # type: ignore[no-any-return]

    def run(first: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        return target(first.clone(), *args, **kwargs)

    run.tags = target.tags  # type: ignore[attr-defined]
    return run


def without_out(target: Any) -> Any:
    """The overload that makes its result: `aten.div.Tensor` for `aten.div.out`."""
    packet = target.overloadpacket
    wanted = [argument.type for argument in target._schema.arguments if argument.name != "out"]
    for name in packet.overloads():
        overload = getattr(packet, name)
        if [argument.type for argument in overload._schema.arguments] == wanted:
            return overload
    return target


def in_floats(target: Any, args: Any, kwargs: Any) -> Any:
    """An operator on integers carried out on floats; None where that fails too."""
    import torch

    integral = [a.dtype for a in args if isinstance(a, torch.Tensor) and not a.dtype.is_floating_point]
    try:
        with torch.no_grad():
            result = target(*[a.double() if isinstance(a, torch.Tensor) else a for a in args], **kwargs)
    except (RuntimeError, TypeError, IndexError, ValueError, NotImplementedError):
        return None
    return result.to(integral[0]) if integral and isinstance(result, torch.Tensor) else None
