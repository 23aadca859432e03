"""`Facts`: all that a rule may read about one analysed model."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from initlint.graph.liveness import Liveness
    from initlint.graph.model import Parameter, TracedModel
    from initlint.graph.structure import Structure
    from initlint.propagate.signals import Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One analysed model.

    target     "model.py::Net"
    path       the file that defines the target, as findings should print it
    root       the folder of the project: findings point below it, never into installed packages
    line       where the class, factory or instance is defined: the place of last resort
    signals    by node name
    liveness   which parameters can ever receive a gradient
    guessed    whether the sizes of the inputs are initlint's own choice, as the length of a sequence is where no settings name one
    rate       the learning rate of the settings for SGD; None where none is told, or it is for another optimizer
    ran        (file, line) of the user's lines that were running while a parameter was written, or a tensor that was lost
    """

    target: str
    path: str
    line: int
    root: str
    traced: TracedModel
    signals: Mapping[str, Signal]
    structure: Structure
    liveness: Liveness
    ran: frozenset[tuple[str, int]]
    rate: float | None = None
    guessed: bool = False

    def parameter(self, name: str) -> Parameter:
        """The parameter read by the placeholder of this name."""
        return self.traced.parameters[name]

    def wrote(self, path: str, first: int, last: int) -> bool:
        """Whether one of these lines of a file, both included, wrote a parameter."""
        return any((path, line) in self.ran for line in range(first, last + 1))

    def sources(self) -> Iterator[tuple[str, ast.Module]]:
        """The target's file and the others of its project that made its modules or wrote its parameters, as trees."""
        from initlint.graph.frames import is_below
        from initlint.source.initializers import tree_of

        made = {site.path for site in self.traced.module_sites.values()} | {path for path, _ in self.ran}
        for path in (self.path, *sorted(made - {self.path})):
            tree = tree_of(path) if path == self.path or is_below(path, (self.root,)) else None
            if tree is not None:
                yield path, tree

    def modules_by_class(self) -> dict[str, list[str]]:
        """Class name → paths of the modules of that class, "" for the model itself."""
        found: dict[str, list[str]] = {}
        for path, kind in self.traced.module_types.items():
            found.setdefault(kind.rpartition(".")[2], []).append(path)
        return found

    def instances_by_class(self) -> dict[str, list[str]]:
        """The same with the classes of the sources that a module's class inherits: they are written in bases and mixins, too."""
        from initlint.source.initializers import bases_of

        found: dict[str, list[str]] = {}
        bases = bases_of(tree for _, tree in self.sources())
        for kind, paths in self.modules_by_class().items():
            for name in (kind, *bases.get(kind, ())):
                found.setdefault(name, []).extend(paths)
        return found


def gather(
    *,
    target: str,
    path: str,
    line: int = 1,
    root: str = "",
    traced: TracedModel,
    signals: Mapping[str, Signal],
    rate: float | None = None,
    guessed: bool = False,
) -> Facts:
    """Facts of a traced and propagated model; finds its structure."""
    from initlint.graph.liveness import liveness_of
    from initlint.graph.structure import structure_of

    writes = [write for item in traced.parameters.values() for write in item.writes]
    writes += [lost.write for lost in traced.lost]
    return Facts(
        target=target,
        path=path,
        line=line,
        root=root or os.path.dirname(path),
        traced=traced,
        signals=signals,
        structure=structure_of(traced),
        liveness=liveness_of(traced),
        rate=rate,
        guessed=guessed,
        ran=frozenset((site.path, site.line) for write in writes for site in write.stack),
    )
