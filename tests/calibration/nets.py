"""All nets of the study, the same at every run: a seed for each net is its name."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache, partial
from random import Random

from tests.calibration import adapters, plain, sequences
from tests.calibration.text import Generated

COUNTS = {"mlp": 260, "conv": 50, "recurrent": 60, "attention": 80, "adapter": 50}
WRITERS = {
    "mlp": plain.mlp,
    "conv": plain.conv,
    "recurrent": sequences.recurrent,
    "attention": sequences.attention,
    "adapter": adapters.adapter,
}
REFERENCES = {
    "mlp": partial(plain.reference, "mlp"),
    "conv": partial(plain.reference, "conv"),
    "recurrent": sequences.recurrent_reference,
    "attention": sequences.attention_reference,
    "adapter": adapters.reference,
}


@cache
def nets() -> Sequence[Generated]:
    """Every net, by kind and number."""
    return tuple(
        WRITERS[kind](number, Random(zlib.crc32(f"{kind} {number}".encode()))) for kind, count in COUNTS.items() for number in range(count)
    )


@cache
def references() -> Sequence[Generated]:
    """One healthy net a kind."""
    return tuple(write() for write in REFERENCES.values())


def held_back(net: str) -> bool:
    """Whether a net belongs to the half that no threshold was chosen from: by a hash of its name, fixed for ever."""
    return bool(zlib.crc32(f"half of {net}".encode()) & 1)
