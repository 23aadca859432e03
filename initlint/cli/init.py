"""`initlint init`: a model and the name of a scheme → what it would change, or a function that does it, and an exit status."""

from __future__ import annotations

import json
from typing import Any

import click

from initlint.cli.faults import VERBOSE, CannotRun
from initlint.cli.terminal import say, write
from initlint.config import Overrides, settings_finder


@click.command("init")
@click.argument("model", metavar="PATH | PATH::NAME | PACKAGE.MODULE:NAME", required=False)
@click.option("--scheme", default="auto", show_default=True, metavar="NAME", help="The initialization.")
@click.option("--list", "listed", is_flag=True, help="Show all schemes with their options.")
@click.option("--emit", is_flag=True, help="Print a function `init_weights(model)` in plain PyTorch instead of a table.")
@click.option("--set", "pairs", multiple=True, metavar="OPTION=VALUE", help="An option of the scheme; may be repeated.")
@click.option(
    "--format",
    "--output-format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the table is written.",
)
@click.option("--config", type=click.Path(dir_okay=False), metavar="FILE", help="Settings from this file.")
@click.option("--isolated", is_flag=True, help="Read no settings file.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Limit for the model.")
@click.option("--memory", type=click.FloatRange(min=0, min_open=True), metavar="GIB", help="Limit for the model.")
@click.option("--verbose", "-v", is_flag=True, help="Show where a fault of initlint's own is.")
@click.pass_context
def init(
    ctx: click.Context,
    *,
    model: str | None,
    scheme: str,
    listed: bool,
    emit: bool,
    pairs: tuple[str, ...],
    output_format: str,
    config: str | None,
    isolated: bool,
    timeout: float | None,
    memory: float | None,
    verbose: bool,
) -> None:
    """Show what a named initialization would change in a model, or print the code that does it.

    Nothing is written to the model's file, and its weights are never allocated.

    Exit status: 0 shown, 2 could not run, or the scheme does not apply to the model.
    """
    from initlint.lint.run import gather, report_of
    from initlint.source.files import requests_of

    ctx.meta[VERBOSE] = verbose
    if listed:
        write(_schemes())
        return
    if model is None:
        raise click.UsageError("name a model: model.py, model.py::Net or package.module:Net")
    if config is not None and isolated:
        raise click.UsageError("--config and --isolated exclude each other")
    settings_for = settings_finder(Overrides(timeout=timeout, memory=memory), config=config, isolated=isolated)
    requests = requests_of((model,), settings_for)
    answers: list[dict[str, Any]] = []
    task = {"call": "initlint.schemes.task:run", "scheme": scheme, "options": dict(map(_option, pairs))}

    def receive(message: Any) -> None:
        if "answer" in message:
            answers.append(message["answer"])

    report = report_of(gather(requests, settings_for, task=task, jobs=1, receive=receive))
    for finding in report.findings:
        say(f"{finding.target}: {finding.message}" + (f"\n{finding.help}" if finding.help else ""))
    if not answers:
        raise CannotRun(f"no model of {model} could be analysed" if report.findings else f"no models found in {model}")
    if emit and len(answers) > 1:
        names = "\n  ".join(answer["target"] for answer in answers)
        raise CannotRun(f"{len(answers)} models found; name the one that the function is for:\n  {names}")
    for answer in answers:
        if "refused" in answer:
            say(f"{answer['target']}: {scheme} does not apply: {answer['refused']}")
    done = [answer for answer in answers if "refused" not in answer]
    if output_format == "json":
        write(json.dumps({"schema": 1, "scheme": scheme, "models": answers}, indent=2) + "\n", encoding="utf-8")
    else:
        for answer in done:
            write(answer["source"] if emit else _table(answer, scheme))
    ctx.exit(0 if len(done) == len(answers) and not report.findings else 2)


def _schemes() -> str:
    """Every scheme: its name, what it does, its options with their defaults, where it comes from."""
    from initlint.schemes.catalog import SCHEMES

    lines = []
    for scheme in SCHEMES.values():
        lines += [scheme.name, f"  {scheme.summary}", f"  {scheme.source}"]
        words = [f"{name}={value}" for name, value in scheme.options.items() if isinstance(value, (str, int, float))]
        lines += [f"  --set {word}" for word in words]
    return "\n".join(lines) + "\n"


def _option(pair: str) -> tuple[str, float | int | bool | str]:
    """`name=value`, the value a number or true/false where it reads as one."""
    name, equals, text = pair.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{pair!r} is not OPTION=VALUE", param_hint="--set")
    if text.lower() in ("true", "false"):
        return name, text.lower() == "true"
    for kind in (int, float):
        try:
            return name, kind(text)
        except ValueError:
            continue
    return name, text


def _table(answer: dict[str, Any], scheme: str) -> str:
    """Parameter, what it holds, what it would hold, and why; alike ones in one row."""
    rows = answer["rows"]
    count = sum(row["count"] for row in rows)
    if not rows:
        lines = [f"{answer['target']}: {scheme} changes nothing"]
    else:
        lines = [f"{answer['target']}: {scheme} changes {count} {'places' if count > 1 else 'place'}", ""]
        widths = [max(len(row[key]) for row in rows) for key in ("parameter", "before", "after")]
        for row in rows:
            cells = (row[key].ljust(width) for key, width in zip(("parameter", "before", "after"), widths, strict=True))
            rate = "" if row["rate"] == 1 else f"; learning rate ×{row['rate']:.4g}"
            lines.append(f"  {'  '.join(cells)}  {row['why']}{rate}")
    lines += [f"  note: {note}" for note in answer["notes"]]
    return "\n".join(lines) + "\n"
