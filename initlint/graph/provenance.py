"""Node → the user's source line and the path of the module that ran it, from what torch.export left in the node."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from initlint.graph.frames import is_below, kind_of
from initlint.graph.model import Site

if TYPE_CHECKING:
    from torch import fx

_FRAME = re.compile(r'^\s*File "(?P<path>[^"]+)", line (?P<line>\d+), in (?P<function>.+)$', re.MULTILINE)


def site_of_node(node: fx.Node, roots: tuple[str, ...]) -> Site | None:
    """The innermost line under `roots` that ran a node, else the innermost line outside torch."""
    trace = node.meta.get("stack_trace")
    if not trace:
        return None
    best: Site | None = None
    outside: Site | None = None
    for match in _FRAME.finditer(trace):
        path = match["path"]
        if kind_of(path) != "user":
            continue
        site = Site(path=path, line=int(match["line"]), function=match["function"].strip())
        outside = site
        if is_below(path, roots):
            best = site
    return best or outside


def module_of_node(node: fx.Node) -> str:
    """The dotted path of the module in whose forward a node ran, "" for the model itself."""
    stack: dict[str, Any] = node.meta.get("nn_module_stack") or {}
    entries = list(stack.values())
    if not entries:
        return ""
    path = entries[-1][0] if isinstance(entries[-1], tuple) else str(entries[-1])
    return _plain(str(path))


def _plain(path: str) -> str:
    """ "L['self'].layers.0" or "layers.slice(0, 2).0" as "layers.0"."""
    path = re.sub(r"^L\['self'\]\.?", "", path)
    path = re.sub(r"\.slice\([^)]*\)", "", path)
    return re.sub(r"@\d+$", "", path)
