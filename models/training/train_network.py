"""From windows to a trained bundle: what a network sees, what it learned, and what was found out about it after."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from data_contracts.errors import SpecError
from models.baselines.ridge import fit_linear
from models.bundle import Bundle, RecurrentSettings
from models.calibration import calibrate
from models.data.batches import Batch, WindowCollator
from models.data.calendar import seasons
from models.data.imputation import Filling
from models.data.panel import Panel
from models.data.scaling import Scaling, error_weights, series_std
from models.data.windows import WindowIndex
from models.devices import device_of, same_numbers
from models.networks.recurrent import Recurrent, Shape
from models.predict import normalised_forecasts
from models.restore import restore_spec, tensor_prefix
from models.training.fit import Epoch, TrainingHistory, Windows, WindowSplit, fit
from models.training.precision import resolve_precision
from models.training.recipe import Recipe
from models.training.warm_start import load_weights, merge_vocabulary, obstacle


def train_network(
    panel: Panel,
    index: WindowIndex,
    recipe: Recipe,
    on_epoch: Sequence[Callable[[Epoch], None]] = (),
    champion: Bundle | None = None,
) -> tuple[Bundle, TrainingHistory]:
    """Train one network on the training windows; stop early and set its intervals on the validation windows.

    It begins with the weights of `champion`, if one is given and they mean the same here; else the history notes why
    not. Raises TrainingFailed where no finite weights are found, NoSuchDevice, and SpecError where the head is one of
    counts and the series are not.
    """
    if recipe.model.head == "negative_binomial":
        _ensure_counts(panel)
    training, device = recipe.training, device_of(recipe.training.device)
    train, validation = index.of("train"), index.of("validation")
    gatherer = _gatherer(panel, train, recipe)
    trained_until = str(panel.times(*train, recipe.view.horizon).max())
    reason = obstacle(champion, recipe, trained_until, gatherer) if champion else ""
    warm = champion is not None and not reason
    gatherer = merge_vocabulary(champion, gatherer) if champion and warm else gatherer
    shape = _shape(recipe, gatherer, panel)

    sizes = series_std(panel, *train)

    def gather(series: np.ndarray, position: np.ndarray) -> Batch:
        batch = gatherer.collate(panel, series, position)
        loud = error_weights(batch.scale.numpy(), series, sizes)
        return replace(batch, error_weights=torch.from_numpy(loud).float()).to(device)

    trained_on = device.type, resolve_precision(training.precision, device)
    settings = _bundle_settings(recipe, shape, gatherer, panel.whole, trained_on, trained_until)
    tensors = {"scaling.known": gatherer.scaling.known, "scaling.observed": gatherer.scaling.observed}
    histories = []
    for member in range(training.members):
        own = training.model_copy(update={"seed": training.seed + member})
        with same_numbers(own.seed, training.threads, device):
            network = Recurrent(recipe.model, shape)
            if champion and warm:
                load_weights(network, champion, member)
            split = WindowSplit(Windows(*train), Windows(*validation))
            histories.append(fit(network.to(device), gather, split, own, on_epoch, warm))
        named = network.state_dict().items()
        tensors |= {f"{tensor_prefix(member)}{name}": value.cpu().numpy() for name, value in named}
    with same_numbers(training.seed, training.threads, device):
        if recipe.model.blend:
            tensors["linear.weights"] = fit_linear(panel, index, recipe.view)["weights"]
        bundle = Bundle(recipe.model.name, "recurrent", settings, tensors)
        tensors |= _calibration(bundle, panel, validation, training.validation_windows, sizes)
    told = [f"began from scratch: {reason}" if reason else "began as the champion" if warm else ""]
    told += dict.fromkeys(history.note for history in histories)
    return bundle, histories[0]._replace(note="; ".join(filter(None, told)))


def _bundle_settings(
    recipe: Recipe, shape: Shape, gatherer: WindowCollator, whole: bool, trained_on: tuple[str, str], trained_until: str
) -> RecurrentSettings:
    return RecurrentSettings(
        **recipe.model_dump(mode="json"),
        whole=whole,
        shape=shape.model_dump(mode="json"),
        members=recipe.training.members,
        lags=gatherer.lags,
        vocabulary=gatherer.vocabulary,
        filling=gatherer.filling,
        floor=gatherer.scaling.floor,
        target=gatherer.scaling.target,
        trained_on=trained_on,
        trained_until=trained_until,
    )


def _ensure_counts(panel: Panel) -> None:
    """Raises SpecError that names the first value that is no count."""
    wrong = np.flatnonzero(np.isfinite(panel.y) & ((panel.y < 0) | (panel.y != np.rint(panel.y))))
    if len(wrong):
        series = int(np.searchsorted(panel.starts, wrong[0], side="right")) - 1
        moment = panel.grid[panel.first[series] + wrong[0] - panel.starts[series]]
        raise SpecError(
            f"head: negative_binomial is for counts, 0, 1, 2 …, but {panel.ids[series]} has {panel.y[wrong[0]]:g} at "
            f"{moment} ({len(wrong)} such values). Choose head: student_t or quantiles."
        )


def _gatherer(panel: Panel, train: tuple[np.ndarray, np.ndarray], recipe: Recipe) -> WindowCollator:
    """How windows are normalised by what the training part alone says."""
    view, model = recipe.view, recipe.model
    vocabulary = tuple({value: code for code, value in enumerate(sorted(set(v)), 1)} for v in panel.static)
    lags = tuple(lag for lag in seasons(view.freq) if lag <= view.lookback and model.seasons)
    scaling = Scaling.fit(panel, *train, view.lookback)
    rows = panel.rows_until(*train)
    fills = view.features.known_columns, view.features.observed
    known, observed = (tuple(view.fill_of(name) for name in names) for names in fills)
    filling = Filling(
        season=view.season,
        y=view.fill_of("y"),
        known=known,
        observed=observed,
        gappy_known=_gappy(panel.known[rows]),
        gappy_observed=_gappy(panel.observed[rows]),
    )
    return WindowCollator(view.lookback, view.horizon, lags, scaling, vocabulary, model.normalisation, filling)


def _gappy(values: np.ndarray) -> tuple[int, ...]:
    """Which columns lack a value in some row."""
    return tuple(int(place) for place in np.flatnonzero(~np.isfinite(values).all(axis=0)))


def _calibration(
    bundle: Bundle, panel: Panel, windows: tuple[np.ndarray, np.ndarray], count: int, sizes: np.ndarray
) -> dict[str, np.ndarray]:
    chosen = np.linspace(0, len(windows[0]) - 1, min(len(windows[0]), count)).astype(int)
    answers = list(normalised_forecasts(bundle, panel, windows[0][chosen], windows[1][chosen]))
    scale = np.concatenate([one.batch.scale.numpy() for one in answers])
    linear = [one.linear for one in answers if one.linear is not None]
    return calibrate(
        np.concatenate([one.normal for one in answers]),
        np.concatenate(linear) if linear else None,
        np.concatenate([one.batch.target.double().numpy() for one in answers]),
        error_weights(scale, windows[0][chosen], sizes),
        bundle.levels,
        restore_spec(bundle).head,
    )


def _shape(recipe: Recipe, gatherer: WindowCollator, panel: Panel) -> Shape:
    past, future = gatherer.widths(panel)
    return Shape(
        lookback=recipe.view.lookback,
        horizon=recipe.view.horizon,
        past=past,
        future=future,
        statics=tuple(len(words) + 1 for words in gatherer.vocabulary),
        quantiles=recipe.quantiles,
        season=recipe.view.season,
        echoes=len(gatherer.lags),
    )
