"""INI001: The file cannot be imported. Emitted by the run itself."""

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule

RULE = Rule(
    code="INI001",
    name="import-failed",
    severity=Severity.ERROR,
    summary="The file cannot be imported: a syntax error, an exception, sys.exit or a crash.",
)
