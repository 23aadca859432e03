"""The command line: one thin file a command. Nothing here imports torch; what a command needs it imports when it runs.

`faults` turns what can go wrong into an exit status, `terminal` knows about streams and colour.
"""

from __future__ import annotations

import click

from initlint.cli.check import check
from initlint.cli.faults import Faults
from initlint.cli.init import init
from initlint.cli.rule import rule
from initlint.cli.verify import verify


@click.group(
    cls=Faults,
    context_settings={"auto_envvar_prefix": "INITLINT", "help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="initlint", prog_name="initlint", message="%(prog)s %(version)s")
def main() -> None:
    r"""A linter for the numbers a neural network starts from.

    \b
      initlint check model.py          what will happen to signal and gradient before training
      initlint rule vanishing-signal   what a rule means
      initlint verify model.py::Net    what it predicts, against real draws
      initlint init model.py --emit    an `init_weights(model)` that mends it, or follows a named scheme
    """


main.add_command(check)
main.add_command(init)
main.add_command(rule)
main.add_command(verify)
