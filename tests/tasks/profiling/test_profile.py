"""What is inferred from typical tables; tests/deployments checks that such a pipeline runs."""

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import SpecError
from tasks.profiling.inference import CannotInferPipeline, Hints, format_percent
from tasks.profiling.open_source import infer_source, read_sample
from tasks.profiling.profile import _infer_minimum, profile_table

DATA = Path(__file__).parents[4] / "shared" / "data"


def wave(count, season, size=20.0):
    return 50 + size * np.sin(2 * np.pi * np.arange(count) / season) + np.random.default_rng(1).normal(0, 2, count)


@pytest.fixture
def infer(tmp_path):
    """infer(frame or text, name="t.csv", **hints): the profile of the table, written to a file of that name."""

    def profile_file(table, name="t.csv", **hints):
        path = tmp_path / name
        if isinstance(table, str):
            path.write_text(table, encoding="utf-8")
        elif name.endswith("parquet"):
            table.to_parquet(path, index=False)
        else:
            table.to_csv(path, index=False)
        source, read = read_sample(infer_source(str(path)))
        return profile_table(read, source, Hints.model_validate(hints))

    return profile_file


def inference(profile, what):
    return next(item for item in profile.inferences if item.what == what)


def repeated_column(count: int = 60) -> str:
    lines = (f"{day:%Y-%m-%d},{number % 7},{number % 5},{number}" for number, day in enumerate(dates(count)))
    return "\n".join(("day,sold,price,price", *lines)) + "\n"


def test_columns_of_one_name_are_left_out_with_a_line(infer) -> None:
    profile = infer(repeated_column())
    assert profile.y == "sold"
    assert inference(profile, "left out")[1:] == ("'price' (2 columns)", None, "give each column a name of its own")


def test_columns_of_one_name_are_named_if_there_is_nothing_else_to_forecast(infer) -> None:
    table = repeated_column().replace("sold,price,price", "price,price,price")
    with pytest.raises(CannotInferPipeline, match=r"Left out: 'price' \(3 columns\); give each column a"):
        infer(table)
    with pytest.raises(SpecError, match=r"no column 'price'; it has no other\. Left out: 'price' \(3 columns\)"):
        infer(table, target="price")


def dates(count, freq="D", start="2022-01-01", **more):
    return pd.date_range(start, periods=count, freq=freq, **more)


@pytest.mark.parametrize(
    ("stamps", "freq", "season", "horizon"),
    [
        (dates(2000, "h"), "h", "24", 24),
        (dates(2000, "15min"), "15min", "96", 96),
        (dates(2000, "5min"), "5min", "288", 96),
        (dates(400), "D", "7", 14),
        (dates(400, "B"), "B", "5", 10),
        (dates(300, "W-SUN"), "W-SUN", "52", 13),
        (dates(120, "MS"), "MS", "12", 12),
        (dates(120, "ME"), "ME", "12", 12),
        (dates(120, "BME"), "BME", "12", 12),
        (dates(80, "QE"), "QE-MAR", "4", 4),
        (dates(70, "YS", "1950-01-01"), "YS-JAN", "1", 3),
    ],
)
def test_step_is_inferred_from_times_and_season_from_values(infer, stamps, freq, season, horizon):
    profile = infer(pd.DataFrame({"when": stamps, "value": wave(len(stamps), max(int(season), 2))}), "t.parquet")
    assert (profile.freq, inference(profile, "season").value, profile.horizon) == (freq, season, horizon)
    assert inference(profile, "freq").confidence == "sure"
    assert profile.unique_id is None


@pytest.mark.parametrize(
    ("written", "first"),
    [("%Y-%m-%d", "D"), ("%d/%m/%Y", "D"), ("%m/%d/%Y", "D"), ("%d.%m.%Y %H:%M", "D"), ("%Y%m%d", "D")],
)
def test_dates_are_parsed_in_common_formats(infer, written, first):
    profile = infer(pd.DataFrame({"day": dates(200).strftime(written), "sold": wave(200, 7).round()}))
    assert (profile.ds, profile.freq, profile.y, profile.whole) == ("day", first, "sold", True)


