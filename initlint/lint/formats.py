"""Number formats of 16 and 8 bits: which numbers they can hold.

IEEE 754 half precision, bfloat16, and the 8-bit formats of Micikevicius et al. 2022 (arXiv:2209.05433) with their variants without
a negative zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """The largest number of a format and its smallest positive one, a subnormal; what is below half of that rounds to zero."""

    largest: float
    smallest: float

    @property
    def vanishes(self) -> float:
        """Numbers up to this size round to zero: to nearest, the even one of two."""
        return self.smallest / 2


FORMATS: Mapping[str, Format] = {
    "float16": Format(65504.0, 2.0**-24),
    "bfloat16": Format(3.3895e38, 2.0**-133),
    "float8_e4m3fn": Format(448.0, 2.0**-9),
    "float8_e4m3fnuz": Format(240.0, 2.0**-10),
    "float8_e5m2": Format(57344.0, 2.0**-16),
    "float8_e5m2fnuz": Format(57344.0, 2.0**-17),
}


def format_of(dtype: object) -> tuple[str, Format] | None:
    """Name and format of a data type; None where it is not one of these."""
    name = str(dtype).removeprefix("torch.")
    found = FORMATS.get(name)
    return None if found is None else (name, found)
