"""Nets → runs.csv: what each net learns at six settings on two real data sets.

    python -m tests.calibration train [--hours H]     goes on where it stopped; one row a run

Digits (1797 images of 8x8, ten classes) and breast cancer (569 samples of 30 measures, two classes), both of scikit-learn. A
perceptron reads them as vectors; a convolutional net as images (8x8, and 10x3: ten measures by mean, error and worst);
recurrent nets and transformers row by row. Adapters are made as written, the net around them is first trained with the
adapters' scale at zero, then everything but the adapters is frozen and the same features come in another order (digits
transposed, measures reversed).

The *skill* of a run is 1 − loss/entropy of the labels: 0 for guessing, 1 for certainty; the loss is a running mean (over some
ten batches) of the training loss in train mode. The references of `nets.references` say what can be reached: a run is *good*
when its skill reaches 0.8 of the best reference run's of its kind on its data, and is stopped there.
"""

from __future__ import annotations

import csv
import math
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.calibration.labels import ENOUGH, GOOD, LONGER, Label, Run, label_on
from tests.calibration.nets import nets, references, unseen
from tests.calibration.probes import gate_reference, probes
from tests.calibration.text import Generated

RECORD = Path(__file__).with_name("runs.csv")
PROBES = Path(__file__).with_name("probes.csv")
UNSEEN = Path(__file__).with_name("unseen.csv")
DATA = ("digits", "breast_cancer")
BATCH = 64
STEPS = {"mlp": 500, "conv": 400, "recurrent": 500, "attention": 300, "adapter": 400, "gate": 500}
MEMORY = 0.9  # of the running mean of the loss
LEARNED = 0.02  # skill below which nothing was learned
# As many steps for nets that fail otherwise: how long one trains is a setting too. A net that all of
# them leave where it was gets none.
TIMES = 4
HOPELESS = 0.6  # of the steps: a run that has learned nothing by then is stopped

# In the order of how usual they are. The momentum of SGD is 0.9.
SETTINGS: dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "adam 1e-3": lambda p: torch.optim.Adam(p, lr=1e-3, fused=True),
    "sgd 1e-2": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, fused=True),
    "adamw 3e-3": lambda p: torch.optim.AdamW(p, lr=3e-3, fused=True),
    "sgd 1e-1": lambda p: torch.optim.SGD(p, lr=1e-1, momentum=0.9, fused=True),
    "adam 2e-4": lambda p: torch.optim.Adam(p, lr=2e-4, fused=True),
    "sgd 1e-3": lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9, fused=True),
}

LONG = tuple(name + LONGER for name in ("adam 1e-3", "adam 2e-4"))


def rows(record: Path = RECORD) -> list[Run]:
    """What has been run so far."""
    if not record.exists():
        return []
    with record.open(encoding="utf-8", newline="") as file:
        return [
            Run(net=r["net"], data=r["data"], setting=r["setting"], start=float(r["start"]), skill=float(r["skill"]), good_at=int(r["good_at"]))
            for r in csv.DictReader(file)
        ]  # fmt: skip


def train(hours: float) -> None:
    """All nets, then the probes, then nets that nobody has seen."""
    end = time.monotonic() + 3600 * hours
    _train(nets(), references(), RECORD, end)
    _train(probes(), (*references(), gate_reference()), PROBES, end)
    _train(unseen(), references(), UNSEEN, end)


def _train(chosen: Iterable[Generated], bearings: Iterable[Generated], record: Path, end: float) -> None:
    """References, then nets, each net's settings until its label cannot change; every run is written at once."""
    torch.set_num_threads(1)
    done = {(run.net, run.data, run.setting): run for run in (*rows(), *rows(record))}
    with record.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Run)], lineterminator="\n")
        if not file.tell():
            writer.writeheader()

        def run(net: Generated, data: str, setting: str, bar: float) -> Run:
            key = net.name, data, setting
            if key not in done:
                done[key] = one(net, data, setting, bar)
                writer.writerow(asdict(done[key]))
                file.flush()
            return done[key]

        bars, starts = {}, {}
        for net in bearings:
            for data in DATA:
                shown = [run(net, data, setting, math.inf) for setting in SETTINGS]
                bars[net.kind, data] = max(item.skill for item in shown)
                if net.kind == "adapter":
                    starts[data] = shown[0].start
        for net in chosen:
            if time.monotonic() > end:
                return
            for data in DATA:
                learned: list[Run] = []
                for setting in SETTINGS:
                    learned.append(run(net, data, setting, bars[net.kind, data]))
                    if sum(item.good_at >= 0 for item in learned) >= ENOUGH:
                        break
                skills = [item.skill for item in learned]
                for setting in LONG if max(skills) - min(skills) >= LEARNED else ():
                    if label_on(learned, bars[net.kind, data]) is Label.FAILS:
                        learned.append(run(net, data, setting, bars[net.kind, data]))
                if label_on(learned, bars[net.kind, data], starts[data] if net.kind == "adapter" else None) is Label.FAILS:
                    break  # and the worse of both data sets counts


