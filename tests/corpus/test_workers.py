"""A run over many models outlives each of them, and a model's half is nobody's choice."""

import hashlib
import os
import time
from pathlib import Path

from tests.corpus.halves import half_of, key_of, opened, unseen
from tests.corpus.workers import answers


def task(kind: str, value: int) -> int:
    if kind == "dies":
        os._exit(7)
    if kind == "hangs":
        time.sleep(60)
    if kind == "raises":
        raise ValueError("no such model")
    print("what models say is not part of the report")
    return value + 1


def test_a_task_that_dies_hangs_or_raises_is_a_row_and_the_others_go_on(capfd):
    tasks = [("good", 1), ("dies", 2), ("raises", 3), ("hangs", 4), ("good", 5)]
    found = {number: (result, problem) for number, result, problem in answers(task, tasks, jobs=2, limit=15.0)}
    assert found == {
        0: (2, ""),
        1: (None, "the process died with status 7"),
        2: (None, "ValueError: no such model"),
        3: (None, "took more than 15 s"),
        4: (6, ""),
    }
    assert capfd.readouterr().out == ""


def process(_group: str) -> int:
    return os.getpid()


def test_tasks_of_one_group_share_a_process_unless_they_are_to_be_apart():
    tasks = [("models",)] * 2
    together, apart = ({result for _, result, _ in answers(process, tasks, 1, 30.0, apart=each)} for each in (False, True))
    assert (len(together), len(apart)) == (1, 2)


def test_the_half_of_a_model_follows_from_its_name_alone():
    key = key_of(Path("tests/real/monai_models.py"), "vnet")
    assert key == "monai/vnet"
    odd = int(hashlib.sha256(b"monai/vnet").hexdigest(), 16) % 2
    assert half_of(key) == ("held" if odd else "tune")


def test_models_that_were_looked_at_before_are_not_hidden():
    assert not any(unseen(f"transformers/model{n}") for n in range(20))
    assert any(unseen(f"monai/model{n}") for n in range(20))


def test_what_was_opened_is_a_fixed_half_of_what_is_held():
    keys = [f"monai/model{n}" for n in range(200)]
    held = [key for key in keys if half_of(key) == "held"]
    assert {key for key in keys if opened(key) or unseen(key)} == set(held)
    assert not any(opened(key) and unseen(key) for key in held)
    assert 0.35 < sum(map(opened, held)) / len(held) < 0.65
    odd = int(hashlib.sha256(held[0].encode()).hexdigest()[:2], 16) % 2
    assert opened(held[0]) == bool(odd)
