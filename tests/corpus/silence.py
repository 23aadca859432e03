"""Default constructions of published models → docs/default-models.md: what is said of them, and why that is right.

    python -m tests.corpus.silence        checks every file of tests/real as the command line does, and writes the page

What is said of a model that nobody may look at is told without its name.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.corpus.halves import key_of, pseudonym, unseen

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "default-models.md"
SPOKEN = ("error", "warning")
ABOUT_TARGETS = "INI0"  # what cannot be built, given inputs or traced is no finding about a start

# By the code and a part of the target: what shows that the warning is right.
WHY: Mapping[tuple[str, str], str] = {
    (
        "INI602",
        "induced_set_attention",
    ): "shown by training: where each of 32 tokens is to be classified, SGD (0.03, 0.1, 0.3) stays at chance and "
    "gets 0.99 once the input is added to the output; Adam learns both",
    (
        "INI102",
        "efficientnet",
    ): "shown by training: `_init_weights` draws the gains of its norms from N(0, 0.02²) (INI716 says so). Ten classes of "
    "images stay at chance for 150 steps (Adam 1e-3 and 3e-3, SGD 0.1), logits of two images differ by 3e-35; with gains of one "
    "1.00, 1.00 and 0.89 are classified rightly",
}
UNSCALED = (
    "shown by training, and by the published configurations, which set `scale_embedding`: tokens of 0.02 beside sinusoids of 0.7. Two and "
    "two layers of 128 units that are to reverse 12 tokens of 62 stay at chance for 400 steps of 32 (Adam 1e-3 and 3e-4, SGD 0.1: 0.03 "
    "of the tokens right); with `scale_embedding=True` {} are right"
)
WHY = {
    **WHY,
    ("INI720", "marian"): UNSCALED.format("0.98, 1.00 and 0.17"),
    ("INI720", "pegasus"): UNSCALED.format("1.00 and 1.00 (Adam)"),
}
OPEN = "open: neither training nor the library's history has been asked yet"

HEAD = """\
# Models as their libraries construct them

Every constructor of `tests/real` (transformers, diffusers, peft, torch_geometric, x-transformers, monai, pytorchcv, vit-pytorch and some fifty
small packages, at reduced size, as the library starts it) is checked with all rules and no settings. Good defaults have neither error nor
warning; what is said all the same stands below, with the reason.

    python -m tests.corpus.silence

{analysed} models are analysed, {silent} of them in silence; {notes} have notes only.
"""

BESIDE = """\
## Outside the corpus

Of 161 further model types of transformers (see [accuracy](accuracy.md)) two have an error or a warning (looked at before INI720 knew of fixed tables), of pytorchcv one:

| model | finding | why |
|---|---|---|
| `sam_hq` | INI720: the embedding of no mask drowns the image | shown by training: the vision encoder's default `initializer_range` is 1e-10, meant for weights that are loaded. An encoder of two layers of 64, the embedding added, a head for ten digits, 300 steps of 32: features of two images differ by 9e-22, and 0.59, 0.45, 0.30 are classified rightly (Adam 1e-3 and 3e-4, SGD 0.1); with 0.02 0.86, 0.80, 0.74 |
| `xclip` | INI302: the cross attention of the prompt generator starts with logits of spread 431 | shown by training and by history: transformers takes `initializer_factor`, which is 1, as the standard deviation of these layers; the authors' own code draws them with 0.02. The prompt generator with 128 units before a head that tells ten digits, 400 steps of 64: as built 0.90 (Adam 1e-3), 0.52 (1e-4), infinite (SGD 0.01); with weights of std 1/√width 0.99, 1.00, 1.00 are classified rightly |
| `pytorchcv` `sparsenet121` | INI201: gradients grow 894-fold | shown by training: digits at 64x64, 160 steps of 32, beside `densenet121` of the same blocks (which is silent): 0.67 against 0.96 (SGD 0.1), 0.63 against 0.99 (SGD 0.01), 0.91 against 0.99 (Adam 1e-3), 0.95 against 0.95 (Adam 3e-3) are classified rightly; the gradient of the first convolution starts at 613 to 8 |

`rt_detr` and `rt_detr_v2` get a note (INI401): their backbone has frozen norms, and grows 2000-fold until weights are loaded.
"""


def checked() -> Iterator[Mapping[str, Any]]:
    """What `initlint check` says of every file, as data."""
    for path in sorted((ROOT / "tests" / "real").glob("*_models.py")):
        command = [sys.executable, "-m", "initlint", "check", str(path), "--format", "json"]
        run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        if run.stdout:
            yield json.loads(run.stdout)


def named(target: str) -> str:
    """file::factory, or a pseudonym."""
    file, _, factory = target.rpartition("::")
    path = ROOT / file
    return pseudonym(key_of(path, factory)) if unseen(key_of(path, factory)) else f"{path.stem}::{factory}"


def text(answers: list[Mapping[str, Any]]) -> str:
    """The page."""
    analysed = [item["target"] for answer in answers for item in answer["targets"] if item["status"] == "ok"]
    found = [item for answer in answers for item in answer["diagnostics"] if not item["code"].startswith(ABOUT_TARGETS)]
    spoken = [item for item in found if item["severity"] in SPOKEN]
    noted = {item["target"] for item in found} - {item["target"] for item in spoken}
    rows = ["| model | finding | why |", "|---|---|---|"]
    for item in sorted(spoken, key=lambda item: (item["code"], named(item["target"]))):
        name = named(item["target"])
        why = next((words for (code, part), words in WHY.items() if code == item["code"] and part in name), OPEN)
        rows.append(f"| `{name}` | {item['severity']} {item['code']} ({item['name']}) | {why} |")
    counts = Counter(item["target"] for item in spoken)
    head = HEAD.format(analysed=len(analysed), silent=len(analysed) - len(counts), notes=len(noted))
    return "\n".join((head, "\n".join(rows) if spoken else "None has one.", "", BESIDE))


def main() -> None:
    PAGE.write_text(text(list(checked())), encoding="utf-8")


if __name__ == "__main__":
    main()
