"""A fix is offered only where the second analysis says so; the analysis here is a table from texts to findings."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

import initlint.lint.prove
from initlint.lint.finding import Edit, Finding, Fix, Severity, Span
from initlint.lint.load import LoadedRule
from initlint.lint.prove import CANDIDATES, recipes, with_fixes
from initlint.lint.rule import Rule

TEXT = "one\ntwo\nthree\n"


@pytest.fixture
def place(tmp_path):
    (tmp_path / "m.py").write_text(TEXT)
    return SimpleNamespace(root=str(tmp_path.resolve()), path=str((tmp_path / "m.py").resolve()))


def finding(place, code="INI102", line=1, severity=Severity.WARNING, modules=("a",)):
    span = Span(path=place.path, line=line, column=1, end_line=line, end_column=2)
    return Finding(code=code, name=code, severity=severity, message="", span=span, target="m.py::Net", modules=modules)


def change(path, line, content):
    """A fix that writes a line anew."""
    span = Span(path=path, line=line, column=1, end_line=line + 1, end_column=1)
    return Fix(applicability="unsafe", message=content.strip(), edits=(Edit(span=span, content=content),))


@pytest.fixture
def offered(place, monkeypatch):
    """The fix that is offered for the first of some findings, from candidates and a table of what they would lead to."""

    def run(candidates, outcome, before=None, **options):
        found = [finding(place)] if before is None else before
        rule = Rule(code="INI102", name="INI102", severity=Severity.WARNING, summary="")
        loaded = LoadedRule(rule=rule, check=None, fixes=lambda found, facts: iter(candidates), package="")
        monkeypatch.setattr(initlint.lint.prove, "load_rules", lambda: (loaded,))
        tried = []

        def again(texts, seconds):
            tried.append((texts, seconds))
            return outcome(texts[place.path])

        wanted = options.pop("wanted", lambda item: True)
        proved = with_fixes(found, recipes(place, wanted), again, root=place.root, **options)
        fix = proved.findings[0].fix
        return SimpleNamespace(message=None if fix is None else fix.message, tried=tried, proved=proved)

    return run


def test_the_first_that_is_proved_is_offered(place, offered):
    candidates = [change(place.path, 1, f"n = {n}\n") for n in (1, 2, 3)]
    result = offered(candidates, lambda text: [] if "n = 2" in text or "n = 3" in text else [finding(place)])
    assert result.message == "n = 2"
    assert len(result.tried) == 2
    assert result.tried[0][0] == {place.path: "n = 1\ntwo\nthree\n"}


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(None, id="it cannot be analysed"),
        pytest.param({}, id="the finding is still there"),
        pytest.param({"line": 7}, id="it is at another line now, about the same module"),
        pytest.param({"modules": ("b",)}, id="it is at the same line, about another module"),
        pytest.param({"severity": Severity.INFO}, id="it is milder"),
        pytest.param({"code": "INI101", "line": 3, "modules": ("c",)}, id="another one as severe came"),
        pytest.param({"code": "INI101", "severity": Severity.ERROR, "modules": ("d",)}, id="one that was there got worse"),
        pytest.param({"code": "INI006", "severity": Severity.INFO, "modules": ()}, id="less is seen"),
    ],
)
def test_it_is_no_cure_if(place, offered, after):
    before = [finding(place), finding(place, code="INI101", modules=("d",))]
    found = None if after is None else [finding(place, **after)]
    assert offered([change(place.path, 1, "x\n")], lambda text: found, before).message is None


@pytest.mark.parametrize(
    "after",
    [
        pytest.param([], id="nothing is left"),
        pytest.param([{"code": "INI101", "modules": ("d",)}], id="what is left was there"),
        pytest.param([{"code": "INI101", "line": 5, "modules": ()}], id="what is left was there, two lines above"),
        pytest.param([{"code": "INI101", "severity": Severity.INFO, "line": 9, "modules": ("e",)}], id="what came is milder"),
        pytest.param([{"line": 9, "modules": ("e",)}], id="the same rule speaks of something else that was there"),
        pytest.param([{"line": 11}], id="the other tensor of the module, at a line of its own, has it still"),
    ],
)
def test_it_is_a_cure_if(place, offered, after):
    before = [
        finding(place),
        finding(place, code="INI101", line=3, modules=("d",)),
        finding(place, line=7, modules=("e",)),
        finding(place, line=9),
    ]
    found = [finding(place, **item) for item in after]
    assert offered([change(place.path, 1, "x\ny\nz\n")], lambda text: found, before).message == "x\ny\nz"


@pytest.mark.parametrize(
    "fix",
    [
        pytest.param(lambda path: change(path, 1, "(\n"), id="no Python"),
        pytest.param(lambda path: change(path, 9, "x\n"), id="a line that is not there"),
        pytest.param(lambda path: change(path, 1, "one\n"), id="no change"),
        pytest.param(lambda path: replace(change(path, 1, "x\n"), edits=()), id="no edit"),
        pytest.param(lambda path: change(path.replace("m.py", "none.py"), 1, "x\n"), id="a file that is not there"),
        pytest.param(lambda path: change("/elsewhere/m.py", 1, "x\n"), id="a file of another project"),
        pytest.param(lambda path: change(path.replace("m.py", "site-packages/m.py"), 1, "x\n"), id="an installed package"),
    ],
)
def test_it_is_not_even_tried_if_it_is(place, offered, fix):
    result = offered([fix(place.path)], lambda text: [])
    assert (result.message, result.tried) == (None, [])


def test_findings_outside_the_project_get_none(place, offered):
    elsewhere = replace(finding(place), span=replace(finding(place).span, path="/usr/lib/site-packages/m.py"))
    assert offered([change(place.path, 1, "x\n")], lambda text: [], [elsewhere]).message is None


def test_findings_that_will_not_be_reported_get_none(place, offered):
    assert offered([change(place.path, 1, "x\n")], lambda text: [], wanted=lambda item: False).tried == []


def test_two_findings_of_one_cause_are_cured_by_one_trial(place, offered):
    before = [finding(place), finding(place, line=2, modules=("b",))]
    result = offered([change(place.path, 1, "x\n")], lambda text: [], before)
    assert [item.fix is None for item in result.proved.findings] == [False, False]
    assert len(result.tried) == 1


def test_a_recipe_that_breaks_costs_its_own_fix(place, offered):
    def broken():
        raise KeyError("width")
        yield

    result = offered(broken(), lambda text: [])
    assert result.message is None
    assert result.proved.notes == ("no fix of INI102: KeyError: 'width'",)


def test_patience_ends(place, offered):
    endless = [change(place.path, 1, f"n = {n}\n") for n in range(100)]
    assert len(offered(endless, lambda text: None).tried) == CANDIDATES
    assert offered(endless, lambda text: None, seconds=-1.0).tried == []


def test_edits_name_files_without_links(place, offered, tmp_path):
    link = tmp_path / "link.py"
    link.symlink_to(place.path)
    (item,) = offered([change(str(link), 1, "x\n")], lambda text: []).proved.findings
    assert [edit.span.path for edit in item.fix.edits] == [place.path]