def test_day_first_dates_are_detected_by_the_more_regular_reading(infer):
    profile = infer(pd.DataFrame({"month": dates(96, "MS").strftime("%d/%m/%Y"), "sold": wave(96, 12)}))
    assert (profile.freq, profile.format) == ("MS", "dd/MM/yyyy")
    assert "dd/MM/yyyy, because month first would give uneven steps" in inference(profile, "time").evidence
    american = infer(pd.DataFrame({"month": dates(96, "MS").strftime("%m/%d/%Y"), "sold": wave(96, 12)}))
    assert (american.freq, american.format) == ("MS", None)


def test_zone_is_inferred_from_offsets_in_text(infer):
    hours = dates(9000, "h", tz="UTC").tz_convert("Europe/Berlin")
    profile = infer(pd.DataFrame({"ts": [hour.isoformat() for hour in hours], "load": wave(9000, 24)}))
    assert profile.zone == "Europe/Berlin"
    assert profile.source.timezone is None  # every time says its offset


def test_days_in_a_zone_keep_their_dates(infer):
    profile = infer(pd.DataFrame({"ds": dates(400, tz="America/New_York"), "kwh": wave(400, 7)}), "t.parquet")
    assert (profile.freq, profile.zone, profile.source.timezone) == ("D", "America/New_York", "America/New_York")


def test_local_clock_is_detected_by_the_hour_skipped_in_spring(infer):
    local = dates(9000, "h", tz="UTC").tz_convert("America/Chicago").tz_localize(None)
    profile = infer(pd.DataFrame({"t": local, "value": wave(9000, 24)}).drop_duplicates("t"))
    assert "America/Chicago" in inference(profile, "zone").evidence
    assert profile.source.timezone is None


def shops(**more):
    days = dates(200)
    parts = [
        pd.DataFrame({"day": days, "shop_nbr": number, "town": town, "sales": wave(200, 7).round(), "open": 1, **more})
        for number, town in ((1, "Rom"), (2, "Rom"), (3, "Ulm"))
    ]
    return pd.concat(parts).assign(weekday=lambda rows: rows["day"].dt.dayofweek)


def test_integer_id_is_the_series_column_and_constants_of_a_series_are_static(infer):
    profile = infer(shops(price=wave(200, 30)))
    assert (profile.unique_id, profile.y) == ("shop_nbr", "sales")
    assert (profile.observed, profile.static) == (("price",), ("town",))
    assert "weekday (follows from the calendar" in inference(profile, "not used").value


def test_column_with_values_after_the_last_target_is_known_ahead_and_bounds_the_horizon(infer):
    rows = shops(price=wave(200, 30)).set_index("day")
    rows.loc["2022-07-10":, "sales"] = np.nan
    profile = infer(rows.reset_index())
    assert (profile.known, profile.observed, profile.horizon) == (("price",), (), 10)
    assert "values after the last sales: price for 10 steps" in inference(profile, "known").evidence
    assert inference(profile, "horizon").evidence == "as far as the known covariates reach"


def test_column_without_later_values_is_observed(infer):
    profile = infer(shops(price=wave(200, 30)))
    assert (profile.known, profile.observed) == ((), ("price",))


def test_day_and_hour_in_two_columns_are_one_time(infer):
    hours = dates(480, "h")
    frame = pd.DataFrame({"dteday": hours.strftime("%m/%d/%Y"), "hr": hours.hour, "cnt": wave(480, 24).round()})
    profile = infer(frame)
    assert (profile.time_parts, profile.ds, profile.freq, profile.y) == (("dteday", "hr"), "dteday + hr", "h", "cnt")


def test_repeated_rows_with_equal_numbers_are_not_series_and_the_first_is_used(infer):
    frame = pd.DataFrame({"date_time": dates(1000, "h"), "weather": "Rain", "traffic_volume": wave(1000, 24).round()})
    again = frame.iloc[::6].assign(weather="Fog")
    profile = infer(pd.concat([frame, again]).sort_values("date_time"))
    assert (profile.unique_id, profile.repeated) == (None, "first")
    assert inference(profile, "repeated").confidence == "sure"


@pytest.mark.parametrize(("second", "policy"), [(1.5, "mean"), (2.0, "mean")])
def test_different_values_of_one_time_are_averaged(infer, second, policy):
    frame = pd.DataFrame({"ds": dates(300), "y": wave(300, 7).round()})
    profile = infer(pd.concat([frame, frame.iloc[:9].assign(y=lambda rows: rows["y"] + second)]))
    assert profile.repeated == policy
    assert inference(profile, "repeated").confidence == "unsure"


