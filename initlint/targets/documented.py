"""DOCSTRINGS of a model and of its forward → the shapes that they write down: `x: (batch, 3, 32, 32)`, `ids (LongTensor): [B, T]`."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

from initlint.targets.guesses import AXES
from initlint.targets.specs import BATCH, TIME, Spec

if TYPE_CHECKING:
    from torch import nn

_AXIS = re.compile(r"\*?(\w+?)(?:\s*<=?\s*(\d+))?")
_INTEGER = re.compile(r"\b(u?int\d*|long\w*|integers?|indices|ids)\b", re.IGNORECASE)
_RANGE = re.compile(r"\bin\s*[\[(]\s*(-?[\d.]+)\s*,\s*(-?[\d.]+)\s*[\])]")
# Perhaps a type in parentheses, perhaps a word or two, then the axes.
_SHAPE = r"([^\n()\[\]]{0,40}(?:\([\w. ]*\))?[^\n()\[\]]{0,40})[(\[]([^()\[\]]+)[)\]]"
_BATCHES = frozenset({"batch", "b", "B", "bs", "batch_size"})
_SOME = TIME // 2  # points, tokens or frames of a sample
_BOOLEAN = re.compile(r"\bbool(ean)?s?\b", re.IGNORECASE)
_LATEST = 60  # characters between a shape and what is said of its values


def documented(model: nn.Module, name: str, guess: Spec) -> Spec | None:
    """The shape that a docstring gives an argument; sizes it only names are guesses.

    guess  what the name says, whose kind holds where the text names none
    """
    for text in _texts(model):
        for found in re.finditer(rf"(?<![\w.]){re.escape(name)}\b{_SHAPE}", text):
            sizes = None if re.search(r"\b(in|from)\s*$", found[1]) else _sizes(found[2], model)
            if sizes:
                said = text[found.end() : found.end() + _LATEST].partition("\n")[0].partition(";")[0]
                return _spec(sizes, f"{found[1]} {said}", guess)
    return None


def _texts(model: nn.Module) -> list[str]:
    """Of the class itself and of its forward, not of what it inherits; torch's own containers say nothing of what they hold."""
    own = {} if type(model).__module__.startswith("torch.") else type(model).__dict__
    return [text for text in (own.get("__doc__"), inspect.getdoc(own.get("forward"))) if isinstance(text, str)]


def _sizes(axes: str, model: nn.Module) -> tuple[int, ...]:
    """() unless the last axis is a number or named as something known; of the others, the first counts samples where none says so."""
    parts = [part.strip() for part in axes.strip().rstrip(",").split(",")]
    sizes = []
    for place, part in enumerate(parts):
        found = _AXIS.fullmatch(part)
        if found is None:
            return ()
        axis, most = found[1], int(found[2]) if found[2] else None
        if axis.isdigit():
            sizes.append(int(axis))
        elif (size := _own(model, axis)) is not None:
            sizes.append(min(size, most or size))
        elif axis.lower() in AXES or axis.startswith(("n_", "num_")) or most is not None:
            sizes.append(min(AXES.get(axis.lower(), TIME), most or TIME))
        elif (place < len(parts) - 1 or len(parts) == 1) and not any(part in _BATCHES for part in parts):
            sizes.append(_SOME if place else BATCH)
        else:
            return ()
    return tuple(sizes) if all(sizes) else ()


def _own(model: nn.Module, axis: str) -> int | None:
    """What the model itself calls so: an attribute, or an argument of its constructor with a whole number as its default."""
    value = getattr(model, axis, None)
    if value is None:
        parameter = inspect.signature(type(model).__init__).parameters.get(axis)
        value = parameter.default if parameter is not None else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 1 else None


def _spec(sizes: tuple[int, ...], said: str, guess: Spec) -> Spec:
    bounds = _RANGE.search(said)
    low, high = (float(bounds[1]), float(bounds[2])) if bounds else (0.0, 0.0)
    if _BOOLEAN.search(said):
        return Spec("bool", sizes, role="ones")
    if _INTEGER.search(said) or (guess.kind == "int" and not (bounds and high <= 1.0)):
        most = int(high) if bounds and high > 1 else guess.high
        return Spec("int", sizes, high=most, role=guess.role if guess.kind == "int" else "")
    if guess.kind == "bool":
        return Spec("bool", sizes, role=guess.role)
    return Spec("float", sizes, role="steps" if bounds and (low, high) == (0.0, 1.0) else "")
