"""FACTS → edits that start parameters otherwise, where the user's own lines start them or could.

A weight that an explicit call last wrote is started by another call in its place; one that only its constructor wrote gets a line
in the `__init__` of the innermost class of the user's that holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import libcst as cst

from initlint.fixes.calls import Draw, draw_at, init_prefix, redrawn
from initlint.fixes.edit import Edit, Span
from initlint.fixes.insert import Owner, inserted
from initlint.fixes.names import imports
from initlint.fixes.starts import Start
from initlint.fixes.tree import Code, read_code
from initlint.lint.wording import is_own

if TYPE_CHECKING:
    from initlint.graph.model import Parameter, Site, Write
    from initlint.lint.facts import Facts


@dataclass(slots=True)
class Files:
    """The files of one target that fixes read, each parsed once."""

    facts: Facts
    known: dict[str, Code | None] = field(default_factory=dict)

    def code(self, path: str) -> Code | None:
        """The tree of a file of the user's project; None for any other."""
        if path not in self.known:
            own = path == self.facts.path or path.startswith(self.facts.root)
            self.known[path] = read_code(path) if own else None
        return self.known[path]

    def owner(self, parameter: Parameter, wanted: str = "") -> tuple[str, Owner] | None:
        """The innermost module around a parameter whose class the user wrote (or that is a `wanted`): its path and its class."""
        types = self.facts.traced.module_types
        paths = dict.fromkeys((self.facts.path, *(site.path for site in (parameter.made,) if site is not None)))
        module = parameter.name.rpartition(".")[0]
        while True:
            name = types.get(module, "").rpartition(".")[2]
            for path in paths if wanted in ("", name) else ():
                code = self.code(path)
                definition = None if code is None else code.classes().get(name)
                if code is not None and definition is not None and "__init__" in code.functions(definition):
                    prefix = f"{module}." if module else ""
                    below = {
                        item[len(prefix) :]: kind for item, kind in types.items() if item.startswith(prefix) and item != module
                    }
                    return module, Owner(code=code, definition=definition, types=below)
            if not module:
                return None
            module = module.rpartition(".")[0]


def own_draw(parameter: Parameter, facts: Facts) -> Write | None:
    """The last write of a parameter, if one of the user's own lines made it explicitly."""
    write = next((item for item in reversed(parameter.writes) if not item.default), None)
    if write is None or not write.stack or not is_own(write.site, facts) or not is_own(write.stack[-1], facts):
        return None
    return write


def started(
    facts: Facts, wanted: Mapping[str, Start], files: Files | None = None, *, together: bool = True
) -> tuple[Edit, ...] | None:
    """Edits that give every parameter (by node name) its start; None where one of them cannot be reached.

    together  a call that writes other layers' weights as well, all alike, is changed for all of them; else the new start comes
              behind it
    """
    files = Files(facts) if files is None else files
    edits: list[Edit] = []
    redraws: dict[Site, Start] = {}
    inserts: dict[tuple[str, Start], _Insert] = {}
    for name, start in wanted.items():
        parameter = original(facts.parameter(name), facts)
        write = own_draw(parameter, facts)
        site = None if write is None else write.site
        code = None if site is None else files.code(site.path)
        draw = None if site is None or code is None else draw_at(code, site)
        if site is not None and code is not None and draw is not None:
            others = _written_at(facts, site) - {facts.parameter(other).name for other in wanted}
            if not others or (together and _alike(facts, others, code, draw)):
                redraws.setdefault(site, start)
                continue
        place = _place(parameter, write, files)
        if place is None:
            return None
        module, owner, line = place
        insert = inserts.setdefault((f"{owner.code.path}:{owner.definition.name.value}", start), _Insert(owner))
        insert.paths[parameter.name[len(module) + 1 if module else 0 :]] = None
        insert.after = max(insert.after, line)
    for site, start in redraws.items():
        code = files.code(site.path)
        draw = None if code is None else draw_at(code, site)
        if code is not None and draw is not None:
            edits += redrawn(code, draw, start)
    for (where, start), insert in inserts.items():
        same = [other for (owner, _), other in inserts.items() if owner == where]
        after = insert.after if len(same) == 1 else max(map(_last_line, same))
        added = insertion(insert.owner, tuple(insert.paths), start, after=after)
        if added is None:
            return None
        edits += added
    return merged(edits)


def _last_line(insert: _Insert) -> int:
    """The line that the starts of an insertion come behind by themselves; several of one class are written together."""
    edit = inserted(insert.owner, tuple(insert.paths), lambda tensor, _: [tensor], after=insert.after)
    return insert.after if edit is None else edit.span.line


