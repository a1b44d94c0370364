"""What is guessed of tables that people bring; whether a pipeline then runs is claimed in tests/deployments."""

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import SpecError
from tasks.profiling.inference import CannotInferPipeline, Hints, format_percent
from tasks.profiling.open_source import infer_source, read_sample
from tasks.profiling.profile import profile_table

DATA = Path(__file__).parents[4] / "shared" / "data"


def wave(count, season, size=20.0):
    return 50 + size * np.sin(2 * np.pi * np.arange(count) / season) + np.random.default_rng(1).normal(0, 2, count)


@pytest.fixture
def guessed(tmp_path):
    """guessed(frame or text, name="t.csv", **hints): written as a user would have it, then looked at."""

    def look(table, name="t.csv", **hints):
        path = tmp_path / name
        if isinstance(table, str):
            path.write_text(table, encoding="utf-8")
        elif name.endswith("parquet"):
            table.to_parquet(path, index=False)
        else:
            table.to_csv(path, index=False)
        source, read = read_sample(infer_source(str(path)))
        return profile_table(read, source, Hints.model_validate(hints))

    return look


def told(found, what):
    return next(one for one in found.findings if one.what == what)


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
def test_the_step_is_told_from_the_stamps_and_the_season_from_the_data(guessed, stamps, freq, season, horizon):
    found = guessed(pd.DataFrame({"when": stamps, "value": wave(len(stamps), max(int(season), 2))}), "t.parquet")
    assert (found.freq, told(found, "season").value, found.horizon) == (freq, season, horizon)
    assert told(found, "freq").confidence == "sure"
    assert found.unique_id is None


@pytest.mark.parametrize(
    ("written", "first"),
    [("%Y-%m-%d", "D"), ("%d/%m/%Y", "D"), ("%m/%d/%Y", "D"), ("%d.%m.%Y %H:%M", "D"), ("%Y%m%d", "D")],
)
def test_dates_are_read_however_they_are_written(guessed, written, first):
    found = guessed(pd.DataFrame({"day": dates(200).strftime(written), "sold": wave(200, 7).round()}))
    assert (found.ds, found.freq, found.y, found.whole) == ("day", first, "sold", True)


def test_a_day_that_could_be_a_month_is_told_by_the_regular_reading(guessed):
    found = guessed(pd.DataFrame({"month": dates(96, "MS").strftime("%d/%m/%Y"), "sold": wave(96, 12)}))
    assert (found.freq, found.format) == ("MS", "dd/MM/yyyy")
    assert "dd/MM/yyyy, because month first would give uneven steps" in told(found, "time").evidence
    american = guessed(pd.DataFrame({"month": dates(96, "MS").strftime("%m/%d/%Y"), "sold": wave(96, 12)}))
    assert (american.freq, american.format) == ("MS", None)


def test_offsets_in_text_name_a_zone_that_has_them(guessed):
    hours = dates(9000, "h", tz="UTC").tz_convert("Europe/Berlin")
    found = guessed(pd.DataFrame({"ts": [hour.isoformat() for hour in hours], "load": wave(9000, 24)}))
    assert found.zone == "Europe/Berlin"
    assert found.source.timezone is None  # every time says its offset


def test_days_of_a_place_keep_their_dates(guessed):
    found = guessed(pd.DataFrame({"ds": dates(400, tz="America/New_York"), "kwh": wave(400, 7)}), "t.parquet")
    assert (found.freq, found.zone, found.source.timezone) == ("D", "America/New_York", "America/New_York")


def test_a_clock_that_skips_an_hour_in_spring_is_named(guessed):
    local = dates(9000, "h", tz="UTC").tz_convert("America/Chicago").tz_localize(None)
    found = guessed(pd.DataFrame({"t": local, "value": wave(9000, 24)}).drop_duplicates("t"))
    assert "America/Chicago" in told(found, "zone").evidence
    assert found.source.timezone is None


def shops(**more):
    days = dates(200)
    parts = [
        pd.DataFrame({"day": days, "shop_nbr": number, "town": town, "sales": wave(200, 7).round(), "open": 1, **more})
        for number, town in ((1, "Rom"), (2, "Rom"), (3, "Ulm"))
    ]
    return pd.concat(parts).assign(weekday=lambda rows: rows["day"].dt.dayofweek)


