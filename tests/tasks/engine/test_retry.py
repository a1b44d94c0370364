"""A call is repeated for a passing reason only, and as often as there are delays."""

from collections.abc import Callable

import pytest

from tasks.engine.retry import retry


def failing(times: int, error: Exception) -> tuple[Callable[[], str], list[int]]:
    """(a call that fails so many times, the list of its attempts)."""
    attempts: list[int] = []

    def call() -> str:
        attempts.append(1)
        if len(attempts) <= times:
            raise error
        return "done"

    return call, attempts


def is_timeout(error: Exception) -> bool:
    return isinstance(error, TimeoutError)


@pytest.mark.parametrize(("failures", "attempts"), [(0, 1), (1, 2), (2, 3)])
def test_transient_error_is_retried(failures: int, attempts: int) -> None:
    call, made = failing(failures, TimeoutError("slow"))
    assert retry(call, (0.0, 0.0), is_timeout) == "done"
    assert len(made) == attempts


def test_error_of_last_attempt_is_raised() -> None:
    call, made = failing(9, TimeoutError("slow"))
    with pytest.raises(TimeoutError, match="slow"):
        retry(call, (0.0, 0.0), is_timeout)
    assert len(made) == 3


def test_permanent_error_is_not_retried() -> None:
    call, made = failing(9, KeyError("gone"))
    with pytest.raises(KeyError):
        retry(call, (0.0, 0.0), is_timeout)
    assert len(made) == 1


def test_delays_are_waited_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    call, _ = failing(2, TimeoutError("slow"))
    retry(call, (0.5, 2.0), is_timeout)
    assert waited == [0.5, 2.0]
