"""The files that make a version loadable by MLflow: MLmodel, its code, requirements and an input example.

model/MLmodel  nightcast_model.py  requirements.txt  input_example.json  weights.safetensors  settings.json

They are written here and not by `mlflow.pyfunc.save_model`, which loads the model to validate it and looks for its
requirements: several seconds per version. No path in them is absolute, so the folder can be copied.
"""

import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd
import yaml

from data_contracts.spec import Spec
from models.bundle import Bundle, RecurrentSettings
from models.data.closed_times import ClosedSetting
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.scores import quantile_name
from tasks.registry.id_columns import with_id_columns

MODEL_FILE, CODE_FILE = "MLmodel", "nightcast_model.py"
MAX_EXAMPLE_STEPS = 48  # of history
REQUIRED = ("mlflow", "torch", "numpy", "pandas", "pyarrow", "pydantic", "safetensors", "holidays")
CODE = '''"""A forecaster of Nightcast for MLflow. Weights are safetensors, settings are JSON: nothing is unpickled."""

import mlflow

try:
    from tasks.registry.served_model import ServedModel
except ImportError as missing:
    raise ImportError(
        "this model needs Nightcast {release} in its environment: run pip install with the folder of its source, and "
        "load the model from a folder without files named tasks.py or models.py. With mlflow models serve, use "
        "--env-manager local."
    ) from missing

mlflow.models.set_model(ServedModel())
'''


class ServingSettings(Spec):
    """What a forecast needs besides the bundle: limits, the times at which no value exists, names of series."""

    minimum: float | None = None
    maximum: float | None = None
    closed: ClosedSetting = "auto"
    id_columns: tuple[str, ...] = ()

    @classmethod
    def of(cls, setup: ForecastSetup | None) -> "ServingSettings":
        """Return the settings of a pipeline; without limits if it is unknown."""
        if setup is None:
            return cls()
        bounds = setup.bounds
        return cls(minimum=bounds.minimum, maximum=bounds.maximum, closed=setup.closed, id_columns=setup.id_columns)


def build_model_files(bundle: Bundle, digest: str, settings: ServingSettings) -> dict[str, bytes]:
    """Build the files that lie next to `weights.safetensors` in the folder of a model.

    Args:
        bundle: The model.
        digest: Digest of its bundle, from which the id of the model is derived.
        settings: What a forecast needs besides the bundle.

    Returns:
        The content of each file by its name. The same model gives the same bytes.
    """
    release = installed_release("nightcast")
    example = build_example(bundle)
    split = {
        "columns": list(example.columns),
        "data": example.astype(object).where(example.notna(), None).to_numpy().tolist(),
    }
    pins = "".join(f"{name}=={installed_release(name)}\n" for name in REQUIRED)
    note = f"# nightcast {release}: install it from its source (pip install FOLDER); it is not on a package index\n"
    python = {
        "python": platform.python_version(),
        "build_dependencies": ["pip"],
        "dependencies": ["-r requirements.txt"],
    }
    return {
        MODEL_FILE: yaml.safe_dump(_describe(bundle, digest, settings), sort_keys=True).encode(),
        CODE_FILE: CODE.format(release=release).encode(),
        "requirements.txt": (note + pins).encode(),
        "python_env.yaml": yaml.safe_dump(python).encode(),
        "input_example.json": json.dumps(split).encode(),
        "serving_input_example.json": json.dumps({"dataframe_split": split}, indent=1).encode(),
    }


def build_example(bundle: Bundle) -> pd.DataFrame:
    """Build a made-up history of one series that the model accepts; it holds no value of the source.

    Args:
        bundle: The model.

    Returns:
        unique_id, ds (ISO text), y and the covariates, with rows for the horizon if covariates are known in advance.
    """
    view, features = bundle.view, bundle.view.features
    steps = min(bundle.lookback, MAX_EXAMPLE_STEPS)
    ahead = bundle.horizon if features.known_columns else 0
    times = pd.date_range("2024-01-01", periods=steps + ahead, freq=view.freq, tz="UTC")
    wave = np.rint(10 + 5 * np.sin(2 * np.pi * np.arange(steps + ahead) / max(view.season, 3)))
    frame = pd.DataFrame({"unique_id": "example", "ds": times.strftime("%Y-%m-%dT%H:%M:%SZ")})
    frame["y"] = np.where(np.arange(steps + ahead) < steps, wave, np.nan)
    for name in (*features.known_columns, *features.observed):
        frame[name] = 1.0
    vocabulary = bundle.settings.vocabulary if isinstance(bundle.settings, RecurrentSettings) else ()
    for number, name in enumerate(features.static):
        values = list(vocabulary[number]) if number < len(vocabulary) else []
        frame[name] = values[0] if values else "example"
    return frame


def _describe(bundle: Bundle, digest: str, settings: ServingSettings) -> dict[str, Any]:
    """Return the content of MLmodel."""
    inputs, outputs = json.dumps(_inputs(bundle)), json.dumps(_outputs(bundle, settings))
    flavor = {
        "loader_module": "mlflow.pyfunc.loaders.code_model",
        "model_code_path": CODE_FILE,
        "artifacts": {"weights": {"path": "weights.safetensors", "uri": "weights.safetensors"}},
        "config": settings.model_dump(mode="json"),
        "env": {"virtualenv": "python_env.yaml"},
        "python_version": platform.python_version(),
        "streamable": False,
    }
    return {
        "flavors": {"python_function": flavor},
        "metadata": {"nightcast": {"release": installed_release("nightcast"), "digest": digest}},
        "mlflow_version": installed_release("mlflow"),
        "model_uuid": hashlib.sha256(digest.encode()).hexdigest()[:32],
        "saved_input_example_info": {
            "artifact_path": "input_example.json",
            "pandas_orient": "split",
            "serving_input_path": "serving_input_example.json",
            "type": "dataframe",
        },
        "signature": {"inputs": inputs, "outputs": outputs, "params": None},
    }


def _inputs(bundle: Bundle) -> list[dict[str, Any]]:
    """Return the columns of a history. Times and numbers are `any`: `serving` checks them, and names row and series."""
    features = bundle.view.features
    numbers = ("y", *features.known_columns, *features.observed)
    names = dict.fromkeys(("unique_id", "ds", *numbers, *features.static))
    return [{"type": "any", "name": name, "required": True} for name in names]


def _outputs(bundle: Bundle, settings: ServingSettings) -> list[dict[str, Any]]:
    """Return the columns of a forecast, as `ServedModel.predict` returns them."""
    types = {"unique_id": "string", "ds": "datetime", "cutoff": "datetime", "step": "integer", "y_hat": "double"}
    types |= {quantile_name(level): "double" for level in bundle.levels}
    names = with_id_columns(pd.DataFrame(columns=list(types)), settings.id_columns).columns
    return [{"type": types.get(name, "string"), "name": name, "required": name in types} for name in names]


def installed_release(package: str) -> str:
    """Return the installed release of a distribution."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
