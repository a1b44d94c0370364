"""Every model is on record; `champion` moves only through the gate, and the ledger and the alias tell the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.diagnostics.memory import Memory
from tasks.evaluation import evaluate
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.registration import RegistrationSpec, register
from tasks.registry import champions
from tasks.registry.mlflow_registry import ModelRegistry, TrackingSettings
from tasks.registry.promotion import PromotionSpec
from tasks.results.steps import RegistrationResult, RunContext, TrainingResult

Model = Callable[..., Candidate]
NightOf = Callable[..., RunContext]


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> TrackingSettings:
    home = tmp_path_factory.mktemp("registry")
    return TrackingSettings(uri=f"sqlite:///{home}/mlflow.db", artifacts=(home / "artifacts").as_uri())


@pytest.fixture
def judged(evening: Any, question: ForecastSetup, tracking: TrackingSettings) -> Callable[..., RegistrationResult]:
    def run(
        night: RunContext, new: tuple[Candidate, ...], old: Candidate | None = None, **promotion: Any
    ) -> RegistrationResult:
        rivals = ((old,) if old else ()) + new
        evaluated = evaluate.fn(evening.clean, evening.windows, rivals, question, evening.store)
        trained = tuple(
            TrainingResult(candidate=one, train_losses=(2.0, 1.0), validation_losses=(2.0, 1.5), seconds=0.1)
            for one in new
        )
        gate = RegistrationSpec(promotion=PromotionSpec(**promotion), evaluation=question.evaluation, tracking=tracking)
        return register.fn(evaluated, trained, old, night, gate, evening.store)

    return run


def alias(tracking: TrackingSettings, pipeline: str, name: str) -> str:
    client = ModelRegistry(tracking, pipeline).client
    return str(client.get_model_version_by_alias(pipeline, name).version)


GOOD, BAD = 0.0, 9.0  # yesterday's value, and that value and nine


def test_first_challenger_that_beats_all_baselines_is_champion_in_record_and_registry(
    judged: Callable[..., RegistrationResult], tracking: TrackingSettings, model: Model, night_of: NightOf, evening: Any
) -> None:
    night = night_of("2024-03-11", "crowned")
    done = judged(night, (model("far", BAD), model("near", GOOD, kind="seasonal_mean")))
    assert done.moved
    assert done.champion is not None
    assert (done.champion.label, done.champion.role) == ("near v2", "champion")
    assert champions.champion_at("crowned", night.as_of, evening.store) == done.champion
    assert alias(tracking, "crowned", "champion") == alias(tracking, "crowned", "challenger") == "2"


def test_better_challenger_is_promoted_and_is_the_next_incumbent(
    judged: Callable[..., RegistrationResult], tracking: TrackingSettings, model: Model, night_of: NightOf, evening: Any
) -> None:
    first = judged(night_of("2024-03-11", "over"), (model("near", 1.0, kind="seasonal_mean"),))
    assert not first.moved
    old = model("old", BAD, "champion", "1")
    done = judged(night_of("2024-03-12", "over"), (model("near", GOOD, kind="seasonal_mean"),), old)
    assert done.moved
    assert "near (" in done.reason
    assert done.reason.endswith("significantly better")
    assert champions.champion_before("over", night_of("2024-03-13").as_of, evening.store) == done.champion
    assert alias(tracking, "over", "champion") == "2"


def test_no_champion_if_no_challenger_beats_the_baselines_but_all_are_versioned(
    judged: Callable[..., RegistrationResult], tracking: TrackingSettings, model: Model, night_of: NightOf, evening: Any
) -> None:
    night = night_of("2024-03-11", "first")
    done = judged(night, (model("gru", BAD), model("lstm", BAD)))
    assert (done.champion, done.moved) == (None, False)
    assert "does not beat" in done.reason
    assert champions.champion_at("first", night.as_of, evening.store) is None
    assert len(ModelRegistry(tracking, "first").client.search_model_versions("name = 'first'")) == 2


def test_champion_stays_if_the_challenger_is_worse(
    judged: Callable[..., RegistrationResult], tracking: TrackingSettings, model: Model, night_of: NightOf, evening: Any
) -> None:
    night = night_of("2024-03-11", "stays")
    old = model("gru", GOOD, "champion", "7")
    done = judged(night, (model("lstm", BAD),), old)
    assert (done.champion, done.moved) == (old, False)
    assert champions.champion_at("stays", night.as_of, evening.store) == old


def test_model_is_logged_with_memory_and_drawings(
    tracking: TrackingSettings, model: Model, night_of: NightOf, evening: Any, question: ForecastSetup
) -> None:
    night, one = night_of("2024-03-11", "recalled"), model("gru", GOOD)
    evaluated = evaluate.fn(evening.clean, evening.windows, (one,), question, evening.store)
    curve = (1.0, 0.5)
    memory = Memory(
        cell="gru", season=24, segment=1, forecast=curve, recurrence=curve, effective=2, effective_recurrence=1,
        gates=(),
    )  # fmt: skip
    drawings = {"cell": evening.store.put_bytes(b"<svg/>", "drawing", "svg")}
    learned = TrainingResult(
        candidate=one, train_losses=curve, validation_losses=curve, seconds=0.1, memory=memory, drawings=drawings,
        gradients={"skip": (0.3, 0.2)},
    )  # fmt: skip
    gate = RegistrationSpec(promotion=PromotionSpec(), evaluation=question.evaluation, tracking=tracking)
    register.fn(evaluated, (learned,), None, night, gate, evening.store)
    client = ModelRegistry(tracking, "recalled").client
    run = client.search_runs([client.get_experiment_by_name("recalled").experiment_id])[0]
    assert (run.data.metrics["effective_memory"], run.data.metrics["effective_memory_recurrence"]) == (2.0, 1.0)
    assert run.data.metrics["gradient_norm.skip"] == 0.2
    assert [file.path for file in client.list_artifacts(run.info.run_id, "memory")] == ["memory/cell.svg"]


def test_decision_record_has_champion_and_reason(
    judged: Callable[..., RegistrationResult], model: Model, night_of: NightOf, evening: Any
) -> None:
    night = night_of("2024-03-11", "entry")
    old = model("gru", GOOD, "champion", "7")
    done = judged(night, (model("lstm", BAD),), old)
    assert done.decision.uri == "decisions/pipeline=entry/vintage=2024-03-11T000000Z.json"
    entry = json.loads((Path(evening.store.root) / done.decision.uri).read_text(encoding="utf-8"))
    assert entry["champion"]["name"] == "gru"
    assert (entry["moved"], entry["run_id"]) == (False, "run-2024-03-11")
    assert entry["reason"].startswith("lstm (15.43) does not beat naive")


def test_repeated_night_gives_the_same_version_and_decision(
    judged: Callable[..., RegistrationResult], tracking: TrackingSettings, model: Model, night_of: NightOf
) -> None:
    night = night_of("2024-03-11", "again")
    first = judged(night, (model("lstm", BAD),))
    assert judged(night, (model("lstm", BAD),)) == first
    assert len(ModelRegistry(tracking, "again").client.search_model_versions("name = 'again'")) == 1


def test_challenger_alias_moves_even_if_the_challenger_lost(
    judged: Callable[..., RegistrationResult], tracking: TrackingSettings, model: Model, night_of: NightOf
) -> None:
    judged(night_of("2024-03-11", "alias"), (model("far", BAD), model("near", GOOD)))
    assert alias(tracking, "alias", "challenger") == "2"


def test_champion_that_the_registry_lost_stays_with_reason(
    judged: Callable[..., RegistrationResult], model: Model, night_of: NightOf
) -> None:
    old = model("gru", GOOD, "champion", "7")
    done = judged(night_of("2024-03-11", "lost"), (model("lstm", BAD),), old)
    assert done.champion == old
    assert done.reason.endswith("the registry has lost version 7, whose bundle is still in the store")


def test_late_night_moves_no_alias(
    judged: Callable[..., RegistrationResult], tracking: TrackingSettings, model: Model, night_of: NightOf
) -> None:
    judged(night_of("2024-03-12", "late"), (model("newer", BAD),))
    judged(night_of("2024-03-11", "late"), (model("older", BAD),))
    assert alias(tracking, "late", "challenger") == "1"


def test_champion_that_could_not_be_compared_stays_with_reason(
    judged: Callable[..., RegistrationResult], model: Model, night_of: NightOf
) -> None:
    old = model("gru", GOOD, "champion", "7", levels=(0.2, 0.5, 0.8))
    done = judged(night_of("2024-03-11", "unlike"), (model("lstm", BAD),), old)
    assert done.champion == old
    assert "champion passed over: gru v7 was made for quantiles (0.2, 0.5, 0.8)" in done.reason


def test_night_without_challengers_keeps_the_champion(
    judged: Callable[..., RegistrationResult], tracking: TrackingSettings, model: Model, night_of: NightOf
) -> None:
    night = night_of("2024-03-11", "alone")
    judged(night_of("2024-03-10", "alone"), (model("lstm", BAD),))
    old = model("gru", GOOD, "champion", "1")
    done = judged(night, (), old)
    assert (done.champion, done.moved) == (old, False)
    assert alias(tracking, "alone", "champion") == "1"
