"""RECORD → the weight ties that were made and are lost: two modules were given one parameter, and one of them another one later.

Seen are the registrations of parameters and modules, in their order, wherever the code that makes them stands. Only a new parameter
breaks a tie: one that was held before is moved or exchanged, which is meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from initlint.graph.model import BrokenTie, Site

if TYPE_CHECKING:
    from torch import nn

    from initlint.graph.record import Record

Slot = tuple[int, str]  # id of a module, name of what it holds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tie:
    """The slot that was given another one's parameter in the place of its own, and where."""

    into: Slot
    of: Slot
    value: int
    site: Site


def broken_ties(model: nn.Module, record: Record) -> tuple[BrokenTie, ...]:
    """Ties of parameters of a model that are no more, each with the line that made it and the line that broke it."""
    ties: list[_Tie] = []
    breaks: dict[Slot, tuple[int, Site]] = {}  # the last new parameter of a slot that was tied
    now: dict[Slot, int] = {}
    seen: set[int] = set()
    remade: dict[int, tuple[int, Site]] = {}  # a module → the one that took its place, and where
    for event in record.registered:
        slot, new = (event.owner, event.name), id(event.value)
        before = now.get(slot)
        if event.kind == "module":
            if before is not None and before != new and event.site is not None:
                remade[before] = (new, event.site)
        elif before is not None and before != new and event.site is not None:
            if new not in seen:
                breaks[slot] = (new, event.site)
            elif (of := next((other for other, value in now.items() if value == new), None)) is not None:
                ties.append(_Tie(into=slot, of=of, value=new, site=event.site))
        now[slot] = new
        seen.add(new)
    return tuple(_broken(model, ties, breaks, remade)) if ties else ()


def _broken(
    model: nn.Module, ties: list[_Tie], breaks: Mapping[Slot, tuple[int, Site]], remade: Mapping[int, tuple[int, Site]]
) -> Iterator[BrokenTie]:
    modules = {id(module): (path, module) for path, module in model.named_modules()}
    last = {tie.into: tie for tie in ties}
    for tie in last.values():
        ends = []
        for owner, name in (tie.into, tie.of):
            site = None
            if owner not in modules and owner in remade:
                owner, site = remade[owner]
            path, module = modules.get(owner, ("", None))
            held = None if module is None else module._parameters.get(name)
            if held is None:
                break
            if id(held) != tie.value and (owner, name) in breaks and breaks[owner, name][0] == id(held):
                site = breaks[owner, name][1]
            ends.append((f"{path}.{name}" if path else name, held, site))
        if len(ends) < 2:
            continue
        (into, one, one_at), (of, other, other_at) = ends
        site = other_at or one_at
        if one is other or one.shape != other.shape or site is None or _share(one, other):
            continue
        yield BrokenTie(name=into, source=of, tied=tie.site, broken=site, source_replaced=other_at is not None)


def _share(one: Any, other: Any) -> bool:
    """Whether two parameters have one memory, as `a.data = b.data` leaves them."""
    from initlint.graph.record import key_of

    return key_of(one) == key_of(other)
