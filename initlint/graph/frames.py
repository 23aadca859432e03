"""Which line of whose source is running: walks the stack to the frame a user would call theirs."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import FrameType

from initlint.graph.model import Site

_STDLIB = tuple({os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")})
_OWN = os.path.realpath(os.path.dirname(os.path.dirname(__file__)))


@lru_cache(maxsize=4096)
def kind_of(filename: str) -> str:
    """ "torch", "internal" (initlint and the standard library) or "user" for a source file."""
    if filename.startswith("<"):
        return "internal"
    path = os.path.realpath(filename)
    parts = path.replace("\\", "/")
    if "/torch/" in parts and "site-packages" in parts.split("/torch/")[0]:
        return "torch"
    if path.startswith(_OWN + os.sep):
        return "internal"
    if "site-packages" not in parts and "dist-packages" not in parts and path.startswith(_STDLIB):
        return "internal"
    return "user"


def installed(path: str) -> bool:
    """Whether a file belongs to an installed package, also one of an environment inside the project."""
    return bool({"site-packages", "dist-packages"} & set(path.replace("\\", "/").split("/")))


@lru_cache(maxsize=4096)
def is_below(path: str, roots: tuple[str, ...]) -> bool:
    """Whether a file is the user's own: below one of the folders `roots`, and no installed package."""
    if path.startswith("<"):  # made at run time: no file
        return False
    place = os.path.realpath(path)
    return not installed(place) and any(place == root or place.startswith(root.rstrip(os.sep) + os.sep) for root in roots)


def site_of(frame: FrameType) -> Site:
    """The place a frame is at, with the columns of the running expression where Python tells them (3.11 and later)."""
    code = frame.f_code
    line, end_line, column, end_column = frame.f_lineno, None, None, None
    if sys.version_info >= (3, 11):
        index = frame.f_lasti // 2
        for n, position in enumerate(code.co_positions()):
            if n == index:
                first, last, start, stop = position
                if first is not None:
                    line, end_line = first, last
                    column, end_column = start, stop
                break
    return Site(
        path=code.co_filename,
        line=line,
        column=1 if column is None else column + 1,
        end_line=end_line,
        end_column=None if end_column is None else end_column + 1,
        function=getattr(code, "co_qualname", code.co_name),
    )


class Stack:
    """The user's frames above a point, and what of torch lay between."""

    __slots__ = ("default", "frames", "init", "options")

    def __init__(self, depth: int = 1) -> None:
        frame: FrameType | None = sys._getframe(depth)
        self.frames: list[FrameType] = []
        self.init = ""  # the outermost function of torch.nn.init on the way
        self.options: dict[str, float | str] = {}  # what that function was given
        self.default = False  # a module of torch was constructing itself
        while frame is not None:
            name = frame.f_code.co_filename
            kind = kind_of(name)
            if kind == "user":
                self.frames.append(frame)
            elif kind == "torch" and not self.frames:
                if name.endswith("init.py") and "nn" in name and not frame.f_code.co_name.startswith("_"):
                    self.init = frame.f_code.co_name
                    self.options = options_of(frame)
                elif "/nn/modules/" in name.replace("\\", "/"):
                    self.default = self.default or frame.f_code.co_name in CONSTRUCTING
            frame = frame.f_back

    def chosen(self, roots: Iterable[str]) -> FrameType | None:
        """The innermost frame under `roots`, or the innermost user frame."""
        roots = tuple(roots)
        for frame in self.frames:
            if is_below(frame.f_code.co_filename, roots):
                return frame
        return self.frames[0] if self.frames else None

    def outside(self, owner: object, roots: tuple[str, ...]) -> FrameType | None:
        """The innermost frame under `roots` (else of the user's) that is no method of `owner`."""
        callers = [frame for frame in self.frames if not _is_method_of(frame, owner)]
        return next((frame for frame in callers if is_below(frame.f_code.co_filename, roots)), callers[0] if callers else None)


def options_of(frame: FrameType) -> dict[str, float | str]:
    """The arguments of a running function that are numbers or names."""
    code, values = frame.f_code, frame.f_locals
    return plain({name: values[name] for name in code.co_varnames[: code.co_argcount] if name in values})


def plain(arguments: Mapping[str, object]) -> dict[str, float | str]:
    """Those of these arguments that are numbers or names."""
    return {name: value for name, value in arguments.items() if isinstance(value, int | float | str)}


def _is_method_of(frame: FrameType, owner: object) -> bool:
    names = frame.f_code.co_varnames
    return bool(frame.f_code.co_argcount) and frame.f_locals.get(names[0]) is owner


CONSTRUCTING = {"__init__", "reset_parameters", "_reset_parameters", "init_weights", "_init_weights"}
