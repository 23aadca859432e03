"""REPORT → JUnit XML: a suite a file, a failed case a finding, a passed case a model without findings."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from initlint.lint.finding import Finding
from initlint.lint.result import Report, TargetResult

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(report: Report) -> str:
    """The document; it has a case even when there were no models, since some readers reject an empty one."""
    found = {finding.target for finding in report.findings}
    passed = [target for target in report.targets if target.status == "ok" and target.target not in found]
    paths = sorted({finding.span.path for finding in report.findings} | {target.path for target in passed})
    root = ET.Element("testsuites", name="initlint")
    for path in paths:
        suite = ET.SubElement(root, "testsuite", name=_clean(path), package="initlint")
        for finding in report.findings:
            if finding.span.path == path:
                _failed(suite, finding)
        for target in passed:
            if target.path == path:
                _passed(suite, target)
        _count(suite)
    if not paths:
        suite = ET.SubElement(root, "testsuite", name="initlint", package="initlint")
        ET.SubElement(suite, "testcase", name="no findings", classname="initlint")
        _count(suite)
    _count(root)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _failed(suite: ET.Element, finding: Finding) -> None:
    span = finding.span
    case = ET.SubElement(
        suite,
        "testcase",
        name=f"initlint.{finding.code}",
        classname=_class_name(span.path),
        line=str(span.line),
        column=str(span.column),
    )
    failure = ET.SubElement(case, "failure", message=_clean(finding.message), type=str(finding.severity))
    text = f"line {span.line}, col {span.column}, {finding.message}" + (f"\n{finding.help}" if finding.help else "")
    failure.text = _clean(text)


def _passed(suite: ET.Element, target: TargetResult) -> None:
    name = target.target.rpartition("::")[2]
    ET.SubElement(
        suite, "testcase", name=_clean(f"initlint.{name}"), classname=_class_name(target.path), time=f"{target.seconds:.3f}"
    )


def _count(element: ET.Element) -> None:
    element.set("tests", str(len(list(element.iter("testcase")))))
    element.set("failures", str(len(list(element.iter("failure")))))
    element.set("errors", "0")
    element.set("skipped", "0")


def _class_name(path: str) -> str:
    return _clean(path.removesuffix(".py"))


def _clean(text: str) -> str:
    """Without what XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
