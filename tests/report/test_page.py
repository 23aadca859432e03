"""The page is whole by itself, well-formed, and shows what a report holds without obeying it."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from initlint.report.formats import FORMATS
from tests.report.samples import FINDINGS, REPORTS
from tests.report.test_formats import PLAIN

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Tree(HTMLParser):
    """Checks that every element is closed in its turn, and gathers words and attributes."""

    def __init__(self):
        super().__init__()
        self.open, self.words, self.tags, self.attributes = [], [], set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def page(report):
    text = FORMATS["html"].render(report, PLAIN)
    tree = Tree()
    tree.feed(text)
    tree.close()
    assert tree.open == []
    return text, tree


@pytest.mark.parametrize("report", REPORTS)
def test_a_page_is_well_formed_and_needs_nothing_else(report):
    text, tree = page(REPORTS[report])
    assert text.startswith("<!doctype html>")
    assert not tree.tags & {"script", "link", "img", "iframe", "object"}
    names = {name for name, _ in tree.attributes}
    assert not names & {"src", "onclick", "onload", "style"}
    assert all(value.startswith("#") for name, value in tree.attributes if name == "href")
    assert "url(" not in text
    assert "@import" not in text


def test_links_of_a_page_lead_to_its_findings():
    _, tree = page(REPORTS["awkward"])
    ids = [value for name, value in tree.attributes if name == "id"]
    assert len(ids) == len(set(ids)) == len(FINDINGS)
    assert [value for name, value in tree.attributes if name == "href"] == [f"#{name}" for name in ids]


def test_a_page_shows_both_light_and_dark():
    text, _ = page(REPORTS["clean"])
    assert "color-scheme: light dark" in text
    assert "prefers-color-scheme: dark" in text


def test_a_page_has_models_findings_source_fixes_and_evidence():
    _, tree = page(REPORTS["awkward"])
    words = " ".join(" ".join(tree.words).split())
    for expected in (
        "model.py::Netz", "aten.foo.default", "124 000 000",  # models
        "signal grows 5.0x per layer over 80 layers of layers.*",  # a message, code without its backticks
        "nn.Linear(8, 8)", "# schön",  # source
        "+ scaled(nn.Linear(8, 8)),",  # a fix
        "per layer 5",  # evidence
        "layer 6 model.py:9 nn.Linear(8, 8),",  # the path
        "layers.79.fc",  # modules
        "Found 2 errors, 2 warnings, 2 notes.",
    ):  # fmt: skip
        assert expected in words, expected


@pytest.mark.parametrize(
    "attack", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "`<b>`", "{{ 7 * 7 }}", "\x1b[31m\x00"]
)
def test_what_a_report_holds_is_shown_and_never_obeyed(attack):
    finding = FINDINGS[3]
    place = replace(finding.span, path=attack)
    evil = replace(
        finding,
        message=attack, name=attack, help=f"{attack}\n{attack}", target=attack, modules=(attack, "x"), span=place,
        evidence={attack: 1.0}, related=(replace(FINDINGS[1].related[0], message=attack, span=place),),
        fix=replace(finding.fix, message=attack, edits=tuple(replace(e, span=replace(e.span, path=attack)) for e in finding.fix.edits)),
    )  # fmt: skip
    target = replace(REPORTS["awkward"].targets[1], target=attack, unknown=(attack,))
    look = replace(PLAIN, lines=lambda path: [f"{attack}            {attack}"] * 20)
    text = FORMATS["html"].render(replace(REPORTS["awkward"], targets=(target,), findings=(evil,)), look)
    tree = Tree()
    tree.feed(text)
    assert tree.tags <= page(REPORTS["awkward"])[1].tags
    assert not set(map(chr, [*range(9), *range(11, 32)])) & set(text)
    seen = attack.translate({0: "\ufffd", 27: "\ufffd"})
    shown = "".join(tree.words)
    assert shown.count(seen.strip("`")) >= 14  # in every place that it was put
