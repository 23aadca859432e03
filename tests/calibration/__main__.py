"""python -m tests.calibration train|findings|choosing|unseen|again|page: see the package."""

from __future__ import annotations

import argparse


def main() -> None:
    """Run one part of the study."""
    parser = argparse.ArgumentParser(prog="python -m tests.calibration")
    parser.add_argument("part", choices=("train", "findings", "choosing", "unseen", "again", "page"))
    parser.add_argument("--hours", type=float, default=1.0, help="at most; go on later by the same command")
    parser.add_argument("--choosing", action="store_true", help="only the half that thresholds are chosen from")
    parser.add_argument("--anew", action="store_true", help="findings of all nets: the rules' code has changed")
    given = parser.parse_args()
    if given.part == "train":
        from tests.calibration.training import train

        train(given.hours)
    elif given.part == "findings":
        from tests.calibration.findings import gather

        gather(choosing=given.choosing, anew=given.anew)
    elif given.part == "choosing":
        from tests.calibration.study import show_choosing

        show_choosing()
    elif given.part == "unseen":
        from tests.calibration.findings import meet

        meet()
    elif given.part == "again":
        from tests.calibration.findings import meet_again

        meet_again()
    elif given.part == "page":
        from tests.calibration.page import write

        write()


if __name__ == "__main__":
    main()
