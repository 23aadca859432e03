"""INI002: The model cannot be constructed. Emitted by the run itself."""

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule

RULE = Rule(
    code="INI002",
    name="build-failed",
    severity=Severity.ERROR,
    summary="The model cannot be constructed.",
)
