"""`initlint verify`: a model → its predictions, held against real draws of its weights, and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from initlint.cli.faults import VERBOSE, CannotRun
from initlint.cli.terminal import say, write
from initlint.config import Overrides, settings_finder

if TYPE_CHECKING:
    from initlint.lint.verify import Progress


@click.command()
@click.argument("model", metavar="PATH | PATH::NAME | PACKAGE.MODULE:NAME")
@click.option(
    "--format",
    "--output-format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the comparison is written.",
)
@click.option("--draws", type=click.IntRange(min=2), metavar="N", help="Constructions.  [default: as many as end in seconds]")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.5,
    show_default=True,
    metavar="BITS",
    help="|log2| that a second moment may be off beyond its sampling error; a gradient twice that.",
)
@click.option(
    "--top", type=click.IntRange(min=0), default=20, show_default=True, metavar="N", help="Nodes that are shown, worst first."
)
@click.option("--all", "everything", is_flag=True, help="Show all nodes.")
@click.option("--config", type=click.Path(dir_okay=False), metavar="FILE", help="Settings from this file.")
@click.option("--isolated", is_flag=True, help="Read no settings file.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Limit for one draw.  [default: 120]"
)
@click.option("--memory", type=click.FloatRange(min=0, min_open=True), metavar="GIB", help="Limit for the model.  [default: 8]")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
@click.option("--verbose", "-v", is_flag=True, help="Show where a fault of initlint's own is.")
@click.pass_context
def verify(
    ctx: click.Context,
    *,
    model: str,
    output_format: str,
    draws: int | None,
    tolerance: float,
    top: int,
    everything: bool,
    config: str | None,
    isolated: bool,
    timeout: float | None,
    memory: float | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Build a model for real, several times, and hold what initlint predicts against what is measured, node by node.

    Exit status: 0 all predictions hold, 1 one is off by more than its sampling error and the tolerance, 2 could not run.
    """
    from initlint.lint.verify import Trial
    from initlint.lint.verify import verify as run
    from initlint.report.verified import as_json, as_text, said
    from initlint.source.files import requests_of

    ctx.meta[VERBOSE] = verbose
    if config is not None and isolated:
        raise click.UsageError("--config and --isolated exclude each other")
    settings_for = settings_finder(Overrides(timeout=timeout, memory=memory), config=config, isolated=isolated)
    requests = requests_of((model,), settings_for)
    with _progress(quiet=quiet) as progress:
        found = run(requests, settings_for, Trial(draws=draws, tolerance=tolerance), progress=progress)
    if output_format == "json":
        write(as_json(found), encoding="utf-8")
    else:
        write(as_text(found, top=None if everything else top))
    notes = said(found)
    if notes:
        say(notes.rstrip("\n"))
    elif not found.verified:
        raise CannotRun(f"no models found in {model}")
    ctx.exit(found.status)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress | None]:
    """A bar a model, for a person who looks at a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("Drawing {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks = {}

        def progress(target: str, done: int, of: int) -> None:
            if target not in tasks:
                tasks[target] = bar.add_task(target, total=of)
            bar.update(tasks[target], completed=done)

        yield progress
