"""Every path of the store, literally: users and other programs read these paths."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tasks.storage import layout

NIGHT = datetime(2013, 11, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (layout.artifacts_dir("clean"), "artifacts/clean"),
        (layout.quarantine_dir("shop"), "quarantine/pipeline=shop"),
        (layout.cache_uri("train", "0a1b"), "cache/train/0a1b.json"),
        (layout.forecasts_dir("shop"), "forecasts/pipeline=shop"),
        (
            layout.vintage_uri("forecasts", "shop", NIGHT),
            "forecasts/pipeline=shop/vintage=2013-11-30T050000Z/forecasts.parquet",
        ),
        (
            layout.vintage_uri("actuals", "shop", NIGHT),
            "actuals/pipeline=shop/vintage=2013-11-30T050000Z/actuals.parquet",
        ),
        (
            layout.vintage_uri("accuracy", "shop", NIGHT),
            "accuracy/pipeline=shop/vintage=2013-11-30T050000Z/accuracy.parquet",
        ),
        (
            layout.vintage_uri("anomalies", "shop", NIGHT),
            "anomalies/pipeline=shop/vintage=2013-11-30T050000Z/anomalies.parquet",
        ),
        (layout.latest_errors_uri("shop"), "latest/pipeline=shop/errors.parquet"),
        (layout.latest_dir("shop"), "latest/pipeline=shop"),
        (layout.latest_uri("shop"), "latest/pipeline=shop/forecasts.parquet"),
        (layout.changes_uri("shop"), "changes/pipeline=shop.md"),
        (layout.latest_history_uri("shop"), "latest/pipeline=shop/history.parquet"),
        (
            layout.record_uri(layout.decisions_dir("shop"), NIGHT),
            "decisions/pipeline=shop/vintage=2013-11-30T050000Z.json",
        ),
        (
            layout.record_uri(layout.snapshots_dir("shop"), NIGHT),
            "snapshots/pipeline=shop/vintage=2013-11-30T050000Z.json",
        ),
        (
            layout.record_uri(layout.contracts_dir("shop"), NIGHT),
            "contracts/pipeline=shop/vintage=2013-11-30T050000Z.json",
        ),
        (layout.report_dir("shop", "99c65e60"), "reports/pipeline=shop/99c65e60"),
        (layout.runs_dir("shop"), "runs/pipeline=shop"),
        (layout.manifest_uri("shop", "99c65e60"), "runs/pipeline=shop/99c65e60.json"),
        (layout.leases_dir("shop"), "leases/pipeline=shop"),
        (layout.lease_uri("shop", 7), "leases/pipeline=shop/000000000007.json"),
        (layout.lease_lock_uri("shop"), "leases/pipeline=shop/.door"),
        (layout.dry_runs_dir("shop"), "dry-runs/pipeline=shop"),
        (layout.dry_run_dir("shop", NIGHT), "dry-runs/pipeline=shop/vintage=2013-11-30T050000Z"),
        (layout.REPORTS_PREFIX, "reports/"),
        (layout.MLFLOW_DIR, "mlflow"),
    ],
)
def test_path_is_as_documented(path, expected):
    assert path == expected


def test_only_content_addressed_paths_need_no_lease():
    assert layout.CONTENT_ADDRESSED == ("artifacts/", "cache/", "quarantine/", ".")


def test_vintage_is_named_in_utc():
    assert layout.vintage_name(NIGHT.astimezone(timezone(timedelta(hours=-5)))) == "2013-11-30T050000Z"


@pytest.mark.parametrize(
    ("uri", "as_of"),
    [
        ("forecasts/pipeline=shop/vintage=2013-11-30T050000Z/forecasts.parquet", NIGHT),
        ("decisions/pipeline=shop/vintage=2013-11-30T050000Z.json", NIGHT),
        ("forecasts/pipeline=shop/vintage=mine/forecasts.parquet", None),
        ("forecasts/pipeline=shop/notes.txt", None),
    ],
)
def test_as_of_is_read_from_a_path(uri, as_of):
    assert layout.parse_vintage(uri) == as_of
