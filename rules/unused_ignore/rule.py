"""INI007: An ignore comment silences nothing. Emitted by the run itself."""

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule

RULE = Rule(
    code="INI007",
    name="unused-ignore",
    severity=Severity.WARNING,
    summary="An ignore comment that silences nothing.",
    fix="safe",
)
