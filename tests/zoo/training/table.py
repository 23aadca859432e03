"""results.json → docs/zoo-training.md."""

from __future__ import annotations

import math
from typing import Any

import torch

from tests.zoo.training.jobs import JOBS, Job

INTRODUCTION = """# Does the zoo train?

What `tests/zoo` claims, measured by `python -m tests.zoo.training.train` (PyTorch {version}, CPU, one thread, seed 0). Every model
is built with its own defaults, unless a size is named, and trained in train mode (dropout on) on scikit-learn's digits or on a
small synthetic task with fresh batches. *Before* is the loss of the first batch, *after* the mean over the last tenth of the steps.

## Healthy models

One setting each, the first that came to mind, with one exception: `postnorm_transformer` (no warm-up) did not start at 5e-4 and
does at 2e-4. Where a task told nothing (a GRU whose input norm removes the whole signal, a chain too long for an LSTM in 200
steps, a density that is nearly Gaussian) the task was changed, not the model.

| model | steps | optimizer | loss before | after | size, if not the default |
|---|---|---|---|---|---|
"""
BAD = """
## Bad models

Six settings each: Adam at 1e-2, 1e-3, 1e-4 and SGD with momentum 0.9 at 1e-1, 1e-2, 1e-3; loss after training (∞: diverged).
*Cured* is the same network, task and settings after its start was put right in the way the rule recommends.

| model | start | loss before | Adam 1e-2 | 1e-3 | 1e-4 | SGD 1e-1 | 1e-2 | 1e-3 |
|---|---|---|---|---|---|---|---|---|
"""


def page(record: dict[str, dict[str, Any]]) -> str:
    """The two tables in Markdown."""
    lines = [INTRODUCTION.format(version=torch.__version__.partition("+")[0])]
    for name in JOBS:
        row = record.get(name)
        if row and row["healthy"]:
            lines.append(
                f"| `{name.partition(':')[0]}` | {row['steps']} | {row['setting']} | {shown(row['before'])} "
                f"| {shown(row['after'])} | {row['note']} |\n"
            )
    lines.append(BAD)
    for name in JOBS:
        row = record.get(name)
        if row and not row["healthy"]:
            after = " | ".join(shown(row["all"].get(label)) for label in Job.settings)
            lines.append(f"| `{name}` | as written | {shown(row['before'])} | {after} |\n")
            if row["cured"]:
                after = " | ".join(shown(row["cured"].get(label)) for label in Job.settings)
                lines.append(f"| | cured | {shown(row['cured_before'])} | {after} |\n")
    return "".join(lines) + REMARKS


REMARKS = """
How to read the bad ones:

- –: not run (the larger models got two settings).
- `lora_*`: the base is first trained on digits with the adapters switched off (loss 0.04 on the training set), then fine-tuned.
  `lora_alpha_scale` diverges at every rate of SGD and at Adam's 1e-3 ends nine times above the cured one; it wants 1e-4.
  `lora_random_factors` starts at about half of the base's accuracy (49 % against 99 % on the training set) and spends its first
  steps on repair. `lora_zero_factors` has the adapters as its only trainable parameters, and labels moved by one: the loss does
  not move at any setting.
- `dit_blanket_init` trains: in sixty steps of a toy task there is no clear difference to the same network with its adaLN-zero
  start left alone. What is found there is a start that was written and has no effect, a warning; `identity_blocks_reset` is the same
  mistake where it is fatal.
- `attention_stack_no_skip` tags tokens by their class, and half of a text's tokens are of the text's class. It learns which class
  that is (a loss of 1.95 for a net that knows the text and not the token) and nothing of use about the token; 2.77 is chance.
- `tanh_policy_unit_weights`: it fits, at a loss several times that of the cured one on fresh data.
- `zero_gate_zero_projection`: the task is a parity of three, chance is ln 2 = 0.69. Everything but the blocks learns (input
  projection, norm, head), and the little that is gained comes from the norm; the gradient of the blocks is exactly zero in every step.
- `prompt_tuning_classifier` is not in the table, because its start is whatever was in memory: three constructions in one process
  gave prompts with a largest entry of 1.6e15, 1.9e15 and 1e6, and with `torch.utils.deterministic.fill_uninitialized_memory` every
  prompt and every logit is NaN.
- `batchnorm_tower_no_skip` and `attention_stack_no_skip` have no cure in their start: the architecture lacks residual connections.
"""


def shown(value: float | None) -> str:
    """Three digits."""
    if value is None:
        return "–"
    return "∞" if not math.isfinite(value) else f"{value:.3g}"
