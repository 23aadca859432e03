"""INI004: An operator's effect is unknown. Emitted by the run itself."""

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule

RULE = Rule(
    code="INI004",
    name="operator-unknown",
    severity=Severity.WARNING,
    summary="An operator has no formula and could not be sampled: signals behind it are unknown.",
)
