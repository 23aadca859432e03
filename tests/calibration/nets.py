"""All nets of the study, the same at every run: a seed for each net is its name."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from random import Random

from tests.calibration import adapters, plain, sequences
from tests.calibration.text import Generated

# Who writes how many, and from which number on.
WRITERS = (
    ("mlp", plain.mlp, range(260)),
    ("mlp", plain.deep_mlp, range(260, 340)),
    ("conv", plain.conv, range(50)),
    ("conv", plain.deep_conv, range(50, 65)),
    ("recurrent", sequences.recurrent, range(60)),
    ("attention", sequences.attention, range(80)),
    ("adapter", adapters.adapter, range(50)),
)
REFERENCES = {
    "mlp": partial(plain.reference, "mlp"),
    "conv": partial(plain.reference, "conv"),
    "recurrent": sequences.recurrent_reference,
    "attention": sequences.attention_reference,
    "adapter": adapters.reference,
}


# Others by the same writers, for cures to be tried on that were made for the nets above.
FRESH = (
    ("mlp", plain.mlp, range(500, 570)),
    ("mlp", plain.deep_mlp, range(600, 630)),
    ("recurrent", sequences.recurrent, range(100, 115)),
    ("attention", sequences.attention, range(100, 115)),
    ("adapter", adapters.adapter, range(100, 125)),
)
# Others by the same writers, of which nobody had seen a label or a finding when the rules were as they are judged by them.
UNSEEN = (
    ("mlp", plain.mlp, range(1000, 1260)),
    ("mlp", plain.deep_mlp, range(1300, 1380)),
    ("conv", plain.conv, range(1000, 1050)),
    ("conv", plain.deep_conv, range(1100, 1115)),
    ("recurrent", sequences.recurrent, range(1000, 1060)),
    ("attention", sequences.attention, range(1000, 1080)),
    ("adapter", adapters.adapter, range(1000, 1050)),
)
SHALLOW = 24  # layers at most of a fresh net, for time alone


SOURCES = 2344223163  # crc32 of all texts: the nets that runs.csv is about
UNSEEN_SOURCES = 1257279354  # and unseen.csv


@cache
def nets() -> Sequence[Generated]:
    """Every net: light ones first, all kinds mixed, so that a part of the study has some of each."""
    return tuple(sorted(_written(WRITERS), key=lambda net: (not _is_light(net), zlib.crc32(f"order of {net.name}".encode()))))


@cache
def fresh() -> Sequence[Generated]:
    """Nets that nobody had looked at when they were repaired first."""
    return tuple(net for net in _written(FRESH) if _depth(net) <= SHALLOW)


@cache
def unseen() -> Sequence[Generated]:
    """Nets that no threshold was chosen from and no rule was made for, in an order that has some of each kind early."""
    return tuple(sorted(_written(UNSEEN), key=lambda net: zlib.crc32(f"turn of {net.name}".encode())))


def _written(writers: Iterable[tuple[str, Callable[[int, Random], Generated], range]]) -> Iterator[Generated]:
    for kind, write, numbers in writers:
        for number in numbers:
            yield write(number, Random(zlib.crc32(f"{kind} {number}".encode())))


LIGHT = {"mlp": 12, "conv": 4, "recurrent": 2, "attention": 2, "adapter": 4}


def _is_light(net: Generated) -> bool:
    """Whether it has so few layers that its training costs next to nothing."""
    return _depth(net) <= LIGHT[net.kind]


def _depth(net: Generated) -> int:
    depth = next(word for word in net.traits.split() if word.startswith(("depth=", "layers=")))
    return int(depth.partition("=")[2])


@cache
def references() -> Sequence[Generated]:
    """One healthy net a kind."""
    return tuple(write() for write in REFERENCES.values())


def held_back(net: str) -> bool:
    """Whether a net belongs to the half that no threshold was chosen from: by a hash of its name, fixed for ever."""
    return bool(zlib.crc32(f"half of {net}".encode()) & 1)
