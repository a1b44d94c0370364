"""A run that may only use cached results stops before the first step that has to compute."""

import logging
from pathlib import Path

import pytest

from tasks.engine.cached_only import NotCached, cached_steps_only, computes_nothing
from tasks.engine.step import step
from tasks.storage.store import Store

RAN: list[float] = []


@step
def halve(amount: float, store: Store) -> float:
    RAN.append(amount)
    return amount / 2


def test_cached_result_is_returned_and_its_line_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nightcast")
    store = Store(root=str(tmp_path))
    assert halve(6.0, store) == 3.0
    caplog.clear()
    with cached_steps_only():
        assert computes_nothing()
        assert halve(6.0, store) == 3.0
        assert not caplog.messages
    assert not computes_nothing()
    assert [message.split()[:2] for message in caplog.messages] == [["=", "halve"]]


@pytest.mark.parametrize("call", [halve, halve.attempt])
def test_step_without_cached_result_computes_nothing_and_logs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, call: object
) -> None:
    caplog.set_level(logging.INFO, "nightcast")
    store = Store(root=str(tmp_path))
    halve(6.0, store)
    RAN.clear()
    caplog.clear()
    with pytest.raises(NotCached, match="halve"), cached_steps_only():
        call(halve(6.0, store) + 5.0, store)
    assert (RAN, caplog.messages, computes_nothing()) == ([], [], False)
    assert halve(8.0, store) == 4.0
