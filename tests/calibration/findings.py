"""Nets → findings.jsonl: what initlint says of each source, and what its rules measured beside their thresholds.

    python -m tests.calibration findings            goes on where it stopped; a changed threshold begins its nets anew
    python -m tests.calibration findings --anew     all nets: the rules' code has changed

A source is written to a file and checked as `initlint check` does it, with no settings. The rules then judge the same facts a
second time with thresholds so loose that they nearly always speak: their evidence is what thresholds are chosen from.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import json
import pkgutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import initlint.rules

from initlint.lint.judge import judge, merge
from initlint.lint.load import load_rules
from tests.calibration.nets import held_back, nets, unseen
from tests.calibration.text import Generated
from tests.calibration.training import UNSEEN as UNSEEN_RUNS
from tests.calibration.training import rows

RECORD = Path(__file__).with_name("findings.jsonl")
UNSEEN = Path(__file__).with_name("unseen.jsonl")
AGAIN = Path(__file__).with_name("unseen_again.jsonl")
SHARED = (
    "initlint.lint.backward",
    "initlint.lint.directions",
    "initlint.lint.doubt",
    "initlint.lint.paths",
)  # modules whose constants rules judge by
# What evidence is gathered under. Nothing here decides anything.
LOOSE: Mapping[str, Any] = {
    "dead_relu.WARN_AT": 0.05,
    "dead_relu.LOWEST_MEAN": 0.0,
    "exploding_gradient.WARN_AT": {"normalized": 0.3, "within": 0.3, "plain": 0.3, "residual": 0.3, "recurrent": 0.3},
    "exploding_signal.WARN_AT": 0.5,
    "exploding_signal.WARN_BEFORE_NORM": 1.0,
    "exploding_signal.LAYERS": 1,
    "exploding_signal.GROWING": 0.02,
    "vanishing_signal.TELL_AT": {"share": -0.5, "born": -0.5},
    "vanishing_signal.LAST": 1.0,
    "vanishing_signal.LAYERS": 1,
    "vanishing_signal.WITHOUT_WORST": 0.0,
    "vanishing_gradient.WARN_AT": -0.3,
    "rank_collapse.WARN_AT": 0.1,
    "rank_collapse.ATTENTIONS": 1,
    "saturated_activation.SATURATED": 0.7,
    "saturated_activation.SHARP_LOGITS": 1.0,
    "unscaled_residual.WARN_AT": 0.2,
    "unscaled_residual.WARN_BEFORE_NORM": 0.5,
    "unscaled_residual.BLOCKS": 1,
    "unscaled_residual.GROWING": 0.01,
    "lora_not_identity.WARN_AT": 1e-6,
    "lora_scaling.WARN_BELOW": 8.0,
    "lora_scaling.TELL_ABOVE": 32.0,
    "too_narrow_for_depth.WARN_AT": 0.3,
    "too_narrow_for_depth.LAYERS": 4,
    "lint.backward.SHORTEST": 4,
    "lint.doubt.CHANCE": 0.0,
}
KEPT = 4  # significant digits of evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What initlint says of one net: (rule, severity, evidence) as the thresholds are, and as the loose ones have it."""

    net: str
    status: str
    findings: tuple[tuple[str, str, Mapping[str, float]], ...]
    measured: tuple[tuple[str, str, Mapping[str, float]], ...]

    def worst(self) -> str:
        """error, warning, or nothing; notes are nothing."""
        severities = {severity for _, severity, _ in self.findings}
        return "error" if "error" in severities else "warning" if "warning" in severities else ""


def thresholds() -> dict[str, Any]:
    """All constants that rules decide by: "rule.NAME", and those that several rules share."""
    found = {}
    for info in pkgutil.iter_modules(initlint.rules.__path__):
        module = importlib.import_module(f"initlint.rules.{info.name}.rule")
        found |= {f"{info.name}.{name}": value for name, value in _constants(module)}
    for name in SHARED:
        short = name.removeprefix("initlint.")
        found |= {f"{short}.{key}": value for key, value in _constants(importlib.import_module(name))}
    return found


def _constants(module: Any) -> Iterator[tuple[str, Any]]:
    """Numbers, and tables of numbers, that a module's own text gives a name in capitals."""
    for statement in ast.parse(inspect.getsource(module)).body:
        if (
            isinstance(statement, ast.Assign)
            and isinstance(statement.targets[0], ast.Name)
            and statement.targets[0].id.isupper()
        ):
            value = getattr(module, statement.targets[0].id)
            numbers = value.values() if isinstance(value, dict) else [value]
            if all(isinstance(item, int | float) for item in numbers):
                yield statement.targets[0].id, value


def recorded() -> tuple[dict[str, Any], dict[str, Said]]:
    """(thresholds, what was said) of the committed run."""
    if not RECORD.exists():
        return {}, {}
    first, *rest = map(json.loads, RECORD.read_text(encoding="utf-8").splitlines())
    return first["thresholds"], {row["net"]: _said_again(row) for row in rest}


