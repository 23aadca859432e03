"""Names → schemes: the table, and the one way from a model's facts to a plan.

A scheme is a generator: it yields changes, and remarks as strings, and raises `DoesNotApply` before anything is done. Its
keyword arguments are its options; their defaults say their types.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from initlint.schemes import variance
from initlint.schemes.plan import Change, DoesNotApply, Plan

if TYPE_CHECKING:
    from initlint.lint.facts import Facts
    from initlint.schemes.anatomy import Anatomy


@dataclass(frozen=True, slots=True)
class Scheme:
    """One named initialization."""

    name: str
    source: str
    plan: Callable[..., Iterator[Change | str]]

    @property
    def summary(self) -> str:
        """What it does, in a line."""
        return (inspect.getdoc(self.plan) or "").split("\n")[0]

    @property
    def options(self) -> Mapping[str, Any]:
        """Its options with their defaults."""
        parameters = inspect.signature(self.plan).parameters.values()
        return {item.name: item.default for item in parameters if item.kind is item.KEYWORD_ONLY}


SCHEMES: Mapping[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme("lecun", "LeCun, Bottou, Orr, Müller 1998", variance.lecun),
        Scheme("xavier", "Glorot, Bengio 2010", variance.xavier),
        Scheme("kaiming", "He, Zhang, Ren, Sun 2015, arXiv:1502.01852", variance.kaiming),
    )
}


def scheme_of(name: str) -> Scheme:
    """The scheme of a name.

    Raises:
        DoesNotApply: there is none.
    """
    found = SCHEMES.get(name)
    if found is None:
        near = difflib.get_close_matches(name, SCHEMES, 1)
        raise DoesNotApply(f"no scheme {name!r}{f'; {near[0]!r}?' if near else ''} Schemes: {', '.join(SCHEMES)}")
    return found


def planned(facts: Facts, name: str, options: Mapping[str, Any] | None = None) -> Plan:
    """What a scheme would change in a model; what it holds already is left out.

    Raises:
        DoesNotApply: the scheme does not fit the architecture, or an option is wrong.
    """
    from initlint.schemes.anatomy import anatomy_of

    scheme = scheme_of(name)
    given = dict(options or {})
    for option in given:
        if option not in scheme.options:
            known = ", ".join(scheme.options) or "none"
            raise DoesNotApply(f"{name} has no option {option!r}; its options: {known}")
    anatomy = anatomy_of(facts)
    changes: list[Change] = []
    notes: list[str] = []
    for item in scheme.plan(anatomy, **given):
        if isinstance(item, str):
            notes.append(item)
        else:
            changes.append(item)
    notes += _left(anatomy)
    words = tuple((key, value) for key, value in given.items() if isinstance(value, (str, int, float, bool)))
    return Plan(scheme=name, changes=tuple(with_before(changes, anatomy)), notes=tuple(dict.fromkeys(notes)), options=words)


def with_before(changes: list[Change], anatomy: Anatomy) -> Iterator[Change]:
    """The changes that change anything, with what was there before."""
    from initlint.lint.wording import law_in_words

    for change in changes:
        law = anatomy.laws[change.place.parameter]
        held = law.mean if law.family == "constant" else None
        wanted = 0.0 if change.draw.function == "nn.init.zeros_" else dict(change.draw.options).get("val")
        if held is None or wanted is None or held != wanted:
            yield replace(change, before=law_in_words(law))


def _left(anatomy: Anatomy) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for name, reason in anatomy.left.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"left alone ({reason}): {', '.join(names[:3])}{more}"
