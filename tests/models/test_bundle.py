"""A bundle: the same bytes after a round trip, typed settings, no pickle, and the same forecasts."""

import contextlib
import dataclasses
import io
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.errors import NightcastError
from models.baselines.seasonal import fit_baselines
from models.bundle import Bundle, BundleDamaged
from models.data.features import FeatureSpec
from models.data.imputation import Filling
from models.data.panel import InputSpec, Panel
from models.data.windows import WindowSpec, build_window_index
from models.networks.architecture import RecurrentSpec
from models.predict import predict
from models.restore import restore_shape, restore_spec
from models.training.recipe import Recipe
from models.training.train_network import train_network
from models.training.training_spec import TrainingSpec

QUANTILES = (0.05, 0.1, 0.5, 0.9, 0.95)
FEATURES = FeatureSpec(known=("plan", "hour"), observed=("wind",), static=("port",))
VIEW = InputSpec(features=FEATURES, freq="h", zone="UTC", lookback=24, horizon=6)
FORMATS = Path(__file__).parents[1] / "formats"
NAMES = ("recurrent", "naive", "seasonal_naive_24", "seasonal_mean_24", "linear")


@pytest.fixture(scope="module")
def table():
    draw, hours = np.random.default_rng(0), np.arange(24 * 30)
    columns = {"plan": {}, "wind": {}, "port": {}}
    series = {}
    for number, name in enumerate("abc"):
        plan = 5 + 4 * np.sin(2 * np.pi * hours / 24) + draw.random(len(hours))
        series[name] = (plan * (1 + number) + draw.random(len(hours))).tolist()
        columns["plan"][name], columns["port"][name] = plan.tolist(), ["x" if number else "y"] * len(hours)
        columns["wind"][name] = np.where(draw.random(len(hours)) < 0.1, np.nan, draw.random(len(hours))).tolist()
    return series, columns


@pytest.fixture(scope="module")
def frame(build_frame, table):
    series, columns = table
    return build_frame(series, "h", **columns)


@pytest.fixture(scope="module")
def models(frame) -> dict[str, Bundle]:
    panel = Panel.from_frame(frame, VIEW)
    index = build_window_index(panel, WindowSpec(horizon=6, validation="4d", test="4d"), panel.grid[24 * 30 - 1], 4)
    training = TrainingSpec(max_epochs=2, windows_per_epoch=512)
    spec = RecurrentSpec(cell="gru", hidden=8, segment=6)
    network, _ = train_network(panel, index, Recipe(model=spec, training=training, quantiles=QUANTILES, view=VIEW))
    baselines = list(fit_baselines(panel, index, VIEW, QUANTILES, (24,)))
    return {"recurrent": network} | {bundle.name: bundle for bundle in baselines}


@pytest.mark.parametrize("name", NAMES)
def test_bundle_round_trip_keeps_bytes_and_forecasts(models, frame, name: str) -> None:
    data = models[name].to_bytes()
    back = Bundle.from_bytes(data)
    assert back.to_bytes() == data
    panel, windows = Panel.from_frame(frame, VIEW), (np.array([0, 2]), np.array([500, 600]))
    np.testing.assert_array_equal(predict(back, panel, *windows), predict(models[name], panel, *windows))


@pytest.mark.parametrize("name", NAMES)
def test_bundle_is_safetensors_with_one_json_header(models, name: str) -> None:
    data = models[name].to_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert list(header["__metadata__"]) == ["nightcast"]
    stored = json.loads(header["__metadata__"]["nightcast"])
    assert stored["settings"]["view"]["freq"] == "h"
    assert (models[name].lookback, models[name].horizon, models[name].levels) == (24, 6, QUANTILES)