def gather(*, choosing: bool = False, anew: bool = False) -> None:
    """Check every trained net that has no row under these thresholds, those that thresholds may be chosen from first.

    A row stays when a threshold changes whose rule, loose as it is, had nothing to measure in that net.

    choosing  only those
    anew      keep no row
    """
    before, done = recorded()
    now = json.loads(json.dumps(thresholds()))
    changed = {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)}
    kept = {name: said for name, said in done.items() if said.status == "ok" and not anew and not _concerned(said, changed)}
    if changed or anew or len(kept) < len(done):
        lines = [{"thresholds": now}, *map(asdict, kept.values())]
        RECORD.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in lines), encoding="utf-8")
    with RECORD.open("a", encoding="utf-8") as file:

        def keep(said: Said) -> None:
            file.write(json.dumps(asdict(said), separators=(",", ":")) + "\n")
            file.flush()

        trained = {run.net for run in rows()}
        wanted = [net for net in nets() if net.name in trained - kept.keys() and not (choosing and held_back(net.name))]
        look(sorted(wanted, key=lambda net: held_back(net.name)), keep)


def first_met(record: Path = UNSEEN) -> dict[str, Said]:
    """What was said of nets that nobody had seen, when it was said first, or in another record."""
    lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
    return {row["net"]: _said_again(row) for row in map(json.loads, lines)}


def meet() -> None:
    """Check the unseen nets that have been trained and have no row; rows stay as they are when rules change."""
    trained = {run.net for run in rows(UNSEEN_RUNS)}
    with UNSEEN.open("a", encoding="utf-8") as file:
        look([net for net in unseen() if net.name in trained - first_met().keys()], _kept_in(file))


def meet_again() -> None:
    """Check those of their half that nothing is chosen from as the rules are now."""
    with AGAIN.open("w", encoding="utf-8") as file:
        look([net for net in unseen() if held_back(net.name) and net.name in first_met()], _kept_in(file))


def _kept_in(file: TextIO) -> Callable[[Said], None]:
    def keep(said: Said) -> None:
        row = {"net": said.net, "status": said.status, "findings": said.findings, "measured": ()}
        file.write(json.dumps(row, separators=(",", ":")) + "\n")
        file.flush()

    return keep


def _said_again(row: Mapping[str, Any]) -> Said:
    return Said(**{key: tuple(map(tuple, value)) if isinstance(value, list) else value for key, value in row.items()})


def _concerned(said: Said, changed: Collection[str]) -> bool:
    """Whether other thresholds may change what was said of a net: its rule measured something there, or all rules share them."""
    rules = {name.replace("-", "_") for name, _, _ in (*said.findings, *said.measured)}
    return any(key.startswith("lint.") or key.partition(".")[0] in rules for key in changed)


def look(chosen: Iterable[Generated], receive: Callable[[Said], None]) -> None:
    """Check nets as the command line does, one after another, in this process: they are all of one file, and need no cure."""
    import initlint.lint.analyse as pipeline
    from initlint.lint.job import Job, discovered, imported
    from initlint.lint.one_model import check_model

    judge, pipeline.judge = pipeline.judge, _judged_twice
    try:
        for net in chosen:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, f"{net.name}.py")
                path.write_text(net.text, encoding="utf-8")
                job = Job(label=path.name, path=str(path), module=None, name="Net")
                file = imported(job, mixed=True)
                (candidate,) = discovered(job, file, job.name).candidates
                answers: list[dict[str, Any]] = []
                check_model(job, file, candidate, job.label, answers.append)
                receive(_said(net.name, answers[-1]))
    finally:
        pipeline.judge = judge


def _judged_twice(facts: Any) -> tuple[Any, ...]:
    """What the rules find, and what they would find under loose thresholds."""
    strict = judge(facts)
    with _loosened():
        loose = merge(item for loaded in load_rules() if loaded.check is not None for item in loaded.check(facts))
    return (*strict, *(replace(item, name=f"loose {item.name}") for item in loose))


def _said(net: str, message: Mapping[str, Any]) -> Said:
    rows = tuple((item["name"], item["severity"], _short(item["evidence"])) for item in message.get("findings", ()))
    return Said(
        net=net,
        status=message["target"]["status"],
        findings=tuple(row for row in rows if not row[0].startswith("loose ")),
        measured=tuple((name.removeprefix("loose "), *rest) for name, *rest in rows if name.startswith("loose ")),
    )


def _short(evidence: Mapping[str, float]) -> dict[str, float]:
    return {key: float(f"{value:.{KEPT}g}") for key, value in evidence.items()}


@contextlib.contextmanager
def _loosened() -> Iterator[None]:
    """Thresholds as in `LOOSE`, where the modules look them up."""
    kept = []
    for key, value in LOOSE.items():
        place, _, name = key.rpartition(".")
        module = importlib.import_module(f"initlint.{place}" if place.startswith("lint.") else f"initlint.rules.{place}.rule")
        kept.append((module, name, getattr(module, name)))
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in kept:
            setattr(module, name, value)
