"""Settings: which file speaks, what it says, and what it may not say."""

import pytest

from initlint.config import EXCLUDED, Overrides, Selectors, SettingsError, settings_finder
from initlint.inputspec import InputSpec, InputSpecError, input_from_table, input_from_text

# -- discovery ----------------------------------------------------------------------------------------------------------


def write(folder, files):
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@pytest.mark.parametrize(
    ("files", "timeout"),
    [
        pytest.param({}, 120, id="no file: the default"),
        pytest.param({"pyproject.toml": "[tool.initlint]\ntimeout = 1"}, 1, id="pyproject.toml above"),
        pytest.param(
            {"pyproject.toml": "[tool.ruff]\nx = 1", "../initlint.toml": "timeout = 2"}, 2, id="one that is silent is skipped"
        ),
        pytest.param({"initlint.toml": "timeout = 3", "pkg/initlint.toml": "timeout = 4"}, 4, id="the closest"),
        pytest.param({"initlint.toml": "timeout = 5", ".initlint.toml": "timeout = 6"}, 6, id="a dot before no dot"),
        pytest.param(
            {"pyproject.toml": "[tool.initlint]\ntimeout = 7", "initlint.toml": "timeout = 8"},
            8,
            id="initlint.toml before pyproject",
        ),
        pytest.param({"initlint.toml": "timeout = 9", "pkg/initlint.toml": ""}, 120, id="levels are not merged"),
        pytest.param({"pyproject.toml": "[tool.initlint]"}, 120, id="an empty table"),
    ],
)
def test_the_closest_file_speaks(tmp_path, files, timeout):
    root = tmp_path / "root"
    write(root, {"pkg/model.py": "", **files})
    assert settings_finder()(str(root / "pkg/model.py")).timeout == timeout


def test_isolated_reads_no_file(tmp_path):
    write(tmp_path, {"initlint.toml": "timeout = wrong", "m.py": ""})
    assert settings_finder(isolated=True)(str(tmp_path / "m.py")).file == ""


def test_a_named_file_holds_for_everything(tmp_path, monkeypatch):
    write(tmp_path, {"far/my.toml": "timeout = 3", "here/initlint.toml": "timeout = 4"})
    monkeypatch.chdir(tmp_path / "here")
    settings = settings_finder(config="../far/my.toml")("m.py")
    assert (settings.timeout, settings.root) == (3, str(tmp_path / "here"))


@pytest.mark.parametrize(("config", "message"), [("none.toml", "there is no such"), ("pyproject.toml", "there is no table")])
def test_a_named_file_has_to_speak(tmp_path, monkeypatch, config, message):
    write(tmp_path, {"pyproject.toml": "[tool.other]"})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=message):
        settings_finder(config=config)


def test_every_key_is_read(tmp_path):
    write(
        tmp_path,
        {
            "pyproject.toml": """
[tool.initlint]
select = ["ALL"]
ignore = ["INI1"]
extend-select = ["INI101"]
extend-ignore = ["INI2"]
exclude = ["old"]
extend-exclude = ["older"]
timeout = 3
memory = 1.5
per-file-ignores = { "tests/*" = ["INI4"] }

[[tool.initlint.targets]]
path = "pkg/model.py"
name = "GPT"
args = [3, "x"]
kwargs = { width = 64, deep = { a = 1 } }
inputs = ["int64[2,64] < 50304", { shape = [2], dtype = "float32", std = 0.5 }]
learning-rate = 0.1
optimizer = "adam"
"""
        },
    )
    settings = settings_finder()(str(tmp_path / "m.py"))
    (selectors, _) = settings.selection
    assert (selectors.select, selectors.ignore, selectors.extend_select, selectors.extend_ignore) == (
        ("ALL",),
        ("INI1",),
        ("INI101",),
        ("INI2",),
    )
    assert settings.exclude == ("old", "older")
    assert (settings.timeout, settings.memory) == (3.0, 1.5)
    assert settings.per_file_ignores == (("tests/*", ("INI4",)),)
    (target,) = settings.targets
    assert (target.path, target.name, target.args) == (str(tmp_path / "pkg/model.py"), "GPT", (3, "x"))
    assert (target.learning_rate, target.optimizer) == (0.1, "adam")
    assert target.kwargs == {"width": 64, "deep": {"a": 1}}
    assert target.inputs == (
        InputSpec(dtype="int64", shape=(2, 64), high=50304),
        InputSpec(dtype="float32", shape=(2,), std=0.5),
    )


