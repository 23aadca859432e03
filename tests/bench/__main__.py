"""Measure what a user waits for: start-up, a cold check of GPT-2, memory of a check of Llama 405B.

python -m tests.bench [--rounds 3] [--large]
python -m tests.bench --corpus 40 [--rounds 1] [--jobs 1]      propagation against export, model by model, and the median
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import click

HERE = Path(__file__).parent
CHECK = [sys.executable, "-m", "initlint", "check", "--isolated", "--exit-zero"]


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall seconds, processor seconds (children included), and the most memory the process tree ever held, in GB."""

    wall: float
    processor: float
    memory: float


def cost_of(command: list[str]) -> Cost:
    """Run a command to its end."""
    before = os.times()
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = [0.0]
    watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watcher.start()
    status = process.wait()
    wall = time.perf_counter() - started
    watcher.join()
    after = os.times()
    if status:
        raise SystemExit(f"{' '.join(command)} ended with status {status}")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(wall, spent, peak[0])


def _watch(process: subprocess.Popen[bytes], peak: list[float]) -> None:
    while process.poll() is None:
        peak[0] = max(peak[0], sum(map(_proportional_memory, _tree(process.pid))) / 1e9)
        time.sleep(0.1)


def _tree(root: int) -> list[int]:
    found, stack = [], [root]
    while stack:
        pid = stack.pop()
        found.append(pid)
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                stack += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
        except OSError:
            continue
    return found


def _proportional_memory(pid: int) -> float:
    """Bytes held by a process, pages that it shares with others counted in parts."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return float(line.split()[1]) * 1024
    except OSError:
        pass
    return 0.0


def best(command: list[str], rounds: int) -> Cost:
    """The fastest of some runs."""
    return min((cost_of(command) for _ in range(rounds)), key=lambda cost: cost.wall)


@click.command()
@click.option("--rounds", default=3, help="runs of each; the fastest counts")
@click.option("--large", is_flag=True, help="check Llama 405B too, about a minute")
@click.option("--corpus", default=0, metavar="N", help="compare propagation with export over N models of the corpus instead")
@click.option("--jobs", default=1, help="models of the corpus measured at once")
def main(rounds: int, large: bool, corpus: int, jobs: int) -> None:
    """Print the table."""
    if corpus:
        from tests.bench.corpus import rows

        for line in rows(corpus, rounds, jobs):
            click.echo(line)
        return
    model = f"{HERE / 'models.py'}::gpt2"
    table = [
        ("initlint --help", best([sys.executable, "-m", "initlint", "--help"], rounds)),
        ("import torch", best([sys.executable, "-c", "import torch"], rounds)),
        ("import torch + torch.export of GPT-2 124M", best([sys.executable, "-m", "tests.bench.baseline", "gpt2"], rounds)),
        ("initlint check GPT-2 124M, cold", best([*CHECK, model], rounds)),
    ]
    if large:
        table.append(("initlint check Llama 405B", cost_of([*CHECK, f"{HERE / 'models.py'}::llama_405b"])))
    print("| what | wall s | processor s | memory GB |\n|---|---|---|---|")
    for name, cost in table:
        print(f"| {name} | {cost.wall:.2f} | {cost.processor:.2f} | {cost.memory:.2f} |")
    print(f"\ncheck / (import + export): {table[3][1].wall / table[2][1].wall:.2f}")


if __name__ == "__main__":
    main()
