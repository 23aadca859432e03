"""How a file reaches the names that new code needs: by the import it has, else by one that is added."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

if TYPE_CHECKING:
    from initlint.fixes.edit import Edit
    from initlint.fixes.tree import Code

# Written where the file imports nothing that leads to the name.
ADDED = {"torch.nn": "from torch import nn", "torch": "import torch", "math": "import math"}


@dataclass(frozen=True, slots=True)
class Reach:
    """The text by which a module is reached, and the import that has to be added for it, if any."""

    text: str
    missing: str = ""


def reach(code: Code, module: str) -> Reach:
    """How `module` ("torch.nn.init", "math") is written in this file; the shortest way that its imports give."""
    ways = []
    for name, bound in imports(code):
        if module == name or module.startswith(f"{name}."):
            ways.append(bound + module[len(name) :])
    if ways:
        return Reach(min(ways, key=lambda way: (way.count("."), way)))
    for name, line in ADDED.items():
        if module == name or module.startswith(f"{name}."):
            return Reach(name.rpartition(".")[2] + module[len(name) :], line)
    return Reach(module, f"import {module}")


def imports(code: Code) -> Iterator[tuple[str, str]]:
    """(module or name as torch calls it, how this file calls it) of the imports at the file's top level."""
    for line in code.tree.body:
        for statement in line.body if isinstance(line, cst.SimpleStatementLine) else ():
            if isinstance(statement, cst.Import):
                for alias in statement.names:
                    name = dotted(alias.name)
                    if alias.asname is not None:
                        yield name, dotted(alias.asname.name)
                    else:  # `import torch.nn` binds torch, and makes torch.nn reachable by its full name
                        yield name, name
                        yield name.partition(".")[0], name.partition(".")[0]
            elif isinstance(statement, cst.ImportFrom) and statement.module is not None and not statement.relative:
                if isinstance(statement.names, cst.ImportStar):
                    continue
                for alias in statement.names:
                    name = dotted(alias.name)
                    yield f"{dotted(statement.module)}.{name}", dotted(alias.asname.name) if alias.asname is not None else name


def dotted(node: cst.CSTNode) -> str:
    """ "torch.nn.init" of the node of such a name; "" of anything else."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr.value}" if before else ""
    return ""


def added(code: Code, line: str) -> Edit:
    """The edit that adds an import: in its place among its like, the standard library's before all others."""
    statements = [
        item
        for item in code.tree.body
        if isinstance(item, cst.SimpleStatementLine) and isinstance(item.body[0], cst.Import | cst.ImportFrom)
    ]
    future = [item for item in statements if _module_of(item) == "__future__"]
    rest = [item for item in statements if item not in future]
    if not rest:
        docstring = code.tree.body[:1] if code.tree.get_docstring() is not None else ()
        after = [*docstring, *future]
        if after:
            return code.behind(after[-1], ["", line])
        return code.before_line(1, "", [line, ""])
    name = line.split()[1]
    if not _is_standard(name):
        return code.behind(rest[-1], [line])
    standard = [item for item in rest if _is_standard(_module_of(item))]
    if not standard:
        return code.before_line(code.first_line(rest[0]), "", [line, ""])
    before = [item for item in standard if isinstance(item.body[0], cst.Import) and _module_of(item) < name]
    if before:
        return code.behind(before[-1], [line])
    return code.before_line(code.first_line(standard[0]), "", [line])


def _module_of(line: cst.SimpleStatementLine) -> str:
    statement = line.body[0]
    if isinstance(statement, cst.Import):
        return dotted(statement.names[0].name)
    return dotted(statement.module) if isinstance(statement, cst.ImportFrom) and statement.module is not None else ""


def _is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names
