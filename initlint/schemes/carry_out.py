"""A plan → weights written in place, laws for another propagation, or source text to paste.

All three go through the same list of steps in the same order: with one seed, what the printed function writes and what was
applied are the same numbers.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from initlint.graph import laws
from initlint.graph.measure import law_of_values
from initlint.schemes import draws

if TYPE_CHECKING:
    from initlint.graph.model import Law
    from initlint.lint.facts import Facts
    from initlint.schemes.plan import Change, Draw, Place, Plan

MEASURED = 1 << 22  # elements of a drawn tensor whose law is taken from its values


@dataclass(frozen=True, slots=True)
class Step:
    """Changes that are alike for parameters whose names differ in one number, as `for i in numbers:` would run them.

    writes   ("blocks.{i}.fc.weight", change) in order
    numbers  what {i} stands for; none where the one name has no {i}
    """

    numbers: tuple[int, ...]
    writes: tuple[tuple[str, Change], ...]

    @property
    def expanded(self) -> Iterator[tuple[str, Change]]:
        """(parameter, change) in the order of execution."""
        for number in self.numbers or (0,):
            for pattern, change in self.writes:
                yield pattern.replace("{i}", str(number)), change


def steps_of(plan: Plan) -> tuple[Step, ...]:
    """The changes of a plan, alike ones together, in the order of their first."""
    groups: dict[tuple[Any, ...], dict[int, Change]] = {}
    for change in plan.changes:
        name = change.place.parameter
        found = re.search(r"(?<![^.])\d+(?![^.])", name)
        pattern, number = name, -1
        if found is not None:
            pattern, number = f"{name[: found.start()]}{{i}}{name[found.end() :]}", int(found.group())
        groups.setdefault((pattern, change.place.view, change.draw, change.why, change.rate), {})[number] = change
    steps: list[Step] = []
    for (pattern, *_), members in groups.items():
        first = next(iter(members.values()))
        numbers = tuple(members) if len(members) > 1 else ()
        write = (pattern if numbers else first.place.parameter, first)
        if numbers and steps and steps[-1].numbers == numbers:
            steps[-1] = Step(numbers, (*steps[-1].writes, write))
        else:
            steps.append(Step(numbers, (write,)))
    return tuple(steps)


# -- in place ------------------------------------------------------------------------------------------------------------


def applied(plan: Plan, model: nn.Module) -> None:
    """Write a plan into a model's parameters; draws come from torch's own generator, as those of `torch.nn.init` do."""
    with torch.no_grad():
        for step in steps_of(plan):
            for name, change in step.expanded:
                run(change.draw, view_of(model.get_parameter(name), change.place))


def view_of(tensor: torch.Tensor, place: Place) -> torch.Tensor:
    """The part of a parameter that a place means, as (out, in / groups, *kernel)."""
    if place.item is not None:
        tensor = tensor[place.item]
    if place.transposed:
        tensor = tensor.transpose(0, 1)
    return tensor if place.rows is None else tensor[place.rows[0] : place.rows[1]]


def run(draw: Draw, tensor: torch.Tensor) -> None:
    """Call a draw on a tensor."""
    if draw.function.startswith("."):
        getattr(tensor, draw.function[1:])(*(value for _, value in draw.options))
        return
    module: Any = nn.init if draw.function.startswith("nn.init.") else draws
    getattr(module, draw.function.rpartition(".")[2])(tensor, **dict(draw.options))


# -- as text -------------------------------------------------------------------------------------------------------------


def source_of(plan: Plan, model: str = "the model") -> str:
    """An `init_weights(model)` that does what the plan says: plain PyTorch, for the user's own file."""
    used = sorted({change.draw.function for change in plan.changes if hasattr(draws, change.draw.function)})
    helpers = [inspect.getsource(getattr(draws, name)) for name in used]
    imports = ["import math"] if any("math." in text for text in helpers) else []
    options = "".join(f", {name}={value}" for name, value in plan.options)
    lines = ["", *imports, *([""] if imports else []), "import torch", "from torch import nn", ""][1:]
    for text in helpers:
        lines += ["", *text.rstrip("\n").split("\n"), ""]
    lines += ["", "@torch.no_grad()", "def init_weights(model: nn.Module) -> None:"]
    lines.append(f'    """Initialization "{plan.scheme}"{options} of {model}; call it once, after construction."""')
    lines += [f"    # {part}" for note in plan.notes for part in _wrapped(note)]
    if not plan.changes:
        lines.append("    # nothing to change")
    else:
        lines.append("    get = model.get_parameter")
    why = ""
    for step in steps_of(plan):
        indent, text = "    ", ""
        if step.numbers:
            lines.append(f"    for i in {_range(step.numbers)}:")
            indent, text = "        ", "f"
        for pattern, change in step.writes:
            if change.why != why:
                why = change.why
                lines.append(f"{indent}# {why}")
            lines.append(indent + change.draw.text(f"get({text}{_quoted(pattern)}){change.place.view}"))
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _range(numbers: tuple[int, ...]) -> str:
    first, last = numbers[0], numbers[-1]
    if numbers == tuple(range(first, last + 1)):
        return f"range({last + 1})" if not first else f"range({first}, {last + 1})"
    return f"({', '.join(map(str, numbers))})"


