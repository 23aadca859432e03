"""Labels against findings, in two halves: precision and recall of errors, false alarms, rule by rule."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.calibration.findings import AGAIN, Said, first_met, recorded
from tests.calibration.labels import HALF, LONGER, Label, Run, is_reference, labels
from tests.calibration.nets import held_back, nets, unseen
from tests.calibration.probes import probes
from tests.calibration.text import Generated
from tests.calibration.training import LEARNED, PROBES, UNSEEN, rows

Z = 1.96  # of the 95 % interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One net: what training made of it and what initlint said."""

    net: str
    kind: str
    traits: str
    label: Label
    said: Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A proportion with its counts."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        return self.hits / self.of if self.of else math.nan

    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval (Wilson 1927, equation 5)."""
        if not self.of:
            return 0.0, 1.0
        p, n = self.value, self.of
        middle = p + Z**2 / (2 * n)
        width = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
        return (middle - width) / (1 + Z**2 / n), (middle + width) / (1 + Z**2 / n)

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.hits}/{self.of} = {100 * self.value:.1f} % ({100 * low:.0f}–{100 * high:.0f})" if self.of else "–"


def cases() -> tuple[Case, ...]:
    """Every net that has both a label and a row of findings."""
    _, said = recorded()
    found = labels(rows())
    return tuple(
        Case(net=net.name, kind=net.kind, traits=net.traits, label=found[net.name], said=said[net.name])
        for net in nets()
        if net.name in found and net.name in said
    )


def unseen_cases(*, again: bool = False) -> tuple[Case, ...]:
    """The same of nets that nobody had seen, as they were met first; or of their held-back half, as the rules are."""
    said, runs = first_met(AGAIN) if again else first_met(), rows(UNSEEN)
    found = labels((*(run for run in rows() if is_reference(run.net)), *runs))
    return tuple(
        Case(net=net.name, kind=net.kind, traits=net.traits, label=found[net.name], said=said[net.name])
        for net in unseen()
        if net.name in found and net.name in said
    )


def probe_labels() -> Sequence[tuple[Generated, Label]]:
    """Every probe that was trained."""
    found = labels((*rows(), *rows(PROBES)))
    return [(net, found[net.name]) for net in probes() if net.name in found]


def not_given_time() -> Sequence[str]:
    """Nets that count as failing, do move, and were not trained longer yet."""
    runs = rows()
    found = labels(runs)
    grouped: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        grouped.setdefault((run.net, run.data), []).append(run)
    return sorted(
        {
            net
            for (net, _), group in grouped.items()
            if found.get(net) is Label.FAILS
            and max(skills := [run.skill for run in group]) - min(skills) >= LEARNED
            and max(skills) < HALF
            and not any(run.setting.endswith(LONGER) for run in group)
        }
    )


def missed(net: str) -> Sequence[str]:
    """The settings, "digits adam 1e-3", at which a net was trained and is not good."""
    return [f"{run.data} {run.setting}" for run in rows() if run.net == net and run.good_at < 0]


def share(items: Iterable[Case], of: Callable[[Case], bool], hit: Callable[[Case], bool]) -> Share:
    """How many of those that are `of` are `hit`."""
    chosen = [item for item in items if of(item)]
    return Share(hits=sum(map(hit, chosen)), of=len(chosen))


def is_error(case: Case) -> bool:
    """An error was given."""
    return case.said.worst() == "error"


def is_reported(case: Case) -> bool:
    """An error or a warning was given."""
    return bool(case.said.worst())


def fails(case: Case) -> bool:
    """Training fails."""
    return case.label is Label.FAILS


def trains(case: Case) -> bool:
    """Training is normal."""
    return case.label is Label.TRAINS


def summary(items: Sequence[Case]) -> Mapping[str, Share]:
    """The four numbers."""
    return {
        "precision of errors: with an error, that fail": share(items, is_error, fails),
        "recall of errors: that fail, with an error": share(items, fails, is_error),
        "false alarms: that train, with an error or a warning": share(items, trains, is_reported),
        "precision of reports: with an error or a warning, that fail or need care": share(
            items, is_reported, lambda case: not trains(case)
        ),
    }


def confusion(items: Iterable[Case]) -> Mapping[Label, Counter[str]]:
    """How many nets of each label were given an error, a warning at worst, or nothing ("")."""
    counted: dict[Label, Counter[str]] = {label: Counter() for label in Label}
    for case in items:
        counted[case.label][case.said.worst()] += 1
    return counted


def by_rule(items: Sequence[Case]) -> Mapping[tuple[str, str], Counter[Label]]:
    """How many nets of each label a rule gave errors to, and warnings."""
    counted: dict[tuple[str, str], Counter[Label]] = {}
    for case in items:
        for name, severity in sorted({(name, severity) for name, severity, _ in case.said.findings}):
            if severity != "info":
                counted.setdefault((name, severity), Counter())[case.label] += 1
    return counted


def show_choosing() -> None:
    """What the choosing half says, on the screen: the numbers, then every net that is not as it should be."""
    items = [case for case in cases() if not held_back(case.net)]
    print("\n".join(_lines(items)))
    for title, chosen in (
        ("fails without an error", [case for case in items if fails(case) and not is_error(case)]),
        ("an error and does not fail", [case for case in items if is_error(case) and not fails(case)]),
        ("reported and trains", [case for case in items if is_reported(case) and trains(case)]),
    ):
        print(f"\n== {title}")
        for case in chosen:
            print(f"{case.net} [{case.label}] {case.traits}")
            for row in (*case.said.findings, *(row for row in case.said.measured if row not in case.said.findings)):
                print(" " * 4, *row, "" if row in case.said.findings else "(not said)")


def _lines(items: Sequence[Case]) -> Iterator[str]:
    count = Counter(case.label for case in items)
    yield f"{len(items)} nets: " + ", ".join(f"{count[label]} {label}" for label in Label)
    for name, value in summary(items).items():
        yield f"{name}: {value}"
    for (name, severity), counted in sorted(by_rule(items).items()):
        yield f"{name} {severity}: " + ", ".join(f"{counted[label]} {label}" for label in Label)