def format_example(kind: str) -> bytes:
    """Bytes of a bundle that was written before bundles had typed settings."""
    return (FORMATS / f"bundle_{kind}.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("kind", "median"),
    [
        ("recurrent", [8.6568, 7.4623, 6.4391, 5.6484, 5.1516, 4.9831]),
        ("linear", [8.6562, 7.4283, 6.3800, 5.5655, 5.0563, 4.8786]),
    ],
)
def test_stored_bundle_loads_forecasts_and_keeps_its_bytes(build_frame, kind: str, median: list[float]) -> None:
    bundle = Bundle.from_bytes(format_example(kind))
    assert bundle.to_bytes() == format_example(kind)
    hours = np.arange(24 * 3)
    wave = np.sin(2 * np.pi * hours / 24)
    columns = {"plan": {"a": 3 * wave}, "wind": {"a": np.cos(hours / 9)}, "port": {"a": ["x"] * len(hours)}}
    panel = Panel.from_frame(build_frame({"a": 10 + 5 * wave}, "h", **columns), bundle.view)
    forecast = predict(bundle, panel, np.array([0]), np.array([60]))
    assert forecast[0, :, 1].tolist() == pytest.approx(median, abs=1e-3)


def test_history_is_that_of_the_blended_forecasts(models) -> None:
    assert {name: bundle.history for name, bundle in models.items()} == {
        "recurrent": 8 * 168, "naive": 24, "seasonal_naive_24": 24, "seasonal_mean_24": 24, "linear": 96
    }  # fmt: skip
    assert models["linear"].tensors["weights.short"].shape == models["recurrent"].tensors["linear.weights.short"].shape
    without = {name: values for name, values in models["recurrent"].tensors.items() if name != "median.seasons"}
    assert replace(models["recurrent"], tensors=without).history == 96
    assert [Bundle.from_bytes(format_example(kind)).history for kind in ("recurrent", "linear")] == [24, 24]


def test_settings_of_a_network_have_types() -> None:
    bundle = Bundle.from_bytes(format_example("recurrent"))
    settings = bundle.recurrent
    assert (settings.training.threads, settings.members, settings.lags) == (1, 2, (24,))
    assert settings.filling == Filling(
        season=24, y="season", known=("none",), observed=("forward",), gappy_observed=(0,)
    )
    assert (settings.trained_on, settings.trained_until) == (("cpu", "float32"), "2024-01-09T23:00:00.000000")
    assert (restore_spec(bundle).head, restore_shape(bundle).statics) == ("student_t", (3,))
    with pytest.raises(TypeError, match="is of kind recurrent, not a baseline"):
        _ = bundle.baseline


def test_settings_of_a_baseline_have_types() -> None:
    bundle = Bundle.from_bytes(format_example("linear"))
    assert (bundle.baseline.ids, bundle.baseline.season, bundle.settings.whole) == (("a", "b"), 1, False)
    with pytest.raises(TypeError, match="is of kind linear, not recurrent"):
        _ = bundle.recurrent


