"""Validation of a pipeline, its as-of, its paths and its contract."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import SpecError
from flows.pipeline import spec as spec_module
from flows.pipeline.spec import PipelineSpec

LEAST = {
    "name": "ports",
    "source": {"kind": "csv", "path": "ports.csv"},
    "columns": {"unique_id": "port", "ds": "hour", "y": "late"},
    "freq": "h",
    "windowing": {"horizon": 24},
}


def test_five_fields_are_enough():
    spec = PipelineSpec.model_validate(LEAST)
    assert [model.name for model in spec.models] == ["lstm-64", "gru-64"]
    assert spec.input_spec.lookback == 168
    assert spec.forecast.quantiles == (0.05, 0.1, 0.5, 0.9, 0.95)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"freq": "hourly-ish"}, "not a pandas frequency"),
        ({"schedule": {"timezone": "America/Gotham"}}, "not a time zone"),
        ({"forecast": {"quantiles": [0.1, 1.2]}}, "between 0 and 1"),
        ({"models": [{"cell": "gru"}, {"cell": "gru"}]}, "listed twice"),
        ({"models": [{"cell": "lstn"}]}, "'rnn', 'lstm' or 'gru'"),
        ({"name": "../up"}, "string_pattern|pattern"),
        ({"windowing": {"horizon": 24, "test": "fortnight"}}, "not a duration"),
    ],
)
def test_invalid_value_is_reported_with_valid_ones(change, said):
    with pytest.raises(ValueError, match=said):
        PipelineSpec.model_validate(LEAST | change)


def test_median_is_always_a_quantile():
    spec = PipelineSpec.model_validate(LEAST | {"forecast": {"quantiles": [0.9, 0.2]}})
    assert spec.forecast.quantiles == (0.2, 0.5, 0.9)


@pytest.mark.parametrize(
    ("as_of", "zone", "instant"),
    [
        ("2013-11-30", "America/New_York", datetime(2013, 11, 30, 5, tzinfo=UTC)),
        ("2013-07-01", "America/New_York", datetime(2013, 7, 1, 4, tzinfo=UTC)),
        ("2013-11-30T00:00:00+01:00", "America/New_York", datetime(2013, 11, 29, 23, tzinfo=UTC)),
        ("2013-11-30", "UTC", datetime(2013, 11, 30, tzinfo=UTC)),
    ],
)
def test_date_is_midnight_in_the_schedule_zone(as_of, zone, instant):
    spec = PipelineSpec.model_validate(LEAST | {"schedule": {"timezone": zone}})
    assert spec.parse_as_of(as_of) == instant


@pytest.mark.parametrize("as_of", ["soon", "2013-13-01", "2013-11-03T01:30:00"])
def test_invalid_or_ambiguous_as_of_is_refused(as_of):
    spec = PipelineSpec.model_validate(LEAST | {"schedule": {"timezone": "America/New_York"}})
    with pytest.raises(SpecError, match="as-of"):
        spec.parse_as_of(as_of)


def test_unknown_pipeline_lists_the_known_ones():
    with pytest.raises(SpecError, match="nyc-delays"):
        PipelineSpec.read("nyc-delay")


def test_local_path_is_resolved_relative_to_the_yaml(tmp_path):
    (tmp_path / "ports.csv").write_text("port,hour,late\n")
    (tmp_path / "p.yaml").write_text(
        "name: ports\nsource: {kind: csv, path: ports.csv}\ncolumns: {ds: hour, y: late}\n"
        "freq: h\nwindowing: {horizon: 24}\n"
    )
    assert PipelineSpec.read(str(tmp_path / "p.yaml")).source.path == str(tmp_path / "ports.csv")


@settings(max_examples=25)
@given(
    horizon=st.integers(1, 400),
    freq=st.sampled_from(["h", "30min", "D", "B", "W-MON", "MS", "QS", "2h"]),
    levels=st.lists(st.floats(0.01, 0.99), max_size=5),
    cell=st.sampled_from(["rnn", "lstm", "gru"]),
)
def test_spec_survives_a_json_round_trip(horizon, freq, levels, cell):
    told = {
        "windowing": {"horizon": horizon},
        "freq": freq,
        "models": [{"cell": cell}],
        "forecast": {"quantiles": levels},
    }
    spec = PipelineSpec.model_validate(LEAST | told)
    assert PipelineSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schedule": {"cron": "banana"}}, "not a cron expression"),
        ({"source": {"kind": "csv", "path": "p.csv", "timezone": "Mars/Olympus"}}, "not a time zone"),
        ({"freq": "-1D"}, "must be a positive frequency"),
        ({"forecast": {"minimum": 10, "maximum": 5}}, "must be less than maximum"),
        ({"features": {"known": ["x"], "observed": ["x"]}}, "'x' has two roles"),
        ({"features": {"known": ["late"]}}, "'late' has two roles"),
    ],
)
def test_contradictory_settings_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        PipelineSpec.model_validate(LEAST | change)


CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: ports
version: 1.0.0
status: active
schema:
  - name: ports
    properties:
      - {name: hour, logicalType: timestamp, required: true}
      - {name: late, logicalType: number}
"""


def test_contract_is_compiled_once_for_a_run(tmp_path, monkeypatch):
    paths = []
    compiled = spec_module.read_contract
    monkeypatch.setattr(spec_module, "read_contract", lambda path: paths.append(path) or compiled(path))
    path = tmp_path / "ports.odcs.yaml"
    path.write_text(CONTRACT, encoding="utf-8")
    spec = PipelineSpec.model_validate(LEAST | {"contract": str(path)})
    first = spec.compiled_contract
    path.write_text("an edit in the middle of the run", encoding="utf-8")
    assert spec.compiled_contract is first
    assert spec.dataset.contract == first
    assert paths == [path]


def test_broken_contract_does_not_keep_a_pipeline_from_being_read(tmp_path):
    path = tmp_path / "ports.odcs.yaml"
    path.write_text("kind: Nothing", encoding="utf-8")
    spec = PipelineSpec.model_validate(LEAST | {"contract": str(path)})
    with pytest.raises(SpecError, match=r"ports\.odcs\.yaml"):
        _ = spec.compiled_contract


@pytest.mark.parametrize(("freq", "step"), [(1, "D"), (7, "7D")])
def test_integer_freq_counts_steps_that_have_no_dates(freq, step):
    spec = PipelineSpec.model_validate(LEAST | {"freq": freq})
    assert (spec.freq, spec.source.format, spec.evaluation.season) == (step, "steps", 1)


def test_counted_steps_are_read_and_forecast_continues_them(tmp_path, monkeypatch):
    from deployments.commands.check import describe_check

    lines = [f"{step},{100 + step % 5}" for step in range(200)]
    (tmp_path / "t.csv").write_text("\n".join(["t,y", *lines]))
    counted = {"source": {"kind": "csv", "path": str(tmp_path / "t.csv")}, "columns": {"ds": "t", "y": "y"}, "freq": 1}
    spec = PipelineSpec.model_validate(LEAST | counted | {"windowing": {"horizon": 5}})
    facts = describe_check(spec, None)
    assert (facts["rows"], facts["gaps"], facts["quarantined"]) == (200, 0, 0)
    assert facts["cutoff"] == "1970-07-19T00:00:00+00:00"  # step 199


def test_step_of_zero_is_refused_with_the_values_to_write():
    with pytest.raises(ValueError, match="freq: 0 is not a step; write 1 for steps that are counted"):
        PipelineSpec.model_validate(LEAST | {"freq": 0})
