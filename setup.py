"""Maps the top-level folder `rules/` to the package `initlint.rules`; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    package_dir={"initlint": "initlint", "initlint.rules": "rules"},
    packages=[
        "initlint",
        *(f"initlint.{name}" for name in find_packages("initlint")),
        "initlint.rules",
        *(f"initlint.rules.{name}" for name in find_packages("rules")),
    ],
)
