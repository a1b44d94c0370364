"""A trained model as one file: safetensors weights, and in the file's header the settings as JSON. No pickle.

`predict` is the same for every kind of model, so that a baseline can stand in for the champion.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from data_contracts.errors import NightcastError
from models.batches import Batch, Gatherer
from models.calibration import finished
from models.devices import same_threads
from models.filling import Filling
from models.linear import linear_points
from models.panel import Panel, View
from models.recurrent import Recurrent, RecurrentSpec, Shape
from models.scaling import Scaling

HEADER = "nightcast"
AT_ONCE = 512  # windows


class BundleDamaged(NightcastError):
    """The bytes are no bundle of ours."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"this is no model bundle: {reason}. Train again, or restore the file from a copy.")


@dataclass(frozen=True)
class Bundle:
    """A model's name and kind, its settings (JSON) and its tensors."""

    name: str
    kind: str
    settings: dict[str, Any]
    tensors: dict[str, np.ndarray]

    @property
    def view(self) -> View:
        """What the model learned to see."""
        return View.model_validate(self.settings["view"])

    @property
    def lookback(self) -> int:
        return self.view.lookback

    @property
    def horizon(self) -> int:
        return self.view.horizon

    @property
    def levels(self) -> tuple[float, ...]:
        return tuple(self.settings["quantiles"])

    def to_bytes(self) -> bytes:
        """The same bundle gives the same bytes: one header key, sorted JSON, sorted tensors."""
        header = json.dumps({"name": self.name, "kind": self.kind, "settings": self.settings}, sort_keys=True)
        tensors = {name: np.ascontiguousarray(self.tensors[name]) for name in sorted(self.tensors)}
        data: bytes = save(tensors, metadata={HEADER: header})
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> "Bundle":
        """Raises BundleDamaged where the bytes are anything else."""
        try:
            size = int.from_bytes(data[:8], "little")
            header = json.loads(json.loads(data[8 : 8 + size])["__metadata__"][HEADER])
            return cls(header["name"], header["kind"], header["settings"], load(data))
        except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as damage:
            raise BundleDamaged(str(damage)) from damage

    def predict(
        self,
        panel: Panel,
        series: np.ndarray,
        position: np.ndarray,
        minimum: float | None = None,
        maximum: float | None = None,
    ) -> np.ndarray:
        """(n, H, Q) float64 quantiles in the units of the source, rising in Q and inside the bounds.

        Whole numbers where all that was learned from were: the median of counts that are mostly 0 is 0, not 0.2.
        `series` and `position` (n,) name the cutoffs; nothing after a cutoff is read but known covariates.
        """
        if self.kind == "recurrent":
            quantiles = _network(self, panel, series, position)
            if self.settings["model"]["head"] == "negative_binomial":
                minimum = max(minimum or 0.0, 0.0)  # intervals are widened, the linear map is mixed in: still counts
        else:
            from models.baselines import forecast  # baselines make bundles, so the import is at the last moment

            quantiles = forecast(self, panel, series, position)
        quantiles = np.rint(quantiles) + 0.0 if self.settings["whole"] else quantiles  # and never -0
        return np.clip(np.sort(quantiles, axis=-1), minimum, maximum)


def gatherer_of(bundle: Bundle) -> Gatherer:
    """How this model's windows were normalised when it learned."""
    told = bundle.settings
    known, observed = bundle.tensors["scaling.known"], bundle.tensors["scaling.observed"]
    scaling = Scaling(known, observed, told["floor"], tuple(told["target"]))
    vocabulary, normalisation = tuple(told["vocabulary"]), told["model"]["normalisation"]
    filling = Filling.from_told(told.get("filling", {}))
    return Gatherer(bundle.lookback, bundle.horizon, tuple(told["lags"]), scaling, vocabulary, normalisation, filling)


def prefix(member: int) -> str:
    """What the names of a member's tensors begin with."""
    return f"net{member or ''}."


def network_of(bundle: Bundle, member: int = 0) -> Recurrent:
    """The network with its weights, ready to forecast; of several, the one with that number."""
    model = Recurrent(RecurrentSpec(**bundle.settings["model"]), Shape(**bundle.settings["shape"]))
    own = prefix(member)
    weights = {n.removeprefix(own): torch.from_numpy(v) for n, v in bundle.tensors.items() if n.startswith(own)}
    model.load_state_dict(weights)
    return model.eval()


class Answer(NamedTuple):
    """Some windows, and what the network and the linear map say of them, in normalised units."""

    part: slice
    batch: Batch
    normal: np.ndarray  # (b, H, Q)
    linear: np.ndarray | None  # (b, H)


def normal_forecasts(bundle: Bundle, panel: Panel, series: np.ndarray, position: np.ndarray) -> Iterator[Answer]:
    """Some windows at a time."""
    training, gatherer = bundle.settings["training"], gatherer_of(bundle)
    models = [network_of(bundle, member) for member in range(bundle.settings["members"])]
    for start in range(0, len(series), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        batch = gatherer.gather(panel, series[part], position[part])
        with torch.no_grad(), same_threads(training["threads"]):
            told = [model.quantiles(batch).double().numpy() for model in models]
        normal = np.mean(told, axis=0)
        linear = None
        if "linear.weights" in bundle.tensors:
            points = linear_points(bundle.tensors["linear.weights"], bundle.view, panel, series[part], position[part])
            linear = (points - batch.location.numpy()) / batch.scale.numpy()
        yield Answer(part, batch, normal, linear)


def _network(bundle: Bundle, panel: Panel, series: np.ndarray, position: np.ndarray) -> np.ndarray:
    middle = bundle.levels.index(0.5)
    found = np.zeros((len(series), bundle.horizon, len(bundle.levels)))
    for part, batch, normal, linear in normal_forecasts(bundle, panel, series, position):
        told = finished(normal, linear, bundle.tensors, middle)
        found[part] = told * batch.scale.numpy()[:, :, None] + batch.location.numpy()[:, :, None]
    return found
