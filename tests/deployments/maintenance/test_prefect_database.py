"""Prefect's database of nights without a lasting server: gc deletes old runs with all that hangs on them."""

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from deployments.maintenance.prefect_database import count_old_runs, delete_old_runs, prunable_database


def test_database_without_tables_has_no_old_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    assert prunable_database() is None
    (tmp_path / ".prefect").mkdir()
    (tmp_path / ".prefect/prefect.db").touch()
    database = prunable_database()
    assert database == tmp_path / ".prefect/prefect.db"
    assert count_old_runs(database, timedelta(0)) == 0


@pytest.mark.slow  # starts a Prefect server
@pytest.mark.usefixtures("prefect_server")
def test_old_runs_are_deleted_with_their_logs(tmp_path: Path) -> None:
    from prefect import flow, get_run_logger
    from prefect.settings import get_current_settings

    @flow
    def logged(text: str) -> None:
        get_run_logger().info(text)

    for text in ("old", "young"):
        logged(text)
    url = get_current_settings().server.database.connection_url
    assert url is not None
    source, database = url.get_secret_value().removeprefix("sqlite+aiosqlite:///"), tmp_path / "prefect.db"
    with sqlite3.connect(source) as original, sqlite3.connect(database) as copy:
        original.backup(copy)
        (old,) = copy.execute("SELECT id FROM flow_run WHERE parameters LIKE '%old%'").fetchone()
        copy.execute("UPDATE flow_run SET end_time = '2020-01-02 03:04:05.678901' WHERE id = ?", (old,))
    assert count_old_runs(database, timedelta(days=90)) == 1
    delete_old_runs(database, timedelta(days=90))
    assert count_old_runs(database, timedelta(days=90)) == 0
    with sqlite3.connect(database) as pruned:
        parameters = [text for (text,) in pruned.execute("SELECT parameters FROM flow_run")]
        logs = pruned.execute("SELECT count(*) FROM log WHERE flow_run_id = ?", (old,)).fetchone()
    assert any("young" in text for text in parameters)
    assert not any("old" in text for text in parameters)
    assert logs == (0,)
