"""`initlint check`: options → requests and settings → a report → its format and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from initlint.cli.faults import VERBOSE, CannotRun
from initlint.cli.output import Changed, Wanted, base_of, deliver
from initlint.cli.repair import Written, changes, say_faults, show_patch, written
from initlint.cli.terminal import Colour, say, wants_colour, write
from initlint.config import Overrides, Selectors, settings_finder
from initlint.report.formats import FORMATS

if TYPE_CHECKING:
    from initlint.lint.result import Report

STDIN = "-"


def _listed(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """`--select INI1,INI2 --select dead-relu` → all three."""
    return tuple(part.strip() for item in value for part in item.split(",") if part.strip())


def _by_pattern(
    _context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """`tests/*:INI1,INI2` → (pattern, selectors); a pattern may hold colons itself."""
    pairs = []
    for item in value:
        pattern, separator, selectors = item.rpartition(":")
        if not separator or not pattern or not selectors:
            raise click.BadParameter(f"`{item}` is not PATTERN:CODE[,CODE]")
        pairs.append((pattern, tuple(part.strip() for part in selectors.split(",") if part.strip())))
    return tuple(pairs)


def _by_format(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """`sarif=out.sarif` → ("sarif", "out.sarif")."""
    pairs = []
    for item in value:
        form, separator, file = item.partition("=")
        if form not in FORMATS or not separator or not file:
            raise click.BadParameter(f"`{item}` is not FORMAT=FILE, where FORMAT is one of {', '.join(FORMATS)}")
        pairs.append((form, file))
    return tuple(pairs)


@click.command()
@click.argument("targets", nargs=-1, metavar="[PATH | PATH::NAME | PACKAGE.MODULE:NAME | -]...")
@click.option(
    "--format",
    "--output-format",
    "output_format",
    type=click.Choice(list(FORMATS)),
    default="full",
    show_default=True,
    help="How findings are written.",
)
@click.option("--output-file", "-o", type=click.Path(dir_okay=False), help="Write findings to a file.")
@click.option(
    "--report", multiple=True, callback=_by_format, metavar="FORMAT=FILE", help="Write findings to a file in this format too."
)
@click.option(
    "--since", metavar="COMMIT", help="github-review: comments on what differs from this commit only, the rest as a list."
)
@click.option("--stdin-filename", metavar="FILE", help="Where the text of standard input belongs; PATH is then `-`.")
@click.option("--fix", is_flag=True, help="Repair files: with fixes that change no number, unless --unsafe-fixes.")
@click.option("--unsafe-fixes/--no-unsafe-fixes", default=None, help="Fixes too that change how the model starts.")
@click.option("--fix-only", is_flag=True, help="Repair files, and say nothing of what remains.")
@click.option("--diff", is_flag=True, help="Write what would be repaired as a patch, and change no file.")
@click.option("--exit-non-zero-on-fix", is_flag=True, help="Exit with 1 when a file was repaired.")
@click.option("--select", multiple=True, callback=_listed, metavar="RULES", help="Only these: codes, beginnings, names, ALL.")
@click.option("--ignore", multiple=True, callback=_listed, metavar="RULES", help="Not these.")
@click.option("--extend-select", multiple=True, callback=_listed, metavar="RULES", help="These too.")
@click.option("--extend-ignore", multiple=True, callback=_listed, metavar="RULES", help="Not these either.")
@click.option(
    "--per-file-ignores", multiple=True, callback=_by_pattern, metavar="PATTERN:RULES", help="Not these, in some files."
)
@click.option("--exclude", multiple=True, callback=_listed, metavar="PATTERNS", help="Leave out these files and folders too.")
@click.option("--force-exclude", is_flag=True, help="Leave out excluded files even when they are named.")
@click.option("--config", type=click.Path(dir_okay=False), metavar="FILE", help="Settings for everything, from this file.")
@click.option("--isolated", is_flag=True, help="Read no settings file.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Limit for one model.  [default: 120]"
)
@click.option("--memory", type=click.FloatRange(min=0, min_open=True), metavar="GIB", help="Limit for one model.  [default: 8]")
@click.option("--jobs", "-j", type=click.IntRange(min=1), metavar="N", help="Files that are checked at the same time.")
@click.option("--statistics", is_flag=True, help="Count findings by rule instead of showing them.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even when there are findings.")
@click.option(
    "--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True, help="When to use colour."
)
@click.option("--quiet", "-q", is_flag=True, help="Findings only.")
@click.option("--verbose", "-v", is_flag=True, help="Say what is done, and how each model was traced.")
@click.pass_context
def check(
    ctx: click.Context,
    *,
    targets: tuple[str, ...],
    output_format: str,
    output_file: str | None,
    report: tuple[tuple[str, str], ...],
    since: str | None,
    stdin_filename: str | None,
    fix: bool,
    unsafe_fixes: bool | None,
    fix_only: bool,
    diff: bool,
    exit_non_zero_on_fix: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    extend_select: tuple[str, ...],
    extend_ignore: tuple[str, ...],
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...],
    exclude: tuple[str, ...],
    force_exclude: bool,
    config: str | None,
    isolated: bool,
    timeout: float | None,
    memory: float | None,
    jobs: int | None,
    statistics: bool,
    exit_zero: bool,
    color: Colour,
    quiet: bool,
    verbose: bool,
) -> None:
    """Find models in files and folders, and say what will happen to signal and gradient before they are trained.

    Exit status: 0 nothing found (notes apart) or all repaired, 1 findings, 2 could not run. With --diff: 1 where it is not empty.
    """
    from initlint.lint.filter import filtered
    from initlint.lint.mend import mended
    from initlint.lint.run import check as run
    from initlint.lint.selection import validated
    from initlint.lint.wording import counted
    from initlint.source.files import requests_of

    ctx.meta[VERBOSE] = verbose
    if config is not None and isolated:
        raise click.UsageError("--config and --isolated exclude each other")
    targets, stdin = _with_stdin(ctx, targets, stdin_filename)
    wanted = Wanted(form=output_format, file=output_file, others=report, aside=bool(stdin) and (fix or fix_only))
    if statistics and not (FORMATS[output_format].for_people or output_format == "json"):
        raise click.UsageError(f"--statistics is written as text or json, not as {output_format}")
    if report and (diff or fix_only):
        raise click.UsageError("--report writes findings, which --diff and --fix-only do not show")
    if since is not None and "github-review" not in wanted.formats:
        raise click.UsageError("--since is for --format github-review")
    changed = None if since is None else _changed(since)
    over = Overrides(
        selectors=Selectors(select=select or None, ignore=ignore, extend_select=extend_select, extend_ignore=extend_ignore),
        per_file_ignores=per_file_ignores,
        exclude=exclude,
        timeout=timeout,
        memory=memory,
    )
    settings_for = validated(settings_finder(over, config=config, isolated=isolated))
    settings_for(".")
    requests = requests_of(targets or (".",), settings_for, force_exclude=force_exclude)
    with _progress(quiet=quiet, verbose=verbose) as progress:
        if fix or fix_only or diff:
            repaired = mended(requests, settings_for, unsafe=bool(unsafe_fixes), jobs=jobs, progress=progress)
        else:
            done = Written(report=filtered(run(requests, settings_for, jobs=jobs, progress=progress), settings_for, requests))
    if diff:
        differs = show_patch(repaired, output_file, unsafe=unsafe_fixes, quiet=quiet)
        ctx.exit(1 if differs and not exit_zero else 0)
    if fix or fix_only:
        done = written(repaired, to_stdout=stdin)

    if fix_only:
        if not quiet:
            say("\n".join((*changes(done, str(Path.cwd())), f"Fixed {counted(len(done.fixed), 'finding')}.")))
    else:
        text = _counted(done.report, output_format) if statistics else None
        colour = wants_colour(color, sys.stdout)
        deliver(done.report, wanted, colour=colour, unsafe=unsafe_fixes, changed=changed, text=text)
        _close(done, wanted, unsafe=unsafe_fixes, quiet=quiet, verbose=verbose)
    say_faults(done.faults)
    if done.faults:
        ctx.exit(2)
    fails = done.report.fails and not (exit_zero or fix_only)
    ctx.exit(1 if fails or (exit_non_zero_on_fix and done.fixed) else 0)


def _with_stdin(ctx: click.Context, targets: tuple[str, ...], name: str | None) -> tuple[tuple[str, ...], str | None]:
    """Let standard input stand in for a file where `-` is a target; the targets then, and the real path of that file."""
    from initlint.source.overlay import standing_in

    if STDIN not in targets:
        if name is not None:
            raise click.UsageError(f"--stdin-filename is for a text from standard input, whose PATH is `{STDIN}`")
        return targets, None
    path = name or "stdin.py"
    try:
        ctx.with_resource(standing_in(path, sys.stdin.buffer.read()))
    except (SyntaxError, LookupError, UnicodeDecodeError) as error:
        raise CannotRun(f"standard input is no text: {error}") from error
    return tuple(path if target == STDIN else target for target in targets), os.path.realpath(path)


def _changed(commit: str) -> Changed:
    from initlint.source.changed import NoHistory, changed_since

    try:
        return changed_since(commit)
    except NoHistory as error:
        raise CannotRun(f"--since {commit}: {error}") from error


@contextmanager
def _progress(*, quiet: bool, verbose: bool) -> Iterator[Callable[[str], None] | None]:
    """Names of files as they begin: a line each with -v, one changing line for a person, nothing for a pipe."""
    if verbose:
        yield lambda name: say(f"checking {name}")
    elif quiet or not sys.stderr.isatty():
        yield None
    else:
        from rich.console import Console

        with Console(stderr=True).status("Looking for models") as status:
            yield lambda name: status.update(f"Checking {name}")


def _counted(report: Report, output_format: str) -> str:
    from initlint.report.summary import statistics

    rows = statistics(report.findings)
    if output_format == "json":
        import json

        data = [
            {"code": row.code, "name": row.name, "count": row.count, "fixable": row.fixable > 0, "fixable_count": row.fixable}
            for row in rows
        ]
        return json.dumps(data, indent=2) + "\n"
    return "".join(
        f"{row.count:>5}  {row.code}  {row.name}{f'  ({row.fixable} fixable)' if row.fixable else ''}\n" for row in rows
    )


def _close(done: Written, wanted: Wanted, *, unsafe: bool | None, quiet: bool, verbose: bool) -> None:
    """The closing lines; with -q only what is missing from the picture is said."""
    from initlint.report.summary import coverage, fixable, is_complete, verdict

    report = done.report
    if verbose:
        for target in report.targets:
            say(f"{target.target}: {target.status}, traced by {target.method or 'nothing'}, {target.seconds:.1f} s")
            for note in target.notes:
                say(f"  {note}")
    if quiet:
        if not is_complete(report):
            say(coverage(report))
        return
    lines = list(changes(done, base_of(FORMATS[wanted.form])))
    if wanted.to_stdout or done.fixed:
        lines += [verdict(report.findings, done.fixed)] if report.targets or report.findings else []
    lines += [line for line in (fixable(report.findings, unsafe=unsafe), coverage(report)) if line]
    text = "\n".join(lines)
    if wanted.to_stdout:
        write(f"{text}\n")
    else:
        say(text)
