"""Settings: what the user asked for, found per checked file, as frozen values.

The closest of `.initlint.toml`, `initlint.toml` and `pyproject.toml` with `[tool.initlint]` above a file decides for it;
nothing is merged between levels. The command line lies over it. `settings_file` reads and checks the text, `inputspec` one
input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from initlint.inputspec import InputSpec

__all__ = ["InputSpec", "Overrides", "Selectors", "Settings", "SettingsError", "TargetSettings", "settings_finder"]

FILE_NAMES = (".initlint.toml", "initlint.toml", "pyproject.toml")  # in one folder the first wins

# Folders that hold other people's code or none: never searched, unless named.
EXCLUDED = (
    ".bzr",
    ".direnv",
    ".eggs",
    ".git",
    ".hg",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".pytest_cache",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    "__pycache__",
    "__pypackages__",
    "build",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
)
COMMAND_LINE = "command line"  # the origin of what is not from a file
TIMEOUT = 120.0  # seconds per target
MEMORY = 8.0  # GiB per target
OPTIMIZERS = ("sgd", "adam", "adamw")  # that a learning rate can be for


class SettingsError(Exception):
    """A wrong setting: a usage error that names the file, the line, and the nearest valid key."""

    def __init__(self, message: str, *, file: str, line: int | None = None) -> None:
        super().__init__(f"{file}:{line}: {message}" if line else f"{file}: {message}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selectors:
    """Codes, prefixes, names or "ALL" from one place; `select` None leaves what was selected before.

    origin  the settings file, or the command line
    """

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    extend_ignore: tuple[str, ...] = ()
    origin: str = COMMAND_LINE


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSettings:
    """How to build and feed one model.

    path           of the file that defines it, absolute
    name           class, factory or instance in it
    args, kwargs   to build it: values as TOML has them
    inputs         of `forward`; none: inferred
    learning_rate  of the first steps; None: not told, and nothing is said of it
    optimizer      one of OPTIMIZERS
    """

    path: str
    name: str
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)
    inputs: tuple[InputSpec, ...] = ()
    learning_rate: float | None = None
    optimizer: str = "sgd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for one checked file.

    root              the folder that patterns are relative to, absolute; "" without a settings file: the current one
    file              the settings file, "" without one
    selection         file first, command line last; a later one wins
    per_file_ignores  (pattern, selectors) pairs
    exclude           patterns of files and folders that are not searched
    timeout           seconds per target
    memory            GiB per target
    """

    root: str = ""
    file: str = ""
    selection: tuple[Selectors, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    exclude: tuple[str, ...] = EXCLUDED
    timeout: float = TIMEOUT
    memory: float = MEMORY
    targets: tuple[TargetSettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What the command line says; None and () leave the file's word."""

    selectors: Selectors = field(default_factory=Selectors)
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    exclude: tuple[str, ...] = ()
    timeout: float | None = None
    memory: float | None = None


def layered(settings: Settings, over: Overrides) -> Settings:
    """Settings with the command line over them; its patterns are relative to the current folder."""
    return replace(
        settings,
        selection=(*settings.selection, over.selectors),
        per_file_ignores=(
            *settings.per_file_ignores,
            *((_from_root(pattern, settings.root), codes) for pattern, codes in over.per_file_ignores),
        ),
        exclude=(*settings.exclude, *(_from_root(pattern, settings.root) for pattern in over.exclude)),
        timeout=settings.timeout if over.timeout is None else over.timeout,
        memory=settings.memory if over.memory is None else over.memory,
    )


def _from_root(pattern: str, root: str) -> str:
    """A pattern with folders in it, relative to the current folder → relative to the root of the settings."""
    inverse = "!" if pattern.startswith("!") else ""
    bare = pattern.removeprefix("!")
    if not root or "/" not in bare.rstrip("/") or bare.startswith("**/"):
        return pattern
    here, base = Path.cwd(), Path(root)
    return f"{inverse}/{(here / bare).relative_to(base).as_posix()}" if here.is_relative_to(base) else pattern


def settings_finder(
    over: Overrides | None = None, *, config: str | None = None, isolated: bool = False
) -> Callable[[str], Settings]:
    """A function from the path of a file or folder to its settings; every settings file is read once.

    config    a settings file that holds for everything; its patterns are relative to the current folder
    isolated  no settings file at all
    """
    over = Overrides() if over is None else over
    if isolated:
        return _always(layered(Settings(), over))
    if config is not None:
        return _always(layered(_required(config), over))
    found: dict[Path, Settings] = {}

    def of_folder(folder: Path) -> Settings:
        settings = found.get(folder)
        if settings is None:
            own = _in_folder(folder)
            if own is not None:
                settings = layered(own, over)
            elif folder.parent == folder:
                settings = layered(Settings(), over)
            else:
                settings = of_folder(folder.parent)
            found[folder] = settings
        return settings

    def of(path: str) -> Settings:
        place = Path(path).absolute()
        return of_folder(place if place.is_dir() else place.parent)

    return of


def _always(settings: Settings) -> Callable[[str], Settings]:
    def of(_path: str) -> Settings:
        return settings

    return of


def _in_folder(folder: Path) -> Settings | None:
    from initlint.settings_file import read_settings

    for name in FILE_NAMES:
        file = folder / name
        if file.is_file():
            settings = read_settings(file, root=folder)
            if settings is not None:
                return settings
    return None


def _required(config: str) -> Settings:
    from initlint.settings_file import read_settings

    file = Path(config)
    if not file.is_file():
        raise SettingsError("there is no such settings file", file=config)
    settings = read_settings(file, root=Path.cwd())
    if settings is None:
        raise SettingsError("there is no table [tool.initlint]", file=config)
    return settings
