"""Zoo files → docs/zoo-training.md: does every healthy model train, and does no bad one?

    python -m tests.zoo.training.train [--missing] [NAME …]     prints one row a model and keeps it in results.json;
                                                                without names: those that have no row yet
    python -m tests.zoo.training.train --page                   results.json → docs/zoo-training.md

Every model is built by its own defaults (unless a smaller size stands in the row), trained for some hundred steps on scikit-learn's
digits or on a small synthetic task, one thread. Bad models are trained at six settings (Adam and SGD with momentum, three
rates each), and once more after a cure of their start where one exists.
"""

from __future__ import annotations

import importlib.util
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from tests.zoo.training.jobs import JOBS, Job
from tests.zoo.training.table import page

ZOO = Path(__file__).resolve().parents[1]
RECORD = Path(__file__).with_name("results.json")
PAGE = ZOO.parents[1] / "docs" / "zoo-training.md"


def load(name: str) -> ModuleType:
    """A file of the zoo as a module."""
    spec = importlib.util.spec_from_file_location(f"zoo_{name}", ZOO / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def fit(
    job: Job, name: str, optimizer_of: Callable[[list[nn.Parameter]], torch.optim.Optimizer], *, cured: bool = False
) -> tuple[float, float]:
    """Loss before and after, each a mean over batches (train mode, as the linter sees the model)."""
    torch.manual_seed(0)
    model = job.build(load(name.partition(":")[0]))
    if cured and job.cure is not None:
        job.cure(model)
    model.train()
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = optimizer_of(trainable)
    losses = []
    for _, (inputs, target) in zip(range(job.steps), job.task()):
        loss = job.loss(model(*inputs), target)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            return losses[0], math.inf
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    last = losses[-max(job.steps // 10, 5) :]
    return sum(losses[:1]), sum(last) / len(last)


def optimizer(label: str) -> Callable[[list[nn.Parameter]], torch.optim.Optimizer]:
    """ "Adam 0.001" → what makes it; SGD has momentum 0.9."""
    kind, rate = label.split()
    if kind == "Adam":
        return lambda parameters: torch.optim.Adam(parameters, float(rate))
    return lambda parameters: torch.optim.SGD(parameters, float(rate), momentum=0.9)


def run(name: str) -> dict[str, Any]:
    """One row of the table."""
    job, start = JOBS[name], time.time()
    if job.healthy:
        label = f"Adam {job.rate:g}"
        settings = {label: optimizer(label)}
    else:
        settings = {label: optimizer(label) for label in job.settings}
    results = {label: fit(job, name, optimizer_of) for label, optimizer_of in settings.items()}
    cured = {}
    if job.cure is not None:
        cured = {label: fit(job, name, optimizer_of, cured=True) for label, optimizer_of in settings.items()}
    best = min(results, key=lambda label: results[label][1])
    row: dict[str, Any] = {
        "healthy": job.healthy,
        "before": results[best][0],
        "after": results[best][1],
        "setting": best,
        "all": {label: result[1] for label, result in results.items()},
        "cured": {label: result[1] for label, result in cured.items()},
        "cured_before": next(iter(cured.values()))[0] if cured else None,
        "steps": job.steps,
        "note": job.note,
        "seconds": round(time.time() - start, 1),
    }
    print(f"{name:32} {row['before']:10.4g} → {row['after']:10.4g}  {best}  {row['seconds']} s", flush=True)
    if not job.healthy:
        for kind in ("all", "cured"):
            print("    ", kind, {label: f"{value:.3g}" for label, value in row[kind].items()}, flush=True)
    return row


def main(names: list[str]) -> None:
    """Run the named models (all of them without names) and keep the results."""
    torch.set_num_threads(1)
    if names == ["--page"]:
        PAGE.write_text(page(json.loads(RECORD.read_text())))
        return
    missing = not names or names[0] == "--missing"
    for name in names[missing:] or list(JOBS):
        record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
        if missing and name in record:
            continue
        row = run(name)
        record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
        RECORD.write_text(json.dumps(record | {name: row}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
