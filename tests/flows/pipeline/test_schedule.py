"""Which nights are due and which are missing, across time zones, clock changes and odd schedules."""

from datetime import UTC, datetime

import pytest

from data_contracts.errors import SpecError
from flows.pipeline.schedule import backfill_range, missing_nights, scheduled_times
from flows.pipeline.spec import PipelineSpec
from tasks.storage.layout import vintage_name
from tasks.storage.store import Store

NOW = datetime(2024, 6, 10, 12, tzinfo=UTC)


def spec_of(cron="0 3 * * *", zone="America/New_York"):
    return PipelineSpec.model_validate(
        {
            "name": "shop",
            "source": {"kind": "csv", "path": "shop.csv"},
            "columns": {"ds": "t", "y": "v"},
            "freq": "D",
            "windowing": {"horizon": 7},
            "schedule": {"cron": cron, "timezone": zone},
        }
    )


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store where every file under forecasts/ counts as an intact vintage, unless its content is `torn`."""
    store = Store(root=str(tmp_path / "store"))
    monkeypatch.setattr("flows.pipeline.schedule._is_intact", lambda uri, where: where._read(uri) != b"torn")
    return store


def publish(store, *moments, data=b"whole"):
    for moment in moments:
        store.put_at(data, "forecasts", f"forecasts/pipeline=shop/vintage={vintage_name(moment)}/forecasts.parquet")


def test_night_is_due_once_a_day_across_both_clock_changes():
    spring = list(scheduled_times(spec_of(), utc(2024, 3, 9), utc(2024, 3, 12)))
    assert spring == [utc(2024, 3, 9, 8), utc(2024, 3, 10, 7), utc(2024, 3, 11, 7)]
    autumn = list(scheduled_times(spec_of(), utc(2024, 11, 2), utc(2024, 11, 5)))
    assert autumn == [utc(2024, 11, 2, 7), utc(2024, 11, 3, 8), utc(2024, 11, 4, 8)]


def test_date_includes_all_its_nights_and_an_instant_only_itself(store):
    nights = [utc(2024, 6, 3, 7), utc(2024, 6, 4, 7)]
    assert backfill_range(spec_of(), "2024-06-03", "2024-06-04", store, NOW) == nights
    assert backfill_range(spec_of(), "2024-06-03T07:00Z", "2024-06-04T07:00Z", store, NOW) == nights
    assert backfill_range(spec_of(), "2024-06-03T07:01Z", "2024-06-04T06:59Z", store, NOW) == []


def test_future_nights_are_not_due(store):
    assert backfill_range(spec_of(), "2024-06-09", "2024-06-30", store, NOW) == [
        utc(2024, 6, 9, 7),
        utc(2024, 6, 10, 7),
    ]


def test_default_range_starts_after_the_newest_vintage(store):
    publish(store, utc(2024, 6, 1, 7), utc(2024, 6, 8, 7))
    assert backfill_range(spec_of(), None, None, store, NOW) == [utc(2024, 6, 9, 7), utc(2024, 6, 10, 7)]


def test_pipeline_without_vintages_needs_a_start(store):
    with pytest.raises(SpecError, match="--from"):
        backfill_range(spec_of(), None, None, store, NOW)


def test_too_many_missed_nights_need_a_start(store):
    publish(store, utc(2013, 11, 30, 8))
    with pytest.raises(SpecError, match=r"3,845 nights were missed.*--from 2013-12-01"):
        backfill_range(spec_of(), None, None, store, NOW)


def test_reversed_range_is_refused(store):
    with pytest.raises(SpecError, match="no night is due from 2024-06-09"):
        backfill_range(spec_of(), "2024-06-09", "2024-06-01", store, NOW)


def test_invalid_date_is_reported_with_its_option(store):
    with pytest.raises(SpecError, match="--to 'soon'"):
        backfill_range(spec_of(), "2024-06-01", "soon", store, NOW)


def test_vintage_of_the_same_date_counts_for_a_night(store):
    nights = [utc(2024, 6, 3, 7), utc(2024, 6, 4, 7), utc(2024, 6, 5, 7)]
    publish(store, utc(2024, 6, 3, 4), utc(2024, 6, 4, 3, 59), utc(2024, 6, 5, 7))  # midnight, 23:59, on time
    assert missing_nights(spec_of(), nights, store) == [utc(2024, 6, 4, 7)]


def test_vintage_that_cron_makes_seconds_after_the_schedule_counts(store):
    publish(store, utc(2024, 6, 3, 7, 0, 5), utc(2024, 6, 5, 3, 59))  # and one of the evening before, 23:59 there
    assert missing_nights(spec_of(), [utc(2024, 6, 3, 7), utc(2024, 6, 5, 7)], store) == [utc(2024, 6, 5, 7)]


def test_vintage_counts_for_the_nearest_night_of_its_date(store):
    nights = [utc(2024, 6, 3, hour) for hour in (0, 6, 12, 18)]
    publish(store, utc(2024, 6, 3, 0, 0, 5), utc(2024, 6, 3, 8), utc(2024, 6, 3, 16))
    assert missing_nights(spec_of("0 */6 * * *", "UTC"), nights, store) == [utc(2024, 6, 3, 12)]


def test_each_of_several_nights_a_day_needs_its_own_vintage(store):
    nights = [utc(2024, 6, 3, 0), utc(2024, 6, 3, 6), utc(2024, 6, 3, 12), utc(2024, 6, 3, 18)]
    publish(store, utc(2024, 6, 3, 0), utc(2024, 6, 3, 12))
    assert missing_nights(spec_of("0 */6 * * *", "UTC"), nights, store) == [utc(2024, 6, 3, 6), utc(2024, 6, 3, 18)]


def test_night_with_a_torn_vintage_is_missing(store):
    publish(store, utc(2024, 6, 3, 7), data=b"torn")
    assert missing_nights(spec_of(), [utc(2024, 6, 3, 7)], store) == [utc(2024, 6, 3, 7)]
