"""What modules and parameters of repeated blocks have in common."""

from __future__ import annotations

import re


def role_of(name: str) -> str:
    """`layers.3.fc` → `layers.*.fc`."""
    return re.sub(r"(?<![^.])\d+(?![^.])", "*", name)
