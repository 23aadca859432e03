"""Which rules speak: selectors of settings and command line → codes.

A selector is "ALL", a code or its beginning ("INI1"), or a name. Within one place the longer selector wins and `ignore` wins
a tie; a later place (the command line) decides over an earlier one, and its `select` starts anew.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence

from initlint.config import COMMAND_LINE, Selectors, Settings, SettingsError
from initlint.lint.load import load_rules
from initlint.lint.rule import Rule
from initlint.settings_file import line_in_file
from initlint.source.files import matches

ALL = "ALL"
_WHOLE = 100  # a full code or a name is longer than every prefix


def fits(selector: str, rule: Rule) -> int:
    """How precisely a selector names a rule: 0 not at all, more for longer ones."""
    if selector in (rule.code, rule.name):
        return _WHOLE
    if selector == ALL:
        return 1
    return len(selector) if selector.startswith("INI") and rule.code.startswith(selector) else 0


def selected(rules: Sequence[Rule], layers: Iterable[Selectors]) -> frozenset[str]:
    """Codes of the selected rules; those that are on by default when nobody selects."""
    chosen = {rule.code: rule.default for rule in rules}
    for layer in layers:
        wanted = (*(layer.select or ()), *layer.extend_select)
        unwanted = (*layer.ignore, *layer.extend_ignore)
        for rule in rules:
            by = max((fits(selector, rule) for selector in wanted), default=0)
            against = max((fits(selector, rule) for selector in unwanted), default=0)
            if by or against:
                chosen[rule.code] = by > against
            elif layer.select is not None:
                chosen[rule.code] = False
    return frozenset(code for code, on in chosen.items() if on)


def named(rules: Sequence[Rule], layers: Iterable[Selectors]) -> frozenset[str]:
    """Codes of the rules that somebody selected by their whole code or name."""
    words = {word for layer in layers for word in (*(layer.select or ()), *layer.extend_select)}
    return frozenset(rule.code for rule in rules if {rule.code, rule.name} & words)


def selection_for(rules: Sequence[Rule], settings: Settings) -> Callable[[str], frozenset[str]]:
    """A function from a path to the codes of the rules that may speak about it, `per-file-ignores` applied."""
    general = selected(rules, settings.selection)

    def of(path: str) -> frozenset[str]:
        silenced = {
            rule.code
            for pattern, selectors in settings.per_file_ignores
            if matches(pattern, path, settings.root)
            for rule in rules
            if any(fits(selector, rule) for selector in selectors)
        }
        return general - silenced

    return of


def validated(settings_for: Callable[[str], Settings]) -> Callable[[str], Settings]:
    """The same function, which refuses settings with a selector that fits no rule.

    Raises:
        SettingsError: naming the nearest rule, when the settings are asked for.
    """
    rules = [item.rule for item in load_rules()]
    checked: list[Settings] = []

    def of(path: str) -> Settings:
        settings = settings_for(path)
        if not any(settings is other for other in checked):
            require_known(rules, settings)
            checked.append(settings)
        return settings

    return of


def require_known(rules: Sequence[Rule], settings: Settings) -> None:
    """Every selector of the settings fits a rule, else SettingsError."""
    for selector, origin in _selectors(settings):
        if not any(fits(selector, rule) for rule in rules):
            line = line_in_file(settings.file, selector) if settings.file and origin != COMMAND_LINE else None
            raise SettingsError(f"no rule is called `{selector}`{_nearest(selector, rules)}", file=origin, line=line)


def _nearest(selector: str, rules: Sequence[Rule]) -> str:
    words = {word.casefold(): word for word in (ALL, *(word for rule in rules for word in (rule.code, rule.name)))}
    close = difflib.get_close_matches(selector.casefold(), words, n=1, cutoff=0.5)
    return f"; did you mean `{words[close[0]]}`?" if close else "; `initlint rule --all` shows them all"


def _selectors(settings: Settings) -> Iterator[tuple[str, str]]:
    for layer in settings.selection:
        for selector in (*(layer.select or ()), *layer.ignore, *layer.extend_select, *layer.extend_ignore):
            yield selector, layer.origin
    for _, selectors in settings.per_file_ignores:
        for selector in selectors:
            yield selector, settings.selection[0].origin if settings.file else COMMAND_LINE
