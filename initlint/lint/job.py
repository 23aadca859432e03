"""What a worker is asked to do with one file, and the file as its child has imported it."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

from initlint.source.overlay import lay_over
from initlint.source.text import read_source
from initlint.targets.load import forget, import_file, import_named, project_of, search

if TYPE_CHECKING:
    from initlint.graph.record import Record
    from initlint.targets.discover import Discovery


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file (or importable module) to check.

    label     how targets are called: "model.py" or "package.module"
    name      the one model asked for, or None for all
    declared  targets of the settings that concern this file, as data
    verify    hold the predictions against real draws (`verify.Trial` as data) instead of judging the model
    task      ask a later stage about the model instead: {"call": "package.module:function", …}; the function gets the model's
              facts and the task, and returns JSON values, sent as "answer"
    fixable   codes of rules whose findings will be reported, and so are worth the proof of a fix
    overlay   texts that stand in for files, by path: what was repaired so far, in memory
    """

    label: str
    path: str | None
    module: str | None
    name: str | None
    declared: tuple[Mapping[str, Any], ...] = ()
    seconds: float | None = 120.0
    memory: int | None = None
    verify: Mapping[str, Any] | None = None
    task: Mapping[str, Any] | None = None
    fixable: tuple[str, ...] = ()
    overlay: Mapping[str, str] = field(default_factory=dict)

    @property
    def separator(self) -> str:
        return "::" if self.path is not None else ":"


def job_from(data: Mapping[str, Any]) -> Job:
    """The job that JSON values describe."""
    return Job(**{**data, "declared": tuple(data["declared"]), "fixable": tuple(data.get("fixable", ()))})


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A file as imported: its module, its path without links, the folder of its project, and what was recorded meanwhile.

    mixed  large tensors went to the meta device
    """

    module: ModuleType
    path: str
    root: str
    record: Record
    mixed: bool


def place_of(job: Job) -> tuple[str, str]:
    """Path and project of what a job asks for, as far as that can be told before the import; the path may be ""."""
    path = os.path.realpath(job.path) if job.path is not None else _path_of(job.module)
    return path, project_of(path) if path else os.getcwd()


def imported(job: Job, *, mixed: bool) -> Imported:
    """Import the file or module of a job under a recorder. Raises whatever the user's code raises."""
    from initlint.graph.record import LARGE, Record
    from initlint.graph.watch import recording

    path, root = place_of(job)
    record = Record(roots=(root,))
    with recording(record, LARGE if mixed else sys.maxsize):
        module = import_file(path) if job.path is not None else import_named(str(job.module))
    path = os.path.realpath(getattr(module, "__file__", None) or path or job.label)
    return Imported(module=module, path=path, root=project_of(path), record=record, mixed=mixed)


def imported_anew(job: Job, before: Imported, texts: Mapping[str, str]) -> Imported:
    """Import it again with other texts in place of some files; other people's packages stay as they are."""
    lay_over(texts)
    forget(before.root)
    return imported(job, mixed=before.mixed)


def discovered(job: Job, file: Imported, wanted: str | None) -> Discovery:
    """The models of an imported file, or the one that is wanted.

    Raises:
        TargetNotFound: there is none of that name.
    """
    from initlint.targets.discover import discover

    tree = ast.parse(read_source(file.path), file.path)
    return discover(file.module, tree, wanted=wanted, declared=_declared(job), path=job.label)


def _path_of(module: str | None) -> str:
    """Where a named module lies, without importing it; "" if it cannot be told."""
    import importlib.util

    search(os.getcwd())
    try:
        spec = importlib.util.find_spec(str(module).split(".")[0])
    except (ImportError, ValueError):
        return ""
    return os.path.realpath(spec.origin) if spec is not None and spec.origin else ""


def _declared(job: Job) -> tuple[Any, ...]:
    from initlint.config import InputSpec, TargetSettings

    return tuple(
        TargetSettings(**{**item, "args": tuple(item["args"]), "inputs": tuple(_input(InputSpec, i) for i in item["inputs"])})
        for item in job.declared
    )


def _input(kind: type, data: Mapping[str, Any]) -> Any:
    return kind(**{**data, "shape": tuple(data["shape"])})
