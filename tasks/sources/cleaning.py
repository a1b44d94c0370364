"""What becomes of rows that repeat a series and time, and of steps that have no row: policies of the pipeline."""

from typing import Literal

import pandas as pd
from pydantic import Field

from data_contracts.spec import Spec
from models.data.imputation import Fill

KEY = ["unique_id", "ds"]


class CleaningSpec(Spec):
    """`fill` by column: y or a covariate. `zero` of y says that a step without a row had none: it is an observation.

    Every other fill is shown to the models beside a mask, and is never a target.
    """

    fill: dict[str, Fill] = Field(default_factory=dict, description="none, zero, forward, interpolate or season")
    repeated: Literal["reject", "first", "last", "mean", "sum"] = Field(
        "reject",
        description="rows of one series and time: reject all but the first as the contract says; keep the first or the "
        "last of the source, the others go to quarantine; or take their mean or sum, and use all",
    )


def is_dropped(frame: pd.DataFrame, cleaning: CleaningSpec) -> pd.Series:
    """Which rows repeat a key and are not to be used."""
    if cleaning.repeated in ("mean", "sum"):
        return pd.Series(False, index=frame.index)
    keyed = frame["ds"].notna() & frame["unique_id"].notna()
    return frame.duplicated(KEY, keep="last" if cleaning.repeated == "last" else "first") & keyed


def aggregate_duplicates(frame: pd.DataFrame, cleaning: CleaningSpec) -> pd.DataFrame:
    """One row a series and time: numbers by their mean or sum, what is no number by its first value."""
    if cleaning.repeated not in ("mean", "sum") or not frame.duplicated(KEY).any():
        return frame
    alone = ~frame.duplicated(KEY, keep=False)
    groups = frame[~alone].groupby(KEY, sort=False)
    numbers = [name for name in frame.columns if frame[name].dtype == "float64"]
    others = groups[[name for name in frame.columns if name not in (*KEY, *numbers)]].first()
    means = groups[numbers].mean()
    if cleaning.repeated == "sum":
        means["y"] = groups["y"].sum(min_count=1)
    told = pd.concat([others, means], axis=1).reset_index()[list(frame.columns)]
    return pd.concat([frame[alone], told]).astype(frame.dtypes.to_dict())


def fill_missing_with_zero(clean: pd.DataFrame, cutoff: pd.Timestamp, cleaning: CleaningSpec) -> pd.DataFrame:
    """The panel with 0 for each step of y up to the cutoff that has no value, where the pipeline says so."""
    if cleaning.fill.get("y") != "zero":
        return clean
    return clean.assign(y=clean["y"].mask(clean["y"].isna() & (clean["ds"] <= cutoff), 0.0))
