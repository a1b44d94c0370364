"""One panel gives the same clean artifact, byte for byte, from every kind of source."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.ingestion import ingest
from tasks.sources.dataset import DatasetSpec
from tasks.storage.store import Store
from tasks.validation import validate

AS_OF = datetime(2024, 3, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def panel() -> pd.DataFrame:
    """Three shops, a week of hours, a price known two days ahead; gaps, an unusual name, numbers of all sizes."""
    draw = np.random.default_rng(5)
    hours = pd.date_range("2024-03-01", periods=24 * 9, freq="h", tz="UTC").as_unit("us")
    ahead = hours >= AS_OF
    parts = []
    for number, name in enumerate(("007", "Bäckerei/Süd", "=cmd|x")):
        sold = np.where(ahead, np.nan, draw.normal(0, 10.0 ** (3 * number - 3), len(hours)))
        visits = np.where(ahead | (draw.random(len(hours)) < 0.1), np.nan, draw.integers(0, 50, len(hours)))
        parts.append(pd.DataFrame({"sku": name, "hour": hours, "sold": sold, "price": 0.1 * number, "visits": visits}))
    frame = pd.concat(parts).assign(town="Köln")
    return frame.drop(frame.index[7]).sample(frac=1, random_state=1).reset_index(drop=True)


def csv(panel: pd.DataFrame, folder: Path) -> dict[str, Any]:
    panel.to_csv(folder / "panel.csv", index=False)
    return {"kind": "csv", "path": str(folder / "panel.csv")}


def german_csv(panel: pd.DataFrame, folder: Path) -> dict[str, Any]:
    panel.to_csv(folder / "panel.csv", index=False, sep=";", decimal=",", encoding="latin-1")
    return {"kind": "csv", "path": str(folder / "panel.csv"), "decimal": ",", "encoding": "latin-1"}


def parquet_folder(panel: pd.DataFrame, folder: Path) -> dict[str, Any]:
    (folder / "panel").mkdir()
    for number, part in enumerate(np.array_split(np.arange(len(panel)), 4)):
        panel.iloc[part].to_parquet(folder / "panel" / f"{number}.parquet", index=False)
    return {"kind": "parquet", "path": str(folder / "panel")}


def hive(panel: pd.DataFrame, folder: Path) -> dict[str, Any]:
    frame = panel.assign(day=panel["hour"].dt.strftime("%Y-%m-%d"))
    frame.to_parquet(folder / "hive", index=False, partition_cols=["day"])
    return {"kind": "parquet", "path": str(folder / "hive" / "**" / "*.parquet")}


def bucket(panel: pd.DataFrame, folder: Path, s3: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    import s3fs

    login = {"key": "night", "secret": "marked-secret"}
    for name, value in login.items():
        monkeypatch.setenv(f"SHOP_{name.upper()}", value)
    there = s3fs.S3FileSystem(**login, endpoint_url=s3, skip_instance_cache=True)
    if not there.exists("panels"):
        there.mkdir("panels")
    panel.to_parquet(folder / "panel.parquet", index=False)
    there.put(str(folder / "panel.parquet"), "panels/panel.parquet")
    storage = {"key": "${SHOP_KEY}", "secret": "${SHOP_SECRET}", "endpoint_url": s3}
    return {"kind": "parquet", "path": "s3://panels/panel.parquet", "storage": storage}


def postgresql(panel: pd.DataFrame, postgres: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    kinds = "sku text, hour timestamptz, sold float8, price float8, visits integer, town text"
    postgres.execute("DROP TABLE IF EXISTS panel", f"CREATE TABLE panel ({kinds})")
    rows = panel.astype(object).where(panel.notna(), None).itertuples(index=False, name=None)
    with postgres.connect() as connection, connection.cursor().copy("COPY panel FROM STDIN") as copy:
        for *row, visits, town in rows:
            copy.write_row([*row, None if visits is None else int(visits), town])
    monkeypatch.setenv("PW", "s3cret-Pass%2Fw%40rd")
    url = f"postgresql://night:${{PW}}@127.0.0.1:{postgres.port}/postgres"
    return {"kind": "sql", "url": url, "query": "SELECT * FROM panel WHERE hour >= :first",
            "parameters": {"first": "2024-03-01"}}  # fmt: skip


def sqlite(panel: pd.DataFrame, folder: Path) -> dict[str, Any]:
    with sqlite3.connect(folder / "panel.db") as connection:
        frame = panel.assign(hour=panel["hour"].dt.strftime("%Y-%m-%d %H:%M:%S+00:00"))
        frame.to_sql("panel", connection, index=False)
    connection.close()
    return {"kind": "sql", "url": f"sqlite:///{folder / 'panel.db'}", "table": "panel"}


def function(panel: pd.DataFrame, folder: Path) -> dict[str, Any]:
    panel.to_pickle(folder / "panel.pkl")
    (folder / "shop_panel.py").write_text(
        "import pandas as pd\ndef panel(path):\n    return pd.read_pickle(path)\n", encoding="utf-8"
    )
    return {"kind": "python", "callable": "shop_panel:panel", "arguments": {"path": str(folder / "panel.pkl")}}


@pytest.fixture
def same(
    panel: pd.DataFrame, reading: Callable[..., DatasetSpec], store: Store, tmp_path: Path
) -> Callable[[dict[str, Any]], bool]:
    """same(source): whether its clean artifact equals that of the panel written by pandas."""

    def digest(source: dict[str, Any]) -> str:
        spec = reading(source=source, horizon=24)
        return validate.fn(ingest.fn(spec, AS_OF, store), spec, AS_OF, store).clean.digest

    (tmp_path / "plain").mkdir()
    panel.to_parquet(tmp_path / "plain" / "p.parquet", index=False)
    plain = digest({"kind": "parquet", "path": str(tmp_path / "plain" / "p.parquet")})
    return lambda source: digest(source) == plain


@pytest.mark.parametrize("kept", [csv, german_csv, parquet_folder, hive, sqlite, function])
def test_panel_is_the_same_from_files_function_and_sqlite(
    kept: Any, panel: pd.DataFrame, same: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    assert same(kept(panel, tmp_path))


def test_panel_is_the_same_from_bucket(
    panel: pd.DataFrame, same: Any, tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert same(bucket(panel, tmp_path, s3, monkeypatch))


def test_panel_is_the_same_from_postgresql(
    panel: pd.DataFrame, same: Any, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert same(postgresql(panel, postgres, monkeypatch))
