"""A source file → its module, imported as its own project would import it; what went wrong, with the user's own line."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType, TracebackType

from initlint.graph.frames import is_below

MARKERS = ("pyproject.toml", "setup.py", "setup.cfg", ".git")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An exception of the user's code: `path` and `line` of the innermost frame below the project, else of the file."""

    path: str
    line: int
    column: int
    error: str  # "NameError: name 'nm' is not defined"
    stopped: bool = False  # it asked for the process to end, or for more memory than there is

    def data(self) -> dict[str, str | int | bool]:
        """JSON values."""
        return {"path": self.path, "line": self.line, "column": self.column, "error": self.error, "stopped": self.stopped}


def project_of(path: str) -> str:
    """The folder that the user's project lives in: the closest one upwards with a project file, else the file's own."""
    folder = first = os.path.dirname(os.path.realpath(path))
    while True:
        if any(os.path.exists(os.path.join(folder, marker)) for marker in MARKERS):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            return first
        folder = above


def import_file(path: str) -> ModuleType:
    """Import a file by its place in a package (`pkg/sub/model.py` as `pkg.sub.model`), or alone under its own name.

    Raises whatever the file raises.
    """
    path = os.path.realpath(path)
    folder, filename = os.path.split(path)
    parts = [filename.removesuffix(".py")]
    while os.path.exists(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        parts.insert(0, package)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    search(folder, project_of(path))
    name = ".".join(parts)
    present = sys.modules.get(name)
    if present is not None and _file_of(present) == path:
        return present
    if len(parts) > 1:
        module = importlib.import_module(name)
        if _file_of(module) == path:
            return module
    elif present is not None or name in sys.stdlib_module_names:
        name = f"_{name}_under_analysis"  # the file has the name of a module that others need
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{filename} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def import_named(name: str) -> ModuleType:
    """Import an installed module, or one below the current folder, by its dotted name."""
    search(os.getcwd())
    return importlib.import_module(name)


def forget(root: str) -> None:
    """Take the project's own modules out of `sys.modules`, so that they are imported anew; packages it uses stay."""
    for name, _ in _own_modules(root):
        del sys.modules[name]
    importlib.invalidate_caches()


def own_files(root: str) -> list[str]:
    """The project's files that were imported so far."""
    return sorted({place for _, place in _own_modules(root) if place.endswith(".py")})


def _own_modules(root: str) -> Iterator[tuple[str, str]]:
    """Names of imported modules of a project with their files; with the folder where there is no `__init__.py`."""
    for name, module in list(sys.modules.items()):
        space = getattr(module, "__dict__", {})  # not `getattr`: modules that load their parts when asked would do so
        place = space.get("__file__") or next(iter(space.get("__path__") or ()), None)
        own = name.partition(".")[0] == "initlint"  # the project may be initlint's own
        if not own and isinstance(place, str) and os.path.isabs(place) and is_below(os.path.realpath(place), (root,)):
            yield name, os.path.realpath(place)


def search(*folders: str) -> None:
    """Put the folders that the user's imports start from before all others."""
    here = os.getcwd()
    wanted = [*folders, *(os.path.join(folder, "src") for folder in folders), here]
    for folder in reversed([f for f in dict.fromkeys(wanted) if os.path.isdir(f)]):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def _file_of(module: ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    return None if file is None else os.path.realpath(file)


def failure_of(error: BaseException, path: str, roots: Iterable[str], line: int = 1) -> Failure:
    """Where the user's own code was when it failed: the innermost line of `path`, else of the project, else `line`."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        place = os.path.realpath(error.filename)
        if is_below(place, tuple(roots)):
            return Failure(
                path=place, line=error.lineno, column=error.offset or 1, error=f"{type(error).__name__}: {error.msg}"
            )
    found = innermost(error.__traceback__, path, roots)
    return Failure(
        path=found[0] if found else path,
        line=found[1] if found else line,
        column=found[2] if found else 1,
        error=described(error),
        stopped=isinstance(error, (SystemExit, MemoryError, KeyboardInterrupt)) or "can't allocate memory" in str(error),
    )


def described(error: BaseException) -> str:
    """The exception as a traceback's last line says it, cut to what a message can hold."""
    if isinstance(error, SystemExit):
        return f"sys.exit({'' if error.code is None else repr(error.code)})"
    text = "".join(traceback.format_exception_only(type(error), error)).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    return first if len(first) <= 300 else first[:297] + "..."


def innermost(trace: TracebackType | None, path: str, roots: Iterable[str]) -> tuple[str, int, int] | None:
    """(path, line, column) of the innermost frame below `roots` that is no installed package; chained frames included."""
    roots = tuple(roots)
    best: tuple[str, int, int] | None = None
    for frame in traceback.extract_tb(trace):
        if frame.filename.startswith("<"):  # made at run time: no file
            continue
        place = os.path.realpath(frame.filename)
        own = place == os.path.realpath(path) or is_below(place, roots)
        if own and frame.lineno is not None:
            best = place, frame.lineno, (getattr(frame, "colno", None) or 0) + 1
    return best
