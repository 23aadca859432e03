"""TOML text → checked `Settings`, every fault with its file, line and key.

`KEYS` are all the keys: another one is an error that names the nearest one.
"""

from __future__ import annotations

import difflib
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from initlint.config import EXCLUDED, MEMORY, OPTIMIZERS, TIMEOUT, Selectors, Settings, SettingsError, TargetSettings
from initlint.inputspec import InputSpec, InputSpecError, input_from_table, input_from_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A key of a table in a settings file, to point at when it is wrong.

    header  the table as it is written: "tool.initlint", "" at the top
    number  which one, for an array of tables
    """

    file: str
    text: str
    root: Path
    header: str
    key: str = ""
    number: int = 0

    def error(self, message: str) -> SettingsError:
        """The error to raise."""
        return SettingsError(message, file=self.file, line=line_of(self.text, self.header, self.key, self.number))


def read_settings(file: Path, *, root: Path) -> Settings | None:
    """Settings of a file; None for a `pyproject.toml` that does not speak of initlint."""
    shown = _shown(file)
    try:
        text = file.read_text(encoding="utf-8-sig")
        data: object = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot be read: {error}", file=shown) from error
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\s*\(at (?:line (\d+), column \d+|end of document)\)", str(error))
        message = str(error).replace(at[0], "") if at else str(error)
        line = int(at[1]) if at and at[1] else len(text.splitlines())
        raise SettingsError(f"is not TOML: {message}", file=shown, line=line) from error
    header = ""
    if file.name == "pyproject.toml":
        header = "tool.initlint"
        tools = data.get("tool") if isinstance(data, dict) else None
        data = tools.get("initlint") if isinstance(tools, dict) else None
        if data is None:
            return None
    place = Place(file=shown, text=text, root=root, header=header)
    return _settings(_table(data, place), place, file)


def line_of(text: str, header: str, key: str, number: int = 0) -> int | None:
    """The line of `key` in the table `[header]` (the one of that number, of an array), of the header when it is not there.

    A look at the text, for messages: keys inside inline tables are found at the line of the key that holds them.
    """
    inside, seen, found = header == "", -1, None
    for line, content in enumerate(text.splitlines(), start=1):
        table = re.match(r"\s*(\[\[?)\s*([^\]#]+?)\s*\]\]?\s*(?:#.*)?$", content)
        if table:
            seen += table[2] == header
            inside = table[2] == header and seen == (number if table[1] == "[[" else 0)
            found = line if inside else found
        elif inside and key and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[.=]""", content):
            return line
    if found is None and header:  # `targets = [{…}]`, `per-file-ignores.x = …`: the key of the table around
        outer, _, last = header.rpartition(".")
        return line_of(text, outer, last)
    return found


def line_in_file(file: str, word: str) -> int | None:
    """The first line of a settings file with this word in quotes."""
    quoted = re.compile(rf"""["']{re.escape(word)}["']""")
    lines = Path(file).read_text(encoding="utf-8-sig").splitlines()
    return next((number for number, line in enumerate(lines, start=1) if quoted.search(line)), None)


def _shown(file: Path) -> str:
    """Relative to the current folder when it is below it."""
    try:
        return file.absolute().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(file)


# -- kinds of values ----------------------------------------------------------------------------------------------------


def _table(value: object, place: Place) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise place.error(f"`{place.key or place.header}` is a table, not {_kind(value)}")
    return value


def _string(value: object, place: Place) -> str:
    if not isinstance(value, str):
        raise place.error(f"`{place.key}` is a string, not {_kind(value)}")
    return value


def _list(value: object, place: Place) -> list[object]:
    if not isinstance(value, list):
        raise place.error(f"`{place.key}` is a list, not {_kind(value)}")
    return value


def _strings(value: object, place: Place) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise place.error(f"`{place.key}` is a list of strings, not {_kind(value)}")
    return tuple(value)


def _one_of(value: object, known: tuple[str, ...], place: Place) -> str:
    said = _string(value, place)
    if said not in known:
        raise place.error(f"`{place.key}` is one of {', '.join(known)}, not `{said}`")
    return said


def _positive(value: object, place: Place) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (math.isfinite(value) and value > 0):
        raise place.error(
            f"`{place.key}` is a number above 0, not {value if isinstance(value, (int, float)) else _kind(value)}"
        )
    return float(value)


