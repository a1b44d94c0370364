"""A model as one file: the same bytes again, no pickle, and the same answer."""

import contextlib
import dataclasses
import io
import json
import pickle
from pathlib import Path

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
from models.data.panel import InputSpec, Panel
from models.data.windows import WindowSpec, build_window_index
from models.networks.recurrent import RecurrentSpec
from models.predict import predict
from models.training.fit import TrainingSpec
from models.training.recipe import Recipe
from models.training.train_network import train_network

QUANTILES = (0.05, 0.1, 0.5, 0.9, 0.95)
FEATURES = FeatureSpec(known=("plan", "hour"), observed=("wind",), static=("port",))
VIEW = InputSpec(features=FEATURES, freq="h", zone="UTC", lookback=24, horizon=6)
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
    return {"recurrent": network} | {one.name: one for one in fit_baselines(panel, index, VIEW, QUANTILES, (24,))}


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_survives_the_trip_byte_by_byte(models, frame, name: str) -> None:
    data = models[name].to_bytes()
    back = Bundle.from_bytes(data)
    assert back.to_bytes() == data
    panel, place = Panel.from_frame(frame, VIEW), (np.array([0, 2]), np.array([500, 600]))
    np.testing.assert_array_equal(predict(back, panel, *place), predict(models[name], panel, *place))


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_is_safetensors_with_one_readable_header(models, name: str) -> None:
    data = models[name].to_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert list(header["__metadata__"]) == ["nightcast"]
    told = json.loads(header["__metadata__"]["nightcast"])
    assert told["settings"]["view"]["freq"] == "h"
    assert (models[name].lookback, models[name].horizon, models[name].levels) == (24, 6, QUANTILES)


@pytest.mark.parametrize(
    "garbage", [b"", b"{}", b"\xff" * 64, pickle.dumps({"weights": 1}), (2).to_bytes(8, "little") + b"{}"]
)
def test_anything_else_is_refused_with_a_way_out(garbage: bytes) -> None:
    with pytest.raises(BundleDamaged, match="Train again") as refused:
        Bundle.from_bytes(garbage)
    assert isinstance(refused.value, NightcastError)


