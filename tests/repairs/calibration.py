"""Nets of the calibration study → repaired.jsonl: what the fixes make of each, and how it trains then.

    python -m tests.repairs calibration [--hours H]     goes on where it stopped
    python -m tests.repairs fresh [--hours H]           the same of nets that no cure was made for → fresh.jsonl

Every labelled net with a finding (of tests/calibration/findings.jsonl; no other can be edited) is written to a file and repaired in
memory by `initlint.lint.mend`, which is what `check --fix --unsafe-fixes` runs: those that do not train first, light ones of all
kinds before heavy ones. An edited one is trained by `tests.calibration.training`, with the seeds, data, settings and bars that the original had
(its runs are in runs.csv), until its label cannot change. A row whose patch is the same as before is not trained again.
"""

from __future__ import annotations

import difflib
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from initlint.config import Settings
from initlint.lint.mend import Mended, mended
from initlint.source.files import requests_of
from tests.calibration.findings import recorded as before_repair
from tests.calibration.labels import ENOUGH, Label, Run, label_on, labels
from tests.calibration.nets import fresh, nets
from tests.calibration.text import Generated
from tests.calibration.training import DATA, SETTINGS, one, rows

RECORD = Path(__file__).with_name("repaired.jsonl")
FRESH = RECORD.with_name("fresh.jsonl")
AT_ONCE = 8  # nets that are repaired in one run


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """One net before and after.

    label  by its training as it was written
    found  (rule, severity) of its findings then, notes included
    left   of its findings afterwards
    patch  the changed lines, "-" and "+" before them; () where nothing was changed
    after  its label by its training as repaired, that of the original where nothing was changed; None until it was trained
    """

    net: str
    label: Label
    found: tuple[tuple[str, str], ...]
    left: tuple[tuple[str, str], ...]
    patch: tuple[str, ...]
    after: Label | None = None


def recorded(record: Path = RECORD) -> dict[str, Repaired]:
    """The committed rows by net."""
    if not record.exists():
        return {}
    return {row.net: row for row in map(_row, record.read_text(encoding="utf-8").splitlines())}


def _row(line: str) -> Repaired:
    data = json.loads(line)
    pairs = {key: tuple(map(tuple, data[key])) for key in ("found", "left")}
    after = None if data["after"] is None else Label(data["after"])
    return Repaired(**{**data, **pairs, "patch": tuple(data["patch"]), "label": Label(data["label"]), "after": after})


def study(hours: float, only: Sequence[str] = ()) -> None:
    """Repair every labelled net with findings (or `only` those), those that do not train first, and train what was changed."""
    end = time.monotonic() + 3600 * hours
    done = recorded()
    label = labels(run for run in rows() if run.setting in SETTINGS)  # repaired nets get no longer runs either
    _, said = before_repair()
    wanted = [net for net in nets() if net.name in label and (said[net.name].findings if not only else net.name in only)]
    wanted.sort(key=lambda net: label[net.name] is Label.TRAINS)
    for start in range(0, len(wanted), AT_ONCE):
        for net, new, row in as_repaired(wanted[start : start + AT_ONCE]):
            if time.monotonic() > end:
                return
            done[net.name] = _with_after(net, new, replace(row, label=label[net.name]), done.get(net.name))
            write(done, RECORD)


def study_fresh(hours: float) -> None:
    """Repair the nets that no cure was made for, and train those that get an error or a warning, as written and as repaired."""
    end = time.monotonic() + 3600 * hours
    done = recorded(FRESH)
    nets_of = fresh()
    for start in range(0, len(nets_of), AT_ONCE):
        for net, new, row in as_repaired(nets_of[start : start + AT_ONCE]):
            if time.monotonic() > end:
                return
            before = done.pop(net.name, None)
            if is_reported(row):
                label = trained(net) if before is None else before.label
                done[net.name] = _with_after(net, new, replace(row, label=label), before)
            write(done, FRESH)


def _with_after(net: Generated, new: str, row: Repaired, before: Repaired | None) -> Repaired:
    """The row with its second label: trained, where neither it nor the recorded row of the same patch says what it is."""
    if not row.patch:
        after: Label | None = row.label
    elif before is not None and before.patch == row.patch and before.after is not None:
        after = before.after
    else:
        after = trained(replace(net, text=new))
    print(net.name, row.label, "→", after, row.found, row.left, flush=True)
    return replace(row, after=after)


def as_repaired(chosen: Sequence[Generated]) -> Iterator[tuple[Generated, str, Repaired]]:
    """Each net with its text after repair and its row, in which labels are still to come."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {net.name: os.path.realpath(Path(folder, f"{net.name}.py")) for net in chosen}
        for net in chosen:
            Path(paths[net.name]).write_text(net.text, encoding="utf-8")
        first, last = repaired(list(paths.values()))
    for net in chosen:
        new = last.new.get(paths[net.name], net.text)
        yield (
            net,
            new,
            Repaired(
                net=net.name,
                label=Label.TRAINS,
                found=first.get(paths[net.name], ()),
                left=_said(last, paths[net.name]),
                patch=changed_lines(net.text, new),
            ),
        )


def repaired(paths: Sequence[str]) -> tuple[Mapping[str, tuple[tuple[str, str], ...]], Mended]:
    """(what was found in each file as it was, what became of them all)."""
    settings = Settings()
    requests = requests_of(paths, lambda _: settings)
    done = mended(requests, lambda _: settings, unsafe=True, jobs=1)
    found: dict[str, list[tuple[str, str]]] = {}
    for item in (*done.gone, *done.report.findings):
        found.setdefault(item.span.path, []).append((item.name, str(item.severity)))
    return {path: tuple(sorted(set(items))) for path, items in found.items()}, done


def _said(done: Mended, path: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({(item.name, str(item.severity)) for item in done.report.findings if item.span.path == path}))


def changed_lines(old: str, new: str) -> tuple[str, ...]:
    """The lines that went and came, in order."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
    return tuple(line for line in lines if not line.startswith(("---", "+++", "@@")))


def trained(net: Generated) -> Label:
    """The label of a net's own text, by the training of the study."""
    runs = [run for run in rows() if run.setting in SETTINGS]
    reference = f"{net.kind}_reference"
    worst = Label.TRAINS
    for data in DATA:
        of = [run for run in runs if (run.net, run.data) == (reference, data)]
        bar, start = max(run.skill for run in of), of[0].start
        learned: list[Run] = []
        for setting in SETTINGS:
            learned.append(one(net, data, setting, bar))
            if sum(run.good_at >= 0 for run in learned) >= ENOUGH:
                break
        worst = max(worst, label_on(learned, bar, start if net.kind == "adapter" else None))
        if worst is Label.FAILS:
            break
    return worst


def write(done: Mapping[str, Repaired], record: Path) -> None:
    """All rows, in the order of names."""
    order = sorted(done.values(), key=lambda row: row.net)
    text = "".join(json.dumps(asdict(row), separators=(",", ":"), ensure_ascii=False) + "\n" for row in order)
    record.write_text(text, encoding="utf-8")


# -- what is counted ------------------------------------------------------------------------------------------------------


def is_reported(row: Repaired) -> bool:
    """Whether a net got an error or a warning as it was written."""
    return any(severity != "info" for _, severity in row.found)


def share(hits: int, of: int) -> float:
    """A proportion, NaN of nothing."""
    return hits / of if of else math.nan
