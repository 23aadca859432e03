"""New initializing lines in a class: for tensors of its instances, named from `self`, one line each or a loop over a container."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from initlint.fixes.names import reach

if TYPE_CHECKING:
    from initlint.fixes.edit import Edit
    from initlint.fixes.tree import Code, Statement

LISTED = 3  # members of a container that are written out one by one rather than in a loop
VARIABLES = ("layer", "module", "part", "item")

Written = Callable[[str, str], list[str]]  # (the text of a tensor, the indentation) → the lines that initialize it


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A class of a file, and what its instances hold.

    types  class by path of every module below an instance ("layers.0": "torch.nn.modules.linear.Linear"), itself as ""
    """

    code: Code
    definition: cst.ClassDef
    types: Mapping[str, str]

    @property
    def constructor(self) -> cst.FunctionDef | None:
        return self.code.functions(self.definition).get("__init__")


def inserted(owner: Owner, tensors: Sequence[str], written: Written, *, after: int = 0) -> Edit | None:
    """Lines in the class's constructor that initialize these tensors ("layers.0.weight"); None where no place can be named.

    after  a line of the constructor that they have to come behind: it writes to the tensors, too
    """
    constructor = owner.constructor
    if constructor is None or not isinstance(constructor.body, cst.IndentedBlock):
        return None
    me = _self(constructor)
    indent = owner.code.indent_of(constructor.body.body[0])
    plain = [path for path in tensors if "*" not in role(path)]
    groups = _groups(tensors)
    if len(groups) > LISTED:
        lines = one_by_one(owner, me, plain, written, indent) if len(plain) == len(tensors) else []
        lines = lines or everywhere(owner, tensors, written, indent)
    else:
        lines = [line for members in groups.values() for line in _lines(owner, me, members, written, indent)]
    if not lines:
        return None
    place = _made(owner, constructor, me, plain) if len(plain) == len(tensors) else constructor.body.body[-1]
    if owner.code.last_line(place) < after:
        place = next((item for item in constructor.body.body if owner.code.last_line(item) >= after), place)
    return owner.code.behind(place, lines)


