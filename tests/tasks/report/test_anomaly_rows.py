"""The line of the page on anomalies: series and time, the worst first, and the rate."""

from datetime import UTC, datetime

import pytest

from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from tasks.engine.failure import StepFailure
from tasks.report.anomaly_rows import anomaly_rows
from tasks.results.anomalies import AnomaliesResult, Anomaly

VIEW = InputSpec(features=FeatureSpec(known=()), freq="h", zone="Europe/Berlin", lookback=24, horizon=3)


def anomaly(series: str) -> Anomaly:
    return Anomaly(series=series, ds=datetime(2024, 3, 11, 12, tzinfo=UTC), y=900, y_hat=12.5, p_value=0.002)


def test_worst_series_is_named_with_its_time_in_the_zone_of_the_schedule() -> None:
    result = AnomaliesResult(
        rate=0.05, series=40, flagged=2, count=3, size=900, needed=799, worst=(anomaly("a"), anomaly("b"))
    )
    (row,) = anomaly_rows(result, VIEW)
    assert row.value == (
        "2 of 40 series: a at Mon 11 Mar 2024, 13:00 CET (900, forecast 12.5); "
        "b at Mon 11 Mar 2024, 13:00 CET (900, forecast 12.5)"
    )
    assert row.note.startswith("about 0.05 of the nights without an anomaly show one here")
    assert (row.label, row.state) == ("Anomalies", "watch")


def test_series_that_are_not_named_are_counted() -> None:
    result = AnomaliesResult(rate=0.05, series=40, flagged=7, count=9, size=900, needed=799, worst=(anomaly("a"),) * 5)
    assert anomaly_rows(result, VIEW)[0].value.endswith("(900, forecast 12.5) and 2 more")


def test_sample_that_is_too_small_for_the_rate_is_explained() -> None:
    (row,) = anomaly_rows(AnomaliesResult(rate=0.01, series=40, size=1120, needed=3999), VIEW)
    assert row.value == "hardly possible with errors of 1,120 earlier forecasts"
    assert "the rate 0.01 needs 3,999" in row.note


@pytest.mark.parametrize(
    "result",
    [
        None,
        StepFailure(step="find_anomalies", reason="x"),
        AnomaliesResult(rate=0.05),
        AnomaliesResult(rate=0.05, series=40, size=900, needed=799),
    ],
)
def test_night_without_anomalies_has_no_line(result: AnomaliesResult | StepFailure | None) -> None:
    assert anomaly_rows(result, VIEW) == ()
