"""MODEL → attributes that hold modules where the model does not see them: plain lists and dictionaries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def hidden_modules(model: nn.Module) -> dict[str, int]:
    """How many trainable parameters no `parameters()` finds, by the attribute ("blocks.0.layers") whose list or dictionary holds them."""
    own = {id(parameter) for parameter in model.parameters()}
    found: dict[str, int] = {}
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if name.startswith("_") or not isinstance(value, (list, tuple, dict)):
                continue
            held = {id(p) for item in _modules(value) for p in item.parameters() if p.requires_grad} - own
            if held:
                found[f"{path}.{name}" if path else name] = len(held)
    return found


def _modules(value: Any) -> Iterator[nn.Module]:
    """The modules among what a container holds, in containers inside it as well."""
    from torch import nn

    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, nn.Module):
            yield item
        elif isinstance(item, (list, tuple, dict)) and item is not value:
            yield from _modules(item)
