"""Which rules speak: the longer selector wins, ignore wins ties, the command line decides over the file."""

import pytest

from initlint.config import Selectors, Settings, SettingsError
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.selection import require_known, selected, selection_for

RULES = [
    Rule(code=code, name=name, severity=Severity.ERROR, summary="", default=code != "INI901")
    for code, name in (
        ("INI001", "import-failed"),
        ("INI101", "exploding-signal"),
        ("INI102", "vanishing-signal"),
        ("INI201", "exploding-gradient"),
        ("INI901", "experimental"),
    )
]
DEFAULT = {"INI001", "INI101", "INI102", "INI201"}


def layer(select=None, ignore=(), more=(), less=()):
    return Selectors(select=select, ignore=tuple(ignore), extend_select=tuple(more), extend_ignore=tuple(less))


@pytest.mark.parametrize(
    ("layers", "codes"),
    [
        pytest.param([], DEFAULT, id="nobody selects"),
        pytest.param([layer(("ALL",))], {*DEFAULT, "INI901"}, id="all, experimental ones too"),
        pytest.param([layer(("INI1",))], {"INI101", "INI102"}, id="a family"),
        pytest.param([layer(("vanishing-signal",))], {"INI102"}, id="a name"),
        pytest.param([layer(("ALL",), ["INI1"])], {"INI001", "INI201", "INI901"}, id="all but a family"),
        pytest.param([layer(("ALL", "INI102"), ["INI1"])], {"INI001", "INI102", "INI201", "INI901"}, id="longer wins"),
        pytest.param([layer(("INI1",), ["INI1"])], set(), id="ignore wins a tie"),
        pytest.param([layer(("INI102",), ["vanishing-signal"])], set(), id="a name ties with a code"),
        pytest.param([layer(None, ["INI2"])], DEFAULT - {"INI201"}, id="the default without a family"),
        pytest.param([layer(None, more=["INI9"])], {*DEFAULT, "INI901"}, id="the default and a family"),
        pytest.param([layer(("INI1",), more=["INI2"], less=["INI101"])], {"INI102", "INI201"}, id="extensions"),
        pytest.param([layer(("INI1",)), layer()], {"INI101", "INI102"}, id="a silent command line"),
        pytest.param([layer(("INI1",)), layer(("INI2",))], {"INI201"}, id="select of the command line starts anew"),
        pytest.param([layer((), ["INI101"]), layer(("INI101",))], {"INI101"}, id="and forgets what the file ignores"),
        pytest.param(
            [layer(("INI101",)), layer(None, ["INI1"])], set(), id="ignore of the command line beats a longer selector"
        ),
        pytest.param([layer(("INI1",)), layer(None, more=["INI201"])], {"INI101", "INI102", "INI201"}, id="and may add"),
    ],
)
def test_selectors_select(layers, codes):
    assert selected(RULES, layers) == codes


@pytest.mark.parametrize(
    ("pattern", "path", "silenced"),
    [
        pytest.param("tests/*", "/root/tests/net.py", True, id="a folder"),
        pytest.param("tests/", "/root/tests/deep/net.py", True, id="a folder and below"),
        pytest.param("*_old.py", "/root/a/net_old.py", True, id="an ending anywhere"),
        pytest.param("net.py", "/root/net.py.txt", False, id="not a beginning"),
        pytest.param("!src/**", "/root/tests/net.py", True, id="all others"),
        pytest.param("!src/**", "/root/src/net.py", False, id="but not these"),
        pytest.param("/tests/**", "/root/a/tests/net.py", False, id="from the root only"),
    ],
)
def test_per_file_ignores(pattern, path, silenced):
    settings = Settings(root="/root", per_file_ignores=((pattern, ("INI1", "exploding-gradient")),))
    assert selection_for(RULES, settings)(path) == (DEFAULT - {"INI101", "INI102", "INI201"} if silenced else DEFAULT)


@pytest.mark.parametrize(
    ("selector", "hint"),
    [
        ("vanishing-signl", "did you mean `vanishing-signal`?"),
        ("INI103", "did you mean `INI10"),
        ("all", "did you mean `ALL`?"),
        ("qqqqqqqq", "`initlint rule --all` shows them all"),
        ("INI", None),
        ("INI1", None),
    ],
)
def test_an_unknown_selector_names_the_nearest(selector, hint):
    settings = Settings(selection=(layer((selector,)),))
    if hint is None:
        require_known(RULES, settings)
        return
    with pytest.raises(SettingsError) as raised:
        require_known(RULES, settings)
    assert f"command line: no rule is called `{selector}`" in str(raised.value)
    assert hint in str(raised.value)
