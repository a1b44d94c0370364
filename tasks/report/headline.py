"""The first sentence of the page: what was published, its skill against the baselines, and the age of the data."""

from datetime import datetime

import pandas as pd

from models.data.time_steps import default_stamps, period_ends
from tasks.charts import formatting
from tasks.results.run import RunResults

MIN_CHANGE = 0.0005  # a smaller relative difference is shown as none


def describe_skill(board: pd.DataFrame, metric: str, digest: str) -> str:
    """Compare the loss of the model that forecast with the best baseline.

    Args:
        board: The leaderboard: bundle, model_name, role and the metrics.
        metric: The column to compare; lower is better.
        digest: Digest of the bundle that forecast.

    Returns:
        A clause such as `its MASE is 24% below the best baseline, linear`; empty if the model was not evaluated.
    """
    if not len(board):
        return ""
    rows, baselines = board[board["bundle"] == digest], board[board["role"] == "baseline"].dropna(subset=[metric])
    own = formatting.number(rows[metric].iloc[0]) if len(rows) else float("nan")
    if not own > 0 or not len(baselines):
        return ""
    best = baselines.loc[baselines[metric].idxmin()]
    if best["bundle"] == digest:
        return f"its {metric.upper()} of {formatting.figure(own)} is the lowest of all baselines"
    loss, of_best = float(best[metric]), f"the best baseline, {best['model_name']}"
    if not loss:
        return f"its {metric.upper()} is {formatting.figure(own)}, and that of {of_best}, is 0"
    change = own / loss - 1
    if abs(change) < MIN_CHANGE:
        return f"its {metric.upper()} equals that of {of_best}"
    side = "below" if change < 0 else "above"
    return f"its {metric.upper()} is {formatting.percent(abs(change))} {side} {of_best}"


def data_age(newest: pd.Timestamp, as_of: datetime, freq: str) -> pd.Timedelta:
    """Return the time from the end of the newest period with an observation to the as-of; at least 0.

    Args:
        newest: Stamp of the newest observation, in UTC.
        as_of: The as-of.
        freq: The step as a pandas frequency.
    """
    end = period_ends(pd.Series([newest]), freq, default_stamps(freq)).iloc[0]
    return max(pd.Timestamp(as_of) - end, pd.Timedelta(0))


def describe_freshness(newest: pd.Timestamp, as_of: datetime, freq: str) -> str:
    """Say how old the newest observation is, counted from the end of its period; empty if it is NaT."""
    if pd.isna(newest):
        return ""
    age = data_age(newest, as_of, freq)
    if not age:
        return "the data are up to date"
    return f"the data end {formatting.duration(age.total_seconds())} before the as-of"


def write_headline(published: str, results: RunResults, board: pd.DataFrame, metric: str, freshness: str) -> str:
    """Append skill and freshness to the sentence on what was published.

    Args:
        published: The sentence, with its full stop.
        results: The results of the run.
        board: The leaderboard.
        metric: The column by which models are compared.
        freshness: The clause of `describe_freshness`.

    Returns:
        One sentence.
    """
    model = results.forecasted.rung.candidate if results.forecasted else None
    skill = describe_skill(board, metric, model.bundle.digest) if model else ""
    return f"{published.rstrip('.')}; {'; '.join(filter(None, [skill, freshness]))}."
