"""`nightcast backtest`: run it, print the scores of the models, and write the tables to a folder."""

import io
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from data_contracts.errors import SpecError
from deployments.commands.run_flow import call_flow
from flows.backtest import backtest
from flows.settings import Settings
from tasks.backtest.settings import BacktestSpec
from tasks.modeling.group_scores import interval_columns
from tasks.results.backtest import BacktestOutcome
from tasks.storage import files
from tasks.storage.store import Store

COLUMNS = ("mase", "rmsse", "owa", "wape", "bias", "mae", "wql", "crps")
TABLE_WIDTH = 140


class BacktestRequest(NamedTuple):
    """The arguments of the command. `output` is a folder for the tables, or None."""

    pipeline: str
    start: str
    end: str
    options: BacktestSpec
    as_of: str | None = None
    output: Path | None = None
    server: bool = True


def run_backtest(request: BacktestRequest) -> tuple[dict[str, Any], str]:
    """Run a backtest, and write its tables if a folder is given.

    Args:
        request: The pipeline, the range of origins and the options.

    Returns:
        The facts for `--json`, and the text.

    Raises:
        SpecError: `--output` is not a folder; raised before the backtest starts.
    """
    store = Settings().opened_store
    if request.output and request.output.exists() and not request.output.is_dir():
        raise SpecError(f"--output {request.output} is a file. Give a folder; it is made if it does not exist.")
    store.check_writable()  # before Prefect starts, so that a read-only store is reported at once
    parameters = {
        "pipeline": request.pipeline, "start": request.start, "end": request.end, "options": request.options,
        "as_of": request.as_of,
    }  # fmt: skip
    outcome: BacktestOutcome = call_flow(backtest, parameters, request.server)
    written = write_tables(outcome, request.output, store) if request.output else []
    facts = outcome.model_dump(mode="json") | {"written": written}
    return facts, "\n".join(
        (scores_table(outcome), *outcome.notes, *_paths(outcome, written, store), _last_line(outcome))
    )


def scores_table(outcome: BacktestOutcome) -> str:
    """Return the scores overall as text, best model first. Lower is better, except that coverage should be as named."""
    intervals = interval_columns(list(outcome.leaderboard[0]))
    coverages = [f"coverage_{name}" for name in intervals[:2]]
    title = f"Backtest of {outcome.pipeline}: {outcome.origins} origins, {outcome.series} series, by {outcome.metric}"
    table = Table(title=title)
    table.add_column("model_name", overflow="fold")
    for name in (*COLUMNS, *coverages, "left_out"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in outcome.leaderboard:
        cells = [_cell(row[name]) for name in (*COLUMNS, *coverages)]
        table.add_row(row["model_name"], *cells, _left_out(row))
    out = Console(file=io.StringIO(), width=TABLE_WIDTH, force_terminal=False)
    out.print(table)
    text: str = out.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    return text.rstrip()


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _left_out(row: dict[str, Any]) -> str:
    """Return how many series each metric leaves out, if any: `1 mase, 1 rmsse`."""
    counts = {"all": row["left_out"]} | {
        name.removeprefix("left_out_"): row[name] - row["left_out"] for name in row if name.startswith("left_out_")
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "0"


def write_tables(outcome: BacktestOutcome, folder: Path, store: Store) -> list[str]:
    """Write the forecasts and the scores of a backtest to a folder.

    Args:
        outcome: The backtest.
        folder: Where to write; made if it does not exist.
        store: The store that holds the tables.

    Returns:
        The files: forecasts.parquet, scores.parquet, and a CSV file of the scores for each `by`.
    """
    scores = store.get(outcome.scores)
    contents = {
        "forecasts.parquet": store.get_bytes(outcome.forecasts),
        "scores.parquet": store.get_bytes(outcome.scores),
    }
    for by, rows in scores.groupby("by", sort=False):
        name = "".join(letter if letter.isalnum() else "-" for letter in f"scores by {by}")
        contents[f"{name}.csv"] = rows.drop(columns="by").to_csv(index=False).encode()
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        files.write(str(folder), name, data)
    return [str(folder / name) for name in contents]


def _paths(outcome: BacktestOutcome, written: list[str], store: Store) -> list[str]:
    root = store.display_root.rstrip("/")
    names = written or [f"{root}/{table.uri}" for table in (outcome.forecasts, outcome.scores)]
    return ["", *names]


def _last_line(outcome: BacktestOutcome) -> str:
    known = ", ".join(f"{count} {kind}" for kind, count in outcome.known.items())
    return f"done · backtest · {outcome.pipeline} · {outcome.sentence} · models saw: {known}"
