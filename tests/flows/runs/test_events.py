"""Which events a run emits, and when an event is suppressed."""

import json
from datetime import UTC, datetime

import pytest
from prefect import flow
from pydantic import ValidationError

from flows.pipeline.alerts import AlertSpec
from flows.runs import events
from flows.runs.events import DRIFT
from tasks.storage.store import Store


def utc(day, hour=3):
    return datetime(2024, 3, day, hour, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    return Store(root=str(tmp_path / "store"))


def decide(store, day, moved):
    store.write_json(f"decisions/pipeline=shop/vintage=2024-03-{day:02}T030000Z.json", {"moved": moved})


def test_nights_without_promotion_are_counted_since_the_last_new_champion(store):
    for day, moved in ((1, True), (2, False), (3, True), (4, False), (5, False), (9, False)):
        decide(store, day, moved)
    assert events._nights_without_promotion("shop", utc(3), store) == 0
    assert events._nights_without_promotion("shop", utc(5), store) == 2
    assert events._nights_without_promotion("shop", utc(9), store) == 3


@pytest.mark.parametrize(("cooldown", "quiet"), [("7d", True), ("3d", True), ("2d", False), ("0d", False)])
def test_drift_event_is_suppressed_during_the_cooldown(store, cooldown, quiet):
    record = {"as_of": utc(7, 12).isoformat(), "events": [DRIFT]}
    store.write_json("runs/pipeline=shop/1.json", record)
    store.write_json("runs/pipeline=shop/2.json", {"as_of": utc(9).isoformat(), "events": []})
    assert events._drifted_recently("shop", utc(10), AlertSpec(cooldown=cooldown), store) is quiet


def test_drift_of_the_same_or_a_later_night_does_not_suppress_the_event(store):
    for day in (10, 11):
        store.write_json(f"runs/pipeline=shop/{day}.json", {"as_of": utc(day).isoformat(), "events": [DRIFT]})
    assert not events._drifted_recently("shop", utc(10), AlertSpec(), store)


@pytest.mark.parametrize("cooldown", ["soon", "-1d", ""])
def test_invalid_cooldown_is_refused(cooldown):
    with pytest.raises(ValidationError, match="7d or 12h"):
        AlertSpec(cooldown=cooldown)


@pytest.mark.usefixtures("prefect_server")
def test_error_while_emitting_events_is_logged(monkeypatch, caplog):
    def refused(*_, **__):
        raise ConnectionError("nobody there")

    monkeypatch.setattr(events, "emit_event", refused)
    flow(persist_result=False)(events.emit_events)("shop", {DRIFT: {"told": "3 of 4 columns"}})
    assert "nobody there" in caplog.text


def test_run_without_a_server_emits_nothing(monkeypatch, caplog):
    heard = []
    monkeypatch.setattr(events, "emit_event", lambda *words, **_: heard.append(words))
    events.emit_events("shop", {DRIFT: {"told": "3 of 4 columns"}})
    assert (heard, caplog.text) == ([], "")


@pytest.mark.usefixtures("prefect_server")
def test_finished_night_emits_an_event_for_its_pipeline(two_nights, monkeypatch):
    from flows.nightly import nightly

    heard = []
    monkeypatch.setattr(events, "emit_event", lambda name, resource, payload: heard.append((name, resource, payload)))
    folder, outcomes = two_nights
    monkeypatch.setenv("NIGHTCAST_STORE", str(folder / "store"))
    nightly(str(folder / "ports.yaml"), "2024-02-09")  # remembered: only that it is done is said again
    assert [(name, resource["prefect.resource.id"]) for name, resource, _ in heard] == [
        ("nightcast.night.finished", "nightcast.pipeline.ports")
    ]
    assert "nightcast.night.finished" in json.loads((folder / "store" / outcomes[0].manifest).read_text())["events"]
