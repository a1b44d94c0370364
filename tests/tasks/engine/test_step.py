"""A step caches its result in the store, checks its artifacts, and can fail without stopping the night."""

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from prefect import flow

from data_contracts.artifact import Artifact
from data_contracts.errors import SourceUnreadable, StoreDamaged
from data_contracts.spec import Spec
from tasks.engine import run_log
from tasks.engine.failure import StepFailure
from tasks.engine.step import step
from tasks.storage.store import Store

pytestmark = pytest.mark.usefixtures("prefect_server")

RAN: list[str] = []


class Doubled(Spec):
    """The result of `double`: an artifact inside a model, as the results of steps are."""

    table: Artifact
    note: str = ""


@step
def double(amount: float, store: Store) -> Doubled:
    RAN.append("double")
    frame = pd.DataFrame({"unique_id": ["a"], "ds": pd.to_datetime(["2024-03-01"], utc=True), "y": [2 * amount]})
    frame["as_of"] = frame["ds"]
    return Doubled(table=store.put(frame, "actuals"))


@step
def spoil(doubled: Doubled, store: Store) -> Doubled:
    raise StoreDamaged(doubled.table.uri, "is missing")


@step
def fall_over(store: Store) -> int:
    raise RuntimeError("the library fell over")


@step
def follow(before: Doubled, store: Store) -> Doubled:
    return before


@step(cache_key=lambda amount, noise, store: round(amount))
def rounded(amount: float, noise: int, store: Store) -> float:
    RAN.append("rounded")
    return float(round(amount))


@step
def weigh(norms: dict[str, float], store: Store) -> dict[str, float]:
    RAN.append("weigh")
    return norms


def night(call: Callable[[], Any]) -> tuple[Any, list[run_log.Entry]]:
    """(result of `call`, log entries). A task outside a flow is a Prefect task as well."""
    RAN.clear()
    with run_log.record_entries() as entries:
        return call(), entries


def record_of(store: Store, name: str) -> Path:
    (uri,) = store.list_files(f"cache/{name}")
    return Path(store.root) / uri


def test_second_call_is_cached(store: Store) -> None:
    first, entries = night(lambda: double(3.0, store))
    assert (RAN, [entry.outcome for entry in entries]) == (["double"], ["ran"])
    second, entries = night(lambda: double(3.0, store))
    assert (RAN, [entry.outcome for entry in entries]) == ([], ["cached"])
    assert second == first
    assert store.get(second.table)["y"].tolist() == [6.0]


def test_second_call_inside_a_flow_is_cached(store: Store) -> None:
    @flow(name="night", persist_result=False)
    def run() -> list[Doubled]:
        return [double(2.5, store), double(2.5, store)]

    RAN.clear()
    with run_log.record_entries() as entries:
        first, second = run()
    assert first == second
    assert (RAN, [entry.outcome for entry in entries]) == (["double"], ["ran", "cached"])


def test_cached_step_is_shown_as_cached_in_prefect(store: Store) -> None:
    seen = []

    def run() -> None:
        for _ in range(2):
            inputs = {"amount": 3.5, "store": store}
            seen.append(double._task(inputs, return_state=True).name)

    night(run)
    assert seen == ["Completed", "Cached"]


def test_other_inputs_or_another_store_are_computed(store: Store, tmp_path: Path) -> None:
    night(lambda: double(3.0, store))
    night(lambda: double(4.0, store))
    assert RAN == ["double"]
    elsewhere = Store(root=str(tmp_path / "elsewhere"))
    night(lambda: double(3.0, elsewhere))
    assert RAN == ["double"]


def test_moved_store_keeps_its_cache(store: Store, tmp_path: Path) -> None:
    first, _ = night(lambda: double(3.0, store))
    shutil.move(store.root, tmp_path / "moved")
    second, _ = night(lambda: double(3.0, Store(root=str(tmp_path / "moved"))))
    assert (second, RAN) == (first, [])


def test_keyword_and_positional_arguments_have_the_same_key(store: Store) -> None:
    night(lambda: double(3.0, store))
    night(lambda: double(amount=3.0, store=store))
    assert RAN == []


