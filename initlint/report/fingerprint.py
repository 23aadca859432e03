"""FINDING → what tells it from others in the next run, so that an alert survives shifted lines.

`line_hashes` are those of GitHub code scanning (`primaryLocationLineHash`). Of each line: a rolling hash, base 37 modulo 2^64, over the hundred UTF-16 units from its first one on that are neither
space nor tab, with every kind of line end as one line feed and 0xFFFF for the end of the file; in hex, with a count that
tells lines of equal hash apart. As github/codeql-action computes it (src/fingerprints.ts).
"""

from __future__ import annotations

import hashlib

from initlint.lint.finding import Finding

WINDOW = 100
BASE = 37
MASK = (1 << 64) - 1
OLDEST = pow(BASE, WINDOW, 1 << 64)
END = 0xFFFF
BLANKS = (0x20, 0x09)


def line_hashes(text: str) -> list[str]:
    """The fingerprint of every line, in order."""
    data = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-16-le", "surrogatepass")
    every = (low | high << 8 for low, high in zip(data[::2], data[1::2], strict=True))
    units = [unit for unit in every if unit not in BLANKS] + [END]
    seen: dict[str, int] = {}
    result = []
    for start, value in enumerate(_windows(units)):
        if start == 0 or units[start - 1] == ord("\n"):
            digest = f"{value:x}"
            seen[digest] = seen.get(digest, 0) + 1
            result.append(f"{digest}:{seen[digest]}")
    return result


def _windows(units: list[int]) -> list[int]:
    """The hash of the hundred units from each one on, zeros after the last."""
    padded = units + [0] * WINDOW
    value = 0
    for unit in padded[:WINDOW]:
        value = (BASE * value + unit) & MASK
    values = []
    for leaving, entering in zip(units, padded[WINDOW:], strict=True):
        values.append(value)
        value = (BASE * value + entering - OLDEST * leaving) & MASK
    return values


class Identities:
    """Fingerprints of the findings of one report, without lines.

    Of rule, file, target and modules; equal ones are told apart by their order, or their readers would merge them.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, finding: Finding) -> str:
        """The fingerprint of the next finding."""
        parts = [finding.code, finding.span.path, finding.target, *finding.modules]
        number = 0
        while (
            digest := hashlib.sha256("\0".join([*parts, str(number)]).encode("utf-8", "surrogatepass")).hexdigest()
        ) in self._taken:
            number += 1
        self._taken.add(digest)
        return digest
