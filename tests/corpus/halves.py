"""Which models formulas may be tuned on, and which only judge them.

A model's half is the parity of a hash of its name, `library/factory`, so that it is fixed before anything is known about the
model. Models of the held half are reported as totals only. Those of LOOKED_AT were looked at one by one before there were
halves: their held part judges less, and is counted apart. Of the others another bit of the same hash opened about one half on
30 November 2026: these may be looked at since, judge less, too, and are counted apart. What is left is unseen by anybody.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

Half = Literal["tune", "held"]
LOOKED_AT = frozenset({"zoo", "transformers", "diffusers", "peft", "geometric", "xtransformers"})


def library_of(path: Path) -> str:
    """ "zoo" for a file of tests/zoo, else the part of the file's name before "_models"."""
    return "zoo" if path.parent.name == "zoo" else path.stem.removesuffix("_models")


def key_of(path: Path, factory: str) -> str:
    """The name that decides: `library/factory`, with the file's name in it where a library is many files."""
    return f"zoo/{path.stem}/{factory}" if path.parent.name == "zoo" else f"{library_of(path)}/{factory}"


def half_of(key: str) -> Half:
    return "held" if hashlib.sha256(key.encode()).digest()[-1] % 2 else "tune"


def opened(key: str) -> bool:
    """Whether this model of the held half may be looked at since 30 November 2026, and by nobody before."""
    return _never_chosen(key) and hashlib.sha256(key.encode()).digest()[0] % 2 == 1


def unseen(key: str) -> bool:
    """Whether nobody may look at this model: of the held half, neither looked at before there was one nor opened since."""
    return _never_chosen(key) and not opened(key)


def _never_chosen(key: str) -> bool:
    return half_of(key) == "held" and key.partition("/")[0] not in LOOKED_AT


def pseudonym(key: str) -> str:
    """What an unseen model is called in a report."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]
