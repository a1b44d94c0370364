"""A real night in a forked process, with a fault inside or around it.

The parent has imported the libraries, so a night costs only its own work. The child runs the command line, and is
judged from outside: exit code, output, store and registry.
"""

import contextlib
import functools
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import yaml

from tests.flows.conftest import spec_of
from tests.garbage import without_garbage_search

Inject = Callable[[], None]
MAX_NIGHT_S = 120.0
NIGHTS = ("2024-02-08", "2024-02-09", "2024-02-10")
HEAVY = (
    "flows.nightly",
    "flows.backfill",
    "flows.forecast",
    "deployments.cli.main",
    "torch._dynamo",
    "evidently.presets",
)
HEAVY += ("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store")
HEAVY += ("great_expectations",)
SMALL = {
    "models": [{"cell": "gru", "hidden": 8, "segment": 12}],
    "training": {"max_epochs": 6, "windows_per_epoch": 512, "learning_rate": 0.02},
    "evaluation": {"windows": 4},
    "memory": {"reference_steps": 0},
    "windowing": {"lookback": 48, "horizon": 24, "validation": "4d", "test": "4d", "refresh": "2d"},
}
PUBLISHED = ("forecasts", "latest", "decisions", "snapshots", "actuals", "accuracy", "anomalies")
LASTING = ("artifacts", "quarantine", "reports", *PUBLISHED)


class Ended(NamedTuple):
    """How a command ended: exit code (negative: the signal), stdout and stderr together, and seconds."""

    code: int
    output: str
    seconds: float

    @property
    def last_line(self) -> str:
        return (self.output.strip().splitlines() or [""])[-1]


class World:
    """A folder with a source, a pipeline and a store, which can be saved and reset in place."""

    def __init__(self, folder: Path, table: pd.DataFrame, **changes: object) -> None:
        self.folder, self.saved = folder, folder.with_name(f"{folder.name}.saved")
        self.store, self.spec = folder / "store", folder / "ports.yaml"
        folder.mkdir(parents=True)
        self.write_table(table)
        self.write_spec(**changes)

    def write_table(self, table: pd.DataFrame) -> None:
        table.to_parquet(self.folder / "ports.parquet", index=False)

    def read_table(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "ports.parquet")

    def write_spec(self, **changes: object) -> None:
        self.spec.write_text(yaml.safe_dump(spec_of(self.folder / "ports.parquet", **(SMALL | changes))))

    def run(self, *arguments: str, inject: Inject | None = None, environment: Mapping[str, str] = {}) -> Ended:
        """Run `nightcast ARGUMENTS` in this folder; `inject` is called in the process before."""
        return run_forked(arguments, self.folder, inject, {"NIGHTCAST_STORE": str(self.store), **environment})

    def night(self, as_of: str, inject: Inject | None = None, environment: Mapping[str, str] = {}) -> Ended:
        """Run one night without a Prefect server."""
        return self.run(
            "nightly", str(self.spec), "--as-of", as_of, "--no-server", inject=inject, environment=environment
        )

    def save(self) -> None:
        """Remember the state of the folder, to which `reset` returns."""
        shutil.rmtree(self.saved, ignore_errors=True)
        shutil.copytree(self.folder, self.saved, symlinks=True)

    def reset(self) -> None:
        """Return to the saved state, at the same path."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.saved, self.folder, symlinks=True)

    def lasting(self) -> dict[str, bytes]:
        """Return the bytes that a night leaves for later, without manifests and the registry's database."""
        return {
            str(path.relative_to(self.store)): path.read_bytes()
            for kind in LASTING
            for path in sorted((self.store / kind).rglob("*"))
            if path.is_file() and not path.name.startswith(".")  # scratch files of a killed write
        }


@functools.cache
def warm_up() -> None:
    """Import and compile what a night needs, once: forked processes inherit it and start at once."""
    with without_garbage_search():
        _warm_up()


def _warm_up() -> None:
    for name in HEAVY:
        importlib.import_module(name)
    from mlflow.store.db import utils

    from tasks.engine.code_digest import code_digest
    from tasks.registry.database import close_connections
    from tasks.registry.mlflow_registry import LoggedModel, ModelRegistry, TrackingSettings
    from tasks.report.render import load_template

    load_template("page.html")
    code_digest("flows.nightly")  # reads all modules of the steps, which forked processes inherit
    utils._get_latest_schema_revision = functools.cache(utils._get_latest_schema_revision)  # it reads 70 files
    model = LoggedModel(
        name="warm-up",
        digest="0" * 64,
        settings={"a": "b"},
        metrics={"a": 1.0},
        curve=(1.0,),
        weights=b"",
        settings_json="{}",
    )
    with tempfile.TemporaryDirectory() as folder:  # the first use of MLflow's tables compiles its queries
        tracking = TrackingSettings(uri=f"sqlite:///{folder}/mlflow.db", artifacts=f"{folder}/artifacts")
        registry = ModelRegistry(tracking, "warm-up")
        registry.set_alias(
            "champion", registry.register_version(model.digest, registry.log_model(model, "warm-up"), "warm-up")
        )
        close_connections(tracking.uri)


def run_forked(
    arguments: tuple[str, ...], folder: Path, inject: Inject | None, environment: Mapping[str, str]
) -> Ended:
    """Run the command line in a forked process. It is killed after MAX_NIGHT_S, which counts as exit code -9."""
    warm_up()
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            _become_command(arguments, folder, inject, environment, output.fileno())
        while True:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - started > MAX_NIGHT_S:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.01)
        output.seek(0)
        text = output.read().decode(errors="replace")
    return Ended(os.waitstatus_to_exitcode(status), text, time.monotonic() - started)


def _become_command(
    arguments: tuple[str, ...], folder: Path, inject: Inject | None, environment: Mapping[str, str], output: int
) -> None:
    """Run the command and exit; this process has nothing of the test runner but its imported modules."""
    code = 70
    try:
        os.setsid()
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = (os.fdopen(os.dup(fd), "w", buffering=1) for fd in (1, 2))
        sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
        os.chdir(folder)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored if the tests run under nohup
        os.environ.update({"PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore", **environment})
        sys.argv = ["nightcast", *arguments]
        if inject:
            inject()
        from deployments.cli.main import main

        main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:  # noqa: BLE001 - the child must not return into the test runner
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
