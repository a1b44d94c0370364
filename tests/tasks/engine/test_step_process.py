"""A step in a process of its own: its result, its errors, its end, and calls that are submitted."""

import contextlib
import os
import time
from pathlib import Path
from typing import Any

import pytest

from data_contracts.errors import NightcastError
from tasks.engine import run_log
from tasks.engine.cached_only import NotCached, cached_steps_only
from tasks.engine.failure import StepFailure
from tasks.engine.step import step
from tasks.engine.step_process import ProcessEnded, StepProcess, signal_name
from tasks.storage.store import Store


@step
def count_letters(word: str, store: Store) -> dict[str, Any]:
    with run_log.progress_bar(word, 2) as advance:
        advance("one")
        advance("two")
    if word == "wrong":
        raise NightcastError("this word is wrong")
    if word == "huge":
        raise MemoryError
    if word == "killed":
        os.kill(os.getpid(), 9)
    if word == "offline":
        raise NightcastError("the bucket does not answer") from ConnectionResetError("reset")
    if word == "gone":
        os._exit(3)
    if word.startswith("wait for "):
        flag = Path(word.removeprefix("wait for "))
        (flag.parent / "began").write_text(str(os.getpid()))
        while not flag.exists():
            time.sleep(0.05)
    if word == "slow":
        time.sleep(600)
    return {"letters": len(word), "process": os.getpid(), "root": store.root}


def begin(word: str, store: Store) -> StepProcess:
    return StepProcess(__name__, "count_letters", {"word": word, "store": store.model_dump(mode="json")})


@pytest.mark.parametrize(
    ("word", "error", "text"),
    [
        ("wrong", NightcastError, "^this word is wrong$"),
        ("huge", ProcessEnded, "^the process of step 'count_letters' ran out of memory$"),
        ("killed", ProcessEnded, "^the process of step 'count_letters' was stopped by SIGKILL$"),
        ("offline", ConnectionError, "^the bucket does not answer$"),
        ("gone", ProcessEnded, "^the process of step 'count_letters' ended with code 3$"),
    ],
)
def test_failure_of_the_process_is_an_error(store: Store, word: str, error: type[Exception], text: str) -> None:
    process = begin(word, store)
    with pytest.raises(error, match=text):
        process.wait()
    process.stop()


def test_submitted_call_is_not_made_again(store: Store) -> None:
    calls = [{"word": word, "store": store} for word in ("train", "wrong")]
    with count_letters.submitted(calls):
        here = count_letters("night", store)
        there, failed = count_letters("train", store), count_letters.attempt("wrong", store)
    assert here["process"] == os.getpid() != there["process"]
    assert (there["letters"], there["root"]) == (5, store.root)
    assert failed == StepFailure(step="count_letters", reason="this word is wrong")
    assert count_letters("train", store) == there  # from the cache
    with count_letters.submitted(calls[:1]):
        assert count_letters._submitted == {}


def test_call_whose_process_cannot_start_is_an_ordinary_call(store: Store) -> None:
    with count_letters.submitted([{"word": "train", "store": store}], refuse):
        assert count_letters("train", store)["process"] == os.getpid()


def test_call_whose_process_was_killed_runs_in_this_process(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with count_letters.submitted([{"word": "slow train", "store": store}]):
        (process,) = count_letters._submitted.values()
        process._process.kill()
        assert count_letters("slow train", store)["process"] == os.getpid()
    assert "was stopped by SIGKILL; it runs again in this process" in caplog.text


def test_call_whose_process_loads_other_code_runs_in_this_process(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tasks.engine.step_process.code_digest", lambda _: "as this process has loaded it")
    with count_letters.submitted([{"word": "upgraded", "store": store}]):
        assert count_letters("upgraded", store)["process"] == os.getpid()
    assert "were changed after this run began; it runs again in this process" in caplog.text


def refuse(*_: Any) -> None:
    raise OSError(11, "Resource temporarily unavailable")


def test_processes_end_with_the_block(store: Store) -> None:
    with contextlib.suppress(RuntimeError), count_letters.submitted([{"word": "slow", "store": store}]):
        (process,) = count_letters._submitted.values()
        raise RuntimeError("interrupted")
    assert process._process.returncode == -9


def test_nothing_is_submitted_if_only_cached_results_may_be_used(store: Store) -> None:
    begun = None
    with (
        contextlib.suppress(NotCached),
        cached_steps_only(),
        count_letters.submitted([{"word": "train", "store": store}]),
    ):
        begun = dict(count_letters._submitted)
        count_letters("train", store)
    assert begun == {}


def test_process_ends_when_nobody_waits_for_it(store: Store, tmp_path: Path) -> None:
    process = begin("slow", store)
    process._request.close()
    assert process._process.wait(timeout=60) == 1
    process.stop()


def test_signal_without_a_name_is_numbered() -> None:
    assert (signal_name(9), signal_name(50)) == ("SIGKILL", "signal 50")
