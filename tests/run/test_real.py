"""Models of well-kept libraries, built from configs by factories: analysed with no settings, and silent.

A sample of the models is checked in every run (`chosen`), all of them with

    pytest -m "slow or not slow" tests/run/test_real.py
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

from initlint.lint.result import Report
from tests.chosen import one_in, rows_of
from tests.marked import report_on, reported

REAL = Path(__file__).parent.parent / "real"
LIBRARIES = ("transformers", "peft")
ONE_IN = 7
LONG = {"transformers/mamba", "transformers/rwkv"}  # unrolled over time, into thousands of nodes


@dataclass(frozen=True, slots=True)
class Model:
    library: str
    factory: str

    def __str__(self) -> str:
        return f"{self.library}/{self.factory}"


def factories_of(text: str) -> list[ast.FunctionDef]:
    """Functions that return a model."""
    return [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]


def source_of(library: str) -> str:
    return (REAL / f"{library}_models.py").read_text(encoding="utf-8")


def with_only(text: str, factories: set[str]) -> str:
    """The same file, on the same lines, without the other factories."""
    lines = text.splitlines(keepends=True)
    for node in factories_of(text):
        if node.name not in factories:
            assert node.end_lineno is not None
            for number in range(node.lineno - 1, node.end_lineno):
                lines[number] = "\n"
    return "".join(lines)


def in_every_run(name: str) -> bool:
    return one_in(ONE_IN, name) and name not in LONG


MODELS = [Model(library, node.name) for library in LIBRARIES for node in factories_of(source_of(library))]
ROWS = [pytest.param(model, marks=() if in_every_run(str(model)) else pytest.mark.slow, id=str(model)) for model in MODELS]


@pytest.fixture(scope="module")
def reports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Report]]:
    """All models that this run is about, a library in one file."""
    models: list[Model] = rows_of(request, "model", test_a_model_is_analysed_and_silent)
    folder, found = tmp_path_factory.mktemp("real"), {}
    for library in sorted({model.library for model in models}):
        pytest.importorskip(library)
        factories = {model.factory for model in models if model.library == library}
        path = folder / f"{library}_models.py"
        path.write_text(with_only(source_of(library), factories), encoding="utf-8")
        report = report_on([path])
        assert {item.target.partition("::")[2] for item in report.targets} == factories, report.findings
        assert {item.target for item in reported(report, path)} <= {item.target for item in report.targets}
        found[library] = path, report
    return found


@pytest.mark.parametrize("model", ROWS)
def test_a_model_is_analysed_and_silent(model: Model, reports: dict[str, tuple[Path, Report]]) -> None:
    """Built, fed, traced, every node predicted; and no warning: its authors trained it."""
    path, report = reports[model.library]
    (target,) = [item for item in report.targets if item.target.endswith(f"::{model.factory}")]
    found = [item for item in reported(report, path) if item.target == target.target]
    assert (target.status, target.unknown) == ("ok", ()), found
    assert target.known == target.nodes
    assert not found, [(item.name, item.message) for item in found]
