"""The section on data health: row counts, series without a forecast, age of the data, and findings of the contract."""

import pandas as pd

from models.data.calendar import is_calendar_step
from models.data.panel import InputSpec
from models.data.panel_table import PanelTable
from tasks.charts import formatting
from tasks.modeling.series import SeriesWithoutForecast
from tasks.report.headline import describe_freshness
from tasks.report.page_data import HealthRow
from tasks.report.without_forecast import SILENT_CAUSES
from tasks.results import steps
from tasks.results.row_counts import RowCounts
from tasks.results.run import RunResults

MAX_NAMED_SERIES = 200  # of a cause, on the page
MAX_FINDINGS = 20  # on the page; the manifest has all of them


def health_rows(results: RunResults, clean: PanelTable, cutoff: pd.Timestamp, view: InputSpec) -> tuple[HealthRow, ...]:
    """Describe the data of a run.

    Args:
        results: The results of the run.
        clean: The clean table, with the horizon if covariates are known ahead.
        cutoff: The last step of the history.
        view: The inputs of the models.

    Returns:
        One row per count and known covariate, then one per finding.
    """
    zone, dates = view.zone, is_calendar_step(view.freq)
    counts = results.validated.health
    newest = clean.newest_known()  # before the cutoff if closed steps have passed since
    rejected: steps.Verdict = "watch" if counts.quarantined else "good"
    ahead = f"plus {formatting.count(counts.known_ahead)} known ahead" if counts.known_ahead else ""
    left_out = [
        f"{len(names)} {word}" for word, names in (("ended", counts.ended), ("excluded", counts.set_aside)) if names
    ]
    return (
        HealthRow("Rows read", formatting.count(counts.read), ahead),
        HealthRow("Rows used", formatting.count(counts.used), _row_sum(counts), "good"),
        HealthRow("Rows in quarantine", formatting.count(counts.quarantined), "", rejected),
        HealthRow("Series", formatting.count(counts.series), ", ".join(left_out)),
        *_without_forecast(results.without_forecast),
        HealthRow("Gaps", formatting.count(counts.gaps), "steps without an observation, masked for the models"),
        HealthRow(
            "Last observation",
            formatting.when(newest, "UTC" if dates else zone, dates),
            describe_freshness(newest, results.night.as_of, view.freq),
        ),
        *_known_ahead(clean, cutoff, view),
        *(HealthRow("Note", note) for note in results.validated.notes),
        *(HealthRow("Finding", finding, "", "watch") for finding in results.validated.findings[:MAX_FINDINGS]),
    )


def _known_ahead(clean: PanelTable, cutoff: pd.Timestamp, view: InputSpec) -> tuple[HealthRow, ...]:
    """Return a row per known covariate of the source: how many steps after the cutoff it has values for."""
    if not view.features.known_columns:
        return ()
    ahead, dates = clean.between(clean.steps_until(cutoff), len(clean.times)).frame(), is_calendar_step(view.freq)
    rows = []
    for name in view.features.known_columns:
        known = ahead[ahead[name].notna()]
        steps_ahead = int(known.groupby("unique_id").size().min()) if len(known) else 0
        until = (
            f"until {formatting.when(known['ds'].max(), 'UTC' if dates else view.zone, dates)}" if len(known) else ""
        )
        uncovered = len(clean.ids) - known["unique_id"].nunique()
        note = "; ".join(filter(None, [until, f"{uncovered} series lack it and are not forecast" if uncovered else ""]))
        state: steps.Verdict = "watch" if uncovered else "good"
        rows.append(HealthRow(f"Known ahead: {name}", f"{steps_ahead} of {view.horizon} steps", note, state))
    return tuple(rows)


def _without_forecast(series: tuple[SeriesWithoutForecast, ...]) -> tuple[HealthRow, ...]:
    """Return a row per cause with the names of all series that were not forecast."""
    rows = []
    for cause in dict.fromkeys(entry.cause for entry in series):
        entries = [entry for entry in series if entry.cause == cause]
        names = ", ".join(entry.series for entry in entries[:MAX_NAMED_SERIES])
        names += f" and {len(entries) - MAX_NAMED_SERIES} more, in the manifest" if entries[MAX_NAMED_SERIES:] else ""
        state: steps.Verdict = "good" if cause in SILENT_CAUSES else "watch"
        label = f"Not forecast: {cause}"
        rows.append(HealthRow(label, f"{len(entries)} series: {names}", f"the first: {entries[0].reason}", state))
    return tuple(rows)


def _row_sum(counts: RowCounts) -> str:
    return "read = used + quarantined" + (
        f" + {formatting.count(counts.held_back)} held back" if counts.held_back else ""
    )
