"""Which fixes are made together, when one is taken back, and when it ends: over a toy linter of words instead of models."""

import re
from pathlib import Path

import pytest

import initlint.lint.mend
from initlint.config import Selectors, Settings
from initlint.lint.finding import Edit, Finding, Fix, Severity, Span
from initlint.lint.mend import mended
from initlint.lint.result import TargetResult, finding_data, target_data
from initlint.source.files import requests_of
from initlint.source.text import digest_of


def word(path, line, text, match, **known):
    """A finding of one word, cured by another one."""
    begin, end = match.start() + 1, match.end() + 1
    span = Span(path=path, line=line, column=begin, end_line=line, end_column=end)
    name, _, module = match[0].partition("_")
    code, severity, cure = CURES[name]
    edits = (Edit(span=span, content=cure),)
    fix = Fix(applicability=known.get("applicability", "unsafe"), message=f"write {cure}", edits=edits)
    return Finding(
        code=code, name=RULES[code], severity=known.get("severity", severity), message=name, span=span, target=f"{path}::{line}",
        modules=(module,) if module else (), fix=fix, tolerated=known.get("tolerated", False),
    )  # fmt: skip


RULES = {"INI704": "std-passed-as-mean", "INI102": "vanishing-signal"}
CURES = {
    "wrong": ("INI704", Severity.ERROR, "right"),
    "first": ("INI704", Severity.ERROR, "second"),
    "second": ("INI102", Severity.WARNING, "third"),
    "lone": ("INI704", Severity.ERROR, "apart"),
    "stubborn": ("INI704", Severity.ERROR, "stubborn_"),
}
WORDS = re.compile(rf"\b({'|'.join(CURES)})\w*")


class Toy:
    """Stands in for the workers: looks for words in the files, or in the texts laid over them."""

    def __init__(self, **known):
        self.known = known  # of every finding
        self.seen = []  # the texts of every pass
        self.lie = False  # whether the digest is that of another text

    def gather(self, requests, settings_for, *, overlay, jobs, progress):
        self.seen.append(dict(overlay))
        answers = {}
        for request in requests:
            path = str(Path(request.path).resolve())
            text = overlay.get(path, Path(path).read_text())
            found = [
                word(path, number, line, match, **self.known)
                for number, line in enumerate(text.split("\n"), 1)
                for match in WORDS.finditer(line)
            ]
            found += self.more(path, text)
            target = TargetResult(target=f"{request.path}::all", path=path, line=1, status="ok")
            digest = "another" if self.lie else digest_of(text)
            answers[request] = [
                {
                    "target": target_data(target),
                    "findings": [finding_data(item) for item in found],
                    "reads": [path],
                    "texts": {path: digest},
                }
            ]
        return answers

    def more(self, path, text):
        return []


@pytest.fixture
def toy(monkeypatch):
    toy = Toy()
    monkeypatch.setattr(initlint.lint.mend, "gather", toy.gather)
    return toy


@pytest.fixture
def mend(tmp_path):
    """Repair files of these texts."""

    def run(*texts, unsafe=True, selection=()):
        paths = [tmp_path / f"m{number}.py" for number in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text, newline="")
        settings = Settings(selection=selection)
        requests = requests_of([str(path) for path in paths], lambda _: settings)
        return mended(requests, lambda _: settings, unsafe=unsafe)

    return run


def texts_of(done):
    return [done.new[path] for path in sorted(done.new)]


def test_all_that_do_not_meet_are_made_in_one_pass(toy, mend):
    done = mend("wrong\nwrong wrong\n")
    assert texts_of(done) == ["right\nright right\n"]
    assert (len(done.applied), len(done.gone), done.report.findings) == (3, 3, ())
    assert len(toy.seen) == 2


def test_it_goes_on_until_nothing_is_left(toy, mend):
    done = mend("first\n")
    assert texts_of(done) == ["third\n"]
    assert len(toy.seen) == 3


def test_nothing_is_done_twice(toy, mend):
    done = mend("right\n")
    assert (done.new, done.applied, len(toy.seen)) == ({}, (), 1)


def test_unsafe_fixes_wait_to_be_asked_for(toy, mend):
    done = mend("wrong\n", unsafe=False)
    assert (done.new, len(done.report.findings), len(toy.seen)) == ({}, 1, 1)


@pytest.mark.parametrize(("kind", "new"), [("safe", ["right\n"]), ("display", [])])
def test_safe_ones_need_no_asking_and_advice_is_never_followed(toy, mend, kind, new):
    toy.known["applicability"] = kind
    assert texts_of(mend("wrong\n", unsafe=False)) == new


def test_a_note_is_repaired_only_where_its_rule_is_named(toy, mend):
    """Notes are no reason to change how a model starts."""
    toy.known["severity"] = Severity.INFO
    shown = mend("wrong\n")
    assert (shown.new, [item.fix.applicability for item in shown.report.findings]) == ({}, ["display"])
    assert texts_of(mend("wrong\n", selection=(Selectors(extend_select=("std-passed-as-mean",)),))) == ["right\n"]


