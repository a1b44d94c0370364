"""Numbered points of a night at which it can be killed or fail: before each change of the store or the registry.

The calls are those of the operating system (open, fsync, link, rename, unlink) on a path below the store, and those of
MLflow's client that write. A night without a fault lists them; the n-th is then the place of the fault.
"""

import functools
import io
import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

REGISTRY_CALLS = ("create_experiment", "create_run", "log_batch", "log_artifacts", "set_terminated")
REGISTRY_CALLS += ("create_registered_model", "create_model_version", "set_registered_model_alias")
NAMES = re.compile(r"[0-9a-f]{32,64}")
Act = Callable[[int, str], None]


def instrument(store: Path, act: Act) -> None:
    """Call `act(n, description)` before the n-th change, counted from 0, in this process."""
    counter = [0]

    def reached(operation: str, path: Any) -> None:
        path = _path_of(path)
        if path.startswith(f"{store}/") and "/mlflow/" not in path:
            number, counter[0] = counter[0], counter[0] + 1
            act(number, f"{operation} {NAMES.sub('<digest>', os.path.relpath(path, store))}")

    def wrap(owner: Any, name: str, path_argument: int = 0) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def wrapper(*args: Any, **options: Any) -> Any:
            reached(name, args[path_argument])
            return original(*args, **options)

        setattr(owner, name, wrapper)

    wrap(os, "fsync")
    wrap(os, "link", 1)
    wrap(os, "replace", 1)
    wrap(os, "unlink")
    wrap(os, "remove")  # fsspec deletes with it
    opened = io.open

    def open_file(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        if "x" in mode or "w" in mode:
            reached("open", file)
        return opened(file, mode, *args, **options)

    io.open = open_file  # pathlib opens with it
    _instrument_registry(counter, act)


def _instrument_registry(counter: list[int], act: Act) -> None:
    from mlflow import MlflowClient

    def wrap(name: str) -> None:
        original = getattr(MlflowClient, name)

        @functools.wraps(original)
        def wrapper(*args: Any, **options: Any) -> Any:
            number, counter[0] = counter[0], counter[0] + 1
            act(number, f"mlflow {name}")
            return original(*args, **options)

        setattr(MlflowClient, name, wrapper)

    for name in REGISTRY_CALLS:
        wrap(name)


def list_points(log: Path, store: Path) -> Callable[[], None]:
    """Return an injection that writes one line per point to `log`."""

    def act(number: int, description: str) -> None:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, (json.dumps([number, description]) + "\n").encode())
        os.close(descriptor)

    return lambda: instrument(store, act)


def kill_at(point: int, store: Path) -> Callable[[], None]:
    """Return an injection that kills the process (SIGKILL) before the change with this number."""

    def act(number: int, _description: str) -> None:
        if number == point:
            os.kill(os.getpid(), signal.SIGKILL)

    return lambda: instrument(store, act)


def fail_at(point: int, store: Path, error: Callable[[], BaseException], lasting: bool = True) -> Callable[[], None]:
    """Return an injection that raises `error()` instead of the change with this number, and of all later ones."""

    def act(number: int, _description: str) -> None:
        if number == point or (lasting and number > point):
            raise error()

    return lambda: instrument(store, act)


def _path_of(path: Any) -> str:
    if isinstance(path, int):
        try:
            return str(Path(f"/proc/self/fd/{path}").readlink())
        except OSError:
            return ""
    return str(Path(path).absolute()) if isinstance(path, str | os.PathLike) else ""
