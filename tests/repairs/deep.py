"""Two very deep examples, as written and as `initlint check --fix --unsafe-fixes` leaves them → curves.csv, docs/curves/*.svg.

    python -m tests.repairs examples     docs/examples/*.py → docs/examples/repaired/*.py, by the command line
    python -m tests.repairs deep         trains both, draws

Digits (see `tests.calibration.training`), batches of 64. The skill is 1 − loss/entropy of the labels: 0 for guessing, 1 for
certainty; the loss is a running mean over some ten batches.
"""

from __future__ import annotations

import csv
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from tests.calibration.training import MEMORY, SETTINGS, _batches, _entropy, samples
from tests.repairs.drawing import drawn

DOCS = Path(__file__).resolve().parents[2] / "docs"
WRITTEN = DOCS / "examples"
REPAIRED = WRITTEN / "repaired"
RECORD = Path(__file__).with_name("curves.csv")
CURVES = DOCS / "curves"
EXAMPLES: Mapping[str, tuple[str, str, Sequence[str], int]] = {  # file → class, how data are shaped, settings, steps
    "residual_mlp": ("ResidualMLP", "mlp", ("adam 1e-3", "sgd 1e-2"), 150),
    "post_norm": ("Transformer", "attention", ("adam 1e-3",), 120),
}
EVERY = 10  # steps between points
SECONDS = 3600  # limit of one model: many proofs of a thousand layers


def study(only: Sequence[str] = ()) -> None:
    """Train all examples, or some, and draw what is recorded."""
    torch.set_num_threads(1)
    points = {key: value for key, value in recorded().items() if only and key[0] not in only}
    for example, (name, kind, settings, steps) in EXAMPLES.items():
        if only and example not in only:
            continue
        for state, folder in (("as written", WRITTEN), ("repaired", REPAIRED)):
            text = (folder / f"{example}.py").read_text(encoding="utf-8")
            for setting in settings:
                points[example, state, setting] = tuple(trained(text, name, kind, setting, steps))
                print(example, state, setting, points[example, state, setting][-1], flush=True)
                _write(points)
    draw()


def mend(only: Sequence[str] = ()) -> None:
    """What the command line makes of copies in a folder of their own, put beside the originals."""
    REPAIRED.mkdir(exist_ok=True)
    for example in EXAMPLES:
        if only and example not in only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copyfile(WRITTEN / f"{example}.py", Path(folder, f"{example}.py"))
            options = ["--isolated", "--fix", "--unsafe-fixes", "--timeout", str(SECONDS), "--jobs", "1"]
            subprocess.run([sys.executable, "-m", "initlint", "check", str(copy), *options], check=False)
            shutil.copyfile(copy, REPAIRED / f"{example}.py")


def trained(text: str, name: str, kind: str, setting: str, steps: int) -> Iterator[tuple[int, float]]:
    """(step, skill) every so many steps; nothing after a loss that is no number."""
    torch.manual_seed(0)
    x, y = samples(kind, "digits")
    space: dict[str, Any] = {"__name__": name}
    exec(compile(text, f"{name}.py", "exec"), space)
    model = space[name]()
    optimizer = SETTINGS[setting](list(model.parameters()))
    batches, entropy = _batches(x, y), _entropy(y)
    mean, weight = 0.0, 0.0
    for step in range(steps):
        images, labels = next(batches)
        loss = F.cross_entropy(model(images), labels)
        value = float(loss.detach())
        if not math.isfinite(value):
            yield step, math.nan
            return
        mean, weight = MEMORY * mean + (1 - MEMORY) * value, MEMORY * weight + 1 - MEMORY
        if step % EVERY == 0:
            yield step, round(1 - mean / weight / entropy, 3)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


Points = Mapping[tuple[str, str, str], Sequence[tuple[int, float]]]  # (example, state, setting) → (step, skill)


def recorded() -> dict[tuple[str, str, str], tuple[tuple[int, float], ...]]:
    """The committed curves."""
    if not RECORD.exists():
        return {}
    found: dict[tuple[str, str, str], tuple[tuple[int, float], ...]] = {}
    with RECORD.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = row["example"], row["state"], row["setting"]
            found[key] = (*found.get(key, ()), (int(row["step"]), float(row["skill"])))
    return found


def _write(points: Points) -> None:
    with RECORD.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("example", "state", "setting", "step", "skill"))
        writer.writerows((*key, *point) for key, curve in points.items() for point in curve)


def draw() -> None:
    """The recorded curves as pictures."""
    CURVES.mkdir(exist_ok=True)
    for example, (_, _, _, steps) in EXAMPLES.items():
        curves = {(state, setting): curve for (name, state, setting), curve in recorded().items() if name == example}
        if curves:
            (CURVES / f"{example}.svg").write_text(drawn(curves, steps), encoding="utf-8")
