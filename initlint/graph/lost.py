"""RECORD → the initializations that reach no parameter.

Under weight norm and other parametrizations `module.weight` is computed from parameters at every forward pass, and
`.clone()`, `.cpu()` or `.t().contiguous()` of a weight is a tensor of its own: what is drawn into either is thrown away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initlint.graph.model import LostWrite, UnusedState
from initlint.graph.record import key_of

if TYPE_CHECKING:
    from torch import nn

    from initlint.graph.model import Write
    from initlint.graph.record import Record

RANDOM = ("normal", "uniform", "truncated normal", "orthogonal", "identity")
SCALING = ("mul_", "div_", "zero_", "fill_")


def lost_writes(model: nn.Module, record: Record) -> tuple[LostWrite, ...]:
    """Draws into a tensor that was computed from the model's parameters, is none of them, and was never read again."""
    names: dict[int, str] = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        names.setdefault(key_of(tensor), name)
    found = []
    for key, held in record.held.items():
        sources = tuple(dict.fromkeys(names[source] for source in held.sources if source in names))
        if key in names or not sources:
            continue
        last = next((write for write in reversed(held.unread) if _draws(write)), None)
        if last is not None:
            found.append(LostWrite(write=last, sources=sources))
    return tuple(found)


def unused_states(model: nn.Module, record: Record) -> tuple[UnusedState, ...]:
    """Loads of which no name is the module's, of modules that are part of the model."""
    paths = {id(module): path for path, module in model.named_modules()}
    return tuple(
        UnusedState(module=paths[item.owner], given=item.given[0], wanted=item.wanted[0], count=len(item.given), site=item.site)
        for item in record.loaded
        if item.owner in paths and item.given and item.wanted and not set(item.given) & set(item.wanted)
    )


def _draws(write: Write) -> bool:
    """Whether a write was meant as an initialization: somebody's own draw into the whole tensor, or a number that a matrix is set to or
    scaled by."""
    if not write.op.endswith("_") or write.default or write.coverage < 1.0:
        return False
    return write.law.family in RANDOM or (write.op.removeprefix("nn.init.") in SCALING and len(write.shape) > 1)
