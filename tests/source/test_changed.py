"""What differs from a commit, on a real repository."""

import subprocess

import pytest

from initlint.source.changed import NoHistory, changed_since

BASE = "".join(f"line {number}\n" for number in range(1, 41))


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git("init", "-q", "-b", "main")
    git("config", "user.email", "a@example.org")
    git("config", "user.name", "a")
    (tmp_path / "model.py").write_text(BASE)
    (tmp_path / "größe \t.py").write_text(BASE)
    (tmp_path / "gone.py").write_text(BASE)
    commit("base")
    git("tag", "base")
    return tmp_path


def git(*arguments):
    subprocess.run(["git", *arguments], check=True, capture_output=True)


def commit(message):
    git("add", "-A")
    git("commit", "-q", "-m", message)


def test_regions_have_three_lines_around_each_change(repository):
    text = BASE.replace("line 10\n", "line ten\n").replace("line 30\n", "")
    (repository / "model.py").write_text(text)
    assert changed_since("base") == {str(repository / "model.py"): ((7, 13), (27, 32))}


def test_files_that_are_new_odd_or_gone(repository):
    (repository / "größe \t.py").write_text("first\n" + BASE)
    (repository / "sub").mkdir()
    (repository / "sub" / "new.py").write_text("++ b/model.py\n" * 2)
    (repository / "gone.py").unlink()
    commit("change")
    assert changed_since("base") == {
        str(repository / "größe \t.py"): ((1, 4),),
        str(repository / "sub" / "new.py"): ((1, 2),),
    }


def test_what_the_base_did_since_the_branch_left_it_is_not_counted(repository):
    git("checkout", "-q", "-b", "other")
    (repository / "model.py").write_text(BASE.replace("line 5\n", "line five\n"))
    commit("other")
    git("checkout", "-q", "main")
    (repository / "model.py").write_text(BASE.replace("line 35\n", "line thirty-five\n"))
    assert changed_since("other") == {str(repository / "model.py"): ((32, 38),)}


def test_paths_are_those_of_the_repository_from_a_folder_below(repository, monkeypatch):
    (repository / "sub").mkdir()
    (repository / "model.py").write_text("first\n" + BASE)
    monkeypatch.chdir(repository / "sub")
    assert list(changed_since("base")) == [str(repository / "model.py")]


def test_without_a_repository_or_a_commit_git_speaks(repository, tmp_path_factory, monkeypatch):
    with pytest.raises(NoHistory, match="nowhere"):
        changed_since("nowhere")
    monkeypatch.chdir(tmp_path_factory.mktemp("plain"))
    with pytest.raises(NoHistory, match="not a git repository"):
        changed_since("base")