def test_a_number_that_tells_series_apart_is_their_id_and_what_they_share_is_static(guessed):
    found = guessed(shops(price=wave(200, 30)))
    assert (found.unique_id, found.y) == ("shop_nbr", "sales")
    assert (found.observed, found.static) == (("price",), ("town",))
    assert "weekday (follows from the calendar" in told(found, "not used").value


def test_nothing_is_taken_as_known_ahead(guessed):
    rows = shops(price=wave(200, 30)).set_index("day")
    rows.loc["2022-07-10":, "sales"] = np.nan
    found = guessed(rows.reset_index())
    assert "price" in found.observed
    assert "price has values after the last sales" in told(found, "observed").evidence


def test_two_columns_that_only_together_name_a_series_are_told_with_the_way_out(guessed):
    parts = [pd.DataFrame({"day": dates(50), "store": s, "item": i, "sold": 3.0}) for s in "ab" for i in "xy"]
    with pytest.raises(CannotInferPipeline, match="'store' and 'item' together"):
        guessed(pd.concat(parts).assign(sold=np.arange(200.0)))


def test_a_day_and_its_hour_in_two_columns_are_told_with_the_way_out(guessed):
    hours = dates(480, "h")
    frame = pd.DataFrame({"dteday": hours.strftime("%m/%d/%Y"), "hr": hours.hour, "cnt": wave(480, 24).round()})
    with pytest.raises(CannotInferPipeline, match=r"'hr' looks like the hour.*--id hr"):
        guessed(frame)


def test_weather_that_is_told_twice_makes_no_series_and_the_first_row_counts(guessed):
    frame = pd.DataFrame({"date_time": dates(1000, "h"), "weather": "Rain", "traffic_volume": wave(1000, 24).round()})
    again = frame.iloc[::6].assign(weather="Fog")
    found = guessed(pd.concat([frame, again]).sort_values("date_time"))
    assert (found.unique_id, found.repeated) == (None, "first")
    assert told(found, "repeated").confidence == "sure"


@pytest.mark.parametrize(("second", "policy"), [(1.5, "mean"), (2.0, "mean")])
def test_two_values_of_one_time_are_averaged(guessed, second, policy):
    frame = pd.DataFrame({"ds": dates(300), "y": wave(300, 7).round()})
    found = guessed(pd.concat([frame, frame.iloc[:9].assign(y=lambda rows: rows["y"] + second)]))
    assert found.repeated == policy
    assert told(found, "repeated").confidence == "unsure"


def test_events_are_added_up_if_a_person_says_so(guessed):
    frame = pd.DataFrame({"day": dates(300).repeat(4), "qty": np.tile([1, 2, 3, 2], 300)})
    with pytest.raises(CannotInferPipeline, match="--repeated sum"):
        guessed(frame)
    assert guessed(frame, repeated="sum").repeated == "sum"


def test_of_two_plausible_targets_one_is_chosen_and_the_other_named(guessed):
    frame = pd.DataFrame({"t": dates(300), "alpha": wave(300, 7), "beta": wave(300, 7, 5.0)})
    found = guessed(frame)
    assert found.y == "beta"
    assert told(found, "y").confidence == "unsure"
    assert "or alpha? Choose with --target" in told(found, "y").evidence
    assert guessed(frame, target="alpha").y == "alpha"


def test_a_column_that_counts_rows_is_no_covariate(guessed):
    frame = pd.DataFrame({"index": range(300), "ds": dates(300), "demand": wave(300, 7), "temp": wave(300, 30)})
    assert guessed(frame).observed == ("temp",)


def test_of_very_many_columns_a_dozen_is_taken(guessed):
    wide = pd.DataFrame({f"m{number}": wave(300, 7 + number) for number in range(30)})
    found = guessed(wide.assign(target=wave(300, 7), ds=dates(300)), "t.parquet")
    assert len(found.observed) == 12
    assert "18 more were left out" in told(found, "observed").evidence


