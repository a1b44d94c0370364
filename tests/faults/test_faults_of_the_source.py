"""The table of the third night is missing, damaged or wrong; its rows are late, repeated, rewritten, from the future."""

import shutil

import numpy as np
import pandas as pd
import pytest

from tests.faults.scenario import Fault, params, survives

TODAY = pd.Timestamp("2024-02-09T00:00Z")  # the rows from here on are new to the third night
HOSTILE = [
    "../../etc/passwd",
    "</script><script>alert(1)</script>",
    "=cmd()",
    "\u202egnp.exe",
    "a" * 500,
    "x/y\\z",
    "🛫 🛬",
    ".",
]


def table(edit):
    """Return a preparation that replaces the table by edit(table)."""
    return lambda world: world.write_table(edit(world.read_table()))


def restore(world):
    shutil.copy(world.saved / "ports.parquet", world.folder / "ports.parquet")


def source_is(make):
    """Return a preparation that replaces the file by what make(path) leaves there."""

    def prepare(world):
        path = world.folder / "ports.parquet"
        data = path.read_bytes()
        path.unlink()
        make(path, data)

    return prepare


def set_value(column, value, rows=1):
    def edit(frame):
        frame[column] = frame[column].astype(object) if isinstance(value, str) else frame[column].astype(float)
        newest = frame.index[(frame["port"] == "north") & (frame["hour_utc"] >= TODAY)][:rows]
        frame.loc[newest, column] = value
        return frame.astype({column: str}) if isinstance(value, str) else frame

    return table(edit)


def only(condition):
    return table(lambda frame: frame[condition(frame)])


def add_series(frame):
    new = frame[(frame["port"] == "north") & (frame["hour_utc"] >= TODAY - pd.Timedelta("10D"))].assign(port="east")
    return pd.concat([frame, new])


def rename(old, new):
    return table(lambda frame: frame.assign(port=frame["port"].replace(old, new)))


def hostile_names(frame):
    parts = [frame[frame["port"] == "north"].assign(port=name) for name in HOSTILE]
    return pd.concat([frame, *parts])


def copies(change):
    """The newest 24 rows once more, with changed targets if `change`."""

    def edit(frame):
        newest = frame[frame["hour_utc"] >= TODAY].head(24)
        return pd.concat([frame, newest.assign(late=newest["late"] + change)])

    return table(edit)


def off_grid(frame):
    newest = frame["hour_utc"] >= TODAY
    frame.loc[newest, "hour_utc"] += pd.Timedelta("7min")
    return frame


def gap(frame):
    return frame[~frame["hour_utc"].between(TODAY - pd.Timedelta("30h"), TODAY - pd.Timedelta("10h"))]


def future_rows(frame):
    later = frame[frame["hour_utc"] >= TODAY].assign(hour_utc=lambda part: part["hour_utc"] + pd.Timedelta("400D"))
    return pd.concat([frame, later.head(48)])


def rewritten(frame):
    old = frame["hour_utc"].between(TODAY - pd.Timedelta("5D"), TODAY - pd.Timedelta("4D"))
    return frame.assign(late=frame["late"].where(~old, frame["late"] + 3))


def mixed_zones(frame):
    text = frame["hour_utc"].dt.strftime("%Y-%m-%dT%H:%M:%S")
    return frame.assign(hour_utc=text.where(frame.index % 2 == 0, text + "+02:00"))


def one_column(make):
    return table(lambda frame: frame.assign(late=make(frame["late"])))


def write_doubled(path, data):
    import pyarrow as pa
    import pyarrow.parquet as pq

    read = pq.read_table(pa.BufferReader(data))
    pq.write_table(read.append_column("late", read["late"]), path)