def multiplied(facts: Facts, factors: Mapping[str, str], files: Files) -> tuple[Edit, ...] | None:
    """Edits that multiply parameters (by node name) by these factors, behind all that starts them; None where one of them cannot
    be reached."""
    inserts: dict[tuple[str, str], _Insert] = {}
    for name, factor in factors.items():
        parameter = original(facts.parameter(name), facts)
        place = _place(parameter, own_draw(parameter, facts), files)
        if place is None:
            return None
        module, owner, line = place
        insert = inserts.setdefault((f"{owner.code.path}:{owner.definition.name.value}", factor), _Insert(owner))
        insert.paths[parameter.name[len(module) + 1 if module else 0 :]] = None
        insert.after = max(insert.after, line)
    edits = []
    for (_, factor), insert in inserts.items():
        written = partial(_product, factor)
        edit = inserted(insert.owner, tuple(insert.paths), written, after=insert.after)
        if edit is None:
            return None
        edits.append(edit)
    return merged(edits)


def _product(factor: str, tensor: str, _: str) -> list[str]:
    return [f"{tensor}.data.mul_({factor})"]


@dataclass(slots=True)
class _Insert:
    """Tensors of one class that get the same start, and the line they have to come behind."""

    owner: Owner
    paths: dict[str, None] = field(default_factory=dict)
    after: int = 0


def merged(edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """Equal edits once; lines that go to one place, one after another in one edit."""
    found: dict[Span, str] = {}
    for edit in dict.fromkeys(edits):
        found[edit.span] = found.get(edit.span, "") + edit.content
    return tuple(Edit(span=span, content=content) for span, content in found.items())


def _written_at(facts: Facts, site: Site) -> set[str]:
    """The parameters whose last explicit write stands at a site."""
    return {
        item.name
        for item in facts.traced.parameters.values()
        if (write := own_draw(item, facts)) is not None and write.site is not None and write.site == site
    }


def _alike(facts: Facts, names: set[str], code: Code, draw: Draw) -> bool:
    """Whether a call that writes these parameters, too, may be changed for them: all are weights of linear layers and
    convolutions, and no argument of the call differs between them."""
    weights = {
        facts.parameter(item.weight).name for item in facts.structure.layers.values() if item.kind in ("linear", "convolution")
    }
    return names <= weights and is_constant(code, draw)


def is_constant(code: Code, draw: Draw) -> bool:
    """Whether the arguments behind the tensor are the same at every call, or computed from the tensor itself as a fan is: they
    name it and imported modules only."""
    known = {bound.partition(".")[0] for _, bound in imports(code)}
    tensor = code.text(draw.tensor).removesuffix(".data")
    return all(_roots(code, item.value, tensor) <= known for item in draw.arguments)


def _roots(code: Code, node: cst.CSTNode, tensor: str) -> set[str]:
    """Names in an expression that are not attributes of others, nor part of the tensor's own."""
    inner = {item.attr for item in code.all(cst.Attribute, node)} | {
        item.keyword for call in code.all(cst.Call, node) for item in call.args if item.keyword is not None
    }
    for kind in (cst.Name, cst.Attribute, cst.Subscript):
        for own in code.all(kind, node):
            if code.text(own) == tensor:
                inner |= set(code.all(cst.Name, own))
    return {item.value for item in code.all(cst.Name, node) if item not in inner}


def _place(parameter: Parameter, write: Write | None, files: Files) -> tuple[str, Owner, int] | None:
    """The module and class whose constructor may start a parameter anew, and the line to come behind.

    A start from outside (an `apply` by the whole model) comes later than all that the parameter's own class can write.
    """
    if write is None:
        found = files.owner(parameter)
        return None if found is None else (*found, 0)
    for frame in reversed(write.stack):
        code = files.code(frame.path) if is_own(frame, files.facts) else None
        constructor = None if code is None else code.function_at(frame.line)
        definition = None if code is None or constructor is None else code.around(constructor, cst.ClassDef)
        if constructor is not None and definition is not None and constructor.name.value == "__init__":
            found = files.owner(parameter, definition.name.value)
            return None if found is None else (*found, frame.line)
    return None


def insertion(owner: Owner, paths: Sequence[str], start: Start, *, after: int = 0) -> tuple[Edit, ...] | None:
    """New lines in a class's constructor that start these of its tensors."""
    prefix, needed = init_prefix(owner.code)
    _, imported = start.written(owner.code, "")

    def written(tensor: str, indent: str) -> list[str]:
        arguments, _ = start.written(owner.code, tensor)
        return owner.code.call(prefix + start.function, [tensor, *arguments], indent)

    edit = inserted(owner, paths, written, after=after)
    return None if edit is None else (*needed, *imported, edit)


def original(parameter: Parameter, facts: Facts) -> Parameter:
    """The parameter whose storage a tied one shares."""
    if parameter.alias_of is None:
        return parameter
    return next((item for item in facts.traced.parameters.values() if item.name == parameter.alias_of), parameter)
