"""`initlint rule` by transcript."""

import json

import pytest
from click.testing import CliRunner

from initlint.cli import main
from initlint.lint.load import load_rules


def run(*arguments):
    return CliRunner().invoke(main, ["rule", *arguments])


@pytest.mark.parametrize("wanted", ["INI102", "ini102", "vanishing-signal"])
def test_a_rule_is_found_by_code_and_name(wanted):
    done = run(wanted)
    assert done.exit_code == 0
    assert done.stdout.startswith("# vanishing-signal (INI102)\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["INI1022"], "no rule is called `INI1022`; did you mean INI102?", id="a wrong code"),
        pytest.param(["vanishing"], "did you mean vanishing-signal?", id="half a name"),
        pytest.param(["zzzz"], "--all shows them all", id="nothing like a rule"),
        pytest.param([], "give the code or the name of one rule, or --all", id="nothing"),
        pytest.param(["INI102", "--all"], "give the code or the name of one rule, or --all", id="one and all"),
    ],
)
def test_a_wrong_question_ends_with_2(arguments, message):
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not done.stdout


def test_json_of_one_rule():
    data = json.loads(run("INI102", "--output-format", "json").stdout)
    assert list(data) == ["code", "name", "severity", "summary", "default", "fix", "explanation", "url"]
    assert data["explanation"].startswith("# vanishing-signal")


def test_json_of_all_rules():
    data = json.loads(run("--all", "--output-format", "json").stdout)
    assert [item["code"] for item in data] == [item.rule.code for item in load_rules()]


def test_text_of_all_rules():
    assert run("--all").stdout.count("## What it does") == len(load_rules())
