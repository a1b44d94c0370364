"""From windows to a trained bundle: what a network sees, what it learned, and what was found out about it after."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from data_contracts.spec import Spec
from models.batches import Batch, Gatherer
from models.bundle import Bundle, normal_forecasts
from models.calendar import seasons
from models.calibration import calibrate
from models.fit import Epoch, History, TrainingSpec, fit, same_numbers
from models.linear import fit_linear
from models.panel import Panel, View
from models.recurrent import Recurrent, RecurrentSpec, Shape
from models.scaling import Scaling
from models.windows import WindowIndex


class Recipe(Spec):
    """All that decides what a network learns from given windows."""

    model: RecurrentSpec
    training: TrainingSpec
    quantiles: tuple[float, ...]
    view: View


def train_network(
    panel: Panel, index: WindowIndex, recipe: Recipe, on_epoch: Sequence[Callable[[Epoch], None]] = ()
) -> tuple[Bundle, History]:
    """Train one network on the training windows; stop early and set its intervals on the validation windows.

    Raises TrainingFailed where no finite weights are found.
    """
    view, training = recipe.view, recipe.training
    train, validation = index.of("train"), index.of("validation")
    vocabulary = tuple({value: code for code, value in enumerate(sorted(set(v)), 1)} for v in panel.static)
    lags = tuple(lag for lag in seasons(view.freq) if lag <= view.lookback and recipe.model.seasons)
    scaling = Scaling.fitted(panel, *train, view.lookback)
    gatherer = Gatherer(view.lookback, view.horizon, lags, scaling, vocabulary, recipe.model.normalisation)
    shape = _shape(recipe, gatherer, panel)

    def gather(series: np.ndarray, position: np.ndarray) -> Batch:
        return gatherer.gather(panel, series, position)

    with same_numbers(training.seed, training.threads):
        network = Recurrent(recipe.model, shape)
        history = fit(network, gather, (train, validation), training, on_epoch)
        settings = recipe.model_dump(mode="json") | {"shape": shape.model_dump(mode="json"), "lags": list(lags)}
        settings |= {
            "floor": scaling.floor,
            "target": list(scaling.target),
            "vocabulary": list(vocabulary),
            "whole": panel.whole,
        }
        tensors = {f"net.{name}": value.numpy() for name, value in network.state_dict().items()}
        tensors |= {"scaling.known": scaling.known, "scaling.observed": scaling.observed}
        if recipe.model.blend:
            tensors["linear.weights"] = fit_linear(panel, index, view)["weights"]
        bundle = Bundle(recipe.model.name, "recurrent", settings, tensors)
        tensors |= _calibration(bundle, panel, validation, training.validation_windows)
    return replace(bundle, tensors=tensors), history


def _calibration(
    bundle: Bundle, panel: Panel, windows: tuple[np.ndarray, np.ndarray], count: int
) -> dict[str, np.ndarray]:
    chosen = np.linspace(0, len(windows[0]) - 1, min(len(windows[0]), count)).astype(int)
    answers = list(normal_forecasts(bundle, panel, windows[0][chosen], windows[1][chosen]))
    linear = [one.linear for one in answers if one.linear is not None]
    return calibrate(
        np.concatenate([one.normal for one in answers]),
        np.concatenate(linear) if linear else None,
        np.concatenate([one.batch.target.double().numpy() for one in answers]),
        bundle.levels,
        bundle.settings["model"]["head"],
    )


def _shape(recipe: Recipe, gatherer: Gatherer, panel: Panel) -> Shape:
    past, future = gatherer.widths(panel)
    return Shape(
        lookback=recipe.view.lookback,
        horizon=recipe.view.horizon,
        past=past,
        future=future,
        statics=tuple(len(words) + 1 for words in gatherer.vocabulary),
        quantiles=recipe.quantiles,
        season=recipe.view.season,
    )