def one(net: Generated, data: str, setting: str, bar: float) -> Run:
    """One net trained at one setting; `bar` is the skill of the reference."""
    torch.manual_seed(zlib.crc32(net.name.encode()))
    x, y = samples(net.kind, data)
    entropy = _entropy(y)
    model = built(net, x, int(y.max()) + 1)
    if net.kind == "adapter":
        _pretrain(model, x, y)
    with torch.no_grad():
        start = 1 - float(F.cross_entropy(model(x[:512]), y[:512])) / entropy
    if net.kind == "adapter":
        x = reordered(x, data)
    optimizer = SETTINGS[setting.removesuffix(LONGER)]([p for p in model.parameters() if p.requires_grad])
    steps = STEPS[net.kind] * (TIMES if setting.endswith(LONGER) else 1)
    skill, good_at = _fit(model, optimizer, _batches(x, y), entropy, steps, GOOD * bar)
    return Run(net=net.name, data=data, setting=setting, start=_kept(start), skill=_kept(skill), good_at=good_at)


def _fit(
    model: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterator[tuple[Tensor, Tensor]], entropy: float, steps: int, good: float
) -> tuple[float, int]:  # fmt: skip
    """(skill at the end, step at which it was good or −1)."""
    mean, weight = 0.0, 0.0
    skill = -math.inf
    for step in range(steps):
        x, y = next(batches)
        loss = F.cross_entropy(model(x), y)
        value = float(loss.detach())
        if not math.isfinite(value):
            return -math.inf, -1
        mean, weight = MEMORY * mean + (1 - MEMORY) * value, MEMORY * weight + 1 - MEMORY
        skill = 1 - mean / weight / entropy
        if weight > 0.5 and skill >= good:
            return skill, step
        if step > HOPELESS * steps and skill < LEARNED:
            return skill, -1
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return skill, -1


def _pretrain(model: Any, x: Tensor, y: Tensor) -> None:
    """Train what is frozen, with the scale of all adapters at zero; then only the adapters are left trainable."""
    adapters = [module for module in model.modules() if hasattr(module, "base")]
    scales = [module.scale for module in adapters]
    base = [parameter for parameter in model.parameters() if not parameter.requires_grad]
    for module in adapters:
        module.scale = 0.0
    for parameter in base:
        parameter.requires_grad_(True)
    _fit(model, torch.optim.Adam(base, lr=3e-3, fused=True), _batches(x, y), _entropy(y), 300, math.inf)
    for module, scale in zip(adapters, scales, strict=True):
        module.scale = scale
    for parameter in base:
        parameter.requires_grad_(False)


# -- data -----------------------------------------------------------------------------------------------------------------


@cache
def _loaded(data: str) -> tuple[Tensor, Tensor]:
    """Features of mean 0 and variance 1 (digits over all pixels, measures each), in a fixed order of samples; labels."""
    from sklearn.datasets import load_breast_cancer, load_digits  # the records are read without it

    features, labels = (load_digits if data == "digits" else load_breast_cancer)(return_X_y=True)
    x, y = torch.tensor(features, dtype=torch.float32), torch.tensor(labels)
    x = (x - x.mean()) / x.std() if data == "digits" else (x - x.mean(0)) / x.std(0)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    return x[order], y[order]


def samples(kind: str, data: str) -> tuple[Tensor, Tensor]:
    """Data as a kind of net reads them."""
    x, y = _loaded(data)
    if kind == "gate" and data == "digits":
        return x, y % 2  # odd or even: more than a linear net can tell
    rows_of = x.view(-1, 8, 8) if data == "digits" else x.view(-1, 3, 10).transpose(1, 2)
    return {"conv": rows_of[:, None], "recurrent": rows_of, "attention": rows_of}.get(kind, x), y


def built(net: Generated, x: Tensor, classes: int) -> Any:
    """The net for data of this shape."""
    space: dict[str, Any] = {"__name__": net.name}
    exec(compile(net.text, f"{net.name}.py", "exec"), space)
    more = {"length": x.shape[1]} if net.kind == "attention" else {}
    return space["Net"](x.shape[1] if x.dim() in (2, 4) else x.shape[2], classes, **more)


def reordered(x: Tensor, data: str) -> Tensor:
    """The same features in another order."""
    return x.view(-1, 8, 8).transpose(1, 2).reshape(-1, 64) if data == "digits" else x.flip(1)


def _batches(x: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    while True:
        for rows_of in torch.randperm(len(y), generator=generator).split(BATCH)[:-1]:
            yield x[rows_of], y[rows_of]


def _entropy(y: Tensor) -> float:
    share = torch.bincount(y) / len(y)
    return float(-(share * share.log()).sum())


def _kept(skill: float) -> float:
    return round(max(skill, -9.99), 3) if math.isfinite(skill) else -9.99