def test_what_is_tolerated_is_repaired_only_where_its_rule_is_named(toy, mend):
    """A model that trains as it is stays as it is."""
    toy.known["tolerated"] = True
    shown = mend("wrong\n")
    assert (shown.new, [item.fix.applicability for item in shown.report.findings]) == ({}, ["display"])
    assert texts_of(mend("wrong\n", selection=(Selectors(extend_select=("std-passed-as-mean",)),))) == ["right\n"]


def test_what_another_cure_makes_tolerable_is_repaired_with_it(toy, mend, monkeypatch):
    """One mistake at two places: the cure of the first does not leave the second."""
    gather = toy.gather

    def later(requests, settings_for, *, overlay, jobs, progress):
        toy.known["tolerated"] = any("right" in text for text in overlay.values())
        return gather(requests, settings_for, overlay=overlay, jobs=jobs, progress=progress)

    monkeypatch.setattr(initlint.lint.mend, "gather", later)
    assert texts_of(mend("wrong_fc second_fc\n")) == ["right third\n"]


def test_what_is_measured_waits_for_the_mended_code(toy, mend):
    """With what the author meant the numbers are others: the second cure may not be needed."""
    done = mend("wrong second\nsecond\n")
    assert (texts_of(done), [len(seen) for seen in toy.seen]) == (["right third\nthird\n"], [0, 1, 1])
    assert [item.code for item in done.applied] == ["INI704", "INI102", "INI102"]


def test_of_two_for_one_module_the_second_waits(toy, mend):
    """Both were proved without the other; after the first the second may not be needed."""

    def more(path, text):
        lines = text.split("\n")
        same = [n for n, line in enumerate(lines, 1) if line.startswith("wro")]
        twin = Span(path=path, line=2, column=1, end_line=2, end_column=4)
        fix = Fix(applicability="unsafe", message="", edits=(Edit(span=twin, content="two"),))
        item = Finding(
            code="INI102", name="vanishing-signal", severity=Severity.ERROR, message="", span=twin, target=f"{path}::1",
            modules=("fc",), fix=fix,
        )  # fmt: skip
        return [item] if same else []

    toy.more = more
    done = mend("wrong_fc\none\n")
    assert texts_of(done) == ["right\none\n"]
    assert (len(done.applied), len(done.gone)) == (1, 2)


def test_files_that_did_not_change_are_not_looked_at_again(toy, mend):
    done = mend("wrong\n", "right\n")
    assert texts_of(done) == ["right\n"]
    assert [len(seen) for seen in toy.seen] == [0, 1]


def spoiled(path, text):
    """`broken` appears as soon as `apart` stands in company of `right`."""
    if not {"apart", "right"} <= set(text.split()):
        return []
    span = Span(path=path, line=9, column=1, end_line=9, end_column=2)
    return [Finding(code="INI101", name="exploding-signal", severity=Severity.ERROR, message="", span=span, target=path)]


def test_what_fails_together_is_tried_alone(toy, mend):
    toy.more = spoiled
    done = mend("wrong\nlone\n")
    assert texts_of(done) == ["right\nlone\n"]
    assert [item.message for item in done.report.findings] == ["lone"]


def test_a_fix_that_does_not_help_is_taken_back_and_not_tried_again(toy, mend):
    done = mend("stubborn\n")
    assert (done.new, done.applied, len(done.report.findings)) == ({}, (), 1)
    assert len(toy.seen) == 2


def test_the_file_of_another_moment_is_left_alone(toy, mend):
    toy.lie = True
    done = mend("wrong\n")
    assert (done.new, len(done.report.findings)) == ({}, 1)
    assert list(done.left.values()) == ["has changed while it was analysed; it was left alone"]


def test_line_ends_are_kept_and_analysis_sees_none_but_pythons(toy, mend):
    done = mend("wrong\r\nwrong\r\n")
    assert texts_of(done) == ["right\r\nright\r\n"]
    assert list(toy.seen[1].values()) == ["right\nright\n"]


def test_a_comment_that_silences_nothing_any_more_goes_too(toy, mend):
    """The fix leaves an ignore comment without work; the next pass removes it."""
    done = mend("wrong  # initlint: ignore[INI101]\n", unsafe=False)
    assert texts_of(done) == ["wrong\n"]


def test_what_fails_in_one_file_holds_up_no_other(toy, mend):
    """Two fixes that spoil each other are made one by one; those of a file that no model reads with them are kept at once."""
    toy.more = spoiled
    done = mend("wrong\nlone\n", "wrong wrong\n")
    assert texts_of(done) == ["right\nlone\n", "right right\n"]
    assert [item.message for item in done.report.findings] == ["lone"]
    assert [sorted(text for text in seen.values()) for seen in toy.seen[1:3]] == [
        ["right\napart\n", "right right\n"],
        ["right\nlone\n", "right right\n"],
    ]
