"""Nightcast in a notebook: `import nightcast`. Everything is imported when it is used first.

read                     a published table: forecasts of any vintage, actuals, accuracy, comparison, history
Forecaster               fit and predict on a frame, with the defaults of a pipeline
load_champion            the model that forecasts for a pipeline, with its facts and `predict`
nightly, retrain, forecast, monitor, backfill, tune, backtest      the flows, as functions
PipelineSpec             the settings of a pipeline, from its YAML file
"""

import gc
import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flows.backfill import backfill
    from flows.backtest import backtest
    from flows.forecast import forecast
    from flows.monitor import monitor
    from flows.nightly import nightly
    from flows.notebook.champion import load_champion
    from flows.notebook.forecaster import Forecaster
    from flows.pipeline.published import read
    from flows.pipeline.spec import PipelineSpec
    from flows.retrain import retrain
    from flows.tune import tune

__all__ = [
    "Forecaster",
    "PipelineSpec",
    "backfill",
    "backtest",
    "forecast",
    "load_champion",
    "monitor",
    "nightly",
    "read",
    "retrain",
    "tune",
]

MODULES = {
    "Forecaster": "flows.notebook.forecaster",
    "PipelineSpec": "flows.pipeline.spec",
    "load_champion": "flows.notebook.champion",
    "read": "flows.pipeline.published",
    **{name: f"flows.{name}" for name in ("backfill", "backtest", "forecast", "monitor", "nightly", "retrain", "tune")},
}
GC_THRESHOLD = (50_000, 20, 20)  # imports make many objects that stay: the default searches them a hundred times
PACKAGES = ("data_contracts", "deployments", "flows", "models", "tasks")


def require_own_packages() -> None:
    """Raise ImportError if a file or folder of the user hides one of the packages that Nightcast consists of."""
    home = Path(__file__).resolve().parent
    for package in PACKAGES:
        path = _path_of(package)
        if path and path.resolve() not in (home / package, home / package / "__init__.py"):
            raise ImportError(
                f"{path} hides the package {package!r} of Nightcast, because Python looks in its folder first. Rename "
                f"it, or start Python in another folder; the package of Nightcast is in {home}.",
                name=package,
                path=str(path),
            )


def _path_of(package: str) -> Path | None:
    """Return the file or folder that `import package` would take; None if there is none, which the import says."""
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # a module that was made by hand
        return None
    locations = [spec.origin] if spec and spec.origin else list((spec and spec.submodule_search_locations) or ())
    return Path(locations[0]) if locations else None


def main() -> None:
    """Run the `nightcast` command."""
    gc.set_threshold(*GC_THRESHOLD)
    from deployments.cli.main import main as run

    run()


def __getattr__(name: str) -> Any:
    """Import one of `__all__` at its first use."""
    if name not in MODULES:
        raise AttributeError(f"module 'nightcast' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(MODULES[name]), name)


def __dir__() -> list[str]:
    """Return the names that a notebook completes."""
    return sorted(__all__)


require_own_packages()
if __name__ == "__main__":
    main()
