"""One list of awkward findings, which every format has to write."""

import math

from initlint.lint.finding import Edit, Finding, Fix, Related, Severity, Span
from initlint.lint.result import Report, TargetResult

SOURCES = {
    "model.py": [
        "import torch",
        "from torch import nn",
        "",
        "class Netz(nn.Module):",
        "    def __init__(self):",
        "        super().__init__()",
        "\tself.größe = nn.Linear(8, 8)  # schön",
        "        self.名前 = nn.Sequential(",
        "            nn.Linear(8, 8),",
        "            nn.ReLU(),",
        "        )",
        "        return self.fc(x)",
        "",
    ],
    "init.py": ["def start(m):", "    m.reset()"],  # no line end at its end
    "odd, 100%: name.py": ["x = nn.Linear(4, 4)  # initlint: ignore[INI101]"],
}


def span(path, line, column, end_line, end_column):
    return Span(path=path, line=line, column=column, end_line=end_line, end_column=end_column)


FINDINGS = (
    Finding(  # a whole file, no lines to show, no target's name
        code="INI001",
        name="import-failed",
        severity=Severity.ERROR,
        message="there is no such file",
        span=span("gone.py", 1, 1, 1, 2),
        target="gone.py",
    ),
    Finding(  # only the line is known; evidence that is not finite; more related places than are shown
        code="INI101",
        name="exploding-signal",
        severity=Severity.ERROR,
        message="signal grows 5.0x per layer over 80 layers of `layers.*`. It overflows: 100% of it.",
        help="start these weights 5x smaller",
        span=span("model.py", 12, 1, 12, 2),
        target="model.py::Netz",
        modules=tuple(f"layers.{number}.fc" for number in range(80)),
        evidence={"per layer": 5.0, "output": math.inf, "spread": math.nan},
        related=tuple(
            Related(message=f"layer {number}", span=span("model.py", line, 5, line, 9))
            for number, line in enumerate((1, 2, 2, 4, 6, 8, 9))
        ),
    ),
    Finding(  # a column after a tab, not ASCII
        code="INI102",
        name="vanishing-signal",
        severity=Severity.WARNING,
        message="signal shrinks 0.41× per layer — `größe`",
        help="start these weights about 2.4× larger",
        span=span("model.py", 7, 15, 7, 30),
        target="model.py::Netz",
        modules=("größe",),
        evidence={"per layer": 0.41},
    ),
    Finding(  # several lines, wide characters before it, several edits
        code="INI401",
        name="unscaled-residual",
        severity=Severity.INFO,
        message='the trunk grows.\nIt has two lines & <tags> and "quotes" and a bell \x07 and \x1b[31mred',
        span=span("model.py", 8, 19, 11, 10),
        target="model.py::Netz",
        modules=("名前.0", "名前.1"),
        fix=Fix(
            applicability="unsafe",
            message="Scale the branch",
            edits=(
                Edit(span=span("model.py", 9, 13, 9, 28), content="scaled(nn.Linear(8, 8))"),
                Edit(span=span("model.py", 10, 13, 10, 13), content=""),
            ),
        ),
    ),
    Finding(  # the same once more: its fingerprint has to differ
        code="INI401",
        name="unscaled-residual",
        severity=Severity.INFO,
        message="the trunk grows",
        span=span("model.py", 8, 9, 8, 16),
        target="model.py::Netz",
        modules=("名前.0", "名前.1"),
    ),
    Finding(  # a path that every escape has to survive
        code="INI007",
        name="unused-ignore",
        severity=Severity.WARNING,
        message="this ignore comment silences nothing: `INI101` finds nothing here",
        help="remove the comment",
        span=span("odd, 100%: name.py", 1, 22, 1, 49),
        target="odd, 100%: name.py",
        fix=Fix(
            applicability="safe",
            message="Remove the unused ignore",
            edits=(Edit(span=span("odd, 100%: name.py", 1, 20, 1, 48), content=""),),
        ),
    ),
)


def fixed(line, end_line, *edits, applicability="unsafe", path="model.py", help=""):
    """A finding on whole lines of a file, with edits: (path, line, column, end_line, end_column, content)."""
    return Finding(
        code="INI703",
        name="dead-write",
        severity=Severity.WARNING,
        message="this draw has no effect on [`weight`](0) {1}",
        help=help,
        span=span(path, line, 1, end_line, 2),
        target="model.py::Netz",
        fix=Fix(
            applicability=applicability,
            message="mend <it>",
            edits=tuple(Edit(span=span(*place), content=content) for *place, content in edits),
        ),
    )


FIXES = (
    fixed(7, 7, ("model.py", 7, 39, 7, 39, "\n        nn.init.zeros_(self.größe.weight)")),  # below its own line
    fixed(6, 6, ("model.py", 6, 1, 7, 1, "")),  # its line goes
    fixed(10, 10, ("model.py", 10, 1, 10, 23, "")),  # its line becomes an empty one
    fixed(1, 1, ("model.py", 1, 1, 1, 1, "# ```\n")),  # on the first line; backticks in the text
    fixed(12, 12, ("model.py", 7, 15, 7, 30, "nn.Linear(8, 16)"), ("model.py", 12, 9, 12, 26, "return x")),  # two places
    fixed(12, 12, ("model.py", 12, 9, 12, 26, "return x"), ("init.py", 2, 5, 2, 14, "m.start()")),  # another file
    fixed(12, 12, ("model.py", 12, 26, 13, 1, "")),  # the last line end goes
    fixed(2, 2, ("init.py", 2, 5, 2, 14, "pass"), path="init.py"),  # the last line has no end
    fixed(8, 11, ("model.py", 8, 9, 11, 10, "self.sum = Sum()"), applicability="display"),  # advice
    fixed(5, 5, ("/elsewhere/lib.py", 1, 1, 1, 1, "x"), path="/elsewhere/lib.py"),  # outside of the root, not at hand
    fixed(4, 4, ("model.py", 40, 1, 40, 9, "x"), help="add to the settings:\n[[tool.initlint.targets]]\nname = 1"),  # misplaced
)

TARGETS = (
    TargetResult(target="gone.py", path="gone.py", line=1, status="failed"),
    TargetResult(
        target="model.py::Netz",
        path="model.py",
        line=4,
        status="ok",
        method="export",
        nodes=412,
        known=410,
        sampled=3,
        unknown=("aten.foo.default",),
        parameters=124_000_000,
        seconds=0.91234,
    ),
    TargetResult(target="model.py::Good", path="model.py", line=14, status="ok", nodes=9, known=9, seconds=0.5),
)

REPORTS = {
    "awkward": Report(targets=TARGETS, findings=FINDINGS, files=3),
    "fixes": Report(targets=TARGETS[1:2], findings=FIXES, files=1),
    "clean": Report(targets=TARGETS[2:], files=1),
    "empty": Report(files=2),
}
