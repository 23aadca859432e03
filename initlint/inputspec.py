"""What a user says about one input of a model → `InputSpec`.

    int64[2,64] < 50304                              token ids below 50304
    float32[2,3,224,224]                             independent standard normal numbers
    pixels: float32[2,3,32,32] mean=0.5 std=0.25     for the parameter `pixels` of `forward`
    {shape = [2, 64], dtype = "int64", high = 50304} the same as a table

Nothing here imports torch: a dtype is its name.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

FLOATING = ("float32", "float64", "float16", "bfloat16", "complex64", "complex128")
INTEGERS = ("int64", "int32", "int16", "int8", "uint8", "bool")
DTYPES = (*FLOATING, *INTEGERS)
OTHER_NAMES = {"float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32"}  # as torch has them
OPTIONS = ("mean", "std", "correlation", "low", "high")

_HEAD = re.compile(
    r"\s*(?:(?P<name>[^\W\d]\w*)\s*:\s*)?(?:torch\.)?(?P<dtype>\w+)\s*\[(?P<shape>[^\]]*)\]\s*(?P<rest>.*)$", re.DOTALL
)
_NUMBER = r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_OPTION = re.compile(rf"(?P<key>\w+)\s*=\s*(?P<value>{_NUMBER})\s*|(?P<sign>[<>]=?)\s*(?P<bound>{_NUMBER})\s*")


class InputSpecError(ValueError):
    """The description of an input cannot be understood; the message says which part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """One example input: what the model is traced with, and how its values are distributed.

    name         parameter of `forward`; None: by position
    dtype        "float32", "int64", …
    shape        the batch first
    mean, std    of every element, for floating dtypes
    correlation  between elements at different positions of one sample, in [-1, 1]
    low, high    integers are uniform over low ≤ x < high (None: the range is inferred from what reads them);
                 floating inputs with both are uniform between them, and mean and std say so
    """

    dtype: str
    shape: tuple[int, ...]
    name: str | None = None
    mean: float = 0.0
    std: float = 1.0
    correlation: float = 0.0
    low: float | None = None
    high: float | None = None

    @property
    def is_floating(self) -> bool:
        """Whether the values are real or complex numbers, not integers."""
        return self.dtype in FLOATING


def input_from_text(text: str) -> InputSpec:
    """`int64[2,64] < 50304` → the input."""
    head = _HEAD.match(text)
    if head is None:
        raise InputSpecError(f'`{text}` is not an input: write a dtype and a shape, as in "float32[2,3,224,224]"')
    dtype = OTHER_NAMES.get(head["dtype"], head["dtype"])
    return _input(
        name=head["name"],
        dtype=dtype,
        shape=[_dimension(part) for part in head["shape"].split(",") if part.strip()],
        options=_options(head["rest"], whole=dtype in INTEGERS),
    )


def input_from_table(table: Mapping[str, object]) -> InputSpec:
    """`{shape = [2, 64], dtype = "int64", high = 50304}` → the input."""
    for key in table:
        if key not in ("name", "dtype", "shape", *OPTIONS):
            raise InputSpecError(f"an input has no key `{key}`{nearest(key, ('name', 'dtype', 'shape', *OPTIONS))}")
    name, dtype, shape = table.get("name"), table.get("dtype", "float32"), table.get("shape")
    if not isinstance(shape, list):
        raise InputSpecError("an input needs `shape`, a list of whole numbers")
    if not isinstance(dtype, str) or not (name is None or isinstance(name, str)):
        raise InputSpecError("`dtype` and `name` of an input are strings")
    options = {}
    for key in OPTIONS:
        value = table.get(key)
        if value is not None:
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise InputSpecError(f"`{key}` of an input is a number, not {value!r}")
            options[key] = float(value)
    dtype = OTHER_NAMES.get(dtype, dtype)
    return _input(name=name, dtype=dtype, shape=[_dimension(size) for size in shape], options=options)


def nearest(word: str, words: tuple[str, ...]) -> str:
    """ "; did you mean `…`?", or nothing when no word is close."""
    close = difflib.get_close_matches(word, words, n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _dimension(value: object) -> int:
    try:
        size = int(value) if isinstance(value, str) else value
    except ValueError as error:
        raise InputSpecError(f"`{str(value).strip()}` is not a size: shapes are whole numbers") from error
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise InputSpecError(f"`{size}` is not a size: shapes are whole numbers, 0 or more")
    return size


def _options(text: str, *, whole: bool) -> dict[str, float]:
    """`mean=0.5 < 10` → {"mean": 0.5, "high": 10.0}; of whole numbers `<= 9` means `< 10`."""
    found: dict[str, float] = {}
    at = 0
    while at < len(text):
        part = _OPTION.match(text, at)
        if part is None:
            raise InputSpecError(f"`{text[at:].strip()}` is not an option of an input: there are `< 10`, {_listed()}")
        if part["key"]:
            key, value = part["key"], float(part["value"])
        else:
            key = "high" if part["sign"][0] == "<" else "low"
            value = float(part["bound"]) + (1.0 if whole and part["sign"] in ("<=", ">") else 0.0)
        if key not in OPTIONS:
            raise InputSpecError(f"an input has no option `{key}`{nearest(key, OPTIONS) or f': there are {_listed()}'}")
        if key in found:
            raise InputSpecError(f"`{key}` of an input is given twice")
        found[key] = value
        at = part.end()
    return found


def _listed() -> str:
    return ", ".join(f"`{key}=`" for key in OPTIONS)


def _input(*, name: str | None, dtype: str, shape: list[int], options: dict[str, float]) -> InputSpec:
    if dtype not in DTYPES:
        raise InputSpecError(f"`{dtype}` is not a dtype{nearest(dtype, DTYPES) or ': there are ' + ', '.join(DTYPES)}")
    if not all(map(math.isfinite, options.values())):
        raise InputSpecError("the numbers of an input are finite")
    low, high = options.get("low"), options.get("high")
    if dtype in INTEGERS:
        moments = [key for key in ("mean", "std", "correlation") if key in options]
        if moments:
            raise InputSpecError(f"`{moments[0]}` is for floating inputs; {dtype} values are uniform over low ≤ x < high")
    if (low is not None and high is not None and low >= high) or (dtype in INTEGERS and low is None and high == 0):
        raise InputSpecError(f"no value lies between low={low or 0:g} and high={high:g}")
    if options.get("std", 0.0) < 0:
        raise InputSpecError("`std` of an input is 0 or more")
    if abs(options.get("correlation", 0.0)) > 1:
        raise InputSpecError("`correlation` of an input lies in [-1, 1]")
    if dtype in FLOATING and low is not None and high is not None:
        options = {"mean": (low + high) / 2, "std": (high - low) / math.sqrt(12), **options}
    return InputSpec(dtype=dtype, shape=tuple(shape), name=name, **options)
