"""`initlint rule`: the documentation of a rule."""

from __future__ import annotations

import difflib
import json
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from initlint.lint.load import LoadedRule


@click.command()
@click.argument("code_or_name", required=False)
@click.option("--all", "everything", is_flag=True, help="All rules.")
@click.option(
    "--output-format", "--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
def rule(*, code_or_name: str | None, everything: bool, output_format: str, color: str) -> None:
    """Show what a rule finds and why: its code (INI102) or name (vanishing-signal)."""
    from initlint.lint.load import load_rules

    if (code_or_name is None) != everything:
        raise click.UsageError("give the code or the name of one rule, or --all")
    rules = load_rules() if code_or_name is None else (_known(code_or_name),)
    if output_format == "json":
        data = [_data(item) for item in rules]
        _write(json.dumps(data if everything else data[0], indent=2, ensure_ascii=False) + "\n")
    else:
        _write(_text("\n".join(item.documentation for item in rules), color))


def _known(code_or_name: str) -> LoadedRule:
    from initlint.lint.load import find_rule, load_rules

    found = find_rule(code_or_name)
    if found is None:
        words = [word for item in load_rules() for word in (item.rule.code, item.rule.name)]
        folded = code_or_name.upper() if code_or_name.upper().startswith("INI") else code_or_name.lower()
        close = difflib.get_close_matches(folded, words, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]}?" if close else "; --all shows them all"
        raise click.BadParameter(f"no rule is called `{code_or_name}`{hint}", param_hint="CODE_OR_NAME")
    return found


def _data(item: LoadedRule) -> dict[str, Any]:
    from initlint.report.links import url_of

    rule = item.rule
    return {
        "code": rule.code,
        "name": rule.name,
        "severity": str(rule.severity),
        "summary": rule.summary,
        "default": rule.default,
        "fix": rule.fix,
        "explanation": item.documentation,
        "url": url_of(rule.name),
    }


def _text(markdown: str, color: str) -> str:
    """Markdown as it is for a pipe, laid out for a person who looks at a terminal."""
    from initlint.cli.terminal import wants_colour, width_of

    if not wants_colour(color, sys.stdout):  # type: ignore[arg-type]
        return markdown
    import io

    from rich.console import Console
    from rich.markdown import Markdown

    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="standard", width=min(width_of(sys.stdout), 100))
    console.print(Markdown(markdown))
    return out.getvalue()


def _write(text: str) -> None:
    from initlint.cli.terminal import write

    write(text)
