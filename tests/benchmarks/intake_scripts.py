"""The scripts of the intake benchmark: each reads big.parquet of its folder and writes the clean table.

All but the pandas script also write the rejected rows with the rule that each broke. They print one JSON line.
"""

NIGHTCAST = """
from datetime import UTC, datetime
from data_contracts.odcs_compiler import read_contract
from pathlib import Path
from models.data.features import FeatureSpec
from tasks.storage.store import Store
from tasks.sources.spec import SourceSpec
from tasks.sources.columns_spec import ColumnsSpec
from tasks.sources.dataset import DatasetSpec
from tasks.ingestion import ingest
from tasks.validation import validate
import time, json, resource, shutil, sys
folder = sys.argv[1]
shutil.rmtree(folder + "/store", ignore_errors=True)
reading = DatasetSpec(
    pipeline="big", source=SourceSpec(kind="parquet", path=folder + "/big.parquet"),
    columns=ColumnsSpec(unique_id="id", ds="t", y="v"), features=FeatureSpec(known=(), observed=("w",)),
    freq="h", zone="UTC", horizon=24, contract=read_contract(Path(folder) / "big.yaml"),
)
as_of, store = datetime(2030, 1, 1, tzinfo=UTC), Store(root=folder + "/store")
began = time.perf_counter()
raw = ingest.fn(reading, as_of, store)
read = time.perf_counter()
validated = validate.fn(raw, reading, as_of, store)
done = time.perf_counter()
tables = [folder + "/store/" + validated.clean.uri, folder + "/store/" + validated.quarantine.uri]
"""

RULES = """
import polars as pl
import time, json, resource, sys
folder = sys.argv[1]
tables = [folder + "/polars-clean.parquet", folder + "/polars-quarantine.parquet"]
began = time.perf_counter()
rows = pl.read_parquet(folder + "/big.parquet").with_row_index("row")
types = {"row": pl.UInt32, "id": pl.String, "t": pl.Datetime("us", "UTC"), "v": pl.Float64, "w": pl.Float64}
assert dict(rows.schema) == types
read = time.perf_counter()
as_of = pl.lit("2030-01-01").str.to_datetime(time_zone="UTC")
rules = {
    "unique_id is a name": pl.col("id").is_null() | (pl.col("id").cast(pl.String).str.strip_chars() == ""),
    "ds is a time": pl.col("t").is_null(),
    "y is finite": pl.col("v").is_infinite(),
    "w is finite": pl.col("w").is_infinite(),
    "ds is on the grid": pl.col("t").dt.truncate("1h") != pl.col("t"),
    "v is required": pl.col("v").is_null(),
    "v is at least 0": pl.col("v") < 0,
}
def reject(rows, bad):
    names = [pl.when(rule.fill_null(False)).then(pl.lit(name)) for name, rule in rules.items()]
    named = pl.concat_list(*names).list.drop_nulls().list.join("; ").alias("rule")
    rejected = rows.filter(bad).select("row", named, pl.col("id", "t", "v", "w").cast(pl.String)).sort("row")
    rejected.write_parquet(tables[1], compression="zstd")
def write(clean):
    clean = clean.select(pl.col("id").cast(pl.String).alias("unique_id"), pl.col("t").alias("ds"), pl.col("v").alias("y"), "w")
    clean.write_parquet(tables[0], compression="zstd")
"""  # noqa: E501

POLARS = (
    RULES
    + """
rows = rows.filter(pl.col("t").dt.offset_by("1h") <= as_of)
repeated = rows.select(~pl.struct("id", "t").is_first_distinct()).to_series()
rows = rows.with_columns(repeated.alias("repeated"))
rules["one row per hour"] = pl.col("repeated")
bad = rows.select(pl.any_horizontal(rule.fill_null(False) for rule in rules.values())).to_series()
reject(rows, bad)
good = rows.filter(~bad)
end = good["t"].max()
grid = (
    good.group_by("id").agg(pl.col("t").min()).sort("id")
    .select("id", pl.datetime_ranges("t", end, "1h").alias("t")).explode("t")
)
write(grid.join(good, on=["id", "t"], how="left", maintain_order="left"))
done = time.perf_counter()
"""
)

TUNED_POLARS = (
    RULES
    + """
hour = pl.col("t").dt.epoch("s") // 3600
key = (pl.col("id").to_physical().cast(pl.Int64) * 100_000_000 + hour).alias("key")
rows = rows.with_columns(pl.col("id").cast(pl.Categorical)).filter(pl.col("t").dt.offset_by("1h") <= as_of)
rows = rows.with_columns(key).sort("key", maintain_order=True)
rules["unique_id is a name"] = pl.col("id").is_null()
rules["one row per hour"] = (pl.col("key") == pl.col("key").shift()) & (pl.col("t") == pl.col("t").shift())
bad = rows.select(pl.any_horizontal(rule.fill_null(False) for rule in rules.values())).to_series()
rows = rows.with_columns((rules["one row per hour"]).alias("repeated"))
rules["one row per hour"] = pl.col("repeated")
reject(rows, bad)
good = rows.filter(~bad).select("id", "t", "v", "w", "key").set_sorted("key")
del rows
end = good["t"].max()
grid = (
    good.group_by("id", maintain_order=True).agg(pl.col("t").min())
    .select("id", pl.datetime_ranges("t", end, "1h").alias("t")).explode("t").with_columns(key).set_sorted("key")
)
write(grid.join(good.drop("id", "t"), on="key", how="left", maintain_order="left"))
done = time.perf_counter()
"""
)

PANDAS = """
import pandas as pd
import time, json, resource, sys
folder = sys.argv[1]
began = read = time.perf_counter()
frame = pd.read_parquet(folder + "/big.parquet").sort_values(["id", "t"]).drop_duplicates(["id", "t"])
parts = [part.set_index("t").asfreq("h").assign(id=name) for name, part in frame.groupby("id", sort=True)]
pd.concat(parts).reset_index().to_parquet(folder + "/plain.parquet", index=False)
done = time.perf_counter()
tables = []
"""

REPORT = """
use = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "processor_s": use.ru_utime + use.ru_stime, "wall_s": done - began, "read_s": read - began,
    "peak_gib": use.ru_maxrss / 2**20, "tables": tables,
}))
"""
