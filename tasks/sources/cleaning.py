"""Policies of a pipeline for duplicate rows of one series and time, and for steps without a row."""

from typing import Literal

import pandas as pd
from pydantic import Field, field_validator

from data_contracts.spec import SettingsSpec
from models.data.closed_times import ClosedSetting
from models.data.imputation import Fill
from models.data.opening_hours import parse_closed
from tasks.sources.repeats import find_repeats

KEY = ["unique_id", "ds"]


class CleaningSpec(SettingsSpec):
    """Policies for duplicates and gaps. `fill` maps y or a covariate to its policy.

    `zero` for y means that a step without a row is an observation of 0. Every other fill is an input of the models,
    with a mask, and never a target. `closed` says when no rows are expected: such steps are not gaps, not scored
    and are not forecast.
    """

    fill: dict[str, Fill] = Field(default_factory=dict, description="none, zero, forward, interpolate or season")
    repeated: Literal["reject", "first", "last", "mean", "sum"] = Field(
        "reject",
        description="rows of one series and time: reject all but the first as the contract says; keep the first or the "
        "last of the source, the others go to quarantine; or take their mean or sum, and use all",
    )
    closed: ClosedSetting = Field(
        "auto",
        description="auto: weekdays and hours that never have a value in eight weeks or more; or a list such as [sun, "
        "22-06, sat 14-24]; [] if always open",
    )

    @field_validator("closed")
    @classmethod
    def _check_closed(cls, closed: ClosedSetting) -> ClosedSetting:
        if closed != "auto":
            parse_closed(closed)
        return closed


def is_dropped(frame: pd.DataFrame, cleaning: CleaningSpec) -> pd.Series:
    """Return which rows are duplicates that are not used."""
    if cleaning.repeated in ("mean", "sum"):
        return pd.Series(False, index=frame.index)
    repeated = find_repeats(frame, KEY, keep="last" if cleaning.repeated == "last" else "first")
    if not repeated.any():
        return pd.Series(repeated, index=frame.index)
    return repeated & frame["ds"].notna() & frame["unique_id"].notna()


def aggregate_duplicates(frame: pd.DataFrame, cleaning: CleaningSpec) -> pd.DataFrame:
    """Reduce duplicates to one row per series and time, if the policy is mean or sum.

    Args:
        frame: Rows with unique_id, ds, y and covariates.
        cleaning: The policy; a sum is of y only.

    Returns:
        The rows with the mean of each number (the sum of y), and the first value of other columns.
    """
    if cleaning.repeated not in ("mean", "sum"):
        return frame
    unique = ~find_repeats(frame, KEY, keep=False)
    if unique.all():
        return frame
    groups = frame[~unique].groupby(KEY, sort=False, observed=True)
    numbers = [name for name in frame.columns if frame[name].dtype == "float64"]
    others = groups[[name for name in frame.columns if name not in (*KEY, *numbers)]].first()
    aggregates = groups[numbers].mean()
    if cleaning.repeated == "sum":
        aggregates["y"] = groups["y"].sum(min_count=1)
    aggregated = pd.concat([others, aggregates], axis=1).reset_index()[list(frame.columns)]
    return pd.concat([frame[unique], aggregated]).astype(frame.dtypes.to_dict())


def fill_missing_with_zero(clean: pd.DataFrame, cutoff: pd.Timestamp, cleaning: CleaningSpec) -> pd.DataFrame:
    """Return the panel with 0 for missing values of y up to the cutoff, if the pipeline fills y with zero."""
    if cleaning.fill.get("y") != "zero":
        return clean
    return clean.assign(y=clean["y"].mask(clean["y"].isna() & (clean["ds"] <= cutoff), 0.0))