def test_events_are_summed_only_with_a_hint(infer):
    frame = pd.DataFrame({"day": dates(300).repeat(4), "qty": np.tile([1, 2, 3, 2], 300)})
    with pytest.raises(CannotInferPipeline, match="--repeated sum"):
        infer(frame)
    assert infer(frame, repeated="sum").repeated == "sum"


def test_second_plausible_target_is_named_in_the_evidence(infer):
    frame = pd.DataFrame({"t": dates(300), "alpha": wave(300, 7), "beta": wave(300, 7, 5.0)})
    profile = infer(frame)
    assert profile.y == "alpha"
    assert inference(profile, "y").confidence == "unsure"
    assert "or beta? Choose with --target" in inference(profile, "y").evidence
    assert infer(frame, target="beta").y == "beta"


def test_row_number_column_is_not_a_covariate(infer):
    frame = pd.DataFrame({"index": range(300), "ds": dates(300), "demand": wave(300, 7), "temp": wave(300, 30)})
    assert infer(frame).observed == ("temp",)


def test_at_most_twelve_observed_covariates_are_taken(infer):
    wide = pd.DataFrame({f"m{number}": wave(300, 7 + number) for number in range(30)})
    profile = infer(wide.assign(target=wave(300, 7), ds=dates(300)), "t.parquet")
    assert len(profile.observed) == 12
    assert "18 more were left out" in inference(profile, "observed").evidence


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("a,b\nx,1\ny,2\n", "no time column"),
        ("ds,y\n", "no rows"),
        ("", "empty"),
        ("ds,y\n2024-01-01,1\n2024-01-02,2\n2024-01-03,4\n", "too short: 3 steps"),
        ("ds,y\n2024-01-01,1\n2024-01-01,1\n", "no way to tell|length of a step|no column"),
        ("0.78,1.61\n0.79,1.60\n", "numbers instead of column names"),
        ("ds,city\n2024-01-01,Rom\n2024-01-02,Ulm\n", "no column of numbers"),
    ],
)
def test_table_without_a_pipeline_gives_the_reason_and_exit_code_3(infer, table, message):
    with pytest.raises(CannotInferPipeline, match=message) as refused:
        infer(table)
    assert refused.value.exit_code == 3


