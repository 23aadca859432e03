"""Find rules by walking packages: the built-in `initlint.rules` and those of the entry-point group of the same name.

Deleting a rule's folder deletes the rule; adding one adds it. Nothing here or in a `rule.py` imports torch, so the
command that prints documentation answers at once.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.resources
import pkgutil
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from initlint.lint.rule import Check, Fixes, Rule

GROUP = "initlint.rules"


class BrokenRule(Exception):
    """A rule folder that does not keep the protocol: the message names the folder and what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRule:
    """A rule with its generators; `check` is None for findings that the run itself emits, `fixes` where no cure is known."""

    rule: Rule
    check: Check | None
    fixes: Fixes | None
    package: str

    @property
    def documentation(self) -> str:
        """The text of `doc.md`."""
        return importlib.resources.files(self.package).joinpath("doc.md").read_text(encoding="utf-8")


@cache
def load_rules() -> tuple[LoadedRule, ...]:
    """All installed rules, sorted by code; a code or name that occurs twice is an error."""
    loaded: dict[str, LoadedRule] = {}
    for package in _packages():
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not module.ispkg:
                continue
            found = _load(module.name)
            for other in loaded.values():
                if {found.rule.code, found.rule.name} & {other.rule.code, other.rule.name}:
                    raise BrokenRule(f"{found.package} and {other.package} share the code or the name {found.rule.code}")
            loaded[found.rule.code] = found
    return tuple(loaded[code] for code in sorted(loaded))


def find_rule(code_or_name: str) -> LoadedRule | None:
    """The rule of this code (any case) or name."""
    wanted = code_or_name.casefold()
    return next((item for item in load_rules() if wanted in (item.rule.code.casefold(), item.rule.name.casefold())), None)


def _packages() -> tuple[ModuleType, ...]:
    names = [GROUP]
    names += [point.value for point in importlib.metadata.entry_points(group=GROUP)]
    return tuple(importlib.import_module(name) for name in dict.fromkeys(names))


def _load(package: str) -> LoadedRule:
    try:
        module = importlib.import_module(f"{package}.rule")
    except ModuleNotFoundError as error:
        raise BrokenRule(f"{package} has no rule.py that can be imported: {error}") from error
    rule = getattr(module, "RULE", None)
    if not isinstance(rule, Rule):
        raise BrokenRule(f"{package}.rule does not define RULE as an initlint.lint.rule.Rule")
    return LoadedRule(rule=rule, check=getattr(module, "check", None), fixes=getattr(module, "fixes", None), package=package)
