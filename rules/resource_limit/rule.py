"""INI005: A target exceeded its time or memory. Emitted by the run itself."""

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule

RULE = Rule(
    code="INI005",
    name="resource-limit",
    severity=Severity.ERROR,
    summary="A target took more time or memory than it may.",
)