def with_settings(data: bytes, change: Callable[[dict[str, Any]], object], kind: str | None = None) -> bytes:
    """Bytes of a bundle whose stored settings are changed in place."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    stored = json.loads(header["__metadata__"]["nightcast"])
    change(stored["settings"])
    stored["kind"] = kind or stored["kind"]
    header["__metadata__"]["nightcast"] = json.dumps(stored, sort_keys=True)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


@pytest.mark.parametrize("key", ["filling", "learned_until", "learned_on"])
def test_bundle_without_an_optional_key_keeps_its_bytes(key: str) -> None:
    older = with_settings(format_example("recurrent"), lambda settings: settings.pop(key))
    bundle = Bundle.from_bytes(older)
    assert key not in bundle.stored_settings()
    assert Bundle.from_bytes(bundle.to_bytes()).stored_settings() == bundle.stored_settings()


def test_unknown_settings_are_written_back() -> None:
    newer = with_settings(format_example("recurrent"), lambda settings: settings.update(later={"a": [1, 2.5]}))
    assert Bundle.from_bytes(newer).stored_settings()["later"] == {"a": [1, 2.5]}


@pytest.mark.parametrize("key", ["view", "quantiles", "members", "training"])
def test_bundle_without_a_required_key_is_rejected(key: str) -> None:
    with pytest.raises(BundleDamaged, match=rf"settings\.{key}: Field required"):
        Bundle.from_bytes(with_settings(format_example("recurrent"), lambda settings: settings.pop(key)))


def test_bundle_of_an_unknown_kind_is_rejected() -> None:
    with pytest.raises(BundleDamaged, match="unknown kind 'prophet'"):
        Bundle.from_bytes(with_settings(format_example("linear"), lambda settings: None, kind="prophet"))


def test_settings_built_in_code_are_stored_in_full(models) -> None:
    assert models["linear"].stored_settings()["view"] == {
        "features": {"known": ["plan", "hour"], "observed": ["wind"], "static": ["port"]},
        "fill": [],
        "freq": "h",
        "horizon": 6,
        "lookback": 24,
        "zone": "UTC",
    }
    assert sorted(models["linear"].stored_settings()) == ["ids", "quantiles", "season", "view", "whole"]


@pytest.mark.parametrize(
    "garbage", [b"", b"{}", b"\xff" * 64, pickle.dumps({"weights": 1}), (2).to_bytes(8, "little") + b"{}"]
)
def test_other_bytes_are_rejected_with_a_remedy(garbage: bytes) -> None:
    with pytest.raises(BundleDamaged, match="Train again") as error:
        Bundle.from_bytes(garbage)
    assert isinstance(error.value, NightcastError)


class Trap:
    """Unpickling it creates a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("wrap", [pickle.dumps, lambda trap: torch_file({"weights": trap})], ids=["pickle", "torch"])
def test_pickle_is_never_loaded(tmp_path: Path, wrap) -> None:
    mark = tmp_path / "opened"
    with pytest.raises(BundleDamaged):
        Bundle.from_bytes(wrap(Trap(mark)))
    assert not mark.exists()
    pickle.loads(pickle.dumps(Trap(mark)))  # noqa: S301  # the trap works
    assert mark.exists()


