"""The champion of a night is that of the latest decision before its as-of, whenever the night runs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from tasks.modeling.candidate import Candidate
from tasks.registry import champions
from tasks.storage import layout
from tasks.storage.store import Store

Model = Callable[..., Candidate]
FIRST, SECOND, THIRD, FOURTH = (datetime(2024, 3, day, tzinfo=UTC) for day in (8, 9, 10, 11))


def record_champion(store: Store, night: datetime, champion: Candidate | None, pipeline: str = "shop") -> None:
    record = f'{{"champion": {champion.model_dump_json() if champion else "null"}, "as_of": "{night}"}}'
    champions.record_decision(pipeline, night, store.put_bytes(record.encode(), "decision", "json"), store)


def name_of(candidate: Candidate | None) -> str | None:
    return candidate.name if candidate else None


def test_champion_before_and_after_each_night(store: Store, model: Model) -> None:
    record_champion(store, FIRST, model("gru", 0.1, "champion"))
    record_champion(store, SECOND, model("gru", 0.1, "champion"))
    record_champion(store, THIRD, model("lstm", 0.2, "champion"))
    before = [name_of(champions.champion_before("shop", night, store)) for night in (FIRST, SECOND, THIRD, FOURTH)]
    after = [name_of(champions.champion_at("shop", night, store)) for night in (FIRST, SECOND, THIRD, FOURTH)]
    assert before == [None, "gru", "gru", "lstm"]
    assert after == ["gru", "gru", "lstm", "lstm"]


def test_order_of_decisions_does_not_change_champions(store: Store, model: Model) -> None:
    record_champion(store, THIRD, model("lstm", 0.2, "champion"))
    record_champion(store, FIRST, model("gru", 0.1, "champion"))
    assert name_of(champions.champion_before("shop", THIRD, store)) == "gru"
    assert name_of(champions.champion_at("shop", FOURTH, store)) == "lstm"


def test_decision_without_a_champion_keeps_the_last_one(store: Store, model: Model) -> None:
    record_champion(store, FIRST, model("gru", 0.1, "champion"))
    record_champion(store, SECOND, None)
    assert name_of(champions.champion_at("shop", SECOND, store)) == "gru"


def test_repeated_decision_replaces_its_own_record(store: Store, model: Model) -> None:
    record_champion(store, FIRST, model("gru", 0.1, "champion"))
    record_champion(store, FIRST, model("lstm", 0.2, "champion"))
    assert name_of(champions.champion_at("shop", FIRST, store)) == "lstm"
    assert len(store.list_files("decisions")) == 1


def test_night_with_fractional_seconds_ignores_its_own_decision(store: Store, model: Model) -> None:
    odd = FIRST + timedelta(microseconds=500_000)
    record_champion(store, odd, model("gru", 0.1, "champion"))
    assert champions.champion_before("shop", odd, store) is None
    assert name_of(champions.champion_at("shop", odd, store)) == "gru"
    assert champions.is_latest_decision("shop", odd, store)


def test_alias_may_move_only_if_no_later_night_was_decided(store: Store, model: Model) -> None:
    record_champion(store, FIRST, model("gru", 0.1, "champion"))
    record_champion(store, THIRD, model("gru", 0.1, "champion"))
    assert [champions.is_latest_decision("shop", night, store) for night in (FIRST, SECOND, THIRD, FOURTH)] == [
        False, False, True, True
    ]  # fmt: skip


def test_former_champions_are_latest_first_without_duplicates_or_the_current_one(store: Store, model: Model) -> None:
    for night, name in ((FIRST, "a"), (SECOND, "b"), (THIRD, "a"), (FOURTH, "c")):
        record_champion(store, night, model(name, ord(name) / 100, "champion"))
    assert [former.name for former in champions.list_former_champions("shop", FOURTH, store)] == ["a", "b"]
    assert [former.name for former in champions.list_former_champions("shop", SECOND, store)] == ["a"]
    assert champions.list_former_champions("shop", FIRST, store) == ()


def test_pipelines_have_separate_decisions(store: Store, model: Model) -> None:
    record_champion(store, FIRST, model("gru", 0.1, "champion"), "shop-two")
    assert champions.champion_at("shop", FOURTH, store) is None


@pytest.mark.parametrize(
    "torn", [b"", b'{"champion":', b"[]", b'{"champion": 7}', b'{"champion": {"name": "x"}}', b"\x80\x04"]
)
def test_unreadable_decision_is_skipped(store: Store, model: Model, torn: bytes) -> None:
    record_champion(store, FIRST, model("gru", 0.1, "champion"))
    record_champion(store, SECOND, model("lstm", 0.2, "champion"))
    (Path(store.root) / "decisions/pipeline=shop/vintage=2024-03-09T000000Z.json").write_bytes(torn)
    assert name_of(champions.champion_at("shop", FOURTH, store)) == "gru"


def test_vintage_is_the_as_of_in_utc_and_sorts_as_text() -> None:
    east = timezone(timedelta(hours=9))
    assert layout.vintage_name(datetime(2024, 3, 9, 8, 30, tzinfo=east)) == "2024-03-08T233000Z"
    nights = [FIRST + timedelta(hours=hours) for hours in (0, 9, 10, 100, 10_000)]
    assert sorted(layout.vintage_name(night) for night in nights) == [layout.vintage_name(night) for night in nights]


@pytest.mark.parametrize(
    ("uri", "moment"),
    [
        ("decisions/pipeline=p/vintage=2024-03-08T000000Z.json", FIRST),
        ("forecasts/pipeline=p/vintage=2024-03-08T000000Z/forecasts.parquet", FIRST),
        ("latest/pipeline=p/forecasts.parquet", None),
        ("forecasts/pipeline=p/vintage=backup/forecasts.parquet", None),
        ("decisions/pipeline=p/vintage=2024-03-08T000000Z.json.bak", None),
    ],
)
def test_vintage_is_parsed_from_a_path(uri: str, moment: datetime | None) -> None:
    assert layout.parse_vintage(uri) == moment


@pytest.mark.parametrize("torn", [b"", b"{", b"\x00" * 40, b"[]"])
def test_torn_decision_is_read_from_its_copy(store: Store, model: Model, torn: bytes) -> None:
    record = f'{{"champion": {model("gru", 0.1, "champion").model_dump_json()}, "pipeline": "shop", "as_of": "%s"}}'
    data = (record % SECOND.isoformat()).encode()
    decision = champions.record_decision("shop", SECOND, store.put_bytes(data, "decision", "json"), store)
    (Path(store.root) / decision.uri).write_bytes(torn)
    assert name_of(champions.champion_before("shop", THIRD, store)) == "gru"
    assert champions.unreadable_decisions("shop", THIRD, store) == ()
    for copy in (Path(store.root) / "artifacts/decision").iterdir():
        copy.unlink()
    assert champions.champion_before("shop", THIRD, store) is None
    assert champions.unreadable_decisions("shop", THIRD, store) == (decision.uri,)
    assert champions.unreadable_decisions("shop", SECOND, store) == ()
