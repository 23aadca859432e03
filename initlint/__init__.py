"""initlint: a linter for the numbers a neural network starts from.

    initlint.analyze(model, args)         signals and findings of one model
    initlint.check(paths, settings)       what the command line does
    initlint.assert_healthy(model, args)  for a user's own tests
    initlint.initialize(model, args, scheme="auto")  a corrected or a named initialization, in place

The package reads as the pipeline: `source` (files), `graph` (laws and traced graphs), `propagate` (signals), `targets`
(models in files), `lint` (rules and findings), `schemes` (named initializations), `report`, `cli`. Importing it does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from initlint.api import Analysis, Initialization, Unhealthy, analyze, assert_healthy, check, growth, initialize
    from initlint.config import Settings
    from initlint.lint.finding import Edit, Finding, Fix, Severity, Span
    from initlint.lint.result import Report, TargetResult
    from initlint.propagate.signals import Signal
    from initlint.schemes.plan import DoesNotApply

__version__ = "0.1.0"

_HOMES = {
    "Analysis": "initlint.api",
    "DoesNotApply": "initlint.schemes.plan",
    "Edit": "initlint.lint.finding",
    "Finding": "initlint.lint.finding",
    "Fix": "initlint.lint.finding",
    "Initialization": "initlint.api",
    "Report": "initlint.lint.result",
    "Settings": "initlint.config",
    "Severity": "initlint.lint.finding",
    "Signal": "initlint.propagate.signals",
    "Span": "initlint.lint.finding",
    "TargetResult": "initlint.lint.result",
    "Unhealthy": "initlint.api",
    "analyze": "initlint.api",
    "assert_healthy": "initlint.api",
    "check": "initlint.api",
    "growth": "initlint.api",
    "initialize": "initlint.api",
}

__all__ = [
    "Analysis",
    "DoesNotApply",
    "Edit",
    "Finding",
    "Fix",
    "Initialization",
    "Report",
    "Settings",
    "Severity",
    "Signal",
    "Span",
    "TargetResult",
    "Unhealthy",
    "__version__",
    "analyze",
    "assert_healthy",
    "check",
    "growth",
    "initialize",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    import importlib

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'initlint' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
