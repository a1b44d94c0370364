"""A night whose runner was killed writes into a broken pipe: it goes on without a console."""

import logging
import os
from io import TextIOWrapper

import pytest
from prefect.logging.handlers import PrefectConsoleHandler

from flows.runs.console import outlive_console


def broken_pipe() -> TextIOWrapper:
    reader, writer = os.pipe()
    os.close(reader)
    return TextIOWrapper(os.fdopen(writer, "wb", buffering=0), write_through=True)


def test_run_outlives_the_reader_of_its_console() -> None:
    logger = logging.getLogger("test_console")
    handler = PrefectConsoleHandler(broken_pipe())
    logger.addHandler(handler)
    try:
        outlive_console()
        for sentence in ("the first line after the kill", "the second"):
            logger.warning(sentence)
        assert handler.console.quiet
    finally:
        logger.removeHandler(handler)


def test_console_of_rich_alone_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `outlive_console` is for; if this fails, Rich or Prefect has changed and it can go."""
    monkeypatch.setattr(os, "dup2", lambda *_: None)  # Rich redirects stdout
    handler = PrefectConsoleHandler(broken_pipe())
    with pytest.raises(SystemExit):
        handler.emit(logging.makeLogRecord({"msg": "a line"}))
