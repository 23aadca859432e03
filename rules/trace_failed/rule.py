"""INI003: The forward pass cannot be traced. Emitted by the run itself."""

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule

RULE = Rule(
    code="INI003",
    name="trace-failed",
    severity=Severity.ERROR,
    summary="The model was built, but its forward pass cannot be traced into a graph.",
)
