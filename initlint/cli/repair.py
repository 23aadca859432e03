"""What `--fix` and `--diff` do with repaired texts: files replaced or a patch written, and what was done said."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from initlint.cli.terminal import say, write_bytes
from initlint.fixes.write import CannotWrite, source_of, write

if TYPE_CHECKING:
    from initlint.lint.finding import Finding
    from initlint.lint.mend import Mended
    from initlint.lint.result import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What is left after the files were written.

    report   what remains, that of files that could not be written included
    fixed    findings that are no more
    applied  of these, those whose own fix was made
    faults   files that were not written, with the rest of a sentence about each
    """

    report: Report
    fixed: tuple[Finding, ...] = ()
    applied: tuple[Finding, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)


def written(mended: Mended, *, to_stdout: str | None = None) -> Written:
    """Write the repaired files; those that one fix changes together are written together or not at all.

    to_stdout  the file whose text goes to standard output instead, repaired or not: it came from standard input
    """
    faults = dict(mended.left)
    failed: set[str] = set()
    for group in mended.groups:
        new = {path: mended.new[path] for path in sorted(group) if path in mended.new and path != to_stdout}
        try:
            write(new, mended.sources)
        except CannotWrite as error:
            faults[error.path] = error.why
            failed |= group
    if to_stdout is not None:
        source = mended.sources.get(to_stdout) or source_of(to_stdout)
        text = mended.new.get(to_stdout, source.text)
        write_bytes(source.content if text == source.text else text.encode(source.encoding))
    back = tuple(item for item in mended.gone if failed & _paths(item))
    remaining = sorted((*mended.report.findings, *back), key=lambda item: (item.span.path, item.span.line, item.span.column))
    return Written(
        report=replace(mended.report, findings=tuple(remaining)),
        fixed=tuple(item for item in mended.gone if item not in back),
        applied=tuple(item for item in mended.applied if not failed & _paths(item)),
        faults=faults,
    )


def _paths(item: Finding) -> set[str]:
    return {item.span.path, *(edit.span.path for edit in (item.fix.edits if item.fix is not None else ()))}


def changes(done: Written, base: str) -> Iterator[str]:
    """A line for every place where something was fixed, in how many models ever."""
    from initlint.report.place import shown

    told: set[str] = set()
    for item in done.fixed:
        how = item.fix.message if item in done.applied and item.fix is not None else "went with the others"
        line = f"fixed {shown(item.span.path, base)}:{item.span.line}: {item.code} {item.name}: {how}"
        if line not in told:
            told.add(line)
            yield line


def say_faults(faults: Mapping[str, str]) -> None:
    """Why files were left alone."""
    from initlint.report.place import shown

    for path, why in faults.items():
        say(f"Error: {shown(path, str(Path.cwd()))} {why}")


def show_patch(mended: Mended, output_file: str | None, *, unsafe: bool | None, quiet: bool) -> bool:
    """Write the patch; whether there was anything in it."""
    from initlint.lint.wording import counted
    from initlint.report.changes import as_diff, patched_in
    from initlint.report.summary import fixable

    here = str(Path.cwd())
    base = patched_in(mended.new, here)
    diff = as_diff(mended.new, mended.sources, base)
    if output_file is None:
        write_bytes(diff)
    else:
        Path(output_file).write_bytes(diff)
    say_faults(mended.left)
    if not quiet:
        say(f"Would fix {counted(len(mended.gone), 'finding')}." if mended.gone else "Nothing would be fixed.")
        if diff and base != here:
            say(f"The patch is for {base}: git -C {shlex.quote(base)} apply")
        rest = fixable(mended.report.findings, unsafe=unsafe)
        if rest:
            say(rest)
    return bool(diff)
