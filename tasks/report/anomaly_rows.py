"""The line of the morning page on anomalies: actuals that differ too much from their forecasts."""

from models.data.calendar import is_calendar_step
from models.data.panel import InputSpec
from tasks.charts import formatting
from tasks.engine.failure import StepFailure
from tasks.report.page_data import HealthRow
from tasks.results.anomalies import AnomaliesResult


def anomaly_rows(result: AnomaliesResult | StepFailure | None, view: InputSpec) -> tuple[HealthRow, ...]:
    """Return a row on the anomalies of the new actuals, the worst series first.

    Args:
        result: The result of `find_anomalies`.
        view: The zone and the frequency, by which times are shown.

    Returns:
        No row if there is neither an anomaly nor a reason why there can hardly be one.
    """
    if not isinstance(result, AnomaliesResult) or not (result.count or result.is_too_small):
        return ()
    rate = (
        f"about {result.rate:.3g} of the nights without an anomaly show one here; all actuals with their p-values: "
        "nightcast read --table anomalies"
    )
    if not result.count:
        note = f"the rate {result.rate:.3g} needs {result.needed:,}. Raise evaluation.windows, or wait for more nights"
        return (HealthRow("Anomalies", f"hardly possible with errors of {result.size:,} earlier forecasts", note),)
    dates = is_calendar_step(view.freq)
    listed = [
        f"{formatting.clip(anomaly.series)} at {formatting.when(anomaly.ds, view.zone, dates)} "
        f"({formatting.figure(anomaly.y)}, forecast {formatting.figure(anomaly.y_hat)})"
        for anomaly in result.worst
    ]
    more = f" and {result.flagged - len(listed)} more" if result.flagged > len(listed) else ""
    value = f"{result.flagged} of {result.series} series: {'; '.join(listed)}{more}"
    return (HealthRow("Anomalies", value, rate, "watch"),)
