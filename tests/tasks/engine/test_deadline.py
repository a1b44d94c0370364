"""A call that does not return is abandoned at its deadline; everything else about it is as if it ran here."""

import contextlib
import contextvars
import os
import signal
import sys
import threading
import time

import pytest

from tasks.engine.deadline import DeadlineExceeded, has_abandoned_work, run_within


def test_result_and_error_of_the_call_are_those_of_the_caller() -> None:
    assert run_within(lambda: 42, 10) == 42
    with pytest.raises(ZeroDivisionError):
        run_within(lambda: 1 // 0, 10)
    with pytest.raises(TimeoutError, match="of the call itself"):
        run_within(lambda: (_ for _ in ()).throw(TimeoutError("of the call itself")), 10)


def test_call_sees_the_context_of_the_caller() -> None:
    variable = contextvars.ContextVar("variable", default="elsewhere")
    variable.set("here")
    assert run_within(variable.get, 10) == "here"


def test_call_that_hangs_is_abandoned_and_leaves_the_interpreter_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    monkeypatch.setattr(sys, "pycache_prefix", None)

    def hang() -> None:
        sys.pycache_prefix = os.devnull
        with contextlib.redirect_stdout(sys.stderr):
            end.wait()

    stdout, begun = sys.stdout, time.monotonic()
    with pytest.raises(DeadlineExceeded):
        run_within(hang, 0.3)
    assert 0.3 <= time.monotonic() - begun < 2
    assert sys.stdout is stdout
    assert sys.pycache_prefix is None
    assert has_abandoned_work()
    end.set()


def test_check_abandons_a_call() -> None:
    end = threading.Event()

    def refuse() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        run_within(end.wait, 60, refuse)
    end.set()


def test_signal_interrupts_the_wait() -> None:
    end = threading.Event()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for background jobs
    threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_within(end.wait, 60)
    finally:
        signal.signal(signal.SIGINT, before)
        end.set()