def test_the_command_line_lies_over_the_file(tmp_path, monkeypatch):
    write(tmp_path, {"initlint.toml": "select = ['INI1']\ntimeout = 3\nmemory = 4", "pkg/m.py": ""})
    monkeypatch.chdir(tmp_path / "pkg")
    over = Overrides(
        selectors=Selectors(ignore=("INI101",)), timeout=5, exclude=("a", "b/c"), per_file_ignores=(("!x/y", ("INI2",)),)
    )
    settings = settings_finder(over)("m.py")
    assert [layer.select for layer in settings.selection] == [("INI1",), None]
    assert (settings.timeout, settings.memory) == (5, 4)
    assert settings.exclude == (*EXCLUDED, "a", "/pkg/b/c")
    assert settings.per_file_ignores == (("!/pkg/x/y", ("INI2",)),)


# -- faults -------------------------------------------------------------------------------------------------------------

FAULTS = [
    pytest.param("\nselct = []", "initlint.toml:2: initlint has no key `selct`; did you mean `select`?", id="a misspelled key"),
    pytest.param(
        "extend_select = []",
        "initlint.toml:1: initlint has no key `extend_select`; did you mean `extend-select`?",
        id="an underscore",
    ),
    pytest.param("qqq = 1", "initlint.toml:1: initlint has no key `qqq`; there are select, ignore", id="nothing like a key"),
    pytest.param("select = 'ALL'", "initlint.toml:1: `select` is a list of strings, not a string", id="a string for a list"),
    pytest.param(
        "ignore = [\n 1]", "initlint.toml:1: `ignore` is a list of strings, not a list with a number", id="a number in a list"
    ),
    pytest.param("timeout = 0", "initlint.toml:1: `timeout` is a number above 0, not 0", id="no time at all"),
    pytest.param("memory = 'lots'", "initlint.toml:1: `memory` is a number above 0, not a string", id="a string for a number"),
    pytest.param("timeout = true", "initlint.toml:1: `timeout` is a number above 0", id="true is no number"),
    pytest.param(
        "[per-file-ignores]\n'a.py' = 'x'", "initlint.toml:2: `a.py` is a list of strings, not a string", id="a pattern's rules"
    ),
    pytest.param(
        "[[targets]]\npath = 'm.py'\nname = 'N'\noptimizer = 'sdg'",
        "initlint.toml:4: `optimizer` is one of sgd, adam, adamw, not `sdg`",
        id="an unknown optimizer",
    ),
    pytest.param(
        "[[targets]]\npath = 'm.py'\nname = 'N'\nlearning-rate = 0",
        "initlint.toml:4: `learning-rate` is a number above 0, not 0",
        id="no rate",
    ),
    pytest.param("targets = 3", "initlint.toml:1: `targets` is a list, not a number", id="targets"),
    pytest.param("[[targets]]\npath = 'a'", "initlint.toml:1: a target needs `name`", id="a target without a name"),
    pytest.param(
        "[[targets]]\npath = 'a'\nname = 'b'\n[[targets]]\nname = 'b'\npath = 'a'\ninput = []",
        "initlint.toml:7: a target has no key `input`; did you mean `inputs`?",
        id="a key of the second target",
    ),
    pytest.param(
        "[[targets]]\npath = 'a'\nname = 'b'\ninputs = ['flot32[2]']",
        "initlint.toml:4: `flot32` is not a dtype; did you mean `float32`?",
        id="an input of a target",
    ),
    pytest.param("x = [", "initlint.toml:1: is not TOML", id="no TOML"),
]


