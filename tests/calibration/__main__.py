"""python -m tests.calibration train|findings|page: see the package."""

from __future__ import annotations

import argparse


def main() -> None:
    """Run one part of the study."""
    parser = argparse.ArgumentParser(prog="python -m tests.calibration")
    parser.add_argument("part", choices=("train", "findings", "page"))
    parser.add_argument("--hours", type=float, default=1.0, help="at most; go on later by the same command")
    given = parser.parse_args()
    if given.part == "train":
        from tests.calibration.training import train

        train(given.hours)


if __name__ == "__main__":
    main()
