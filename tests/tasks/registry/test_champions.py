"""Who was champion when: what a night meets is what was decided before it, whenever it is run."""

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


def decide(store: Store, night: datetime, champion: Candidate | None, pipeline: str = "shop") -> None:
    told = f'{{"champion": {champion.model_dump_json() if champion else "null"}, "as_of": "{night}"}}'
    champions.record_decision(pipeline, night, store.put_bytes(told.encode(), "decision", "json"), store)


def named(candidate: Candidate | None) -> str | None:
    return candidate.name if candidate else None


def test_a_night_meets_the_champion_decided_before_it_and_leaves_the_one_decided_in_it(
    store: Store, model: Model
) -> None:
    decide(store, FIRST, model("gru", 0.1, "champion"))
    decide(store, SECOND, model("gru", 0.1, "champion"))
    decide(store, THIRD, model("lstm", 0.2, "champion"))
    met = [named(champions.champion_before("shop", night, store)) for night in (FIRST, SECOND, THIRD, FOURTH)]
    left = [named(champions.champion_at("shop", night, store)) for night in (FIRST, SECOND, THIRD, FOURTH)]
    assert met == [None, "gru", "gru", "lstm"]
    assert left == ["gru", "gru", "lstm", "lstm"]


def test_nights_that_are_decided_out_of_order_meet_the_same_champions(store: Store, model: Model) -> None:
    decide(store, THIRD, model("lstm", 0.2, "champion"))
    decide(store, FIRST, model("gru", 0.1, "champion"))
    assert named(champions.champion_before("shop", THIRD, store)) == "gru"
    assert named(champions.champion_at("shop", FOURTH, store)) == "lstm"


def test_a_night_without_a_champion_does_not_end_the_reign_of_the_last_one(store: Store, model: Model) -> None:
    decide(store, FIRST, model("gru", 0.1, "champion"))
    decide(store, SECOND, None)
    assert named(champions.champion_at("shop", SECOND, store)) == "gru"


def test_a_night_that_is_decided_again_replaces_its_own_decision(store: Store, model: Model) -> None:
    decide(store, FIRST, model("gru", 0.1, "champion"))
    decide(store, FIRST, model("lstm", 0.2, "champion"))
    assert named(champions.champion_at("shop", FIRST, store)) == "lstm"
    assert len(store.list_files("decisions")) == 1


def test_the_as_of_has_whole_seconds_so_that_a_night_never_meets_its_own_decision(store: Store, model: Model) -> None:
    odd = FIRST + timedelta(microseconds=500_000)
    decide(store, odd, model("gru", 0.1, "champion"))
    assert champions.champion_before("shop", odd, store) is None
    assert named(champions.champion_at("shop", odd, store)) == "gru"
    assert champions.is_latest_decision("shop", odd, store)


def test_an_alias_may_move_only_where_no_later_night_was_decided(store: Store, model: Model) -> None:
    decide(store, FIRST, model("gru", 0.1, "champion"))
    decide(store, THIRD, model("gru", 0.1, "champion"))
    assert [champions.is_latest_decision("shop", night, store) for night in (FIRST, SECOND, THIRD, FOURTH)] == [
        False, False, True, True
    ]  # fmt: skip


def test_former_champions_come_latest_first_each_once_and_without_the_reigning_one(store: Store, model: Model) -> None:
    for night, name in ((FIRST, "a"), (SECOND, "b"), (THIRD, "a"), (FOURTH, "c")):
        decide(store, night, model(name, ord(name) / 100, "champion"))
    assert [former.name for former in champions.list_former_champions("shop", FOURTH, store)] == ["a", "b"]
    assert [former.name for former in champions.list_former_champions("shop", SECOND, store)] == ["a"]
    assert champions.list_former_champions("shop", FIRST, store) == ()


def test_one_pipeline_knows_nothing_of_another(store: Store, model: Model) -> None:
    decide(store, FIRST, model("gru", 0.1, "champion"), "shop-two")
    assert champions.champion_at("shop", FOURTH, store) is None


@pytest.mark.parametrize(
    "torn", [b"", b'{"champion":', b"[]", b'{"champion": 7}', b'{"champion": {"name": "x"}}', b"\x80\x04"]
)
def test_a_torn_decision_is_passed_over(store: Store, model: Model, torn: bytes) -> None:
    decide(store, FIRST, model("gru", 0.1, "champion"))
    decide(store, SECOND, model("lstm", 0.2, "champion"))
    (Path(store.root) / "decisions/pipeline=shop/vintage=2024-03-09T000000Z.json").write_bytes(torn)
    assert named(champions.champion_at("shop", FOURTH, store)) == "gru"


def test_a_vintage_is_the_as_of_in_utc_and_sorts_as_text() -> None:
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
def test_a_path_tells_its_vintage_or_none(uri: str, moment: datetime | None) -> None:
    assert layout.parse_vintage(uri) == moment
