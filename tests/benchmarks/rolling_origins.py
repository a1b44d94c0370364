"""The demo and six public data sets as pipelines, and scores of models on their rolling origins.

The specs set only required fields, as a new user would; the demo uses its YAML.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.pipeline.spec import PipelineSpec
from models import metrics, rolling_origins
from models.baselines.seasonal import fit_baselines
from models.bundle import Bundle
from models.data.calendar import seasons
from models.data.panel import Panel
from models.data.windows import build_window_index
from models.networks.architecture import RecurrentSpec
from models.predict import Predictor
from models.training.recipe import Recipe
from models.training.train_network import train_network
from tasks.ingestion import ingest
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.forecasts import forecast_table, recalibrated_table
from tasks.modeling.scores import mase_scales_before, quantile_columns, score_forecasts
from tasks.modeling.training_data import select_training_part, window_cutoffs
from tasks.storage.store import Store
from tasks.validation import validate

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def bike_sharing(folder: Path) -> PipelineSpec:
    """Hourly rentals; an hour without a row had 0 rentals."""
    table = pd.read_csv(_require("bike_sharing/hour.csv"))
    ds = pd.to_datetime(table["dteday"], format="%m/%d/%Y") + pd.to_timedelta(table["hr"], unit="h")
    y = pd.Series(table["cnt"].to_numpy(), index=ds).asfreq("h", fill_value=0)
    return _spec(folder, "bike-sharing", pd.DataFrame({"ds": y.index, "y": y.to_numpy(), "unique_id": "dc"}), "h", 24)


def vic_elec(folder: Path) -> PipelineSpec:
    """Half-hourly demand of Victoria."""
    table = pd.read_csv(_require("vic_elec/vic_elec.csv.gz"))
    ds = pd.to_datetime(table.iloc[:, 0], utc=True)
    frame = pd.DataFrame({"ds": ds, "y": table["Demand"], "unique_id": "victoria"})
    return _spec(folder, "vic-elec", frame, "30min", 48)


def m4_weekly(folder: Path) -> PipelineSpec:
    """359 weekly series without timestamps; all are set to end on the same Sunday."""
    wide = pd.read_csv(_require("m4_weekly/Weekly-train.csv"), index_col=0)
    long = wide.stack().rename("y").rename_axis(["unique_id", "step"]).reset_index().dropna()
    age = long.groupby("unique_id").cumcount(ascending=False)
    long["ds"] = pd.Timestamp("2020-01-05") - pd.to_timedelta(7 * age, unit="D")
    return _spec(folder, "m4-weekly", long[["unique_id", "ds", "y"]], "W", 13)


def etth1(folder: Path) -> PipelineSpec:
    """Hourly oil temperature of a transformer."""
    table = pd.read_csv(_require("etth1/ETTh1.csv"))
    frame = pd.DataFrame({"ds": pd.to_datetime(table["date"]), "y": table["OT"], "unique_id": "oil"})
    return _spec(folder, "etth1", frame, "h", 24)


def metro_traffic(folder: Path) -> PipelineSpec:
    """Hourly vehicles on a motorway, from the end of its longest gap on."""
    table = pd.read_csv(_require("metro_traffic/Metro_Interstate_Traffic_Volume.csv"))
    frame = pd.DataFrame({"ds": pd.to_datetime(table["date_time"]), "y": table["traffic_volume"].astype(float)})
    frame = frame[frame["ds"] >= "2015-07-01"].drop_duplicates("ds").assign(unique_id="i94")
    return _spec(folder, "metro-traffic", frame, "h", 24)


def exchange_rate(folder: Path) -> PipelineSpec:
    """Daily rates of eight currencies on business days, without timestamps; all end on the same Friday."""
    wide = pd.read_csv(_require("exchange_rate/exchange_rate.txt.gz"), header=None).add_prefix("currency-")
    wide.index = pd.bdate_range(end="2010-10-08", periods=len(wide), name="ds")
    return _spec(
        folder,
        "exchange-rate",
        wide.melt(var_name="unique_id", value_name="y", ignore_index=False).reset_index(),
        "B",
        30,
    )


def demo(folder: Path) -> PipelineSpec:
    """The shipped demo pipeline."""
    return PipelineSpec.read("nyc-delays")


DATA = {
    "nyc-delays": demo,
    "bike-sharing": bike_sharing,
    "vic-elec": vic_elec,
    "m4-weekly": m4_weekly,
    "metro-traffic": metro_traffic,
    "etth1": etth1,
    "exchange-rate": exchange_rate,
}


def _require(name: str) -> Path:
    if not (SHARED / name).exists():
        pytest.skip(f"needs shared/data/{name} beside the project")
    return SHARED / name


def _spec(folder: Path, name: str, frame: pd.DataFrame, freq: str, horizon: int) -> PipelineSpec:
    frame.to_parquet(folder / f"{name}.parquet", index=False)
    fields = {"name": name, "freq": freq, "windowing": {"horizon": horizon}}
    fields["source"] = {"kind": "parquet", "path": str(folder / f"{name}.parquet")}
    return PipelineSpec.model_validate(fields | {"columns": {"unique_id": "unique_id", "ds": "ds", "y": "y"}})


AS_OF = {"nyc-delays": "2013-11-30"}  # the others end where their files end


class RollingOrigins:
    """The clean table and the windows of a pipeline, as its last night, or the night of `as_of`, would build them."""

    def __init__(self, spec: PipelineSpec, folder: Path, as_of: str | None = None) -> None:
        self.spec, store = spec, Store(root=str(folder / "store"))
        moment = spec.parse_as_of(as_of or AS_OF.get(spec.name))
        validated = validate.fn(ingest.fn(spec.dataset, moment, store), spec.dataset, moment, store)
        self.clean, self.table = store.get(validated.clean), load_clean_table(validated.clean, store)
        panel = Panel.from_table(self.table, spec.input_spec)
        self.index = build_window_index(panel, spec.windowing, validated.cutoff, spec.evaluation.windows)
        self.origins = window_cutoffs(self.table, self.index, "test")
        part, self.part_index = select_training_part(self.table, self.index, spec.input_spec)
        self.part = Panel.from_table(part, spec.input_spec)

    def train(self, model: RecurrentSpec, **training: object) -> Bundle:
        default = self.spec.recipes[0]
        training_spec = default.training.model_copy(update=training)
        model = model.with_default_segment(default.view.phase, default.view.lookback)
        recipe = Recipe(model=model, training=training_spec, quantiles=default.quantiles, view=default.view)
        return train_network(self.part, self.part_index, recipe)[0]

    def baselines(self) -> list[Bundle]:
        cycles = tuple(seasons(self.spec.freq))
        view, levels = self.spec.input_spec, self.spec.recipes[0].quantiles
        return list(fit_baselines(self.part, self.part_index, view, levels, cycles))

    def mase_scales(self, origins: pd.DataFrame) -> pd.Series:
        """Return the divisor of MASE of each series, from the rows before the first origin."""
        return mase_scales_before(self.table, origins["cutoff"].min(), self.spec.input_spec.season)

    def scores(self, bundles: Mapping[str, Bundle], part: str = "test", published: bool = False) -> pd.DataFrame:
        """Return mase, wql, … of each bundle on the rolling origins of a part.

        With `published`, also `published_mase`, `published_wql` and `published_coverage`, of the medians and intervals
        that each night fits to the newest errors.
        """
        origins = window_cutoffs(self.table, self.index, part)
        scales, bounds = self.mase_scales(origins), self.spec.forecast_setup.bounds
        panel, rows = Panel.from_table(self.table, self.spec.input_spec), {}
        for name, bundle in bundles.items():
            rows[name] = self.score_table(forecast_table(bundle, self.table, origins, bounds, panel=panel), scales)
            if published:
                nights = rolling_origins.RollingOrigins(Predictor(bundle), panel)
                fitted = self.score_table(recalibrated_table(nights, origins, bounds)[0], scales)
                rows[name] |= {f"published_{metric}": fitted[metric] for metric in ("mase", "wql", "coverage")}
        return pd.DataFrame(rows).T

    def score_table(self, forecasts: pd.DataFrame, scales: pd.Series) -> dict[str, float]:
        """Return mase, wql, …, crps of a table with unique_id, ds (UTC), y_hat and quantiles, of any model."""
        table = forecasts.merge(self.clean[["unique_id", "ds", "y"]], "left", ["unique_id", "ds"])
        table = table.assign(scale=table["unique_id"].map(scales))
        return score_forecasts(table) | {"crps": scaled_crps(table)}


def scaled_crps(table: pd.DataFrame) -> float:
    """Compute the CRPS of each series by its divisor of MASE, and the mean over series.

    The CRPS is estimated from the quantiles, as the mean over their levels of twice the quantile loss (Gneiting and
    Raftery 2007; the estimate of GluonTS). Divided so, it is the scaled quantile loss of AutoGluon: unlike in wql, a
    series of small values counts as much as one of large values.

    Args:
        table: unique_id, y, scale and quantile columns; a series without a scale does not count.

    Returns:
        The mean over series, without a unit.
    """
    levels = quantile_columns(table)
    rows = table.dropna(subset=["y", "scale"])
    losses = [2 * metrics.pinball(rows["y"], rows[name], level) / rows["scale"] for name, level in levels.items()]
    return float(pd.Series(np.mean(losses, axis=0)).groupby(rows["unique_id"].to_numpy()).mean().mean())
