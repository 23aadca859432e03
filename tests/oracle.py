"""Every operator's formula against the real operator, forward and pullback: the self-check of the propagation.

    python -m tests.oracle [NAME ...] [--rows]

The rows are those of `propagate.test_operators` (layers as models use them) and `propagate.direct` (operators by themselves,
with and without a mean, correlated and not). A NAME is an operator ("conv2d") or part of a row's name; without one, all. Lists
apart: wrong (a row disagrees, and it begins at this operator), known (rows that say themselves that they are wrong), broken (a
row cannot be run), missing (registered, or met in real models, but in no row), sampled (no formula fitted some row's arguments).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.propagate.ops import TRANSFERS
from tests.propagate.census import CENSUS, ELSEWHERE
from tests.propagate.direct import ROWS
from tests.propagate.judged import Examined, base_name, examined
from tests.propagate.test_operators import CASES, Case


@dataclass(slots=True)
class Tally:
    """What all rows showed so far, by operator: sentences of rows."""

    rows: int = 0
    seen: set[str] = field(default_factory=set)
    wrong: dict[str, list[str]] = field(default_factory=dict)
    sampled: dict[str, list[str]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)

    def add(self, row: Case, found: Examined) -> None:
        self.rows += 1
        self.seen |= found.operators
        for name in found.sampled:
            self.sampled.setdefault(name, []).append(row.name)
        if found.wrong and row.broken:
            self.known.append(f"{row.name}: {row.why}")
        elif found.wrong:
            node, text = found.wrong[0]
            more = f" (and {len(found.wrong) - 1} more)" if len(found.wrong) > 1 else ""
            for name in found.blamed or {"?"}:
                self.wrong.setdefault(name, []).append(f"{row.name}: {node.node}: {text}{more}")


def checked(rows: Sequence[Case]) -> Iterator[tuple[Case, Tally]]:
    """The tally as it grows, after every row."""
    tally = Tally()
    for row in rows:
        try:
            found = examined(row.build, row.inputs, draws=row.draws, bits=row.bits, grad_bits=row.grad_bits, laws=row.laws)
            tally.add(row, found)
        except Exception as error:
            tally.rows += 1
            tally.seen |= operators_of(row)
            tally.broken.append(f"{row.name}: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}"[:200])
        yield row, tally


def selected(names: Sequence[str]) -> list[Case]:
    """All rows, or those whose name or program has one of the names."""
    rows = [*CASES, *ROWS]
    return [row for row in rows if not names or any(n in row.name for n in names) or operators_of(row) & set(names)]


def operators_of(row: Case) -> set[str]:
    try:
        graph = capture(build_recorded(row.build), tuple(row.inputs)).program.graph
    except Exception:
        return set()
    return {base_name(node) for node in graph.nodes if node.op == "call_function"}


def report(tally: Tally, names: Sequence[str]) -> str:
    """The lists, each with its rows."""
    registered = {name for name in TRANSFERS if "::" not in name}
    known = registered | CENSUS
    missing = {name for name in known - tally.seen - ELSEWHERE.keys() if not names or name in names}
    lines = []
    for title, table in (("wrong", tally.wrong), ("sampled", tally.sampled)):
        lines.append(f"{title}: {len(table)} operators" if table else f"{title}: none")
        for name, sentences in sorted(table.items()):
            lines += [f"  {name}", *(f"    {sentence}" for sentence in sentences)]
    lines.append(f"broken: {len(tally.broken)} rows" if tally.broken else "broken: none")
    lines += [f"  {sentence}" for sentence in tally.broken]
    lines.append(f"known to be wrong: {len(tally.known)} rows" if tally.known else "known to be wrong: none")
    lines += [f"  {sentence}" for sentence in tally.known]
    for title, some in (("missing, though models have them", missing & CENSUS), ("missing, registered only", missing - CENSUS)):
        lines.append(f"{title}: {', '.join(sorted(some)) or 'none'}")
    formula = sum(name not in tally.sampled for name in CENSUS & tally.seen)
    lines.append(
        f"{tally.rows} rows, {len(tally.seen & known)} of {len(known)} operators; of {len(CENSUS & tally.seen)} in the census of "
        f"real models {formula} never needed sampling"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="operator, or part of a row's name")
    parser.add_argument("--rows", action="store_true", help="name every row as it ends")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = selected(options.names)
    tally = Tally()
    for number, (row, now) in enumerate(checked(rows), 1):
        tally = now
        if options.rows:
            print(f"  {row.name}", flush=True)
        elif sys.stderr.isatty():
            print(f"\r{number}/{len(rows)}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty() and not options.rows:
        print("\r", end="", file=sys.stderr)
    print(report(tally, options.names))
    sys.exit(1 if tally.wrong or tally.broken else 0)


if __name__ == "__main__":
    main()
