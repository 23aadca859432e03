"""`Facts`: all that a rule may read about one analysed model."""

from __future__ import annotations

import os
from collections.abc import Mapping
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

    def parameter(self, name: str) -> Parameter:
        """The parameter read by the placeholder of this name."""
        return self.traced.parameters[name]

    def wrote(self, first: int, last: int) -> bool:
        """Whether one of these lines of the target's file, both included, wrote a parameter."""
        return any((self.path, line) in self.ran for line in range(first, last + 1))


def gather(
    *, target: str, path: str, line: int = 1, root: str = "", traced: TracedModel, signals: Mapping[str, Signal]
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
        ran=frozenset((site.path, site.line) for write in writes for site in write.stack),
    )