def torch_file(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@pytest.mark.parametrize("nested", [b"[" * 200_000, b'{"__metadata__":{"nightcast":"' + b"[" * 100_000 + b'"}}'])
def test_deeply_nested_header_is_rejected(nested: bytes) -> None:
    with pytest.raises(BundleDamaged):
        Bundle.from_bytes(len(nested).to_bytes(8, "little") + nested)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_truncated_bundle_is_rejected(models, share: float) -> None:
    data = models["recurrent"].to_bytes()
    with pytest.raises(BundleDamaged):
        Bundle.from_bytes(data[: int(share * len(data))])


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_flipped_bit_gives_a_bundle_or_bundle_damaged(models, share: float, bit: int) -> None:
    # a flipped bit of a weight gives another weight: the store's digest detects it
    data = bytearray(models["naive"].to_bytes())
    data[int(share * len(data))] ^= 1 << bit
    with contextlib.suppress(BundleDamaged):
        assert isinstance(Bundle.from_bytes(bytes(data)), Bundle)


def test_forecast_does_not_depend_on_number_of_threads(models, frame) -> None:
    panel, before, forecasts = Panel.from_frame(frame, VIEW), torch.get_num_threads(), []
    windows = np.repeat([0, 1, 2], 200), np.tile(np.arange(300, 500), 3)
    try:
        for threads in (1, 4):
            torch.set_num_threads(threads)
            forecasts.append(predict(models["recurrent"], panel, *windows).tobytes())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert forecasts[0] == forecasts[1]


@pytest.mark.parametrize("name", NAMES)
def test_no_windows_give_an_empty_forecast(models, frame, name: str) -> None:
    nothing = np.zeros(0, np.int32)
    assert predict(models[name], Panel.from_frame(frame, VIEW), nothing, nothing).shape == (0, 6, 5)


@pytest.mark.parametrize(("low", "high"), [(12.0, None), (None, 3.0), (None, None), (5.0, 5.0)])
def test_forecast_respects_each_limit(models, frame, low: float | None, high: float | None) -> None:
    forecast = predict(
        models["recurrent"], Panel.from_frame(frame, VIEW), np.array([0, 2]), np.array([400, 500]), low, high
    )
    assert forecast.min() >= (-np.inf if low is None else low)
    assert forecast.max() <= (np.inf if high is None else high)


@pytest.mark.parametrize("name", NAMES)
def test_only_known_covariates_are_read_after_the_cutoff(models, frame, name: str) -> None:
    cutoff = frame["ds"].iloc[600]
    corrupt = frame.copy()
    after = corrupt["ds"] > cutoff
    corrupt.loc[after, ["y", "wind"]] = 1e12
    empty = frame.copy()
    empty.loc[after, ["y", "wind"]] = np.nan
    windows = (np.array([0, 1, 2]), np.array([600, 600, 600]))
    forecast, corrupted, blind = (
        predict(models[name], Panel.from_frame(table, VIEW), *windows) for table in (frame, corrupt, empty)
    )
    np.testing.assert_array_equal(forecast, corrupted)
    np.testing.assert_array_equal(forecast, blind)


@pytest.mark.parametrize("name", NAMES)
def test_quantiles_are_ordered_and_within_limits(models, frame, name: str) -> None:
    panel = Panel.from_frame(frame, VIEW)
    forecast = predict(models[name], panel, np.array([0, 1, 2]), np.array([400, 500, 600]), 4.0, 9.0)
    assert forecast.shape == (3, 6, 5)
    assert forecast.dtype == np.float64
    assert (np.diff(forecast, axis=-1) >= 0).all()
    assert forecast.min() >= 4.0
    assert forecast.max() <= 9.0


def test_quantiles_are_ordered_even_if_calibration_crosses_them(models, frame) -> None:
    network = models["recurrent"]
    crossed = {"spread": np.array([0.1, 9.0, 1.0, 9.0, 0.1])}  # 5 % drawn in, 10 % pushed out
    bundle = dataclasses.replace(network, tensors=network.tensors | crossed)
    forecast = predict(bundle, Panel.from_frame(frame, VIEW), np.array([0, 1, 2]), np.array([400, 500, 600]))
    assert (np.diff(forecast, axis=-1) >= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_unseen_series_and_category_are_forecast(models, frame, name: str) -> None:
    stranger = frame[frame["unique_id"] == "a"].assign(unique_id="new", port="nowhere")
    young = frame[frame["unique_id"] == "b"].iloc[-1:].assign(unique_id="young")
    panel = Panel.from_frame(pd.concat([stranger, young]), VIEW)
    forecast = predict(models[name], panel, np.array([0, 1]), np.array([500, 0]))
    assert np.isfinite(forecast).all()
    truth = panel.y[501:507]
    assert np.abs(forecast[0, :, 2] - truth).mean() < 8


@pytest.mark.parametrize("name", NAMES)
def test_forecast_does_not_depend_on_the_other_windows(models, frame, name: str) -> None:
    panel = Panel.from_frame(frame, VIEW)
    series, position = np.repeat([0, 1, 2], 300), np.tile(np.arange(300, 600), 3)
    together = predict(models[name], panel, series, position)
    alone = predict(models[name], panel, series[[437]], position[[437]])
    np.testing.assert_allclose(alone[0], together[437], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_forecast_is_in_units_of_the_source(models, frame, name: str) -> None:
    panel = Panel.from_frame(frame, VIEW)
    large = Panel.from_frame(frame.assign(y=frame["y"] * 1000), VIEW)
    windows = (np.array([0, 1, 2]), np.array([600, 600, 600]))
    if name in ("recurrent", "linear"):
        forecast, scaled = (
            predict(models[name], panel, *windows)[..., 2],
            predict(models[name], large, *windows)[..., 2],
        )
        assert 500 < (scaled / forecast).mean() < 2000
    assert 1 < predict(models[name], panel, *windows)[..., 2].mean() < 30