@pytest.mark.parametrize(("unit", "many"), [("s", 1), ("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000)])
def test_unix_timestamps_are_times(infer, unit, many):
    profile = infer(pd.DataFrame({"ts": (1_709_251_200 + 3600 * np.arange(1000)) * many, "amount": wave(1000, 24)}))
    assert (profile.ds, profile.source.epoch, profile.freq, profile.zone) == ("ts", unit, "h", "UTC")
    assert inference(profile, "season").value == "24"
    assert "from 2024-03-01 00:00" in inference(profile, "time").evidence


def test_irregular_times_are_an_error_with_a_fix(infer):
    steps = np.random.default_rng(2).integers(1, 500, 1000).cumsum()
    frame = pd.DataFrame(
        {"when": pd.Timestamp("2024-01-01") + pd.to_timedelta(steps, unit="s"), "amount": wave(1000, 9)}
    )
    with pytest.raises(CannotInferPipeline, match=r"no regular grid.*--freq"):
        infer(frame)


@pytest.mark.parametrize(
    ("hints", "message"),
    [
        ({"time": "dss"}, "--time: .* has no column 'dss'; did you mean 'ds'"),
        ({"target": "zz"}, "--target: .* has no column 'zz'"),
        ({"id": "zz"}, "--id: .* has no column 'zz'"),
    ],
)
def test_hint_of_a_missing_column_is_a_spec_error_with_the_closest_name(infer, hints, message):
    with pytest.raises(SpecError, match=message):
        infer(pd.DataFrame({"ds": dates(100), "y": wave(100, 7)}), **hints)


def test_hint_of_a_column_of_the_wrong_kind_names_its_content(infer):
    frame = pd.DataFrame({"ds": dates(100), "town": "Rom", "y": wave(100, 7)})
    with pytest.raises(CannotInferPipeline, match=r"'town'.*does not hold times.*'Rom'"):
        infer(frame, time="town")
    with pytest.raises(CannotInferPipeline, match=r"'town'.*holds text"):
        infer(frame, target="town")


@pytest.mark.parametrize("name", ["notes.docx", "table"])
def test_file_that_is_neither_csv_nor_parquet_is_a_spec_error(tmp_path, name):
    (tmp_path / name).write_text("?")
    with pytest.raises(SpecError, match=r"\.csv"):
        infer_source(str(tmp_path / name))


def test_address_with_a_password_is_refused_without_showing_it():
    with pytest.raises(SpecError, match="password") as refused:
        infer_source("s3://key:hunter2@bucket/t.parquet")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(("share", "text"), [(1, "100 %"), (0.99999, "100 %"), (0, "0 %"), (0.936, "93.6 %")])
def test_share_below_one_is_never_shown_as_100_percent(share, text):
    assert (format_percent(share) == text) == (share != 0.99999)


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "y"])
def test_column_with_an_unusable_or_repeated_name_is_left_out(tmp_path, name):
    body = "".join(f"{day:%Y-%m-%d},{n % 7},{n % 5},x\n" for n, day in enumerate(dates(60)))
    (tmp_path / "t.csv").write_text(f'ds,sold,"{name}","{name if name == "y" else "town"}"\n{body}')
    source, table = read_sample(infer_source(str(tmp_path / "t.csv")))
    profile = profile_table(table, source, Hints())
    assert profile.y == "sold"
    assert name not in [column.name for column in profile.columns]


def test_numbered_columns_are_all_targets(infer):
    wide = pd.DataFrame({f"sensor {number}": wave(300, 7 + number) for number in range(5)})
    profile = infer(wide.assign(time=dates(300), limit=wave(300, 40)), "t.parquet")
    assert (profile.y, len(profile.targets)) == (("sensor *",), 5)
    assert profile.observed == ("limit",)
    assert infer(wide.assign(time=dates(300)), target="sensor 3").y == "sensor 3"
    assert infer(wide.assign(time=dates(300)), target="sensor [12]").targets == ("sensor 1", "sensor 2")


def test_version_column_is_inferred_from_repeated_rows(infer):
    days = dates(300)
    first = pd.DataFrame({"day": days, "loaded_at": days + pd.Timedelta("1D"), "qty": wave(300, 7).round()})
    later = first.iloc[50:90].assign(loaded_at=lambda rows: rows["loaded_at"] + pd.Timedelta("3D"), qty=5)
    profile = infer(pd.concat([first, later]))
    assert (profile.ds, profile.known_at, profile.repeated, profile.y) == ("day", "loaded_at", "reject", "qty")


def test_delimiter_decimal_comma_and_encoding_are_inferred(tmp_path):
    rows = [f"{day:%d.%m.%Y};{value:.0f},5" for day, value in zip(dates(99), wave(99, 7), strict=True)]
    text = "\n".join(["Tag;Stück", *rows])
    (tmp_path / "t.csv").write_bytes(text.encode("cp1252"))
    source, table = read_sample(infer_source(str(tmp_path / "t.csv")))
    profile = profile_table(table, source, Hints())
    assert (profile.ds, profile.y, profile.whole) == ("Tag", "Stück", False)
    assert (profile.source.decimal, profile.source.encoding) == (",", "cp1252")


def test_thousands_separators_are_not_decimal_commas(tmp_path):
    (tmp_path / "t.csv").write_text(
        "ds,y\n" + "".join(f'{day:%Y-%m-%d},"1,{200 + n}"\n' for n, day in enumerate(dates(99)))
    )
    assert read_sample(infer_source(str(tmp_path / "t.csv")))[0].decimal == "."


@pytest.fixture
def shop_db(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("shop.db") as connection:
        sold = pd.DataFrame({"day": dates(200).strftime("%Y-%m-%d"), "sold": wave(200, 7).round()})
        sold.to_sql("sales", connection, index=False)
    connection.close()
    return "sqlite:///shop.db"


def test_only_table_of_a_database_is_used(shop_db):
    source, table = read_sample(infer_source(shop_db))
    assert source.table == "sales"
    assert profile_table(table, source, Hints()).y == "sold"


def test_one_of_several_tables_must_be_named(shop_db):
    with sqlite3.connect("shop.db") as connection:
        connection.execute("create table staff (name text)")
    connection.close()
    with pytest.raises(SpecError, match=r"2 tables: sales, staff. Name one with --table"):
        infer_source(shop_db)
    assert infer_source(shop_db, "sales").table == "sales"
    with pytest.raises(CannotInferPipeline, match="no such table"):
        read_sample(infer_source(shop_db, "slaes"))


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("postgresql://me:hunter2@host/db", "contains a password"),
        ("postgresql://host/db?password=hunter2", "contains a password"),
        ("postgresql://me@host/db", "--table"),
        ("ftpx://hunter2", "scheme ftpx:// is not supported"),
    ],
)
def test_unusable_address_gives_the_reason(where, message):
    with pytest.raises(SpecError, match=message) as refused:
        infer_source(where)
    assert "hunter2" not in str(refused.value) or where.startswith("ftpx")


