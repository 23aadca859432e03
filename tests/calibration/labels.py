"""Runs → labels: trains, needs special care, fails. Written before any finding was looked at.

On one data set, of the six settings, with skills relative to the best reference run's of the kind:
    trains   at least two settings are good (0.8 of the reference's skill)
    fails    no setting gets half as far as the reference does, not even Adam with four times the steps
    care     anything else: one setting only, or clearly slower than the reference at all of them
The label of a net is the worse one of its two data sets: a start has to serve whatever data it is given, and two classes can
be told apart by a net that is left with a single direction.

An adapter is there to start from what the net around it has learned. It also fails when, before its first step, half of that
skill is gone, and needs care when a tenth of it is.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

GOOD = 0.8  # of the reference's skill
HALF = 0.5
ENOUGH = 2  # good settings: the net trains, whatever the others do
LONGER = " x4"  # ends the name of a setting with four times the steps, given to nets that fail without and move at all
LOST = 0.5  # of the skill that an adapter starts from
HURT = 0.1


class Label(enum.IntEnum):
    """Better to worse."""

    TRAINS = 0
    CARE = 1
    FAILS = 2

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One net trained once.

    start    skill before the first step (of an adapter: on what the net around it was trained on)
    skill    skill at the end, not below −9.99 (also: diverged)
    good_at  step at which it was good, −1 if never
    """

    net: str
    data: str
    setting: str
    start: float
    skill: float
    good_at: int


def label_on(runs: Sequence[Run], bar: float, start_bar: float | None = None) -> Label:
    """The label of one net on one data set.

    bar        best skill of the reference
    start_bar  for adapters: the skill that the reference starts from
    """
    best = max(run.skill for run in runs)
    good = sum(run.good_at >= 0 for run in runs if not run.setting.endswith(LONGER))
    label = Label.TRAINS if good >= ENOUGH else Label.FAILS if best < HALF * bar else Label.CARE
    if start_bar is None:
        return label
    lost = 1 - runs[0].start / start_bar
    return max(label, Label.FAILS if lost > LOST else Label.CARE if lost > HURT else Label.TRAINS)


def labels(runs: Iterable[Run]) -> Mapping[str, Label]:
    """The label of every net; the references are left out."""
    grouped: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        grouped.setdefault((run.net, run.data), []).append(run)
    bars = {
        (net.removesuffix("_reference"), data): max(r.skill for r in g)
        for (net, data), g in grouped.items()
        if is_reference(net)
    }
    starts = {data: g[0].start for (net, data), g in grouped.items() if net == "adapter_reference"}
    found: dict[str, Label] = {}
    for (net, data), group in grouped.items():
        kind = net.partition("_")[0]
        if not is_reference(net):
            start = starts[data] if kind == "adapter" else None
            found[net] = max(found.get(net, Label.TRAINS), label_on(group, bars[kind, data], start))
    return found


def is_reference(net: str) -> bool:
    """Whether a name is that of a healthy net that says what can be reached."""
    return net.endswith("_reference")
