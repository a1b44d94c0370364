"""The service gives the numbers of the night: from kept states, after observations, from a history, by both engines."""

import io
import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.deployments.api.conftest import CUTOFF, NAMES, NIGHT, assert_equal_table, published
from tests.faults.harness import World

SERIES = [*NAMES.values(), "東京 é"]
NEXT = CUTOFF + pd.Timedelta("1h")


def observation(table, name, ds, **more):
    """The row of the source as an observation, with the known covariates of the last step of the next horizon."""
    series = table[table["port"].map(lambda text: text.replace("e\N{COMBINING ACUTE ACCENT}", "é")) == name]
    row = series[series["hour_utc"] == ds].iloc[0]
    ahead = series[series["hour_utc"] == ds + pd.Timedelta("24h")]["planned"].tolist()
    body = {"unique_id": name, "ds": f"{ds:%Y-%m-%dT%H:%M:%SZ}", "y": float(row["late"])}
    return body | {"covariates": {"wind": float(row["wind"])}, "known": {"planned": ahead}} | more


def history_of(table, until):
    """The source until a step, as JSON rows, with the known covariates of the horizon."""
    rows = table[table["hour_utc"] <= until + pd.Timedelta("24h")].rename(
        columns={"port": "unique_id", "hour_utc": "ds", "late": "y"}
    )
    rows = rows.assign(ds=rows["ds"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    is_ahead = pd.to_datetime(rows["ds"], utc=True) > until
    rows[["y", "wind"]] = rows[["y", "wind"]].mask(is_ahead)
    return json.loads(rows.to_json(orient="records"))


def floats(forecast):
    return np.array(list(forecast["quantiles"].values())).tobytes()


def test_every_series_equals_the_published_forecast(readable):
    forecasts = readable.forecast(*SERIES)
    assert [forecast["unique_id"] for forecast in forecasts] == SERIES
    for forecast in forecasts:
        assert_equal_table(forecast, published(readable.world, forecast["unique_id"]))
        state = readable.get(
            "/v1/series/" + forecast["unique_id"].replace("%", "%25").replace("?", "%3F").replace("#", "%23")
        )
        assert state.status_code == 200, state.text
        assert state.json()["forecast"] == forecast
        assert state.json()["newest"] == f"{CUTOFF:%Y-%m-%dT%H:%M:%SZ}"
    assert readable.get("/v1/series").json()["series"] == sorted(SERIES)
    assert readable.get("/v1/series", after=sorted(SERIES)[0], limit=1).json()["series"] == sorted(SERIES)[1:2]


def test_a_name_that_is_not_composed_is_the_same_series(readable):
    (composed,) = readable.forecast("東京 é")
    assert readable.forecast("東京 e\N{COMBINING ACUTE ACCENT}") == [composed]


def test_many_requests_at_once_equal_each_alone(readable):
    service = readable.state.queue.service
    alone = [service.forecast_many([[name]])[0]["forecasts"][0] for name in SERIES]
    together = service.forecast_many([SERIES, ["nowhere"], SERIES[:1], SERIES[1:]])
    assert together[0]["forecasts"] == alone
    assert together[1].status == 404
    assert [answer["forecasts"] for answer in together[2:]] == [alone[:1], alone[1:]]


def test_observations_give_the_forecast_of_the_longer_history_and_nearly_that_of_the_next_night(api, named, tmp_path):
    for step in range(24):
        ds = NEXT + pd.Timedelta(hours=step)
        answer = api.observe(*(observation(named, name, ds) for name in SERIES))
        assert [result["outcome"] for result in answer["results"]] == ["advanced"] * 3
        assert answer["without_forecast"] == []
        if step in (0, 6):
            history = api.post("/v1/forecast", {"history": history_of(named, ds)})
            assert history.status_code == 200, history.text
            expected = {forecast["unique_id"]: forecast for forecast in history.json()["forecasts"]}
            for forecast in answer["forecasts"]:
                assert forecast == expected[forecast["unique_id"]]
    shutil.copytree(api.world.folder, tmp_path / "world")
    night = World.__new__(World)
    night.folder, night.store, night.spec = tmp_path / "world", tmp_path / "world/store", tmp_path / "world/ports.yaml"
    night.spec.write_text(night.spec.read_text().replace(str(api.world.folder), str(night.folder)))
    ended = night.run("forecast", str(night.spec), "--as-of", "2024-02-09", "--no-server")
    assert ended.code == 0, ended.output
    for forecast in answer["forecasts"]:  # the service keeps the shares of the night that it was started on
        rows = published(night, forecast["unique_id"])
        assert pd.to_datetime(forecast["ds"], utc=True).tolist() == rows["ds"].dt.tz_convert("UTC").tolist()
        difference = (rows["y_hat"] - forecast["y_hat"]).abs()
        assert difference.max() <= 1  # of counts
        assert (difference == 0).mean() > 0.75


def test_a_history_gives_what_the_loaded_champion_predicts(readable, named, monkeypatch):
    from nightcast import load_champion

    monkeypatch.setenv("NIGHTCAST_STORE", str(readable.world.store))
    rows = history_of(named[named["port"].isin(SERIES)], CUTOFF - pd.Timedelta("7h"))
    predicted = load_champion("ports").predict(pd.DataFrame(rows))
    for forecast in readable.post("/v1/forecast", {"history": rows}).json()["forecasts"]:
        assert_equal_table(forecast, predicted[predicted["unique_id"] == forecast["unique_id"]])


def test_observations_of_a_forecast_request_are_not_kept(readable, named):
    (before,) = readable.forecast(SERIES[0])
    seen = observation(named, SERIES[0], NEXT)
    (moved,) = readable.forecast(SERIES[0], observations=[seen])
    assert pd.Timestamp(moved["cutoff"]) == NEXT
    assert floats(moved) != floats(before)
    assert readable.forecast(SERIES[0]) == [before]


def test_outcome_of_each_kind_of_observation(api, named):
    name = SERIES[0]
    first, third = (observation(named, name, NEXT + pd.Timedelta(hours=hour)) for hour in (0, 2))
    late = observation(named, name, NEXT + pd.Timedelta(hours=1))
    assert api.outcomes(first, third) == ["advanced", "advanced"]
    assert api.outcomes(late) == ["filled"]
    assert api.outcomes(late, late | {"y": late["y"] + 1}, late | {"y": None}) == ["repeated", "corrected", "repeated"]
    assert api.outcomes(late | {"y": late["y"] + 1, "covariates": {"wind": 99.0}}) == ["corrected"]
    assert api.outcomes(first | {"ds": "2024-03-22T00:00:00Z"}) == ["restarted"]
    assert api.outcomes(late | {"ds": "2024-01-08T00:00:00Z"}) == ["too old"]


def test_order_of_arrival_changes_nothing(served, open_api, named):
    steps = [observation(named, SERIES[0], NEXT + pd.Timedelta(hours=hour)) for hour in range(5)]
    forecasts = []
    for order in ([0, 1, 2, 3, 4], [4, 0, 2, 1, 3], [2, 2, 4, 4, 3, 1, 0]):
        with open_api(served) as api:
            for number in order:
                api.observe(steps[number] | {"known": {}})
            known = [value for step in steps for value in step["known"]["planned"]]
            api.observe(steps[4] | {"known": {"planned": known}})
            forecasts.append(api.forecast(SERIES[0]))
    assert forecasts[0] == forecasts[1] == forecasts[2]


def test_a_correction_without_covariates_keeps_those_of_its_step(served, open_api, named):
    first, second = (observation(named, SERIES[0], NEXT + pd.Timedelta(hours=hour)) for hour in (0, 1))
    forecasts = []
    for y in ([first["y"] + 2], [first["y"], first["y"] + 2]):
        with open_api(served) as api:
            api.observe(first | {"y": y[0]}, second)
            for value in y[1:]:
                api.observe({"unique_id": SERIES[0], "ds": first["ds"], "y": value})
            forecasts.append(api.forecast(SERIES[0]))
    assert forecasts[0] == forecasts[1]


def test_observation_is_kept_when_its_forecast_lacks_known_covariates(api, named):
    seen = observation(named, SERIES[0], NEXT)
    answer = api.observe(seen | {"known": {}})
    assert [result["outcome"] for result in answer["results"]] == ["advanced"]
    assert answer["forecasts"] == []
    assert answer["without_forecast"][0]["unique_id"] == SERIES[0]
    assert "no values of planned" in answer["without_forecast"][0]["detail"]
    refused = api.post("/v1/forecast", {"series": [SERIES[0]]})
    assert refused.status_code == 422
    assert "`known`" in refused.json()["detail"]
    assert api.get("/v1/series/" + SERIES[0]).json()["forecast"] is None
    assert len(api.forecast(SERIES[0], observations=[seen])[0]["ds"]) == 24
    assert len(api.observe(seen)["forecasts"]) == 1


def test_onnx_equals_torch(served, open_api, readable):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'nightcast[onnx]'")
    with open_api(served, engine="onnx") as api:
        for torch_made, onnx_made in zip(readable.forecast(*SERIES), api.forecast(*SERIES), strict=True):
            for level, values in torch_made["quantiles"].items():
                np.testing.assert_allclose(onnx_made["quantiles"][level], values, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("file_format", ["json", "csv", "parquet", "arrow"])
def test_published_table_in_each_format(readable, file_format):
    answer = readable.get("/v1/forecasts", format=file_format, unique_id=SERIES[1], ds="2024-02-08T03:00Z..")
    assert answer.status_code == 200, answer.text
    if file_format == "json":
        table = pd.DataFrame(answer.json()).assign(ds=lambda t: pd.to_datetime(t["ds"], utc=True))
    elif file_format == "csv":
        table = pd.read_csv(io.BytesIO(answer.content)).assign(ds=lambda t: pd.to_datetime(t["ds"], utc=True))
    elif file_format == "parquet":
        table = pq.read_table(io.BytesIO(answer.content)).to_pandas()
    else:
        table = pa.ipc.open_stream(answer.content).read_all().to_pandas()
    rows = published(readable.world, SERIES[1]).iloc[3:]
    assert table["unique_id"].unique().tolist() == [SERIES[1]]
    assert table["q90"].tolist() == rows["q90"].tolist()
    assert table["ds"].dt.tz_convert("UTC").tolist() == rows["ds"].dt.tz_convert("UTC").tolist()


def test_format_follows_accept(readable):
    for media, begin in (
        ("text/csv;q=0.9, */*", b'"unique_id"'),
        ("application/vnd.apache.parquet", b"PAR1"),
        ("*/*", b"["),
    ):
        assert readable.client.get("/v1/forecasts", headers={"Accept": media}).content.startswith(begin)


@pytest.mark.parametrize(
    ("parameters", "status", "words"),
    [
        ({"unique_id": "nowhere"}, 404, "'nowhere' has no row"),
        ({"as_of": "2020-01-01"}, 404, "Give as_of 2024-02-08"),
        ({"as_of": "x"}, 422, "as_of 'x' is not a time"),
        ({"as_of": "0001-01-01T00:00:00+14:00"}, 422, "is not a time"),
        ({"ds": "2024-02-09..2024-02-08"}, 422, "ends before it begins"),
        ({"ds": "9999-12-31"}, 422, "has no time after it"),
        ({"ds": "..9999-12-31T23:59:59.999999Z"}, 422, "has no time after it"),
        ({"vintages": "some"}, 422, "write newest or all"),
        ({"format": "xlsx"}, 422, "Formats: json, csv, parquet, arrow"),
    ],
)
def test_refused_reads_of_the_published_table(readable, parameters, status, words):
    answer = readable.get("/v1/forecasts", **parameters)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert words in answer.json()["detail"]
    assert str(readable.world.store) not in answer.text


def test_all_vintages_and_as_of(readable):
    assert len(readable.get("/v1/forecasts", vintages="all", as_of=NIGHT).json()) == 3 * 24
    assert readable.client.get("/v1/forecasts", headers={"Accept": "text/html"}).status_code == 406
