"""`nightcast show`: the leaderboard, the forecast of one series, and where the files are."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console, JustifyMethod
from rich.table import Table

from data_contracts.errors import NightcastError
from flows.pipeline.heading import read_heading
from flows.settings import Settings
from tasks.results.manifest import read_all
from tasks.storage.layout import forecasts_dir, latest_uri
from tasks.storage.retractions import list_retractions
from tasks.storage.store import Store
from tasks.storage.vintages import MAX_AHEAD

COUNTS = {"read": "rows read", "used": "used", "quarantined": "in quarantine", "series": "series", "gaps": "gaps"}
MAX_RETRACTIONS = 3  # the newest
MAX_HOURS = 72  # an age is shown in hours up to here
MAX_FIXED = 1e7  # larger numbers, and small ones, are shown with their significant digits
BARS = " ▁▂▃▄▅▆▇█"


class NoForecastYet(NightcastError):
    """The pipeline has published nothing in this store."""


def newest_forecasts(pipeline: str, series: str | None) -> tuple[dict[str, Any], str]:
    """Return (facts, the same as text) about the newest forecasts and the newest run with a leaderboard.

    Raises:
        NoForecastYet: the pipeline has published nothing, or has no forecast for `series`.
    """
    settings = Settings()
    store = settings.opened_store
    spec = read_heading(pipeline, settings.pipelines, store)
    runs = [run for run in read_all(store, spec.name) if run.leaderboard is not None]
    published = store.list_files(latest_uri(spec.name))
    if not runs or not published:
        raise NoForecastYet(
            f"pipeline {spec.name!r} has published nothing in the store {settings.store!r}. "
            f"Run `nightcast nightly {pipeline}` first, or set NIGHTCAST_STORE to the store that has its forecasts."
        )
    known = [run for run in runs if run.as_of <= datetime.now(UTC) + MAX_AHEAD]  # latest/ ignores nights of the future
    newest = (known or runs)[-1]
    evaluated = next((run for run in reversed(runs) if run.leaderboard), newest)
    forecasts = store.get(store.table_at(published[0], "forecasts"))
    name = series or forecasts.groupby("unique_id")["y_hat"].sum().idxmax()
    if name not in set(forecasts["unique_id"]):
        first_names = ", ".join(sorted(set(forecasts["unique_id"]))[:12])
        raise NoForecastYet(f"series {name!r} has no forecast. Series with forecasts: {first_names}.")
    facts = {
        **newest.model_dump(
            mode="json", include={"pipeline", "run_id", "cutoff", "verdict", "lines", "page", "champion"}
        ),
        "as_of": newest.as_of_text,
        "leaderboard": list(evaluated.leaderboard or ()),
        "metric": evaluated.metric,
        "decision": evaluated.decision,
        "health": newest.row_counts,
        "retracted": [record.sentence for record in list_retractions(spec.name, store).values()][-MAX_RETRACTIONS:],
        "anomalies": newest.anomalies,
        "forecasts": published[0],
        "rows": len(forecasts),
        "manifest": newest.manifest,
        "steps": [step.model_dump() for step in newest.steps],
    }
    zone = spec.schedule.timezone
    return facts, "\n".join(
        (
            leaderboard_table(facts),
            plot(forecasts[forecasts["unique_id"] == name], zone),
            format_health(facts, datetime.now(UTC) - newest.as_of),
            format_steps(facts["steps"]),
            format_paths(facts, store),
        )
    )


def leaderboard_table(facts: dict[str, Any]) -> str:
    """Return the leaderboard as text, best model first. Lower is better, except for coverage."""
    table = Table(title=f"Leaderboard of {facts['pipeline']}, ranked by {facts['metric']} on the same origins")
    names = ("model_name", "role", "mase", "wql", "mae", "rmse", "smape", "coverage")
    for name in names:
        justify: JustifyMethod = "left" if name in ("model_name", "role") else "right"
        table.add_column(name, justify=justify, no_wrap=name != "model_name", overflow="fold")  # numbers are never cut
    for row in facts["leaderboard"]:
        style = "bold" if row.get("role") == "champion" else None
        table.add_row(*(_cell(row.get(name)) for name in names), style=style)
    out = Console(file=io.StringIO(), width=100, force_terminal=False)
    out.print(table)
    text: str = out.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    return text.rstrip()


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3f}" if value == 0 or 0.1 <= abs(value) < MAX_FIXED else f"{value:#.3g}"


def plot(rows: pd.DataFrame, zone: str) -> str:
    """Return one series of a forecast table as text: one bar per step for the median, then the widest interval."""
    rows = rows.sort_values("ds")
    quantiles = [name for name in rows.columns if name.startswith("q") and name[1:].isdigit()]
    low, high = min(float(rows["y_hat"].min()), 0.0), max(float(rows["y_hat"].max()), 0.0)
    bars = "".join(BARS[round(8 * (value - low) / ((high - low) or 1.0))] for value in rows["y_hat"])
    times = rows["ds"].dt.tz_convert(zone)
    are_days = (times == times.dt.normalize()).all()
    pattern = "%d %b %Y" if are_days else "%d %b %H:%M"
    first = f"{times.iloc[0]:%a %d %b %Y}" if are_days else f"{times.iloc[0]:%a %d %b %Y %H:%M}"
    shown = rows[["y_hat", *dict.fromkeys((*quantiles[:1], *quantiles[-1:]))]]
    peak = shown.abs().max(axis=None)
    number = "8.2f" if peak == 0 or 1 <= peak < MAX_FIXED else "10.4g"
    model = " ".join(
        dict.fromkeys((rows["source"].iloc[0], rows["model_name"].iloc[0]))
    )  # a baseline is its own source
    lines = [
        "",
        f"Series {rows['unique_id'].iloc[0]}, {first} to {times.iloc[-1]:%a {pattern}} ({zone}), {model}",
        f"  median {bars}  {rows['y_hat'].min():.4g} to {rows['y_hat'].max():.4g}",
    ]
    stride = max(1, len(rows) // 8)
    for index in range(0, len(rows), stride):
        numbers = (f"{name} {value:{number}}" for name, value in shown.iloc[index].items())
        lines.append("  ".join(("", f"{times.iloc[index]:{pattern}}", *numbers)))
    return "\n".join(lines)


def format_health(facts: dict[str, Any], age: timedelta) -> str:
    """Return the verdict of the newest night, its row counts and its age, and what was retracted, as text."""
    counts, hours = facts["health"], age / timedelta(hours=1)
    rows = [f"{counts[key]:,} {words}" for key, words in COUNTS.items() if isinstance(counts.get(key), int)]
    old = f"{hours:,.0f} h" if hours < MAX_HOURS else f"{hours / 24:,.0f} days"
    lines = ["", f"Verdict       {facts['verdict']}, of the night as of {facts['as_of'][:16]}, which is {old} ago"]
    lines += [f"              {line}" for line in facts["lines"]]
    lines += [f"Retracted     {sentence}" for sentence in facts["retracted"]]
    rows += [] if facts["anomalies"] is None else [f"{facts['anomalies']:,} anomalies"]
    return "\n".join([*lines, f"Health        {', '.join(rows)}"] if rows else lines)


def format_steps(steps: list[dict[str, Any]]) -> str:
    """Return the wall-clock time of each step of the newest run; the names of cached steps stand at the end."""
    cached = ", ".join(step["step"] for step in steps if step["outcome"] == "cached")
    ran = ", ".join(f"{step['step']} {step['seconds']:.1f} s" for step in steps if step["outcome"] != "cached")
    total = sum(step["seconds"] for step in steps)
    parts = [f"{total:.1f} s in all", ran, f"cached: {cached}" if cached else ""]
    return "\nSteps         " + "; ".join(filter(None, parts)) if steps else ""


def format_paths(facts: dict[str, Any], store: Store) -> str:
    """Return the paths of the newest night's files as text."""
    root = store.display_root.rstrip("/")
    root = root if "://" in root else str(Path(root).absolute())
    return "\n".join(
        (
            "",
            f"Forecasts     {root}/{facts['forecasts']}  ({facts['rows']:,} rows)",
            f"All vintages  {root}/{forecasts_dir(facts['pipeline'])}/",
            f"Morning page  {root}/{facts['page']}",
        )
    )
