"""Arguments → requests: what is searched, what is left out, what is named."""

import pytest

from initlint.config import Overrides, settings_finder
from initlint.source.files import requests_of


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A project with everything that a search meets."""
    for path in (
        "model.py",
        "notes.txt",
        "pkg/net.py",
        "pkg/deep/er.py",
        "build/made.py",
        ".venv/lib/x.py",
        "env/pyvenv.cfg",
        "env/lib/x.py",
        "node_modules/x.py",
        "secret/x.py",
        "pkg/generated.py",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("/secret/\n")
    (tmp_path / "pkg/.gitignore").write_text("generated.py\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(*arguments, exclude=(), **options):
    settings_for = settings_finder(Overrides(exclude=exclude))
    return requests_of(arguments, settings_for, **options)


OWN = ["model.py", "pkg/deep/er.py", "pkg/net.py"]


@pytest.mark.parametrize(
    ("arguments", "exclude", "paths"),
    [
        pytest.param(["."], (), OWN, id="own code only"),
        pytest.param(["pkg"], (), OWN[1:], id="the gitignore of a folder above and of the folder"),
        pytest.param(["pkg", "model.py", "."], (), [*OWN[1:], "model.py"], id="no file twice"),
        pytest.param(["."], ("deep",), ["model.py", "pkg/net.py"], id="an excluded folder"),
        pytest.param(["."], ("pkg/deep/",), ["model.py", "pkg/net.py"], id="an excluded path"),
        pytest.param(["."], ("*.py",), [], id="an excluded ending"),
        pytest.param(["build/made.py", "secret/x.py"], (), ["build/made.py", "secret/x.py"], id="what is named is checked"),
        pytest.param(["notes.txt"], (), ["notes.txt"], id="whatever it is called"),
        pytest.param(["gone.py"], (), ["gone.py"], id="a missing file stays a request"),
        pytest.param(["./model.py"], (), ["model.py"], id="without a leading dot"),
    ],
)
def test_arguments_ask_for_these_files(tree, arguments, exclude, paths):
    assert [request.path for request in asked(*arguments, exclude=exclude)] == paths


def test_a_hook_names_excluded_files_too(tree):
    found = asked("model.py", "build/made.py", "pkg/net.py", exclude=("net.py",), force_exclude=True)
    assert [(request.path, request.explicit) for request in found] == [("model.py", False)]


def test_a_hook_that_names_a_missing_file_is_told(tree):
    (request,) = asked("gone.py", force_exclude=True)
    assert request.explicit


def test_one_model_of_a_file(tree):
    (request,) = asked("pkg/net.py::Net")
    assert (request.path, request.name, request.label, request.explicit) == ("pkg/net.py", "Net", "pkg/net.py", True)


def test_an_importable_factory(tree):
    (request,) = asked("package.module:factory")
    assert (request.path, request.module, request.name) == (None, "package.module", "factory")


def test_a_file_asked_for_as_a_whole_is_not_asked_for_in_parts(tree):
    (request,) = asked("model.py::Net", "model.py")
    assert request.name is None


def test_two_models_of_one_file(tree):
    assert [request.name for request in asked("model.py::A", "model.py::B", "model.py::A")] == ["A", "B"]


def test_found_files_are_not_explicit(tree):
    assert {request.path: request.explicit for request in asked("pkg", "pkg/net.py")} == {
        "pkg/deep/er.py": False,
        "pkg/net.py": True,
    }


def test_a_virtual_environment_that_is_named_is_searched(tree):
    assert [request.path for request in asked("env/lib")] == ["env/lib/x.py"]


def test_links_to_folders_are_not_followed(tree):
    (tree / "pkg/loop").symlink_to(tree / "pkg")
    assert [request.path for request in asked("pkg")] == OWN[1:]
