"""python -m tests.repairs calibration|fresh|examples|deep|page: see the package."""

from __future__ import annotations

import argparse


def main() -> None:
    """Run one part of the study."""
    parser = argparse.ArgumentParser(prog="python -m tests.repairs")
    parser.add_argument("part", choices=("calibration", "fresh", "examples", "deep", "page"))
    parser.add_argument("--hours", type=float, default=1.0, help="at most; go on later by the same command")
    parser.add_argument("--only", default="", help="names of nets or examples, parted by commas")
    given = parser.parse_args()
    only = tuple(filter(None, given.only.split(",")))
    if given.part == "calibration":
        from tests.repairs.calibration import study

        study(given.hours, only)
    elif given.part == "fresh":
        from tests.repairs.calibration import study_fresh

        study_fresh(given.hours)
    elif given.part == "examples":
        from tests.repairs.deep import mend

        mend(only)
    elif given.part == "deep":
        from tests.repairs.deep import study

        study(only)
    elif given.part == "page":
        from tests.repairs.page import write

        write()


if __name__ == "__main__":
    main()