RESTORED = {"undo": restore}
FAULTS = [
    Fault("source deleted", (2, 3), ("ports.parquet",), prepare=source_is(lambda path, data: None), **RESTORED),
    Fault("source is an empty file", (2, 3), ("ports.parquet",), prepare=source_is(lambda path, data: path.write_bytes(b"")), **RESTORED),
    Fault("source truncated", (2, 3), ("ports.parquet",), prepare=source_is(lambda path, data: path.write_bytes(data[:5000])), **RESTORED),
    Fault("source is text", (2, 3), ("ports.parquet",), prepare=source_is(lambda path, data: path.write_text("<html>503</html>")), **RESTORED),
    Fault("source is an empty folder", (2, 3), ("ports.parquet",), prepare=source_is(lambda path, data: path.mkdir()),
          undo=lambda world: ((world.folder / "ports.parquet").rmdir(), restore(world))),
    Fault("source is a link to itself", (2, 3), ("ports.parquet",), prepare=source_is(lambda path, data: path.symlink_to(path)),
          undo=lambda world: ((world.folder / "ports.parquet").unlink(), restore(world))),
    Fault("bit of the source flipped", (0, 2, 3), prepare=source_is(lambda path, data: path.write_bytes(data[:9000] + bytes([data[9000] ^ 64]) + data[9001:])), series=None, **RESTORED),
    Fault("header only", (3,), prepare=table(lambda frame: frame.head(0)), **RESTORED),
    Fault("one row", (3,), prepare=table(lambda frame: frame.head(1)), **RESTORED),
    Fault("one series", (0,), ("south",), prepare=only(lambda frame: frame["port"] == "north"), series=None, **RESTORED),
    Fault("nothing new", (0, 3), prepare=only(lambda frame: frame["hour_utc"] < TODAY), series=None, **RESTORED),
    Fault("history of two days", (0, 3), prepare=only(lambda frame: frame["hour_utc"] >= TODAY - pd.Timedelta("2D")), series=None, **RESTORED),
    Fault("target column missing", (2, 3), ("late",), prepare=table(lambda frame: frame.drop(columns="late")), **RESTORED),
    Fault("time column missing", (2, 3), ("hour_utc",), prepare=table(lambda frame: frame.drop(columns="hour_utc")), **RESTORED),
    Fault("series column missing", (2, 3), ("port",), prepare=table(lambda frame: frame.drop(columns="port")), **RESTORED),
    Fault("covariate missing", (2, 3), ("wind",), prepare=table(lambda frame: frame.drop(columns="wind")), **RESTORED),
    Fault("target renamed", (2, 3), ("late",), prepare=table(lambda frame: frame.rename(columns={"late": "Late"})), **RESTORED),
    Fault("two columns of one name", (0, 2, 3), prepare=source_is(write_doubled), series=None, **RESTORED),
    Fault("extra column", (0,), prepare=table(lambda frame: frame.assign(note="x")), same="values"),
    Fault("columns reordered", (0,), prepare=table(lambda frame: frame[frame.columns[::-1]]), same="values"),
    Fault("rows shuffled", (0,), prepare=table(lambda frame: frame.sample(frac=1, random_state=1)), same="values"),
    Fault("target as text", (0,), prepare=one_column(lambda column: column.astype(str)), same="values"),
    Fault("target as float32", (0,), prepare=one_column(lambda column: column.astype("float32")), same="values"),
    Fault("series as category", (0,), prepare=table(lambda frame: frame.astype({"port": "category"})), same="values"),
    Fault("times naive", (0,), prepare=table(lambda frame: frame.assign(hour_utc=frame["hour_utc"].dt.tz_localize(None))), same="values"),
    Fault("times in another zone", (0,), prepare=table(lambda frame: frame.assign(hour_utc=frame["hour_utc"].dt.tz_convert("Asia/Tokyo"))), same="values"),
    Fault("times naive and aware mixed", (0, 2, 3), prepare=table(mixed_zones), series=None, **RESTORED),
    Fault("target NaN in one row", (0,), prepare=set_value("late", np.nan), series=None, **RESTORED),
    Fault("target infinite in one row", (3,), ("inf",), prepare=set_value("late", np.inf), series=None, **RESTORED),
    Fault("target 1e308 in one row", (0,), ("quarantine",), prepare=set_value("late", 1e308), series=None, **RESTORED),
    Fault("target 1e300 in 20 rows", (0,), ("quarantine",), prepare=set_value("late", 1e300, 20), series=None, **RESTORED),
    Fault("text in one row of the target", (0, 3), prepare=set_value("late", "n/a?!"), series=None, **RESTORED),
    Fault("covariate infinite in one row", (3,), ("inf",), prepare=set_value("wind", np.inf), series=None, **RESTORED),
    Fault("target all NaN", (3,), prepare=one_column(lambda column: column * np.nan), **RESTORED),
    Fault("target constant", (0,), prepare=one_column(lambda column: column * 0 + 3), series=None, **RESTORED),
    Fault("rows repeated", (3,), ("north",), prepare=copies(0), series=None, **RESTORED),
    Fault("rows repeated with other values", (0, 3), prepare=copies(1), series=None, **RESTORED),
    Fault("stamps off the grid", (0, 3), prepare=table(off_grid), series=None, **RESTORED),
    Fault("gap of twenty hours", (0,), prepare=table(gap), series=None, **RESTORED),
    Fault("rows of the far future", (0,), prepare=table(future_rows), series=None, **RESTORED),
    Fault("history rewritten", (0,), prepare=table(rewritten), series=None, **RESTORED),
    Fault("new series", (0,), prepare=table(add_series), series=None, **RESTORED),
    Fault("series vanished and another came", (0,), ("south",), prepare=rename("south", "west"), series=None, **RESTORED),
    Fault("hostile names", (0,), prepare=table(hostile_names), series=None, **RESTORED),
    Fault("name with a control character", (0, 3), prepare=rename("south", "so\x00uth"), series=None, **RESTORED),
    Fault("series without a name", (0, 3), prepare=rename("south", None), series=None, **RESTORED),
]  # fmt: skip


@pytest.mark.parametrize(
    "fault", params(FAULTS, ("source truncated", "rows shuffled", "series vanished and another came"))
)
def test_night_survives(fault, world, undisturbed, report_fault):
    wrong, ended, again = survives(fault, world, undisturbed)
    report_fault(fault, ended, again)
    assert wrong == []