@pytest.mark.parametrize("damage", ["deleted", "flipped", "emptied"])
def test_result_with_a_missing_or_damaged_file_is_computed_again(store: Store, damage: str) -> None:
    first, _ = night(lambda: double(3.0, store))
    path = Path(store.root) / first.table.uri
    whole = path.read_bytes()
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "emptied" else bytes([whole[0] ^ 1]) + whole[1:])
    second, _ = night(lambda: double(3.0, store))
    assert (second, RAN) == (first, ["double"])
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "torn",
    [
        b"",
        b'{"result": ',
        b"null",
        b"{}",
        b'{"result": 7}',
        b'{"result": {"table": 1}}',
        b'{"result": {"table": {"contract": "a", "uri": "b", "digest": "not hex", "rows": 0}}}',
        b"\x80\x04pickle",
    ],
)
def test_torn_cache_record_is_written_again(store: Store, torn: bytes) -> None:
    first, _ = night(lambda: double(3.0, store))
    path = record_of(store, "double")
    whole = path.read_bytes()
    path.write_bytes(torn)
    second, _ = night(lambda: double(3.0, store))
    assert (second, RAN) == (first, ["double"])
    assert path.read_bytes() == whole


def test_cache_record_is_json_that_names_its_artifacts(store: Store) -> None:
    first, _ = night(lambda: double(3.0, store))
    record = json.loads(record_of(store, "double").read_text(encoding="utf-8"))
    assert record["result"]["table"]["digest"] == first.table.digest


def test_cache_key_may_use_fewer_inputs(store: Store) -> None:
    night(lambda: rounded(3.2, 1, store))
    night(lambda: rounded(2.9, 2, store))
    assert RAN == []
    night(lambda: rounded(3.6, 1, store))
    assert RAN == ["rounded"]


def test_failing_step_raises_its_own_error_and_caches_nothing(store: Store) -> None:
    def run() -> None:
        with pytest.raises(StoreDamaged, match="is missing"):
            spoil(double(3.0, store), store)

    night(run)
    assert store.list_files("cache/spoil") == []


def test_failed_attempt_names_step_and_reason(store: Store) -> None:
    failed, entries = night(lambda: fall_over.attempt(store))
    assert failed == StepFailure(step="fall_over", reason="RuntimeError: the library fell over")
    assert [(entry.step, entry.outcome) for entry in entries] == [("fall_over", "failed")]


def test_nightcast_error_keeps_its_message(store: Store) -> None:
    failed, _ = night(lambda: spoil.attempt(double(3.0, store), store))
    assert failed.reason.endswith(
        "in the store is missing. Run the same night again: everything that can be recomputed is recomputed."
    )


def test_dependent_attempt_names_the_failed_step(store: Store) -> None:
    def run() -> Any:
        spoilt = spoil.attempt(double(3.0, store), store)
        return follow.attempt(spoilt, store), follow.attempt(before=spoilt, store=store)

    (by_place, by_name), _ = night(run)
    assert by_place == by_name == StepFailure(step="follow", reason="needs spoil, which failed")


def test_successful_attempt_returns_the_result(store: Store) -> None:
    first, _ = night(lambda: double.attempt(3.0, store))
    second, _ = night(lambda: double(3.0, store))
    assert (second, RAN) == (first, [])


def test_order_of_a_mapping_does_not_change_the_key(store: Store) -> None:
    first, _ = night(lambda: weigh({"b": 1.0, "a": 2.0}, store))
    again, entries = night(lambda: weigh({"a": 2.0, "b": 1.0}, store))
    assert again == first
    assert [entry.outcome for entry in entries] == ["cached"]


def wrapped(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


class Line:
    """A source whose connection breaks a given number of times."""

    def __init__(self, breaks, error):
        self.breaks, self.error, self.calls = breaks, error, 0

    def read(self):
        self.calls += 1
        if self.calls <= self.breaks:
            raise self.error


@pytest.mark.parametrize(
    ("breaks", "error", "calls"),
    [
        (2, ConnectionResetError("peer"), 3),
        (2, wrapped(SourceUnreadable("the source", ["gone"]), ConnectionResetError("peer")), 3),
        (3, TimeoutError("slow"), 3),
        (1, SourceUnreadable("the source", ["no such column"]), 1),
        (1, ValueError("a defect"), 1),
    ],
)
def test_step_is_retried_only_after_a_lost_connection(store, monkeypatch, breaks, error, calls):
    line = Line(breaks, error)

    def fetch(name: str, store: Store) -> str:
        line.read()
        return name

    monkeypatch.setattr("tasks.engine.step.RETRY_DELAYS_S", (0.0, 0.0))
    fetched, succeeds = step(fetch), calls > breaks
    with contextlib.nullcontext() if succeeds else pytest.raises(type(error)):
        assert night(lambda: fetched("a", store))[0] == "a"
    assert line.calls == calls
