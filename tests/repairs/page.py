"""The records as the last part of docs/fixes.md: every number is counted from them, or from the rules' cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.calibration.findings import recorded as said
from tests.calibration.labels import Label, labels
from tests.calibration.nets import SHALLOW, fresh
from tests.calibration.training import SETTINGS, rows
from tests.fixes.test_cases import BAD, fixed_of, warned
from tests.repairs.calibration import FRESH, Repaired, is_reported, recorded
from tests.repairs.deep import EXAMPLES
from tests.repairs.deep import recorded as curves

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fixes.md"
BEGIN = "## Do repaired models train?\n"


def write() -> None:
    """Put the part anew."""
    before, _, _ = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before.rstrip()}\n\n{text()}", encoding="utf-8")


def text() -> str:
    """The part, with its heading."""
    return "\n".join([BEGIN, *_cases(), *_nets(tuple(recorded().values())), *_fresh(tuple(recorded(FRESH).values())), *_deep()])


def _cases() -> Iterator[str]:
    fixed, serious = sum(fixed_of(path).exists() for path in BAD), warned()
    cured = sum(fixed_of(path).exists() for path in serious)
    yield (
        "    python -m tests.repairs calibration     goes on where it stopped → tests/repairs/repaired.jsonl\n"
        "    python -m tests.repairs fresh           the same of other nets → tests/repairs/fresh.jsonl\n"
        "    python -m tests.repairs examples        → docs/examples/repaired\n"
        "    python -m tests.repairs deep            → tests/repairs/curves.csv, docs/curves\n"
        "    python -m tests.repairs page            → this part of the page\n"
    )
    yield "### The rules' bad cases\n"
    yield (
        f"Of {len(serious)} bad cases that give a warning or an error {cured} get a fix ({100 * cured / len(serious):.1f} %); with those that only\n"
        f"give a note, {fixed} of {len(BAD)} do. That `fixed_x.py` is what the engine makes of `bad_x.py`, that the finding is gone in it, that it\n"
        "parses and has every comment, and that a second `--fix` changes nothing, is asserted by\n"
        '`pytest -m "slow or not slow" tests/fixes/test_cases.py`, of a few cases in every run. The others:\n'
    )
    for path in BAD:
        if not fixed_of(path).exists():
            yield f"- `{path.parent.parent.name.replace('_', '-')}`, {path.stem}{'' if path in serious else ' (a note)'}"
    yield ""


def _nets(repaired: Sequence[Repaired]) -> Iterator[str]:
    label = labels(run for run in rows() if run.setting in SETTINGS)
    _, found = said()
    bad = [net for net, item in label.items() if item is not Label.TRAINS]
    reported = [net for net in bad if found[net].worst()]
    healthy = [net for net, item in label.items() if item is Label.TRAINS]
    named = [net for net in healthy if found[net].findings]
    looked = [row for row in repaired if row.label is not Label.TRAINS and is_reported(row)]
    changed = [row for row in looked if row.patch]
    well = [row for row in looked if row.after is Label.TRAINS]
    false = [row for row in repaired if row.label is Label.TRAINS]
    edited = [row for row in false if row.patch]
    worse = [row for row in repaired if row.after is not None and row.after > row.label]
    yield "### The nets of the calibration\n"
    yield (
        f"Of the {len(label)} nets of [the calibration](calibration.md) {len(bad)} fail or train slowly, and {len(reported)} of these get an error or a\n"
        "warning. They were repaired as `initlint check --fix --unsafe-fixes` does it and trained as before: the same seeds, data, settings\n"
        "and bars. A net without findings cannot be edited; of the "
        f"{len(healthy)} that train, {len(named)} have one, notes included.\n"
    )
    if len(looked) < len(reported) or len(false) < len(named):
        yield (
            f"Done so far: {len(looked)} of the {len(reported)}, and {len(false)} of the {len(named)}, in the order of `tests.calibration.nets` (light nets before "
            "heavy ones, else by a hash of the name).\n"
        )
    yield from _table(
        ("", "nets"),
        [
            ("fail or train slowly, with an error or a warning", len(looked)),
            ("of these changed", len(changed)),
            ("**of these train normally afterwards**", _share(len(well), len(looked))),
            ("got worse, of all that were changed", _share(len(worse), len(changed) + len(edited))),
            (
                "train, and were changed for a warning or an error (false alarms)",
                _share(sum(map(is_reported, edited)), len(false)),
            ),
            ("train, and were changed for a note", _share(sum(not is_reported(row) for row in edited), len(false))),
        ],
    )
    counted = Counter((name, row.after) for row in looked for name, severity in row.found if severity != "info")
    yield from _table(
        ("repaired nets with a finding of", "train", "need care", "fail"),
        [(f"`{name}`", *(counted[name, after] for after in Label)) for name in sorted({name for name, _ in counted})],
    )
    yield from _left([row for row in looked if row.after is not Label.TRAINS])


def _fresh(repaired: Sequence[Repaired]) -> Iterator[str]:
    bad = [row for row in repaired if row.label is not Label.TRAINS]
    changed = [row for row in repaired if row.patch]
    yield "### Nets that no cure was made for\n"
    yield (
        "The nets above that did not train after repair were looked at one by one, and cures were made for what they have in common. So\n"
        f"{len(fresh())} others of the same writers (of {SHALLOW} layers at most) were repaired once, after that. Of those that get an error or a\n"
        "warning:\n"
    )
    yield from _table(
        ("", "nets"),
        [
            ("fail or train slowly", len(bad)),
            ("**of these train normally afterwards**", _share(sum(row.after is Label.TRAINS for row in bad), len(bad))),
            (
                "train as they were written, and were changed",
                sum(row.label is Label.TRAINS and bool(row.patch) for row in repaired),
            ),
            (
                "got worse, of all that were changed",
                _share(sum(row.after is not None and row.after > row.label for row in changed), len(changed)),
            ),
        ],
    )
    yield from _left([row for row in repaired if row.after is not Label.TRAINS])


def _left(rows_left: Sequence[Repaired]) -> Iterator[str]:
    if rows_left:
        yield "Those that do not train normally afterwards:\n"
        rows_of = [
            (row.net, f"{row.label} → {row.after}", _names(row.found), _names(row.left), "yes" if row.patch else "no")
            for row in rows_left
        ]
        yield from _table(("net", "label", "found", "left", "changed"), rows_of)


def _names(found: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({severity})" for name, severity in found)


def _deep() -> Iterator[str]:
    yield "### Two very deep networks\n"
    yield (
        "[residual_mlp.py](examples/residual_mlp.py): a thousand layers in five hundred residual blocks without normalization.\n"
        "[post_norm.py](examples/post_norm.py): a transformer of a hundred post-norm layers. Both as written, and as\n"
        "the fixes of `initlint check` leave them ([examples/repaired](examples/repaired)), on scikit-learn's digits in batches of 64.\n"
        "*Skill* is 1 − loss/entropy of the labels: 0 for guessing, 1 for certainty. A cross marks a loss that is no number.\n"
    )
    done = curves()
    for example in EXAMPLES:
        own = {key[1:]: curve for key, curve in done.items() if key[0] == example}
        if not own:
            continue
        yield f"![{example}](curves/{example}.svg)\n"
        rows_of = [(state, setting, curve[-1][0], f"{curve[-1][1]:.2f}") for (state, setting), curve in own.items()]
        yield from _table((example, "setting", "last step", "skill there"), rows_of)


def _share(hits: int, of: int) -> str:
    return f"{hits} of {of}" + (f" ({100 * hits / of:.0f} %)" if of else "")


def _table(header: Sequence[str], rows_of: Sequence[Sequence[object]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows_of:
        yield "| " + " | ".join(map(str, row)) + " |"
    yield ""
