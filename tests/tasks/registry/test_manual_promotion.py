"""Promotion by hand: what is refused, what the next night starts from, and an alias that a person moves in MLflow."""

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from data_contracts.errors import NightcastError, NoChampion, SpecError
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.registry import champions
from tasks.registry.alias_report import describe_moved_alias, why_refused
from tasks.registry.aliases import AliasState, follow_challenger, follow_decision, point_alias, read_alias
from tasks.registry.manual_decisions import FutureDecision, describe_manual_decisions, list_manual_decisions
from tasks.registry.manual_promotion import (
    ManualChange,
    PromotionRefused,
    adopt_moved_alias,
    decide_by_hand,
    list_versions,
)
from tasks.registry.mlflow_registry import ModelRegistry, TrackingSettings
from tasks.storage.store import Store

NIGHTS = [datetime(2024, 3, day, 5, tzinfo=UTC) for day in (1, 2, 3)]
NOW = datetime(2024, 3, 3, 12, tzinfo=UTC)
NUMBERS = itertools.count()  # all tests share a registry: each has a pipeline of its own
NEXT_NIGHT = datetime(2024, 3, 4, 5, tzinfo=UTC)


class Shop:
    """Version 1 is promoted on the first night, 2 loses on the second, 3 is promoted on the third, 4 does not fit."""

    def __init__(self, folder: Path, name: str, store: Store, setup: ForecastSetup, model: Callable[..., Any]) -> None:
        self.name, self.store, self.setup = name, store, setup
        artifacts = (folder / "artifacts").as_uri()
        self.tracking = TrackingSettings(uri=f"sqlite:///{folder}/mlflow.db", artifacts=artifacts)
        self.registry = ModelRegistry(self.tracking, name)
        other = setup.view.model_copy(update={"horizon": 6})
        self.models = [self.register(model("gru", float(wrong))) for wrong in (1, 2, 3)]
        self.models.append(self.register(model("wide", 4.0, view=other)))
        for night, champion in zip(NIGHTS, (0, 0, 2), strict=True):
            self.decide(night, self.models[champion])
        point_alias(self.registry, "3")

    def register(self, candidate: Candidate) -> Candidate:
        self.registry._ensure_model()
        tags = {"nightcast.digest": candidate.bundle.digest}
        version = self.registry.client.create_model_version(self.name, "file:///none", tags=tags).version
        return candidate.model_copy(update={"version": str(version), "role": "champion"})

    def decide(self, night: datetime, champion: Candidate) -> None:
        record = {"pipeline": self.name, "as_of": night.isoformat(), "champion": champion.model_dump(mode="json")}
        decision = self.store.put_bytes(json.dumps(record).encode(), "decision", "json")
        champions.record_decision(self.name, night, decision, self.store)

    def change(self, action: Any, version: str = "", reason: str = "weekends") -> Any:
        change = ManualChange(pipeline=self.name, action=action, version=version, by="eve@laptop", reason=reason)
        return decide_by_hand(change, self.setup, self.tracking, self.store, NOW)

    def adopt(self) -> tuple[str, ...]:
        return adopt_moved_alias(self.name, self.setup, self.tracking, self.store, NOW)

    def move_alias(self, version: str) -> None:
        """What a person does in MLflow's UI."""
        self.registry.client.set_registered_model_alias(self.name, "champion", version)

    def before(self, moment: datetime) -> str | None:
        champion = champions.champion_before(self.name, moment, self.store)
        return champion.version if champion else None

    @property
    def alias(self) -> AliasState:
        return read_alias(self.tracking, self.name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture
def shop(
    folder: Path,
    store: Store,
    forecast_setup: ForecastSetup,
    model: Callable[..., Candidate],
) -> Shop:
    return Shop(folder, f"shop-{next(NUMBERS)}", store, forecast_setup, model)


def test_promoted_version_is_the_incumbent_of_the_next_night_and_of_no_earlier(shop: Shop) -> None:
    decision = shop.change("promote", "2")
    assert decision.champion.label == "gru v2"
    assert [shop.before(moment) for moment in (*NIGHTS, NEXT_NIGHT)] == [None, "1", "1", "2"]
    again = champions.champion_at(shop.name, NIGHTS[2], shop.store)
    assert again is not None
    assert again.version == "3"  # the night that is run again decides as on time


def test_rerun_of_the_night_does_not_undo_a_promotion(shop: Shop) -> None:
    shop.change("promote", "2")
    shop.decide(NIGHTS[2], shop.models[2])
    assert not champions.is_latest_decision(shop.name, NIGHTS[2], shop.store, NOW)
    assert shop.before(NEXT_NIGHT) == "2"


def test_night_as_of_the_second_of_a_decision_by_hand_does_not_replace_it(shop: Shop) -> None:
    shop.change("promote", "2")
    with pytest.raises(NightcastError, match="is the decision of a person"):
        shop.decide(NIGHTS[2] + timedelta(seconds=1), shop.models[2])
    assert shop.before(NEXT_NIGHT) == "2"


def test_night_that_ran_late_starts_from_a_promotion_that_was_made_before_it_ran(shop: Shop) -> None:
    shop.change("promote", "2")  # at 12:00, while a night as of 06:00 has not started yet
    assert shop.before(datetime(2024, 3, 3, 6, tzinfo=UTC)) == "2"


def test_forecast_of_the_newest_night_uses_a_promotion_and_of_an_earlier_night_does_not(shop: Shop) -> None:
    shop.change("promote", "2")
    shop.change("promote", "1")
    last = NIGHTS[2] + timedelta(seconds=2)
    assert champions.standing_at(shop.name, NIGHTS[2], shop.store) == last
    assert champions.standing_at(shop.name, NIGHTS[1], shop.store) == NIGHTS[1]


def test_decision_says_who_when_and_why(shop: Shop) -> None:
    shop.change("promote", "2", "  weekends \n are better ")
    sentence = "gru v2 was promoted in the place of gru v3 by eve@laptop at 2024-03-03 12:00 UTC: weekends are better"
    assert describe_manual_decisions(shop.name, NEXT_NIGHT, shop.store) == (sentence,)
    assert describe_manual_decisions(shop.name, NIGHTS[2], shop.store) == ()
    shop.decide(NEXT_NIGHT, shop.models[1])
    assert list_manual_decisions(shop.name, NEXT_NIGHT + timedelta(days=1), shop.store) == ()


def test_rollback_returns_to_the_former_champion_and_back(shop: Shop) -> None:
    assert shop.change("rollback").champion.version == "1"
    assert shop.change("rollback").champion.version == "3"


def test_rollback_passes_over_a_former_champion_that_does_not_fit(shop: Shop) -> None:
    shop.decide(NIGHTS[2], shop.models[3])
    shop.decide(NIGHTS[2] + timedelta(hours=1), shop.models[2])
    assert shop.change("rollback").champion.version == "1"


def test_champion_is_not_promoted_again(shop: Shop) -> None:
    assert shop.change("promote", "3") is None
    assert shop.before(NEXT_NIGHT) == "3"
    assert not describe_manual_decisions(shop.name, NEXT_NIGHT, shop.store)


def test_promotion_without_a_version_takes_the_challenger(shop: Shop) -> None:
    with pytest.raises(PromotionRefused, match="has no challenger"):
        shop.change("promote")
    shop.registry.set_alias("challenger", "2")
    assert shop.change("promote").champion.version == "2"


@pytest.mark.parametrize(
    ("action", "version", "words"),
    [
        ("promote", "4", "version 4 may not become champion: wide v4 was made for horizon 6, and the spec now asks"),
        ("promote", "77", "has no version '77' that a night has registered; it has: 1, 2, 3, 4"),
        ("rollback", "2", "is not a former champion; those are: 1"),
    ],
)
def test_version_that_may_not_be_champion_is_refused_with_the_reason(
    shop: Shop, action: str, version: str, words: str
) -> None:
    with pytest.raises(PromotionRefused, match=words) as refused:
        shop.change(action, version)
    assert refused.value.exit_code == 2
    assert shop.before(NEXT_NIGHT) == "3"


def test_reason_is_required_and_bounded(shop: Shop) -> None:
    with pytest.raises(SpecError, match="the reason is empty"):
        shop.change("promote", "2", " \n")
    with pytest.raises(SpecError, match="has 501 characters"):
        shop.change("promote", "2", "x" * 501)


def test_rollback_without_a_champion_is_no_champion(shop: Shop) -> None:
    for uri in shop.store.list_files("decisions"):
        (Path(shop.store.root) / uri).unlink()
    with pytest.raises(NoChampion):
        shop.change("rollback")
    assert shop.change("promote", "2").previous is None
    assert shop.before(NIGHTS[0]) == "2"


def test_decision_in_the_future_refuses_a_promotion(shop: Shop) -> None:
    shop.decide(NOW + timedelta(hours=2), shop.models[0])
    with pytest.raises(FutureDecision, match="2024-03-03 14:00 UTC, which is in the future"):
        shop.change("promote", "2")


def test_lost_bundle_is_restored_from_the_registry_before_it_is_promoted(shop: Shop) -> None:
    path = Path(shop.store.root) / shop.models[1].bundle.uri
    data = path.read_bytes()
    copy = Path(shop.store.root) / "mlflow/artifacts/1/artifacts/model/weights.safetensors"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(data)
    path.unlink()
    assert "version 2 may not become champion" in why_refused(shop.name, "2", shop.setup, shop.tracking, shop.store)
    assert shop.change("promote", "2").champion.name == "gru"
    assert path.read_bytes() == data


def test_versions_are_those_of_the_registry_and_of_decisions(shop: Shop) -> None:
    assert list(list_versions(shop.name, shop.tracking, shop.store)) == ["1", "2", "3", "4"]
    assert list(list_versions(shop.name, None, shop.store)) == ["1", "3"]


def test_moved_alias_is_adopted_as_a_decision(shop: Shop) -> None:
    assert describe_moved_alias(shop.name, shop.setup, shop.tracking, shop.store, NOW) == ("", False)
    shop.move_alias("2")
    sentence, adopted = describe_moved_alias(shop.name, shop.setup, shop.tracking, shop.store, NOW)
    assert (sentence[-58:], adopted) == ("moved to version 2 in MLflow, and the next night will adopt it"[-58:], True)
    assert shop.adopt() == ()
    assert shop.before(NEXT_NIGHT) == "2"
    assert shop.alias == AliasState("2", "2")
    (sentence,) = describe_manual_decisions(shop.name, NEXT_NIGHT, shop.store)
    assert "by a person in MLflow at 2024-03-03 12:00 UTC" in sentence
    assert sentence.endswith(": the alias champion was moved to version 2 in MLflow")
    assert shop.adopt() == ()
    assert len(list_manual_decisions(shop.name, NEXT_NIGHT, shop.store)) == 1
    tags = shop.registry.client.get_model_version(shop.name, "2").tags
    assert tags["nightcast.promoted_by"] == "a person in MLflow"


def test_alias_that_was_moved_back_to_the_former_champion_is_adopted_too(shop: Shop) -> None:
    shop.move_alias("1")
    assert shop.adopt() == ()
    assert shop.before(NEXT_NIGHT) == "1"


def test_moved_alias_that_may_not_be_champion_goes_back_and_is_named(shop: Shop) -> None:
    shop.move_alias("4")
    sentence, adopted = describe_moved_alias(shop.name, shop.setup, shop.tracking, shop.store, NOW)
    assert not adopted
    assert (
        "the next night will set it back: version 4 may not become champion: wide v4 was made for horizon 6" in sentence
    )
    (notice,) = shop.adopt()
    assert notice.startswith("the alias champion was moved in MLflow to version 4, which may not be champion, and was ")
    assert "set back to version 3" in notice
    assert "horizon 6" in notice
    assert shop.alias == AliasState("3", "3")
    assert shop.before(NEXT_NIGHT) == "3"


def test_alias_of_a_night_that_was_killed_before_it_set_it_is_no_decision(shop: Shop) -> None:
    shop.decide(NIGHTS[2] + timedelta(hours=2), shop.models[0])  # recorded, and killed: alias and tag are at 3
    assert shop.adopt() == ()
    assert shop.before(NEXT_NIGHT) == "1"
    assert follow_decision(shop.registry, "1", NOW, shop.store) == ""
    assert shop.alias == AliasState("1", "1")


def test_alias_that_is_moved_while_a_night_runs_is_left_for_the_next_night(shop: Shop) -> None:
    shop.decide(NIGHTS[2] + timedelta(hours=2), shop.models[0])
    shop.move_alias("2")
    fault = follow_decision(shop.registry, "1", NOW, shop.store)
    assert fault.startswith("the alias champion was moved to version 2 in MLflow during this run")
    assert shop.adopt() == ()
    assert shop.before(NEXT_NIGHT) == "2"


@pytest.mark.parametrize(("version", "expected"), [("1", "3"), ("2", "2")])
def test_registry_of_an_earlier_release_has_no_tag(shop: Shop, version: str, expected: str) -> None:
    """An alias at a version that was champion may be that of a killed night; another one is of a person."""
    shop.registry.client.delete_registered_model_tag(shop.name, "nightcast.champion")
    shop.move_alias(version)
    assert shop.adopt() == ()
    assert shop.before(NEXT_NIGHT) == expected


def test_registry_without_an_alias_is_restored(shop: Shop) -> None:
    shop.registry.client.delete_registered_model_alias(shop.name, "champion")
    assert shop.adopt() == ()
    assert follow_decision(shop.registry, "3", NOW, shop.store) == ""
    assert shop.alias.version == "3"


def test_alias_challenger_is_deleted_if_the_newest_night_has_none(shop: Shop) -> None:
    follow_challenger(shop.registry, "2")
    assert shop.registry.get_alias("challenger") == "2"
    for _ in range(2):
        follow_challenger(shop.registry, "")
        assert shop.registry.get_alias("challenger") is None
