"""The console of a run: for a run of `nightcast up` a pipe to the runner, which breaks if the runner is killed."""

import logging
from collections.abc import Iterator

from prefect.logging.handlers import PrefectConsoleHandler
from rich.console import Console


class LastingConsole(Console):
    """A console that prints nothing more once its reader is gone. Rich's own ends the process then."""

    def on_broken_pipe(self) -> None:
        """Drop what is printed from now on."""
        self.quiet = True


def outlive_console() -> None:
    """Let the run go on, in its log on the server and in the store, if nobody reads its console any more.

    The handlers exist once Prefect has configured its log, so each run calls this when it is opened.
    """
    for handler in _console_handlers():
        if type(handler.console) is Console:
            handler.console.__class__ = LastingConsole


def _console_handlers() -> Iterator[PrefectConsoleHandler]:
    """Yield the handlers of all loggers that print to a console of Rich, as Prefect configures them."""
    for logger in (logging.root, *logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):  # a placeholder has no handlers
            yield from (handler for handler in logger.handlers if isinstance(handler, PrefectConsoleHandler))
