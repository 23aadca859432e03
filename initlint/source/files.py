"""What the user typed → `Request`s: one a file, in the order of the arguments, folders searched.

A folder is searched for `.py` files; what `.gitignore`, `exclude` and the list of folders that hold no own code name is left
out. A file that is named is checked whatever those say, unless `force_exclude` (a hook names every changed file).
`model.py::Net` asks for one model of a file, `package.module:factory` for one that is imported by name.
A path that does not exist stays a request: the run says so as a finding, as other linters do, and checks the rest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pathspec import GitIgnoreSpec

from initlint.config import Settings

_IMPORTABLE = re.compile(r"(?P<module>[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<name>[^\W\d:][\w.]*)")

Ignored = Callable[[Path], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One file, or one importable module, to check.

    label     how its targets are called: "model.py", "package.module"
    path      of the file as the user would write it; None for a module
    name      the one model asked for; None: all
    explicit  the user named it, it was not found by searching
    """

    label: str
    path: str | None = None
    module: str | None = None
    name: str | None = None
    explicit: bool = True


def requests_of(
    arguments: Sequence[str],
    settings_for: Callable[[str], Settings],
    *,
    force_exclude: bool = False,
    respect_gitignore: bool = True,
) -> tuple[Request, ...]:
    """Requests without repetition: a file that is asked for as a whole is not asked for in parts.

    force_exclude  arguments are what a hook names, all that changed: excluded files are left out, and the rest counts as
                   found, so that scripts without a word of PyTorch are not run
    """
    found: dict[tuple[str, str | None], Request] = {}
    for argument in arguments:
        for request in _of_argument(argument, settings_for, respect_gitignore=respect_gitignore):
            if force_exclude and request.path is not None:
                if is_excluded(Path(request.path), settings_for):
                    continue
                if request.name is None and Path(request.path).exists():
                    request = replace(request, explicit=False)
            key = os.path.realpath(request.path) if request.path is not None else f"{request.module}:"
            previous = found.get((key, request.name))
            if previous is None or (request.explicit and not previous.explicit):
                found[key, request.name] = request
    return tuple(request for (key, name), request in found.items() if name is None or (key, None) not in found)


def _of_argument(argument: str, settings_for: Callable[[str], Settings], *, respect_gitignore: bool) -> Iterator[Request]:
    path, separator, name = argument.rpartition("::")
    if separator and path:
        yield Request(label=_shown(path), path=_shown(path), name=name or None)
        return
    place = Path(argument)
    if place.is_dir():
        for file in _searched(place, settings_for, respect_gitignore=respect_gitignore):
            yield Request(label=file.as_posix(), path=file.as_posix(), explicit=False)
        return
    importable = _IMPORTABLE.fullmatch(argument)
    if importable and not place.exists():
        yield Request(label=importable["module"], module=importable["module"], name=importable["name"])
        return
    yield Request(label=_shown(argument), path=_shown(argument))


def _shown(path: str) -> str:
    return Path(path).as_posix()


# -- search -------------------------------------------------------------------------------------------------------------


def _searched(folder: Path, settings_for: Callable[[str], Settings], *, respect_gitignore: bool) -> Iterator[Path]:
    """Python files below a folder in the order of their names; symbolic links to folders are not followed."""
    ignored: tuple[Ignored, ...] = tuple(_gitignored_above(folder)) if respect_gitignore else ()
    yield from _walk(folder, settings_for, ignored, respect_gitignore=respect_gitignore)


def _walk(
    folder: Path, settings_for: Callable[[str], Settings], ignored: tuple[Ignored, ...], *, respect_gitignore: bool
) -> Iterator[Path]:
    if respect_gitignore:
        ignored = (*ignored, *_gitignored_in(folder, ".gitignore"))
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    excluded = _excluded_by(settings_for(str(folder)))
    for entry in entries:
        linked = entry.is_symlink()
        is_folder = entry.is_dir() and not linked
        if not is_folder and (entry.suffix != ".py" or not entry.is_file()):
            continue
        if excluded(entry) or any(ignores(entry) for ignores in ignored):
            continue
        if is_folder:
            if not (entry / "pyvenv.cfg").exists():
                yield from _walk(entry, settings_for, ignored, respect_gitignore=respect_gitignore)
        else:
            yield entry


def is_excluded(path: Path, settings_for: Callable[[str], Settings]) -> bool:
    """Whether the settings exclude a file or one of the folders above it."""
    excluded = _excluded_by(settings_for(str(path)))
    return excluded(path)


def _excluded_by(settings: Settings) -> Ignored:
    return _matcher(settings.exclude, Path(settings.root) if settings.root else Path.cwd())


def matches(pattern: str, path: str, root: str) -> bool:
    """Whether a pattern of the settings names a file; `!pattern` names all others."""
    place = Path(root) if root else Path.cwd()
    if pattern.startswith("!"):
        return not _matcher((pattern[1:],), place)(Path(path))
    return _matcher((pattern,), place)(Path(path))


def _matcher(patterns: Sequence[str], root: Path) -> Ignored:
    """Patterns as in `.gitignore`, relative to `root`; a path outside of it is matched by its own parts."""
    spec = GitIgnoreSpec.from_lines(patterns)
    base = Path(os.path.realpath(root))

    def ignored(path: Path) -> bool:
        place = Path(os.path.realpath(path.parent)) / path.name
        relative = place.relative_to(base) if place.is_relative_to(base) else place.relative_to(place.anchor)
        shown = relative.as_posix()
        return spec.match_file(shown) or (path.is_dir() and spec.match_file(f"{shown}/"))

    return ignored


def _gitignored_above(folder: Path) -> Iterator[Ignored]:
    """What the repository around a folder ignores; nothing outside a repository."""
    above = []
    place = Path(os.path.realpath(folder))
    while not (place / ".git").exists():
        if place.parent == place:
            return
        place = place.parent
        above.append(place)
    for outer in reversed(above):
        yield from _gitignored_in(outer, ".gitignore")
    yield from _gitignored_in(place, ".git/info/exclude")


def _gitignored_in(folder: Path, file: str) -> Iterator[Ignored]:
    try:
        lines = (folder / file).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    yield _matcher(lines, folder)
