"""VERIFICATION → text for people (a table a model, worst node first) or one JSON object.

A node takes two lines: what was predicted above, what was measured below, with one standard error.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

from initlint.lint.verify import QUIET, NodeRow, Quantity, Verification, Verified, percentile
from initlint.lint.wording import counted
from initlint.report.summary import NAMES

SCHEMA = 1  # of the JSON output; changes when a field changes its meaning
COLUMNS = {"second_moment": "second moment", "gradient": "gradient", "mean": "mean", "k_pos": "k_pos", "k_batch": "k_batch"}
OFF = "!"  # behind a prediction that is off
BEGINNINGS = 5  # of errors that are named
LONGEST = 34  # characters of a node's or a module's name


def as_text(verification: Verification, *, top: int | None) -> str:
    """Tables of the worst `top` nodes (None: of all), and what all nodes together come to."""
    return "".join(f"{line}\n" for item in verification.verified for line in _lines(item, verification.trial.tolerance, top))


def said(verification: Verification) -> str:
    """What could not be verified, one line a model."""
    lines = []
    for item in verification.failed:
        hint = f"\n  {item.help}" if item.help else ""
        lines.append(f"{_near(item.span.path)}:{item.span.line}: {NAMES[item.severity]}: {item.message}{hint}\n")
    return "".join(lines)


def as_json(verification: Verification) -> str:
    """One object; numbers that are not finite are null."""
    data = {
        "schema": SCHEMA,
        "initlint": importlib.metadata.version("initlint"),
        "tolerance": {"second_moment": verification.trial.tolerance, "gradient": 2 * verification.trial.tolerance},
        "targets": [*map(_target, verification.verified), *map(_failed, verification.failed)],
    }
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


# -- JSON -----------------------------------------------------------------------------------------------------------------


def _failed(finding: Any) -> dict[str, Any]:
    return {"target": finding.target, "status": "failed", "message": finding.message, "off": 0, "nodes": []}


def _target(item: Verified) -> dict[str, Any]:
    return {
        "target": item.target,
        "status": "ok",
        "draws": item.draws,
        "standard_errors": round(item.errors, 3),
        "parameters": item.parameters,
        "reduced": item.reduced or None,
        "seconds": round(item.seconds, 3),
        "off": len(item.off),
        "second_moment": _summary(item, "second_moment"),
        "gradient": _summary(item, "gradient"),
        "nodes": [_node(row) for row in item.rows],
    }


def _summary(item: Verified, quantity: str) -> dict[str, Any]:
    bits = item.bits(quantity)
    return {"nodes": len(bits), "median": _finite(percentile(bits, 50)), "p95": _finite(percentile(bits, 95))}


def _node(row: NodeRow) -> dict[str, Any]:
    return {
        "node": row.node,
        "operator": row.operator,
        "module": row.module,
        "path": row.path,
        "line": row.line,
        "shape": list(row.shape),
        "method": row.method,
        "flags": list(row.flags),
        "off": list(row.off),
        "begins": list(row.begins),
        **{name: _quantity(row.quantities.get(name)) for name in ("mean", "second_moment", "k_pos", "k_batch", "gradient")},
    }


def _quantity(item: Quantity | None) -> dict[str, Any] | None:
    if item is None:
        return None
    numbers = {
        "predicted": item.predicted,
        "measured": item.measured,
        "error": item.error,
        "bits": item.bits,
        "doubt": item.doubt,
    }
    return {**{name: _finite(value) for name, value in numbers.items()}, "off": item.off}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


# -- text -----------------------------------------------------------------------------------------------------------------


def _lines(item: Verified, tolerance: float, top: int | None) -> Iterator[str]:
    reduced = f", {item.reduced} to make it small enough" if item.reduced else ""
    yield f"{item.target}: {counted(item.draws, 'draw')} of {_count(item.parameters)} parameters{reduced}"
    shown = item.rows[:top]
    if shown:
        yield ""
        yield from _table(shown)
    left = len(item.rows) - len(shown)
    if left:
        yield f"  … and {counted(left, 'node')} more, all closer (--all)"
    if shown:
        yield ""
    for quantity in ("second_moment", "gradient"):
        bits = item.bits(quantity)
        yield (
            f"{COLUMNS[quantity]}: |log2(predicted/measured)| median {_bits(percentile(bits, 50))}, "
            f"95th percentile {_bits(percentile(bits, 95))} bits over {counted(len(bits), 'node')}{_doubtful(item, quantity)}"
        )
    allowed = f"{tolerance:g} bits (gradient {2 * tolerance:g}) beyond {item.errors:.1f} standard errors"
    off = len(item.off)
    if off:
        yield f"{off} of {counted(len(item.rows), 'node')} off by more than {allowed}, marked {OFF}"
        yield from _beginnings(item)
    else:
        yield f"All {counted(len(item.rows), 'node')} within {allowed}."


def _beginnings(item: Verified) -> Iterator[str]:
    """Where errors come from: nodes that are wrong though all they were computed from is right."""
    rows = [row for row in item.rows if row.begins]
    for row in rows[:BEGINNINGS]:
        place = f", {_near(row.path)}:{row.line}" if row.path else ""
        *others, last = (COLUMNS[name] for name in COLUMNS if name in row.begins)
        names = f"{', '.join(others)} and {last}" if others else last
        yield f"  {names} of {row.node} ({row.operator}{place}): wrong here first"
    if len(rows) > BEGINNINGS:
        yield f"  … and {counted(len(rows) - BEGINNINGS, 'node')} more"


def _doubtful(item: Verified, quantity: str) -> str:
    """Nodes that the percentiles leave out, since they judge the draws."""
    count = sum(1 for row in item.rows if quantity in row.quantities and not row.quantities[quantity].doubt < QUIET)
    return f" ({count} left out: more than {QUIET:g} bits of sampling error)" if count else ""


def _table(rows: Sequence[NodeRow]) -> Iterator[str]:
    columns = [name for name in COLUMNS if any(name in row.quantities for row in rows)]
    cells: list[list[str]] = [["node", *(part for name in columns for part in _heading(name))]]
    for row in rows:
        where = " ".join(filter(None, (row.module, f"{_near(row.path)}:{row.line}" if row.path else "")))
        above, below = [_cut(row.node)], [f"  {_cut(where or row.operator)}"]
        for name in columns:
            found = row.quantities.get(name)
            above += (
                ["", ""] if found is None else [_number(found.predicted), f"{_bits(found.bits)}{OFF if found.off else ' '}"]
            )
            below += ["", ""] if found is None else [_number(found.measured), f"±{found.error:.0e} "]
        cells += [above, below]
    widths = [max(len(line[n]) for line in cells) for n in range(len(cells[0]))]
    for line in cells:
        first = line[0].ljust(widths[0])
        rest = (text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True))
        yield f"  {first} {' '.join(rest)}".rstrip()


def _heading(name: str) -> tuple[str, str]:
    return COLUMNS[name], "bits "


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"…{text[1 - LONGEST :]}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"


def _bits(value: float | None) -> str:
    return "—" if value is None else f"{value:.2f}"


def _count(number: int) -> str:
    for unit, size in (("billion", 1e9), ("million", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:,}".replace(",", " ")


def _near(path: str) -> str:
    """As the user would write it, where it is below the current folder."""
    near = os.path.relpath(path)
    return path if near.startswith("..") else near
