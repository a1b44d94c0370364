"""Step 6: every challenger is versioned; the decision record and the alias name the same champion."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models.data.windows import WindowSpec
from models.diagnostics.measurements import Memory
from tasks.evaluation import evaluate
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.promotion.decision import PromotionSpec
from tasks.registration import RegistrationSpec, _best_challenger, register, registration_cache_key
from tasks.registry import champions
from tasks.registry.mlflow_registry import ModelRegistry, TrackingSettings
from tasks.results.steps import RegistrationResult, RunContext, TrainingResult
from tasks.windowing import cut_windows

Model = Callable[..., Candidate]
MakeContext = Callable[..., RunContext]
Register = Callable[..., RegistrationResult]


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> TrackingSettings:
    folder = tmp_path_factory.mktemp("registry")
    return TrackingSettings(uri=f"sqlite:///{folder}/mlflow.db", artifacts=(folder / "artifacts").as_uri())


@pytest.fixture
def run_registration(prepared: Any, forecast_setup: ForecastSetup, tracking: TrackingSettings) -> Register:
    def run(
        context: RunContext, new: tuple[Candidate, ...], old: Candidate | None = None, **promotion: Any
    ) -> RegistrationResult:
        models = ((old,) if old else ()) + new
        evaluated = evaluate.fn(prepared.clean, prepared.windows, models, forecast_setup, prepared.store)
        trained = tuple(
            TrainingResult(candidate=candidate, train_losses=(2.0, 1.0), validation_losses=(2.0, 1.5), seconds=0.1)
            for candidate in new
        )
        gate = RegistrationSpec(
            promotion=PromotionSpec(**promotion), evaluation=forecast_setup.evaluation, tracking=tracking
        )
        return register.fn(evaluated, trained, old, context, gate, prepared.store)

    return run


def alias(tracking: TrackingSettings, pipeline: str, name: str) -> str:
    client = ModelRegistry(tracking, pipeline).client
    return str(client.get_model_version_by_alias(pipeline, name).version)


GOOD, BAD = 0.0, 9.0  # forecasts yesterday's value, and yesterday's value plus 9


def test_first_challenger_that_beats_all_baselines_is_champion_in_record_and_registry(
    run_registration: Register, tracking: TrackingSettings, model: Model, run_context: MakeContext, prepared: Any
) -> None:
    context = run_context("2024-03-11", "crowned")
    done = run_registration(context, (model("far", BAD), model("near", GOOD, kind="seasonal_mean")))
    assert done.moved
    assert done.champion is not None
    assert (done.champion.label, done.champion.role) == ("near v2", "champion")
    assert champions.champion_at("crowned", context.as_of, prepared.store) == done.champion
    assert alias(tracking, "crowned", "champion") == alias(tracking, "crowned", "challenger") == "2"


def test_better_challenger_is_promoted_and_is_the_next_incumbent(
    run_registration: Register, tracking: TrackingSettings, model: Model, run_context: MakeContext, prepared: Any
) -> None:
    first = run_registration(run_context("2024-03-11", "over"), (model("near", 1.0, kind="seasonal_mean"),))
    assert not first.moved
    old = model("old", BAD, "champion", "1")
    done = run_registration(run_context("2024-03-12", "over"), (model("near", GOOD, kind="seasonal_mean"),), old)
    assert done.moved
    assert "near (" in done.reason
    assert "significantly better (p = " in done.reason
    assert champions.champion_before("over", run_context("2024-03-13").as_of, prepared.store) == done.champion
    assert alias(tracking, "over", "champion") == "2"


def test_no_champion_if_no_challenger_beats_the_baselines_but_all_are_versioned(
    run_registration: Register, tracking: TrackingSettings, model: Model, run_context: MakeContext, prepared: Any
) -> None:
    context = run_context("2024-03-11", "first")
    done = run_registration(context, (model("gru", BAD), model("lstm", BAD)))
    assert (done.champion, done.moved) == (None, False)
    assert "does not beat" in done.reason
    assert champions.champion_at("first", context.as_of, prepared.store) is None
    assert len(ModelRegistry(tracking, "first").client.search_model_versions("name = 'first'")) == 2


def test_champion_stays_if_the_challenger_is_worse(
    run_registration: Register, tracking: TrackingSettings, model: Model, run_context: MakeContext, prepared: Any
) -> None:
    context = run_context("2024-03-11", "stays")
    old = model("gru", GOOD, "champion", "7")
    done = run_registration(context, (model("lstm", BAD),), old)
    assert (done.champion, done.moved) == (old, False)
    assert champions.champion_at("stays", context.as_of, prepared.store) == old


def test_model_is_logged_with_memory_and_drawings(
    tracking: TrackingSettings, model: Model, run_context: MakeContext, prepared: Any, forecast_setup: ForecastSetup
) -> None:
    context, candidate = run_context("2024-03-11", "recalled"), model("gru", GOOD)
    evaluated = evaluate.fn(prepared.clean, prepared.windows, (candidate,), forecast_setup, prepared.store)
    curve = (1.0, 0.5)
    memory = Memory(
        cell="gru", season=24, segment=1, forecast=curve, recurrence=curve, effective=2, effective_recurrence=1,
        gates=(),
    )  # fmt: skip
    drawings = {"cell": prepared.store.put_bytes(b"<svg/>", "drawing", "svg")}
    result = TrainingResult(
        candidate=candidate, train_losses=curve, validation_losses=curve, seconds=0.1, memory=memory, drawings=drawings,
        gradients={"skip": (0.3, 0.2)},
    )  # fmt: skip
    gate = RegistrationSpec(promotion=PromotionSpec(), evaluation=forecast_setup.evaluation, tracking=tracking)
    register.fn(evaluated, (result,), None, context, gate, prepared.store)
    client = ModelRegistry(tracking, "recalled").client
    run = client.search_runs([client.get_experiment_by_name("recalled").experiment_id])[0]
    assert (run.data.metrics["effective_memory"], run.data.metrics["effective_memory_recurrence"]) == (2.0, 1.0)
    assert run.data.metrics["gradient_norm.skip"] == 0.2
    assert [file.path for file in client.list_artifacts(run.info.run_id, "memory")] == ["memory/cell.svg"]


def test_decision_record_has_champion_and_reason(
    run_registration: Register, model: Model, run_context: MakeContext, prepared: Any
) -> None:
    context = run_context("2024-03-11", "entry")
    old = model("gru", GOOD, "champion", "7")
    done = run_registration(context, (model("lstm", BAD),), old)
    assert done.decision.uri == "decisions/pipeline=entry/vintage=2024-03-11T000000Z.json"
    entry = json.loads((Path(prepared.store.root) / done.decision.uri).read_text(encoding="utf-8"))
    assert entry["champion"]["name"] == "gru"
    assert (entry["moved"], entry["run_id"]) == (False, "run-2024-03-11")
    assert entry["reason"].startswith("lstm (15.43) does not beat naive")


def test_repeated_night_gives_the_same_version_and_decision(
    run_registration: Register, tracking: TrackingSettings, model: Model, run_context: MakeContext
) -> None:
    context = run_context("2024-03-11", "again")
    first = run_registration(context, (model("lstm", BAD),))
    assert run_registration(context, (model("lstm", BAD),)) == first
    assert len(ModelRegistry(tracking, "again").client.search_model_versions("name = 'again'")) == 1


def test_challenger_alias_moves_even_if_the_challenger_lost(
    run_registration: Register, tracking: TrackingSettings, model: Model, run_context: MakeContext
) -> None:
    run_registration(run_context("2024-03-11", "alias"), (model("far", BAD), model("near", GOOD)))
    assert alias(tracking, "alias", "challenger") == "2"


def test_champion_that_the_registry_lost_stays_with_reason(
    run_registration: Register, model: Model, run_context: MakeContext
) -> None:
    old = model("gru", GOOD, "champion", "7")
    done = run_registration(run_context("2024-03-11", "lost"), (model("lstm", BAD),), old)
    assert done.champion == old
    assert done.reason.endswith("the registry has lost version 7, whose bundle is still in the store")


def test_late_night_moves_no_alias(
    run_registration: Register, tracking: TrackingSettings, model: Model, run_context: MakeContext
) -> None:
    run_registration(run_context("2024-03-12", "late"), (model("newer", BAD),))
    run_registration(run_context("2024-03-11", "late"), (model("older", BAD),))
    assert alias(tracking, "late", "challenger") == "1"


def test_champion_that_could_not_be_compared_stays_with_reason(
    run_registration: Register, model: Model, run_context: MakeContext
) -> None:
    old = model("gru", GOOD, "champion", "7", levels=(0.2, 0.5, 0.8))
    done = run_registration(run_context("2024-03-11", "unlike"), (model("lstm", BAD),), old)
    assert done.champion == old
    assert "champion passed over: gru v7 was made for quantiles (0.2, 0.5, 0.8)" in done.reason


def test_night_without_challengers_keeps_the_champion(
    run_registration: Register, tracking: TrackingSettings, model: Model, run_context: MakeContext
) -> None:
    context = run_context("2024-03-11", "alone")
    run_registration(run_context("2024-03-10", "alone"), (model("lstm", BAD),))
    old = model("gru", GOOD, "champion", "1")
    done = run_registration(context, (), old)
    assert (done.champion, done.moved) == (old, False)
    assert alias(tracking, "alone", "champion") == "1"


NAN = float("nan")


def test_challenger_that_is_not_finite_is_neither_promoted_nor_registered(
    run_registration: Register, model: Model, run_context: MakeContext, prepared: Any, tracking: TrackingSettings
) -> None:
    done = run_registration(run_context("2024-03-11", "holes"), (model("gru", NAN),))
    assert (done.champion, done.moved) == (None, False)
    assert done.reason.startswith(
        "no challenger has a finite loss, so the champion stays; challenger passed over: gru: "
    )
    assert "of series 'a' and 1 more series at origin 2024-03-08 08:00 UTC" in done.reason
    old = model("old", BAD, "champion", "7")
    second = run_registration(run_context("2024-03-12", "holes"), (model("gru", NAN),), old)
    assert (second.champion, second.moved) == (old, False)


def test_champion_that_is_not_finite_is_replaced_by_a_finite_challenger(
    run_registration: Register, model: Model, run_context: MakeContext
) -> None:
    old, new = model("old", NAN, "champion", "7"), model("near", GOOD, kind="seasonal_mean")
    done = run_registration(run_context("2024-03-11", "gap"), (new,), old)
    assert done.moved
    assert "has a finite loss, and old v7 has none" in done.reason


def test_champion_that_cannot_be_read_stays_and_no_challenger_is_promoted(
    run_registration: Register, model: Model, run_context: MakeContext, prepared: Any
) -> None:
    old, new = model("old", BAD, "champion", "7"), model("near", GOOD, kind="seasonal_mean")
    (Path(prepared.store.root) / old.bundle.uri).write_bytes(b"rot")
    done = run_registration(run_context("2024-03-11", "rot"), (new,), old)
    assert (done.champion, done.moved) == (old, False)
    assert done.reason.startswith("old v7 could not be compared, so it stays champion and no challenger is promoted")


def test_reason_says_why_the_champion_was_not_compared(
    run_registration: Register, model: Model, run_context: MakeContext
) -> None:
    old, new = model("old", BAD, "champion", "7", levels=(0.2, 0.5, 0.8)), model("near", GOOD, kind="seasonal_mean")
    done = run_registration(run_context("2024-03-11", "other"), (new,), old)
    assert done.moved
    assert "beats every baseline, and old v7 could not be compared" in done.reason


def test_no_model_is_promoted_while_a_decision_record_cannot_be_read(
    run_registration: Register, model: Model, run_context: MakeContext, prepared: Any
) -> None:
    earlier = Path(prepared.store.root) / "decisions/pipeline=torn/vintage=2024-03-10T000000Z.json"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"{")
    new = model("near", GOOD, kind="seasonal_mean")
    done = run_registration(run_context("2024-03-11", "torn"), (new,))
    assert (done.champion, done.moved) == (None, False)
    assert "vintage=2024-03-10T000000Z.json cannot be read, so the champion is unknown" in done.reason
    earlier.unlink()
    assert run_registration(run_context("2024-03-12", "torn"), (new,)).moved


def test_decision_is_on_every_version_of_the_night(
    run_registration: Register, tracking: TrackingSettings, model: Model, run_context: MakeContext
) -> None:
    old = model("old", BAD, "champion", "1")
    new = (model("near", GOOD, kind="seasonal_mean"), model("far", BAD + 1))
    done = run_registration(run_context("2024-03-11", "tagged"), new, old)
    client = ModelRegistry(tracking, "tagged").client
    near, far = (client.get_model_version("tagged", version).tags for version in ("1", "2"))
    prefix = "nightcast.decision."
    assert (near[f"{prefix}outcome"], far[f"{prefix}outcome"]) == ("promoted", "not promoted")
    assert near[f"{prefix}reason"] == far[f"{prefix}reason"] == done.reason
    assert 0 < float(near[f"{prefix}gain"]) <= 1
    assert float(near[f"{prefix}p_value"]) < float(near[f"{prefix}level"])
    assert f"{prefix}p_value" not in far


def test_gates_are_on_record_and_in_the_tags(
    run_registration: Register, model: Model, run_context: MakeContext, prepared: Any, tracking: TrackingSettings
) -> None:
    old, new = model("old", BAD, "champion", "7"), model("near", GOOD, kind="seasonal_mean")
    done = run_registration(
        run_context("2024-03-11", "gates"), (new,), old, max_segment_increase=0.25, max_coverage_error=0.9
    )
    assert done.moved
    entry = json.loads((Path(prepared.store.root) / done.decision.uri).read_text(encoding="utf-8"))
    assert (entry["segment"]["by"], entry["segment"]["failing"], entry["segment"]["compared"]) == ("series", 0, 2)
    assert entry["segment"]["loss"] < entry["segment"]["champion_loss"]
    assert entry["coverage"]["share"] == entry["champion_coverage"]["share"] == 0.8
    version = ModelRegistry(tracking, "gates").client.get_model_version("gates", "1")
    tags = {name.removeprefix("nightcast.decision."): value for name, value in version.tags.items()}
    assert tags["segment"] == f"series {entry['segment']['name']!r}"
    assert float(tags["coverage"]) == pytest.approx(entry["coverage"]["inside"])
    assert {"segment_increase", "segment_p_value", "coverage_error"} <= tags.keys()


def test_challenger_that_fails_a_gate_is_not_promoted(
    run_registration: Register, model: Model, run_context: MakeContext, prepared: Any
) -> None:
    old, new = model("old", BAD, "champion", "7"), model("near", GOOD, kind="seasonal_mean")
    context = run_context("2024-03-11", "narrow")
    assert run_registration(run_context("2024-03-11", "free"), (new,), old).moved
    done = run_registration(context, (new,), old, max_coverage_error=0.0)
    entry = json.loads((Path(prepared.store.root) / done.decision.uri).read_text(encoding="utf-8"))
    worse = entry["coverage"]["error"] > max(0.0, entry["champion_coverage"]["error"])
    assert done.moved != worse
    assert ("not promoted: the interval of near promises 80%" in done.reason) == worse


def test_record_without_gates_is_that_of_earlier_releases(
    run_registration: Register, model: Model, run_context: MakeContext, prepared: Any
) -> None:
    old = model("gru", GOOD, "champion", "7")
    done = run_registration(run_context("2024-03-11", "plain"), (model("lstm", BAD),), old)
    entry = json.loads((Path(prepared.store.root) / done.decision.uri).read_text(encoding="utf-8"))
    assert entry.keys() == {
        "as_of", "best", "champion", "gain", "gains", "level", "moved", "p_value", "pipeline", "previous", "reason",
        "run_id", "scores",
    }  # fmt: skip


def test_segments_are_values_of_the_columns_of_the_clean_table(
    model: Model, run_context: MakeContext, prepared: Any, forecast_setup: ForecastSetup
) -> None:
    clean = prepared.store.get(prepared.clean)
    more = pd.concat([clean, clean[clean["unique_id"] == "a"].assign(unique_id="c")], ignore_index=True)
    more["town"] = more["unique_id"].map({"a": "Bonn", "b": "Kiel", "c": "Bonn"})
    table, spec = prepared.store.put(more, "clean"), WindowSpec(horizon=3, validation="2d", test="3d")
    evaluation = forecast_setup.evaluation
    windows = cut_windows.fn(table, prepared.cutoff, forecast_setup.view, spec, evaluation, prepared.store)
    models = (model("old", BAD, "champion", "7"), model("near", GOOD, kind="seasonal_mean"))
    evaluated = evaluate.fn(table, windows, models, forecast_setup, prepared.store)
    gate = RegistrationSpec(
        promotion=PromotionSpec(max_segment_increase=0.0), evaluation=evaluation, tracking=None, segments=("town",)
    ).on(table)
    context = run_context("2024-03-11", "towns")
    done = register.fn(evaluated, (), models[0], context, gate, prepared.store)
    entry = json.loads((Path(prepared.store.root) / done.decision.uri).read_text(encoding="utf-8"))
    assert entry["segment"]["compared"] == 5  # three series and two towns
    key = registration_cache_key(evaluated, (), models[0], context, gate, prepared.store)
    assert key != registration_cache_key(evaluated, (), models[0], context, gate.on(prepared.clean), prepared.store)


@pytest.mark.parametrize("losses", [[], [float("nan")] * 3])
def test_models_without_a_loss_at_any_origin_have_no_best_challenger(losses: list[float]) -> None:
    """A target that repeats exactly has no scale, so that no origin has a MASE."""
    assert _best_challenger(pd.DataFrame({"gru": losses, "lstm": losses}, dtype="float64")) is None
