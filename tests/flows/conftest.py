"""Hourly data of two airports over six weeks: a whole night takes seconds.

Tests call a flow as a function, `nightly.fn(…)`, unless Prefect has a part in the claim: its run costs another second.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

PANEL_DAYS, HORIZON, SERIES = 42, 24, ("north", "south")


@pytest.fixture(scope="session")
def panel() -> pd.DataFrame:
    """Half of the planned flights are late, plus noise. The plan is known in advance, so a network can win."""
    draw = np.random.default_rng(7)
    hours = pd.date_range("2024-01-01", periods=24 * PANEL_DAYS, freq="h", tz="UTC")
    parts = []
    for number, name in enumerate(SERIES):
        planned = np.clip(np.round(8 + 6 * np.sin(2 * np.pi * (hours.hour - 6) / 24)), 0, None) + number
        extra = draw.integers(0, 12, len(hours))
        late = np.floor(0.5 * (planned + extra)) + draw.integers(0, 2, len(hours))
        wind = draw.gamma(3, 3, len(hours))
        parts.append(
            pd.DataFrame({"port": name, "hour_utc": hours, "late": late, "planned": planned + extra, "wind": wind})
        )
    return pd.concat(parts, ignore_index=True)


def spec_of(path: Path, **changes: object) -> dict[str, object]:
    spec: dict[str, object] = {
        "name": "ports",
        "source": {"kind": "parquet", "path": str(path)},
        "columns": {"unique_id": "port", "ds": "hour_utc", "y": "late"},
        "freq": "h",
        "features": {"known": ["planned", "hour"], "observed": ["wind"]},
        "windowing": {"lookback": 48, "horizon": HORIZON, "validation": "6d", "test": "6d", "refresh": "2d"},
        "models": [{"cell": "gru", "hidden": 16, "segment": 12}],
        "training": {"max_epochs": 6, "windows_per_epoch": 1024, "learning_rate": 0.01},
        "evaluation": {"windows": 6},
        "forecast": {"quantiles": [0.1, 0.5, 0.9], "minimum": 0},
    }
    return spec | changes


@pytest.fixture
def world(tmp_path: Path, panel: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the panel, its pipeline `ports.yaml` and an empty store."""
    return build_world(tmp_path, panel, monkeypatch)


def build_world(folder: Path, panel: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, **changes: object) -> Path:
    panel.to_parquet(folder / "ports.parquet", index=False)
    (folder / "ports.yaml").write_text(yaml.safe_dump(spec_of(folder / "ports.parquet", **changes)), encoding="utf-8")
    monkeypatch.setenv("NIGHTCAST_STORE", str(folder / "store"))
    return folder


@pytest.fixture(scope="session")
def build() -> Callable[..., Path]:
    """Build a world with other settings: build(folder, panel, monkeypatch, **fields of the spec)."""
    return build_world


@pytest.fixture(scope="session")
def two_nights(
    tmp_path_factory: pytest.TempPathFactory, panel: pd.DataFrame, prefect_server: None
) -> Iterator[tuple[Path, list[object]]]:
    """(folder, outcomes) after the nights of 8 and 9 February."""
    from flows.nightly import nightly

    with pytest.MonkeyPatch.context() as patch:
        folder = build_world(tmp_path_factory.mktemp("nights"), panel, patch)
        outcomes = [nightly(str(folder / "ports.yaml"), night) for night in ("2024-02-08", "2024-02-09")]
        yield folder, outcomes
