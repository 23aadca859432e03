"""INI006: Arguments or inputs could not be inferred. Emitted by the run itself."""

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule

RULE = Rule(
    code="INI006",
    name="inputs-unknown",
    severity=Severity.INFO,
    summary="No example input, or no argument of the constructor, could be inferred.",
)
