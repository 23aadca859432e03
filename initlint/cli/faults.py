"""What goes wrong → an exit status: 2 for all that kept initlint from running, with a message a person can act on."""

from __future__ import annotations

import errno
import traceback
from typing import Any

import click

from initlint.config import SettingsError

VERBOSE = "initlint.verbose"  # in the context's meta: whether to show the traceback of a fault of our own


class CannotRun(click.ClickException):
    """The run could not be done."""

    exit_code = 2


class Faults(click.Group):
    """A group whose commands end with 2 when the settings are wrong, or when initlint itself is."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except SettingsError as error:
            raise CannotRun(str(error)) from error
        except KeyboardInterrupt as error:
            raise CannotRun("interrupted") from error
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # click ends quietly: the reader has seen enough
            raise CannotRun(f"{error}{_traceback(ctx)}") from error
        except Exception as error:
            said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            hint = "" if ctx.meta.get(VERBOSE) else " (-v shows where)"
            message = f"a fault of initlint's own, please report it: {said}{hint}{_traceback(ctx)}"
            raise CannotRun(message) from error


def _traceback(ctx: click.Context) -> str:
    return f"\n{traceback.format_exc()}" if ctx.meta.get(VERBOSE) else ""