def test_folder_with_other_files_becomes_a_glob(tmp_path):
    for name in ("a.csv", "b.csv", "README.md"):
        (tmp_path / name).write_text("ds,y\n2024-01-01,1\n")
    assert infer_source(str(tmp_path)).path == f"{tmp_path}/*.csv"
    (tmp_path / "c.csv.gz").write_bytes(b"")
    with pytest.raises(SpecError, match=r"\.csv, \.csv\.gz; give one of them"):
        infer_source(str(tmp_path))
    (tmp_path / "c.csv.gz").unlink()
    (tmp_path / "b.csv").unlink()
    assert infer_source(str(tmp_path)).path == f"{tmp_path}/a.csv"
    (tmp_path / "README.md").unlink()
    assert infer_source(str(tmp_path)).path == str(tmp_path)


def test_time_centuries_early_does_not_fill_memory(infer):
    minutes = dates(3000, "min").astype(str)
    profile = infer(pd.DataFrame({"ds": ["0202-01-01", *minutes], "y": wave(3001, 60)}))
    assert (profile.freq, profile.refresh) == ("min", "96min")


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data: the traffic of Interstate 94")
def test_pipeline_of_the_metro_traffic_is_inferred():
    profile = profile_table(*reversed(read_sample(infer_source(str(DATA / "metro_traffic")))), Hints())
    assert (profile.ds, profile.unique_id, profile.y, profile.freq) == ("date_time", None, "traffic_volume", "h")
    assert inference(profile, "time").line.endswith("date_time (sure: parses in 100 % of rows, sorted)")
    assert inference(profile, "season").value == "24"
    assert "weekly pattern too" in inference(profile, "season").evidence
    assert "lag 168" in inference(profile, "season").evidence
    assert (profile.minimum, profile.whole, profile.repeated) == (0, True, "first")
    assert profile.observed == ("temp", "rain_1h", "snow_1h", "clouds_all")
    assert "11,976" in inference(profile, "gaps").value
    assert "America/Chicago" in inference(profile, "zone").evidence
    assert (profile.horizon, profile.lookback) == (24, 168)


def test_pipeline_of_the_demo_is_inferred():
    root = Path(__file__).parents[3]
    profile = profile_table(
        *reversed(read_sample(infer_source(str(root / "deployments/demo/nyc-delays.parquet")))), Hints()
    )
    assert (profile.ds, profile.unique_id, profile.y, profile.freq) == ("time_hour", "series", "delayed", "h")
    assert "27 series" in inference(profile, "id").evidence
    assert inference(profile, "season").value == "24"
    assert (profile.minimum, profile.whole, profile.repeated) == (0, True, "reject")
    assert profile.static == ("origin", "carrier")
    assert profile.observed == ("scheduled", "cancelled", "temp", "wind_speed", "precip", "visib")


def test_shops_on_alternate_days_share_the_step_of_a_day(infer):
    frame = pd.DataFrame({"day": dates(200), "shop": ["a", "b"] * 100, "sold": wave(200, 14)})
    profile = infer(frame)
    assert (profile.unique_id, profile.freq) == ("shop", "D")
    assert inference(profile, "freq").confidence == "likely"


@pytest.mark.parametrize(
    ("name", "values", "minimum"),
    [
        ("sold", [0.0, 5.0, 30.0], 0.0),
        ("sold", [2.0, 5.0, 30.0], 0.0),
        ("flow", [-1.0, 5.0, 30.0], None),
        ("reading", [14.6, 40.0, 65.7], None),  # it may go below 0 in another season
        ("temperature", [0.5, 12.0, 30.0], None),
        ("net_change", [0.0, 12.0, 30.0], None),
    ],
)
def test_floor_of_the_target_needs_values_near_zero(name: str, values: list[float], minimum: float | None) -> None:
    assert _infer_minimum(pd.Series(values), name)[0] == minimum