@pytest.mark.parametrize(("text", "message"), FAULTS)
def test_a_wrong_setting_names_file_line_and_key(tmp_path, monkeypatch, text, message):
    write(tmp_path, {"initlint.toml": text})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as raised:
        settings_finder()(".")
    assert str(raised.value).startswith(message)


def test_the_line_in_pyproject_is_that_of_our_table(tmp_path, monkeypatch):
    write(tmp_path, {"pyproject.toml": "[tool.other]\ntimeout = 'x'\n\n[tool.initlint]  # ours\n\ntimeout = 'x'\n"})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"pyproject\.toml:6: `timeout`"):
        settings_finder()(".")


# -- inputs -------------------------------------------------------------------------------------------------------------


def spec(dtype, *shape, **known):
    return InputSpec(dtype=dtype, shape=shape, **known)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("float32[2,3,224,224]", spec("float32", 2, 3, 224, 224)),
        ("int64[2,64] < 50304", spec("int64", 2, 64, high=50304)),
        ("int64[2,64]<50_304", spec("int64", 2, 64, high=50304)),
        ("int64[4] <= 9 >= 1", spec("int64", 4, high=10, low=1)),
        ("int64[4] > 0 < 10", spec("int64", 4, high=10, low=1)),
        ("input_ids: int64[2, 64] < 100", spec("int64", 2, 64, high=100, name="input_ids")),
        ("float32[2] mean=0.5 std=0.25 correlation=0.3", spec("float32", 2, mean=0.5, std=0.25, correlation=0.3)),
        ("float32[2] mean = -1e-3", spec("float32", 2, mean=-1e-3)),
        ("float32[2] low=0 high=12", spec("float32", 2, low=0, high=12, mean=6, std=pytest.approx(12**0.5))),
        (" x :float32[]", spec("float32", name="x")),
        ("torch.long[3]", spec("int64", 3)),
        ("float[3]", spec("float32", 3)),
        ("bool[2,8]", spec("bool", 2, 8)),
    ],
)
def test_an_input_is_described_in_a_line(text, expected):
    assert input_from_text(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("float32", "write a dtype and a shape"),
        ("flaot32[2]", "`flaot32` is not a dtype; did you mean `float32`?"),
        ("float32[2,x]", "`x` is not a size"),
        ("float32[-1]", "`-1` is not a size"),
        ("float32[2] mena=1", "no option `mena`; did you mean `mean`?"),
        ("float32[2] about 3", "`about 3` is not an option"),
        ("float32[2] std=-1", "`std` of an input is 0 or more"),
        ("float32[2] correlation=2", "in [-1, 1]"),
        ("float32[2] mean=1 mean=2", "given twice"),
        ("int64[2] std=2", "`std` is for floating inputs"),
        ("int64[2] < 3 >= 3", "no value lies between"),
        ("int64[2] < 0", "no value lies between"),
    ],
)
def test_a_wrong_input_says_what_is_wrong(text, message):
    with pytest.raises(InputSpecError) as raised:
        input_from_text(text)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"shape": [2, 64], "dtype": "int64", "high": 10}, spec("int64", 2, 64, high=10)),
        ({"shape": [2]}, spec("float32", 2)),
        ({"name": "x", "shape": [2], "std": 2}, spec("float32", 2, std=2, name="x")),
        ({"dtype": "int64"}, "needs `shape`"),
        ({"shape": [2.5]}, "`2.5` is not a size"),
        ({"shape": [2], "sdt": 1}, "did you mean `std`?"),
        ({"shape": [2], "std": "1"}, "`std` of an input is a number"),
        ({"shape": [2], "dtype": 3}, "are strings"),
    ],
)
def test_an_input_is_described_in_a_table(table, expected):
    if isinstance(expected, str):
        with pytest.raises(InputSpecError) as raised:
            input_from_table(table)
        assert expected in str(raised.value)
    else:
        assert input_from_table(table) == expected
