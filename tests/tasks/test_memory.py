"""Step 4b: drawings of memory, reference networks, and the rule about short memory."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_contracts.errors import MemoryTooShort, NightcastError, TrainingFailed
from models.diagnostics.effective_memory import explain_short_memory, gate_saturation, memory_metrics
from models.diagnostics.measurements import GateStatistics, Memory
from models.networks.architecture import RecurrentSpec
from models.training.recipe import Recipe
from models.training.training_spec import TrainingSpec
from tasks.engine.failure import StepFailure
from tasks.memory import MemorySpec, draw_memory, drawings_cache_key
from tasks.modeling.candidate import Candidate
from tasks.modeling.memory import enforce_memory_rule
from tasks.results.run import with_drawings
from tasks.results.steps import MemoryDrawings, TrainingResult
from tasks.training import train

QUICK = {"max_epochs": 1, "windows_per_epoch": 128, "validation_windows": 64, "device": "cpu"}


def memory(effective: int = 24, season: int = 24, lookback: int = 48, **changes: Any) -> Memory:
    curve = (1.0,) * lookback
    values = {"cell": "gru", "season": season, "segment": 1, "forecast": curve, "recurrence": curve}
    return Memory.model_validate(values | {"effective": effective, "effective_recurrence": 3, "gates": ()} | changes)


def recipe(forecast_setup: Any, lookback: int = 24, cell: str = "gru", **training: Any) -> Recipe:
    view = forecast_setup.view.model_copy(update={"lookback": lookback})
    spec = TrainingSpec.model_validate(QUICK | training)
    model = RecurrentSpec(cell=cell, hidden=8, segment=6)  # type: ignore[arg-type]  # a literal by any name
    return Recipe(model=model, training=spec, quantiles=forecast_setup.bounds.quantiles, view=view)


@pytest.fixture
def train_model(prepared: Any, forecast_setup: Any) -> Callable[..., TrainingResult]:
    def run(**changes: Any) -> TrainingResult:
        return train.fn(prepared.clean, prepared.windows, recipe(forecast_setup, **changes), None, prepared.store)

    return run


def draw(prepared: Any, trained: tuple[TrainingResult, ...], steps: int = 2) -> MemoryDrawings:
    spec = MemorySpec(reference_steps=steps)
    return draw_memory.fn(prepared.clean, prepared.windows, trained, spec, prepared.store)


@pytest.mark.parametrize(
    ("measured", "explanation"),
    [
        (memory(24), ""),
        (memory(12), "it can't see a season back: its forecast depends on the last 12 of the 48 steps that it reads"),
        (memory(12, lookback=12), "its lookback of 12 steps is shorter than a season of 24"),
        (memory(0), "its forecast depends on none of the 48 steps that it reads"),
    ],
)
def test_short_memory_is_explained(measured: Memory, explanation: str) -> None:
    assert explanation in explain_short_memory(measured)
    assert bool(explanation) == bool(explain_short_memory(measured))


def test_short_memory_is_logged_and_returned(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "nightcast"):
        assert (
            enforce_memory_rule("warn", "gru-8", memory(24)) == enforce_memory_rule("fail", "gru-8", memory(24)) == ""
        )
        assert enforce_memory_rule("warn", "gru-8", memory(12)) == explain_short_memory(memory(12))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "gru-8" in caplog.text


def test_rule_fail_refuses_short_memory_with_ways_out() -> None:
    with pytest.raises(MemoryTooShort) as refused:
        enforce_memory_rule("fail", "gru-8", memory(12))
    assert str(refused.value) == (
        "model 'gru-8' is rejected: it can't see a season back: its forecast depends on the last 12 of the 48 steps "
        "that it reads, and a season is 24. Set a longer windowing.lookback, a gated cell (lstm or gru) or a "
        "longer segment, or accept the model with training.memory: warn."
    )
    assert isinstance(refused.value, TrainingFailed | NightcastError)
    assert (refused.value.effective, refused.value.season, refused.value.exit_code) == (12, 24, 1)


def test_training_result_has_memory_and_a_note_if_it_is_short(
    train_model: Callable[..., TrainingResult],
) -> None:
    far, short = train_model(lookback=24), train_model(lookback=12)
    assert far.memory is not None
    assert (len(far.memory.forecast), far.memory.season, far.note) == (24, 24, "")
    assert "its lookback of 12 steps is shorter than a season of 24" in short.note
    assert TrainingResult.model_validate_json(short.model_dump_json()) == short
    with pytest.raises(MemoryTooShort, match=r"gru-8-s6.*12 steps.*24.*windowing\.lookback"):
        train_model(lookback=12, memory="fail")


def test_each_model_has_three_drawings_and_untrained_cells_are_references(
    prepared: Any, train_model: Callable[..., TrainingResult]
) -> None:
    result = train_model()
    done = draw(prepared, (result,))
    assert [reference.name for reference in done.references] == ["rnn-8-s6", "lstm-8-s6"]
    claims = done.drawings[result.candidate.bundle.digest]
    assert sorted(claims) == ["cell", "lags", "unrolled"]
    sheets = {name: prepared.store.get_bytes(claim).decode() for name, claim in claims.items()}
    assert all(claim.uri.startswith("artifacts/drawing/") and claim.uri.endswith(".svg") for claim in claims.values())
    assert {"rnn-8-s6, reference", "lstm-8-s6, reference"} <= {
        word.split(":")[0] for word in sheets["lags"].replace("<", ">").split(">")
    }
    assert "gru-8-s6, unrolled through time" in sheets["unrolled"]
    assert with_drawings((result,), done)[0].drawings == claims


def test_reference_leaves_no_bundle(prepared: Any, train_model: Callable[..., TrainingResult]) -> None:
    result = train_model()
    bundles = Path(prepared.store.root) / "artifacts/bundle"
    before = sorted(bundles.iterdir())
    draw(prepared, (result,))
    assert sorted(bundles.iterdir()) == before


def test_no_reference_is_trained_if_disabled_or_all_cells_are_trained(
    prepared: Any, train_model: Callable[..., TrainingResult]
) -> None:
    result = train_model()
    assert draw(prepared, (result,), steps=0).references == ()
    others = tuple(train_model(cell=cell) for cell in ("rnn", "lstm"))
    assert draw(prepared, (result, *others)).references == ()


def test_drawings_depend_only_on_models_and_the_training_part(
    prepared: Any, train_model: Callable[..., TrainingResult]
) -> None:
    result, other = train_model(), train_model(seed=1)
    tables, spec = (prepared.clean, prepared.windows), MemorySpec(reference_steps=2)
    key = drawings_cache_key(*tables, (result,), spec, prepared.store)
    slower = result.model_copy(update={"seconds": 99.0})
    assert drawings_cache_key(*tables, (slower,), spec, prepared.store) == key
    assert drawings_cache_key(*tables, (other,), spec, prepared.store) != key
    assert drawings_cache_key(*tables, (result,), MemorySpec(reference_steps=0), prepared.store) != key


def test_same_models_give_same_drawings(prepared: Any, train_model: Callable[..., TrainingResult]) -> None:
    result = train_model()
    assert draw(prepared, (result,)) == draw(prepared, (result,))


def test_night_without_a_network_has_no_drawings(prepared: Any, model: Callable[..., Candidate]) -> None:
    unknown = TrainingResult(candidate=model("old", 1.0), train_losses=(), validation_losses=(), seconds=0.0)
    assert draw(prepared, ()).drawings == draw(prepared, (unknown,)).drawings == {}
    assert with_drawings((unknown,), StepFailure(step="draw_memory", reason="broken")) == (unknown,)


def test_memory_metrics_name_layer_gate_and_direction() -> None:
    uses = tuple(
        GateStatistics(layer=0, gate=gate, mean=0.5, low=0.1, high=high, by_step=(0.5,), direction=way)
        for gate, high, way in (("update", 0.3, "forward"), ("reset", 0.1, "backward"), ("new", 0.9, "forward"))
    )  # fmt: skip
    metrics = dict(memory_metrics(memory(24, gates=uses)))
    assert (metrics["effective_memory"], metrics["effective_memory_recurrence"]) == (24.0, 3.0)
    assert metrics["gate.l0.update.high"] == 0.3
    assert metrics["gate.l0.back.reset.low"] == 0.1
    assert metrics["gate_saturation"] == pytest.approx(0.3)  # of gates only, without the candidate state
    assert gate_saturation(uses[2:]) == pytest.approx(1.0)