@pytest.mark.parametrize(
    ("table", "said"),
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
def test_a_table_of_which_nothing_can_be_made_says_why_and_ends_with_3(guessed, table, said):
    with pytest.raises(CannotInferPipeline, match=said) as refused:
        guessed(table)
    assert refused.value.exit_code == 3


@pytest.mark.parametrize(("unit", "many"), [("s", 1), ("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000)])
def test_numbers_that_count_since_1970_are_times(guessed, unit, many):
    found = guessed(pd.DataFrame({"ts": (1_709_251_200 + 3600 * np.arange(1000)) * many, "amount": wave(1000, 24)}))
    assert (found.ds, found.source.epoch, found.freq, found.zone) == ("ts", unit, "h", "UTC")
    assert told(found, "season").value == "24"
    assert "from 2024-03-01 00:00" in told(found, "time").evidence


def test_times_on_no_grid_are_told_with_the_way_out(guessed):
    steps = np.random.default_rng(2).integers(1, 500, 1000).cumsum()
    frame = pd.DataFrame(
        {"when": pd.Timestamp("2024-01-01") + pd.to_timedelta(steps, unit="s"), "amount": wave(1000, 9)}
    )
    with pytest.raises(CannotInferPipeline, match=r"no regular grid.*--freq"):
        guessed(frame)


@pytest.mark.parametrize(
    ("hints", "said"),
    [
        ({"time": "dss"}, "--time: .* has no column 'dss'; did you mean 'ds'"),
        ({"target": "zz"}, "--target: .* has no column 'zz'"),
        ({"id": "zz"}, "--id: .* has no column 'zz'"),
    ],
)
def test_a_hint_that_is_no_column_ends_with_2_and_the_nearest_name(guessed, hints, said):
    with pytest.raises(SpecError, match=said):
        guessed(pd.DataFrame({"ds": dates(100), "y": wave(100, 7)}), **hints)


def test_a_hint_of_the_wrong_kind_names_what_the_column_holds(guessed):
    frame = pd.DataFrame({"ds": dates(100), "town": "Rom", "y": wave(100, 7)})
    with pytest.raises(CannotInferPipeline, match=r"'town'.*does not hold times.*'Rom'"):
        guessed(frame, time="town")
    with pytest.raises(CannotInferPipeline, match=r"'town'.*holds text"):
        guessed(frame, target="town")


@pytest.mark.parametrize("name", ["notes.docx", "table"])
def test_what_is_neither_csv_nor_parquet_is_refused(tmp_path, name):
    (tmp_path / name).write_text("?")
    with pytest.raises(SpecError, match=r"\.csv"):
        infer_source(str(tmp_path / name))


def test_an_address_with_a_password_is_not_kept():
    with pytest.raises(SpecError, match="password") as refused:
        infer_source("s3://key:hunter2@bucket/t.parquet")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(("share", "text"), [(1, "100 %"), (0.99999, "100 %"), (0, "0 %"), (0.936, "93.6 %")])
def test_a_share_of_less_than_all_is_never_called_all(share, text):
    assert (format_percent(share) == text) == (share != 0.99999)


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "y"])
def test_a_column_whose_name_is_none_or_stands_twice_is_passed_over(tmp_path, name):
    body = "".join(f"{day:%Y-%m-%d},{n % 7},{n % 5},x\n" for n, day in enumerate(dates(60)))
    (tmp_path / "t.csv").write_text(f'ds,sold,"{name}","{name if name == "y" else "town"}"\n{body}')
    source, table = read_sample(infer_source(str(tmp_path / "t.csv")))
    found = profile_table(table, source, Hints())
    assert found.y == "sold"
    assert name not in [told.name for told in found.columns]


def test_columns_that_are_alike_are_forecast_together(guessed):
    wide = pd.DataFrame({f"sensor {number}": wave(300, 7 + number) for number in range(5)})
    found = guessed(wide.assign(time=dates(300), limit=wave(300, 40)), "t.parquet")
    assert (found.y, len(found.targets)) == (("sensor *",), 5)
    assert found.observed == ("limit",)
    assert guessed(wide.assign(time=dates(300)), target="sensor 3").y == "sensor 3"
    assert guessed(wide.assign(time=dates(300)), target="sensor [12]").targets == ("sensor 1", "sensor 2")


def test_later_versions_of_a_row_are_told_by_the_time_they_became_known(guessed):
    days = dates(300)
    first = pd.DataFrame({"day": days, "loaded_at": days + pd.Timedelta("1D"), "qty": wave(300, 7).round()})
    later = first.iloc[50:90].assign(loaded_at=lambda rows: rows["loaded_at"] + pd.Timedelta("3D"), qty=5)
    found = guessed(pd.concat([first, later]))
    assert (found.ds, found.known_at, found.repeated, found.y) == ("day", "loaded_at", "reject", "qty")


def test_semicolons_decimal_commas_and_an_old_encoding_are_recognised(tmp_path):
    rows = [f"{day:%d.%m.%Y};{value:.0f},5" for day, value in zip(dates(99), wave(99, 7), strict=True)]
    text = "\n".join(["Tag;Stück", *rows])
    (tmp_path / "t.csv").write_bytes(text.encode("cp1252"))
    source, table = read_sample(infer_source(str(tmp_path / "t.csv")))
    found = profile_table(table, source, Hints())
    assert (found.ds, found.y, found.whole) == ("Tag", "Stück", False)
    assert (found.source.decimal, found.source.encoding) == (",", "cp1252")


def test_thousands_with_a_comma_are_not_taken_for_decimals(tmp_path):
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


def test_the_only_table_of_a_database_is_taken(shop_db):
    source, table = read_sample(infer_source(shop_db))
    assert source.table == "sales"
    assert profile_table(table, source, Hints()).y == "sold"


def test_of_several_tables_one_must_be_named(shop_db):
    with sqlite3.connect("shop.db") as connection:
        connection.execute("create table staff (name text)")
    connection.close()
    with pytest.raises(SpecError, match=r"2 tables: sales, staff. Name one with --table"):
        infer_source(shop_db)
    assert infer_source(shop_db, "sales").table == "sales"
    with pytest.raises(CannotInferPipeline, match="no such table"):
        read_sample(infer_source(shop_db, "slaes"))


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("postgresql://me:hunter2@host/db", "contains a password"),
        ("postgresql://host/db?password=hunter2", "contains a password"),
        ("postgresql://me@host/db", "--table"),
        ("ftpx://hunter2", "scheme ftpx:// is not supported"),
    ],
)
def test_an_address_that_init_can_not_use_says_why(where, said):
    with pytest.raises(SpecError, match=said) as refused:
        infer_source(where)
    assert "hunter2" not in str(refused.value) or where.startswith("ftpx")