def _wrapped(text: str, width: int = 110) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
    if line:
        yield line


# -- as laws -------------------------------------------------------------------------------------------------------------


def facts_after(facts: Facts, plan: Plan) -> Facts:
    """The same model with the laws that a plan would leave: what to ask before anything is changed."""
    from initlint.lint.facts import gather
    from initlint.propagate import propagate

    by_name: dict[str, list[Change]] = {}
    for change in plan.changes:
        by_name.setdefault(change.place.parameter, []).append(change)
    parameters = {}
    for key, parameter in facts.traced.parameters.items():
        changes = by_name.get(parameter.alias_of or parameter.name)
        if changes:
            law = law_after(parameter.law, parameter.shape, changes)
            parameter = replace(parameter, law=law, value=None, writes=(), copy_of=None)
        parameters[key] = parameter
    traced = replace(facts.traced, parameters=parameters, lost=())
    signals = propagate(traced).signals
    return gather(target=facts.target, path=facts.path, line=facts.line, root=facts.root, traced=traced, signals=signals)


def law_after(before: Law, shape: tuple[int, ...], changes: list[Change]) -> Law:
    """The law of one parameter after these changes of it or of parts of it."""
    law = before
    parts: dict[tuple[tuple[int, int, int], ...], Law] = {}
    for change in changes:
        region = _region(change.place, shape)
        own = _law_of(change.draw, tuple(stop - start for start, stop, _ in region), change.place, law)
        if all((start, stop) == (0, size) for (start, stop, _), size in zip(region, shape, strict=True)):
            law, parts = own, {}
        else:
            parts[region] = own
    if not parts:
        return law
    sizes = {region: float(_count(region)) for region in parts}
    missing = float(_count(tuple((0, size, 1) for size in shape))) - sum(sizes.values())
    members = [(sizes[region], part) for region, part in parts.items()]
    pooled = laws.pooled([*members, (missing, law)] if missing > 0 else members)
    if missing > 0 or pooled.family != "mixture":
        return pooled
    return replace(pooled, parts=tuple(parts.items()))


def _region(place: Place, shape: tuple[int, ...]) -> tuple[tuple[int, int, int], ...]:
    region = [(0, size, 1) for size in shape]
    offset = 0
    if place.item is not None:
        region[0], offset = (place.item, place.item + 1, 1), 1
    if place.rows is not None:
        region[offset + int(place.transposed)] = (place.rows[0], place.rows[1], 1)
    return tuple(region)


def _count(region: tuple[tuple[int, int, int], ...]) -> int:
    count = 1
    for start, stop, _ in region:
        count *= stop - start
    return count


def _law_of(draw: Draw, shape: tuple[int, ...], place: Place, before: Law) -> Law:
    """The law that a draw leaves in a tensor of this (stored) shape."""
    options: Mapping[str, Any] = dict(draw.options)
    match draw.function:
        case "nn.init.zeros_":
            return laws.constant(0.0)
        case "nn.init.constant_":
            return laws.constant(options["val"])
        case "nn.init.normal_":
            return laws.normal(options.get("mean", 0.0), options["std"])
        case "nn.init.uniform_":
            return laws.uniform(options["a"], options["b"])
        case ".mul_":
            return laws.scaled(before, options["factor"])
        case "nn.init.orthogonal_":
            turned = (shape[1], shape[0], *shape[2:]) if place.transposed and place.item is None else shape
            return laws.orthogonal(turned if place.item is None else shape[1:], options["gain"])
    values = torch.zeros(shape)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        run(draw, view_of(values, replace(place, rows=None, item=None if place.item is None else 0)))
    return law_of_values(values)