def _groups(tensors: Sequence[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for path in tensors:
        groups.setdefault(role(path), []).append(path)
    return groups


def role(path: str) -> str:
    """ "layers.0.weight" → "layers.*.weight"."""
    return re.sub(r"(?<![^.])\d+(?![^.])", "*", path)


def _self(constructor: cst.FunctionDef) -> str:
    parameters = constructor.params.posonly_params or constructor.params.params
    return parameters[0].name.value if parameters else "self"


def expression(me: str, path: str) -> str:
    """ "layers.0.weight" → "self.layers[0].weight"."""
    text = me
    for name in path.split("."):
        text += f"[{name}]" if name.isdigit() else f".{name}"
    return text


def _lines(owner: Owner, me: str, members: Sequence[str], written: Written, indent: str) -> Iterator[str]:
    """The lines for tensors of one role."""
    first = members[0]
    if not all(name.isdigit() or name.isidentifier() for name in first.split(".")):
        return
    looped = _loop(owner, me, members, written, indent) if "*" in role(first) else None
    if looped is not None:
        yield from looped
    elif len(members) <= LISTED:
        for path in members:
            text, step = expression(me, path), owner.code.indent
            if _is_optional(owner, path):
                yield f"if {text} is not None:"
                yield from (f"{step}{line}" for line in written(text, indent + step))
            else:
                yield from written(text, indent)
    else:
        yield from everywhere(owner, members, written, indent)


def _is_optional(owner: Owner, name: str) -> bool:
    """Whether the class, or one of its bases in the file, sets this attribute to None in some case."""
    code, known = owner.code, owner.code.classes()
    kinds = [owner.definition]
    for kind in kinds:  # grows meanwhile
        bases = [known.get(code.text(item.value)) for item in kind.bases]
        kinds += [base for base in bases if base is not None and base not in kinds]
    for assigned in (item for kind in kinds for item in code.all(cst.Assign, kind)):
        value = assigned.value
        values = (value.body, value.orelse) if isinstance(value, cst.IfExp) else (value,)
        if any(code.text(item.target) == f"self.{name}" for item in assigned.targets):
            if any(code.text(item) == "None" for item in values):
                return True
    return False


def _loop(owner: Owner, me: str, members: Sequence[str], written: Written, indent: str) -> list[str] | None:
    """A loop over the container that holds all of these members; None where no loop meets just them."""
    names = members[0].split(".")
    place = next(number for number, name in enumerate(names) if name.isdigit())
    container, rest = ".".join(names[:place]), ".".join(names[place + 1 :])
    if {".".join(path.split(".")[place + 1 :]) for path in members} != {rest}:
        return None
    children = _children(owner.types, container)
    chosen = {path.split(".")[place] for path in members}
    variable = _free(owner.code, owner.constructor)
    head = f"for {variable} in {expression(me, container) if container else me}:"
    step = owner.code.indent
    if set(children) == chosen:
        return [head, *(f"{step}{line}" for line in written(expression(variable, rest), indent + step))]
    kinds = {children[name] for name in chosen}
    if len(kinds) != 1 or "." in rest or len(chosen) == 1:
        return None
    test = _test(owner.code, variable, kinds)
    lines = [f"{step}{line}" for line in written(expression(variable, rest), indent + 2 * step)]
    return [head, f"{step}{test}", *(f"{step}{line}" for line in lines)]


def one_by_one(owner: Owner, me: str, tensors: Sequence[str], written: Written, indent: str) -> list[str]:
    """A loop over the modules that hold these tensors, by their names; no lines where they hold them under several names, or
    where the loop over all modules of their classes says the same."""
    last = {path.rpartition(".")[2] for path in tensors}
    held = [path.rpartition(".")[0] for path in tensors]
    kinds = {owner.types.get(path, "") for path in held}
    if len(last) != 1 or not all(held) or {path for path, kind in owner.types.items() if kind in kinds} <= set(held):
        return []
    variable = _free(owner.code, owner.constructor)
    names = [expression(me, path) for path in held]
    step = owner.code.indent
    head = f"for {variable} in ({', '.join(names)}):"
    lines = (
        [head]
        if len(indent) + len(head) <= owner.code.length
        else [f"for {variable} in (", *(f"{step}{name}," for name in names), "):"]
    )
    return [*lines, *(f"{step}{line}" for line in written(f"{variable}.{last.pop()}", indent + step))]


def everywhere(owner: Owner, tensors: Sequence[str], written: Written, indent: str) -> list[str]:
    """A loop over all modules that are of the classes which hold these tensors; no lines where a bare parameter is among them."""
    kinds = {owner.types.get(path.rpartition(".")[0], "") for path in tensors}
    last = {path.rpartition(".")[2] for path in tensors}
    if "" in kinds or len(last) != 1 or not all(kind.startswith("torch.nn.modules.") for kind in kinds):
        return []
    constructor = owner.constructor
    variable = _free(owner.code, constructor)
    me = _self(constructor) if constructor is not None else "self"
    step = owner.code.indent
    lines = written(f"{variable}.{last.pop()}", indent + 2 * step)
    return [
        f"for {variable} in {me}.modules():",
        f"{step}{_test(owner.code, variable, kinds)}",
        *(f"{2 * step}{line}" for line in lines),
    ]


def _children(types: Mapping[str, str], container: str) -> dict[str, str]:
    """The direct children of a module, with their classes."""
    prefix = f"{container}." if container else ""
    return {
        path[len(prefix) :]: kind
        for path, kind in types.items()
        if path.startswith(prefix) and path != container and "." not in path[len(prefix) :]
    }


def _test(code: Code, variable: str, kinds: set[str]) -> str:
    names = sorted(class_text(code, kind) for kind in kinds)
    wanted = names[0] if len(names) == 1 else f"({', '.join(names)})"
    return f"if isinstance({variable}, {wanted}):"


def class_text(code: Code, kind: str) -> str:
    """How the file writes a class of torch.nn ("nn.Linear"), or one of its own."""
    name = kind.rpartition(".")[2]
    if not kind.startswith("torch.nn."):
        return name
    found = reach(code, f"torch.nn.{name}")
    return found.text if not found.missing else f"{reach(code, 'torch.nn').text}.{name}"


def _free(code: Code, function: cst.FunctionDef | None) -> str:
    """A name for a loop's variable that the function does not use for anything else."""
    taken = set() if function is None else code.names_in(function)
    return next((name for name in VARIABLES if name not in taken), "initialized")


def _made(owner: Owner, constructor: cst.FunctionDef, me: str, tensors: Sequence[str]) -> Statement:
    """The last statement of a constructor that gives one of the tensors, or the module that holds it, its name; or ties it."""
    wanted = {f"{me}.{path.split('.')[0]}" for path in tensors} | {expression(me, path) for path in tensors}
    found: Statement | None = None
    body = [item for item in constructor.body.body if isinstance(item, cst.SimpleStatementLine | cst.BaseCompoundStatement)]
    for statement in body:
        for target in owner.code.all(cst.AssignTarget, statement):
            names = target.target.elements if isinstance(target.target, cst.Tuple) else (target.target,)
            if any(owner.code.text(name.value if isinstance(name, cst.Element) else name) in wanted for name in names):
                found = statement
        for assigned in owner.code.all(cst.AnnAssign, statement):
            if owner.code.text(assigned.target) in wanted:
                found = statement
    return body[-1] if found is None else found