def test_a_folder_of_tables_beside_a_readme_becomes_a_glob(tmp_path):
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


def test_a_slip_of_centuries_does_not_fill_the_memory(guessed):
    minutes = dates(3000, "min").astype(str)
    found = guessed(pd.DataFrame({"ds": ["0202-01-01", *minutes], "y": wave(3001, 60)}))
    assert (found.freq, found.refresh) == ("min", "96min")


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data: the traffic of Interstate 94")
def test_the_real_traffic_is_guessed_right():
    found = profile_table(*reversed(read_sample(infer_source(str(DATA / "metro_traffic")))), Hints())
    assert (found.ds, found.unique_id, found.y, found.freq) == ("date_time", None, "traffic_volume", "h")
    assert told(found, "time").line.endswith("date_time (sure: parses in 100 % of rows, sorted)")
    assert told(found, "season").value == "24"
    assert "weekly pattern too" in told(found, "season").evidence
    assert "lag 168" in told(found, "season").evidence
    assert (found.minimum, found.whole, found.repeated) == (0, True, "first")
    assert found.observed == ("temp", "rain_1h", "snow_1h", "clouds_all")
    assert "11,976" in told(found, "gaps").value
    assert "America/Chicago" in told(found, "zone").evidence
    assert (found.horizon, found.lookback) == (24, 168)


def test_the_demo_is_guessed_right():
    root = Path(__file__).parents[3]
    found = profile_table(
        *reversed(read_sample(infer_source(str(root / "deployments/demo/nyc-delays.parquet")))), Hints()
    )
    assert (found.ds, found.unique_id, found.y, found.freq) == ("time_hour", "series", "delayed", "h")
    assert "27 series" in told(found, "id").evidence
    assert told(found, "season").value == "24"
    assert (found.minimum, found.whole, found.repeated) == (0, True, "reject")
    assert found.static == ("origin", "carrier")
    assert found.observed == ("scheduled", "cancelled", "temp", "wind_speed", "precip", "visib")