def _by_pattern(value: object, place: Place) -> tuple[tuple[str, tuple[str, ...]], ...]:
    header = f"{place.header}.{place.key}".lstrip(".")
    return tuple(
        (pattern, _strings(codes, _at(replace(place, header=header), pattern)))
        for pattern, codes in _table(value, place).items()
    )


def _kind(value: object) -> str:
    if isinstance(value, list):
        odd = next((item for item in value if not isinstance(item, str)), None)
        return "a list" if odd is None else f"a list with {_kind(odd)}"
    kinds = ((bool, "true or false"), (str, "a string"), ((int, float), "a number"), (dict, "a table"))
    return next((name for kind, name in kinds if isinstance(value, kind)), f"a {type(value).__name__}")


# -- targets ------------------------------------------------------------------------------------------------------------


def _targets(value: object, place: Place) -> tuple[TargetSettings, ...]:
    header = f"{place.header}.{place.key}".lstrip(".")
    places = [replace(place, header=header, key="", number=number) for number in range(len(_list(value, place)))]
    return tuple(_target(_table(item, at), at) for item, at in zip(_list(value, place), places, strict=True))


def _target(table: Mapping[str, object], place: Place) -> TargetSettings:
    _only(table, ("path", "name", "args", "kwargs", "inputs", "learning-rate", "optimizer"), place, what="a target")
    for key in ("path", "name"):
        if key not in table:
            raise place.error(f"a target needs `{key}`")
    path = _string(table["path"], _at(place, "path"))
    return TargetSettings(
        path=str((place.root / path).absolute()),
        name=_string(table["name"], _at(place, "name")),
        args=tuple(_list(table.get("args", []), _at(place, "args"))),
        kwargs=_table(table.get("kwargs", {}), _at(place, "kwargs")),
        inputs=tuple(_input(item, _at(place, "inputs")) for item in _list(table.get("inputs", []), _at(place, "inputs"))),
        learning_rate=_positive(table["learning-rate"], _at(place, "learning-rate")) if "learning-rate" in table else None,
        optimizer=_one_of(table.get("optimizer", OPTIMIZERS[0]), OPTIMIZERS, _at(place, "optimizer")),
    )


def _input(value: object, place: Place) -> InputSpec:
    try:
        if isinstance(value, str):
            return input_from_text(value)
        return input_from_table(_table(value, place))
    except InputSpecError as error:
        raise place.error(str(error)) from error


# -- the whole ----------------------------------------------------------------------------------------------------------

KEYS = (
    "select",
    "ignore",
    "extend-select",
    "extend-ignore",
    "per-file-ignores",
    "exclude",
    "extend-exclude",
    "timeout",
    "memory",
    "targets",
)


def _only(table: Mapping[str, object], keys: tuple[str, ...], place: Place, *, what: str) -> None:
    for key in table:
        if key not in keys:
            close = difflib.get_close_matches(key.replace("_", "-"), keys, n=1)
            hint = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(keys)}"
            raise _at(place, key).error(f"{what} has no key `{key}`; {hint}")


def _at(place: Place, key: str) -> Place:
    return replace(place, key=key)


def _settings(table: Mapping[str, object], place: Place, file: Path) -> Settings:
    _only(table, KEYS, place, what="initlint")

    def strings(key: str) -> tuple[str, ...]:
        return _strings(table.get(key, []), _at(place, key))

    return Settings(
        root=str(place.root.absolute()),
        file=str(file),
        selection=(
            Selectors(
                select=strings("select") if "select" in table else None,
                ignore=strings("ignore"),
                extend_select=strings("extend-select"),
                extend_ignore=strings("extend-ignore"),
                origin=place.file,
            ),
        ),
        per_file_ignores=_by_pattern(table.get("per-file-ignores", {}), _at(place, "per-file-ignores")),
        exclude=(*(strings("exclude") if "exclude" in table else EXCLUDED), *strings("extend-exclude")),
        timeout=_positive(table.get("timeout", TIMEOUT), _at(place, "timeout")),
        memory=_positive(table.get("memory", MEMORY), _at(place, "memory")),
        targets=_targets(table.get("targets", []), _at(place, "targets")),
    )
