"""What `nightcast show` and the demo print: the leaderboard, one series with its forecast, where everything lies."""

import io
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from data_contracts.errors import NightcastError
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings
from tasks.results.manifest import read_all
from tasks.storage.layout import forecasts_dir, latest_dir
from tasks.storage.store import Store

BARS = " ▁▂▃▄▅▆▇█"


class NoForecastYet(NightcastError):
    """The pipeline has published nothing in this store."""


def newest_forecasts(pipeline: str, series: str | None) -> tuple[dict[str, Any], str]:
    """(facts, the same as text) about the newest published forecasts and the newest judged run."""
    settings = Settings()
    spec, store = PipelineSpec.read(pipeline, settings.pipelines), settings.opened_store
    manifests = [run for run in read_all(store, spec.name) if run.leaderboard is not None]
    published = store.list_files(latest_dir(spec.name))
    if not manifests or not published:
        raise NoForecastYet(
            f"pipeline {spec.name!r} has published nothing in the store {settings.store!r}. "
            f"Run `nightcast nightly {pipeline}` first, or point NIGHTCAST_STORE at the right store."
        )
    newest = manifests[-1]
    judged = next((run for run in reversed(manifests) if run.leaderboard), newest)
    forecasts = store.get(store.table_at(published[0], "forecasts"))
    name = series or forecasts.groupby("unique_id")["y_hat"].sum().idxmax()
    if name not in set(forecasts["unique_id"]):
        known = ", ".join(sorted(set(forecasts["unique_id"]))[:12])
        raise NoForecastYet(f"there is no forecast for series {name!r}; the first of them: {known}")
    facts = {
        **newest.model_dump(
            mode="json", include={"pipeline", "run_id", "cutoff", "verdict", "lines", "page", "champion"}
        ),
        "as_of": newest.as_of_text,
        "leaderboard": list(judged.leaderboard or ()),
        "metric": judged.metric,
        "decision": judged.decision,
        "health": newest.row_counts,
        "forecasts": published[0],
        "rows": len(forecasts),
        "manifest": newest.manifest,
    }
    zone = spec.schedule.timezone
    return facts, "\n".join(
        (leaderboard_table(facts), plot(forecasts[forecasts["unique_id"] == name], zone), places(facts, store))
    )


def leaderboard_table(facts: dict[str, Any]) -> str:
    """The leaderboard as a table, best first; lower is better but for coverage."""
    table = Table(title=f"Leaderboard of {facts['pipeline']}, ranked by {facts['metric']} on the same origins")
    names = ("model_name", "role", "mase", "wql", "mae", "rmse", "smape", "coverage")
    for name in names:
        table.add_column(name, justify="left" if name in ("model_name", "role") else "right", no_wrap=True)
    for row in facts["leaderboard"]:
        style = "bold" if row["role"] == "champion" else None
        table.add_row(*(_cell(row.get(name)) for name in names), style=style)
    out = Console(file=io.StringIO(), width=100, force_terminal=False)
    out.print(table)
    text: str = out.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    return text.rstrip()


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def plot(rows: pd.DataFrame, zone: str) -> str:
    """One series of a forecast table: a bar a step for the median, and the outermost interval below."""
    rows = rows.sort_values("ds")
    quantiles = [name for name in rows.columns if name.startswith("q") and name[1:].isdigit()]
    low, high = min(float(rows["y_hat"].min()), 0.0), max(float(rows["y_hat"].max()), 0.0)
    bars = "".join(BARS[round(8 * (value - low) / ((high - low) or 1.0))] for value in rows["y_hat"])
    first, last = (rows["ds"].iloc[place].tz_convert(zone) for place in (0, -1))
    lines = [
        "",
        f"Series {rows['unique_id'].iloc[0]}, {first:%a %d %b %Y %H:%M} to {last:%a %d %b %H:%M} ({zone}), "
        f"{rows['source'].iloc[0]} {rows['model_name'].iloc[0]}",
        f"  median {bars}  {rows['y_hat'].min():.4g} to {rows['y_hat'].max():.4g}",
    ]
    every = max(1, len(rows) // 8)
    for row in rows.iloc[::every].itertuples():
        outer = dict.fromkeys((*quantiles[:1], *quantiles[-1:]))
        band = [f"{name} {getattr(row, name):8.2f}" for name in outer]
        lines.append("  ".join(["", f"{row.ds.tz_convert(zone):%d %b %H:%M}", f"y_hat {row.y_hat:8.2f}", *band]))
    return "\n".join(lines)


def places(facts: dict[str, Any], store: Store) -> str:
    """Where the files of the newest night lie."""
    root = store.root.rstrip("/")
    return "\n".join(
        (
            "",
            f"Forecasts     {root}/{facts['forecasts']}  ({facts['rows']:,} rows)",
            f"All vintages  {root}/{forecasts_dir(facts['pipeline'])}/",
            f"Morning page  {root}/{facts['page']}",
        )
    )
