"""PATHS → predictions held against Monte Carlo: what `initlint verify` asks of the worker, and what comes back.

Values and the run; `monte_carlo` is what the worker's child does. Nothing here imports torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from initlint.lint.finding import Finding, Severity
from initlint.lint.run import gather, report_of

if TYPE_CHECKING:
    from initlint.config import Settings
    from initlint.source.files import Request

QUIET = 0.5  # bits: a node whose own standard error is larger judges the draws, not the prediction

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How a model is held against reality.

    draws      constructions; None: as many as end in seconds
    tolerance  bits that a second moment may be off beyond its sampling error; a gradient twice that
    """

    draws: int | None = None
    tolerance: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One prediction against its measurement.

    error  standard error of the measurement over draws
    bits   |log2(predicted/measured)|; for a mean or a pair moment, the same in units of the second moment:
           log2(1 + |difference|/q), of a mean 2·log2(1 + |difference|/√q)
    doubt  the standard error in bits
    off    bits exceed the tolerance and what the sampling error leaves open
    """

    predicted: float | None
    measured: float
    error: float
    bits: float
    doubt: float
    off: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """One node of the traced graph; a quantity is None where it is not defined.

    begins  quantities that go wrong here: they are off while all that they were computed from is right
    """

    node: str
    operator: str
    module: str
    path: str
    line: int
    shape: tuple[int, ...]
    method: str
    flags: tuple[str, ...]
    mean: Quantity | None
    second_moment: Quantity
    k_pos: Quantity | None
    k_batch: Quantity | None
    gradient: Quantity | None
    begins: tuple[str, ...] = ()

    @property
    def quantities(self) -> dict[str, Quantity]:
        """Those that are defined, by name."""
        named = ("mean", "second_moment", "k_pos", "k_batch", "gradient")
        return {name: value for name in named if (value := getattr(self, name)) is not None}

    @property
    def off(self) -> tuple[str, ...]:
        """Names of the quantities that are off."""
        return tuple(name for name, value in self.quantities.items() if value.off)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """One model, held against `draws` constructions; rows worst first.

    errors      standard errors that a difference must exceed, from Student's t for this number of draws
    parameters  of the model that was drawn
    reduced     what was replaced to make it small enough: "`n_layer` 48 → 2"; "" for the model as it is
    """

    target: str
    path: str
    line: int
    draws: int
    errors: float
    parameters: int
    reduced: str
    seconds: float
    rows: tuple[NodeRow, ...]

    @property
    def off(self) -> tuple[NodeRow, ...]:
        """Nodes with a quantity that is off."""
        return tuple(row for row in self.rows if row.off)

    def bits(self, quantity: str) -> list[float]:
        """|log2| errors of all nodes whose own sampling error is small, ascending."""
        found = [row.quantities[quantity] for row in self.rows if quantity in row.quantities]
        return sorted(item.bits for item in found if item.doubt < QUIET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What one run of `verify` found: models held against reality, and findings on those that could not be."""

    trial: Trial
    verified: tuple[Verified, ...]
    failed: tuple[Finding, ...]

    @property
    def status(self) -> int:
        """Exit status: 1 when a prediction is off, 2 when a model could not be verified or there was none, else 0."""
        if any(item.off for item in self.verified):
            return 1
        return 2 if not self.verified or any(item.severity is Severity.ERROR for item in self.failed) else 0


def percentile(ascending: Sequence[float], percent: float) -> float | None:
    """The value that `percent` of all stay below or reach; None of nothing."""
    return ascending[min(int(percent / 100 * len(ascending)), len(ascending) - 1)] if ascending else None


def verify(
    requests: Sequence[Request],
    settings_for: Callable[[str], Settings],
    trial: Trial,
    *,
    progress: Progress | None = None,
) -> Verification:
    """Build the models of the requested files for real, several times, and compare; `progress` is told target, done, of all."""
    verified: list[Verified] = []

    def receive(message: Mapping[str, Any]) -> None:
        if "verified" in message:
            verified.append(verified_from(message["verified"]))
        elif "progress" in message and progress is not None:
            progress(*message["progress"])

    report = report_of(gather(requests, settings_for, verify=asdict(trial), jobs=1, receive=receive))
    order = {target.target: place for place, target in enumerate(report.targets)}
    return Verification(
        trial=trial,
        verified=tuple(sorted(verified, key=lambda item: order.get(item.target, -1))),
        failed=report.findings,
    )


def verified_data(item: Verified) -> dict[str, Any]:
    """A result as JSON values, to cross from the child process; the inverse of `verified_from`."""
    return asdict(item)


def verified_from(data: Mapping[str, Any]) -> Verified:
    """The result that `verified_data` described."""
    return Verified(**{**data, "rows": tuple(map(_row, data["rows"]))})


def _row(data: Mapping[str, Any]) -> NodeRow:
    quantities = {
        name: None if data[name] is None else Quantity(**data[name]) for name in ("mean", "k_pos", "k_batch", "gradient")
    }
    return NodeRow(
        **{
            **data,
            **quantities,
            "second_moment": Quantity(**data["second_moment"]),
            "shape": tuple(data["shape"]),
            "flags": tuple(data["flags"]),
            "begins": tuple(data["begins"]),
        }
    )


def memory_of_machine() -> int:
    """Bytes of physical memory: the limit where the settings have none."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