class Trap:
    """Unpickled, it would leave a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("wrap", [pickle.dumps, lambda trap: torch_file({"weights": trap})], ids=["pickle", "torch"])
def test_a_pickle_in_place_of_a_bundle_is_never_opened(tmp_path: Path, wrap) -> None:
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
def test_a_header_nested_beyond_reason_is_refused(nested: bytes) -> None:
    with pytest.raises(BundleDamaged):
        Bundle.from_bytes(len(nested).to_bytes(8, "little") + nested)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_torn_bundle_is_refused_wherever_it_is_torn(models, share: float) -> None:
    data = models["recurrent"].to_bytes()
    with pytest.raises(BundleDamaged):
        Bundle.from_bytes(data[: int(share * len(data))])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_gives_a_bundle_or_a_refusal_and_nothing_else(models, share: float, bit: int) -> None:
    # a flipped weight is a weight: that the bytes are the right ones is for the store's digest to say
    data = bytearray(models["naive"].to_bytes())
    data[int(share * len(data))] ^= 1 << bit
    with contextlib.suppress(BundleDamaged):
        assert isinstance(Bundle.from_bytes(bytes(data)), Bundle)


def test_a_machine_with_more_threads_forecasts_the_same_bytes(models, frame) -> None:
    panel, before, found = Panel.from_frame(frame, VIEW), torch.get_num_threads(), []
    place = np.repeat([0, 1, 2], 200), np.tile(np.arange(300, 500), 3)
    try:
        for threads in (1, 4):
            torch.set_num_threads(threads)
            found.append(predict(models["recurrent"], panel, *place).tobytes())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


@pytest.mark.parametrize("name", NAMES)
def test_asked_about_no_window_a_model_answers_with_nothing(models, frame, name: str) -> None:
    nothing = np.zeros(0, np.int32)
    assert predict(models[name], Panel.from_frame(frame, VIEW), nothing, nothing).shape == (0, 6, 5)


@pytest.mark.parametrize(("low", "high"), [(12.0, None), (None, 3.0), (None, None), (5.0, 5.0)])
def test_one_bound_or_both_or_none_are_kept(models, frame, low: float | None, high: float | None) -> None:
    found = predict(
        models["recurrent"], Panel.from_frame(frame, VIEW), np.array([0, 2]), np.array([400, 500]), low, high
    )
    assert found.min() >= (-np.inf if low is None else low)
    assert found.max() <= (np.inf if high is None else high)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_after_the_cutoff_but_known_covariates_is_read(models, frame, name: str) -> None:
    cutoff = frame["ds"].iloc[600]
    corrupt = frame.copy()
    after = corrupt["ds"] > cutoff
    corrupt.loc[after, ["y", "wind"]] = 1e12
    empty = frame.copy()
    empty.loc[after, ["y", "wind"]] = np.nan
    place = (np.array([0, 1, 2]), np.array([600, 600, 600]))
    found, corrupted, blind = (
        predict(models[name], Panel.from_frame(table, VIEW), *place) for table in (frame, corrupt, empty)
    )
    np.testing.assert_array_equal(found, corrupted)
    np.testing.assert_array_equal(found, blind)


@pytest.mark.parametrize("name", NAMES)
def test_quantiles_rise_and_keep_to_the_bounds(models, frame, name: str) -> None:
    panel = Panel.from_frame(frame, VIEW)
    found = predict(models[name], panel, np.array([0, 1, 2]), np.array([400, 500, 600]), 4.0, 9.0)
    assert found.shape == (3, 6, 5)
    assert found.dtype == np.float64
    assert (np.diff(found, axis=-1) >= 0).all()
    assert found.min() >= 4.0
    assert found.max() <= 9.0


def test_quantiles_rise_even_where_their_widths_would_cross_them(models, frame) -> None:
    network = models["recurrent"]
    crossed = {"spread": np.array([0.1, 9.0, 1.0, 9.0, 0.1])}  # 5 % drawn in, 10 % pushed out
    bundle = dataclasses.replace(network, tensors=network.tensors | crossed)
    found = predict(bundle, Panel.from_frame(frame, VIEW), np.array([0, 1, 2]), np.array([400, 500, 600]))
    assert (np.diff(found, axis=-1) >= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_series_and_a_category_never_seen_are_forecast(models, frame, name: str) -> None:
    stranger = frame[frame["unique_id"] == "a"].assign(unique_id="new", port="nowhere")
    young = frame[frame["unique_id"] == "b"].iloc[-1:].assign(unique_id="young")
    panel = Panel.from_frame(pd.concat([stranger, young]), VIEW)
    found = predict(models[name], panel, np.array([0, 1]), np.array([500, 0]))
    assert np.isfinite(found).all()
    truth = panel.y[501:507]
    assert np.abs(found[0, :, 2] - truth).mean() < 8


@pytest.mark.parametrize("name", NAMES)
def test_a_forecast_does_not_depend_on_its_company(models, frame, name: str) -> None:
    panel = Panel.from_frame(frame, VIEW)
    series, position = np.repeat([0, 1, 2], 300), np.tile(np.arange(300, 600), 3)
    together = predict(models[name], panel, series, position)
    alone = predict(models[name], panel, series[[437]], position[[437]])
    np.testing.assert_allclose(alone[0], together[437], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_units_are_those_of_the_source(models, frame, name: str) -> None:
    panel = Panel.from_frame(frame, VIEW)
    large = Panel.from_frame(frame.assign(y=frame["y"] * 1000), VIEW)
    place = (np.array([0, 1, 2]), np.array([600, 600, 600]))
    if name in ("recurrent", "linear"):
        found, scaled = predict(models[name], panel, *place)[..., 2], predict(models[name], large, *place)[..., 2]
        assert 500 < (scaled / found).mean() < 2000
    assert 1 < predict(models[name], panel, *place)[..., 2].mean() < 30
