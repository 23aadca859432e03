"""FACTS → the call of an initializing method that nobody calls, as a cure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from initlint.lint.cures import unsafe
from initlint.lint.starting import Files
from initlint.source.initializers import slip_of

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts


def called(facts: Facts, path: str, line: int) -> Iterator[Fix]:
    """The method or function that is defined on a line made one that runs: by the name that is called; else by a call at the end of the
    constructor."""
    code = Files(facts).code(path)
    method = None if code is None else code.statement_at(line)
    owner = None if code is None or method is None else code.around(method, cst.ClassDef)
    alone = owner is None  # a function of the file: for the whole model
    if code is not None and alone:
        owner = code.classes().get(facts.traced.module_types.get("", "").rpartition(".")[2])
    if code is None or owner is None or not isinstance(method, cst.FunctionDef):
        return
    if meant := slip_of(method.name.value):
        yield from unsafe(f"write its name as {meant}", [code.replaced(method.name, meant)])
    kinds = {facts.traced.module_types[module] for module in facts.instances_by_class().get(owner.name.value, ())}
    heir = code.classes().get(kinds.pop().rpartition(".")[2]) if len(kinds) == 1 else None
    if heir is not None and "__init__" in code.functions(heir):
        owner = heir  # what a base calls in its constructor comes before the layers of its heir
    constructor = code.functions(owner).get("__init__")
    if constructor is None or not isinstance(constructor.body, cst.IndentedBlock) or not constructor.params.params:
        return
    me, name = constructor.params.params[0].name.value, method.name.value
    static = any(code.text(item.decorator) == "staticmethod" for item in method.decorators)
    applied = alone or static or len(method.params.params) > 1
    call = f"{me}.apply({name if alone else f'{me}.{name}'})" if applied else f"{me}.{name}()"
    yield from unsafe(f"call it at the end of __init__: {call}", [code.behind(constructor.body.body[-1], [call])])


def own_initializers(facts: Facts, modules: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """File and line of the initializing methods of the classes of some modules that did not run."""
    from initlint.source.initializers import initializers

    owners = {owner for owner, paths in facts.instances_by_class().items() if not set(paths).isdisjoint(modules)}
    sources = dict(facts.sources())
    for path, tree in sources.items():
        for item in initializers(tree, sources.values()):
            if item.owner in owners and not item.called and not facts.wrote(path, item.line, item.end_line):
                yield path, item.line
