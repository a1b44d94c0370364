"""Train a network and bundle it: fit the normalisation, train the members, then calibrate on the validation part."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from data_contracts.errors import SpecError
from models.bundle import Bundle, RecurrentSettings
from models.data.batches import Batch
from models.data.calendar import seasons
from models.data.collation import WindowCollator
from models.data.imputation import Filling
from models.data.panel import Panel
from models.data.scaling import Scaling, error_weights, series_std, step_weights
from models.data.windows import WindowIndex, WindowRanges
from models.devices import reproducible, resolve_device, run_on_device
from models.networks.architecture import NetworkShape
from models.networks.recurrent import RecurrentNetwork, start_skip
from models.restore import tensor_prefix
from models.training.adjustment import Adjustment, choose_adjustment
from models.training.blending import calibrated, fit_map, simple_tensors, start_map
from models.training.fit import Collate, EpochReport, TrainingHistory, WindowSplit, fit
from models.training.precision import resolve_precision
from models.training.recipe import Recipe
from models.training.warm_start import load_weights, merge_vocabulary, obstacle


def train_network(
    panel: Panel,
    index: WindowIndex,
    recipe: Recipe,
    on_epoch: Sequence[Callable[[EpochReport], None]] = (),
    champion: Bundle | None = None,
    linear: dict[str, np.ndarray] | None = None,
) -> tuple[Bundle, TrainingHistory]:
    """Train one network on the training windows; stop early and calibrate its intervals on the validation windows.

    Args:
        panel: The series.
        index: Training and validation windows of the panel.
        recipe: Architecture and training settings.
        on_epoch: Hooks that are called after each epoch of each member.
        champion: Training starts from its weights if they fit; else the note of the history gives the reason.
        linear: The maps of `fit_linear`; None fits them.

    Returns:
        The bundle, and the history of the first member.

    Raises:
        TrainingFailed: The loss is not finite.
        DeviceMemoryFull: The network does not fit the memory of the CUDA device.
        NoSuchDevice: The device of the recipe is not available.
        SpecError: The head is negative_binomial and the series are not counts, or the device lacks the precision.
    """
    if recipe.model.head == "negative_binomial":
        _require_counts(panel)
    training, device = recipe.training, resolve_device(recipe.training.device)
    precision = resolve_precision(training.precision, device)
    windows = WindowSplit(index.parts["train"], index.parts["validation"])
    maps = fit_map(panel, index, recipe) if linear is None else linear
    adjustment = choose_adjustment(panel, windows.train, recipe, maps)
    collator = _fit_collator(panel, windows.train, recipe, adjustment.seasons)
    reason = obstacle(champion, recipe, _last_target(panel, windows.train), collator) if champion else ""
    if initial := None if reason else champion:
        collator, adjustment = merge_vocabulary(initial, collator), Adjustment.stored_in(initial)
    shape, stds = _network_shape(recipe, collator, panel), series_std(panel, windows.train)
    collate = _collate_on(device, collator, panel, stds, step_weights(training.step_weights, recipe.view.horizon))

    def train_member(number: int) -> tuple[dict[str, np.ndarray], TrainingHistory]:
        spec = training.model_copy(update={"seed": training.seed + number, "precision": precision})
        with reproducible(spec.seed, training.threads, device):
            network = _build_network(recipe, shape, start_map(maps, collator.adjustment))
            if initial:
                load_weights(network, initial, number)
            history = fit(network.to(device), collate, windows, spec, on_epoch, warm=initial is not None)
        return _member_tensors(network.cpu(), number), history

    settings = _bundle_settings(recipe, shape, collator, panel, windows, (device.type, precision))
    tensors = {"scaling.known": collator.scaling.known, "scaling.observed": collator.scaling.observed}
    trained = [run_on_device(device, recipe.model.name, partial(train_member, n)) for n in range(training.members)]
    tensors |= {name: values for weights, _ in trained for name, values in weights.items()}
    with reproducible(training.seed, training.threads, device):
        tensors |= simple_tensors(maps, recipe)
        bundle = Bundle(recipe.model.name, "recurrent", adjustment.recorded_in(settings), tensors)
        bundle = calibrated(bundle, panel, windows, training.validation_windows, stds)
    return bundle, trained[0][1]._replace(note=_note(reason, initial is not None, [history for _, history in trained]))


def _build_network(recipe: Recipe, shape: NetworkShape, linear: np.ndarray | None) -> RecurrentNetwork:
    """Build a network whose skip starts as the closed-form map of the lookback (L + 1, H)."""
    network = RecurrentNetwork(recipe.model, shape)
    if linear is not None:
        start_skip(network, linear[:-1])
    return network


def _collate_on(
    device: torch.device, collator: WindowCollator, panel: Panel, stds: np.ndarray, steps: np.ndarray
) -> Collate:
    """Return the function that builds a batch of windows on the device, with weights of windows and steps (H,)."""

    def collate(series: np.ndarray, position: np.ndarray) -> Batch:
        arrays = collator.collate(panel, series, position)
        weights = error_weights(arrays.scale, series, stds) * arrays.factors * steps
        return Batch.from_arrays(arrays, torch.from_numpy(weights).float()).to(device)

    return collate


def _member_tensors(network: RecurrentNetwork, member: int) -> dict[str, np.ndarray]:
    weights = network.state_dict().items()
    return {f"{tensor_prefix(member)}{name}": value.numpy() for name, value in weights}


def _note(reason: str, warm: bool, histories: Sequence[TrainingHistory]) -> str:
    """Join how training started and what was unusual about each member."""
    start = f"began from scratch: {reason}" if reason else "began with the champion's weights" if warm else ""
    return "; ".join(filter(None, [start, *dict.fromkeys(history.note for history in histories)]))


def _bundle_settings(
    recipe: Recipe,
    shape: NetworkShape,
    collator: WindowCollator,
    panel: Panel,
    windows: WindowSplit,
    trained_on: tuple[str, str],
) -> RecurrentSettings:
    return RecurrentSettings(
        **recipe.model_dump(mode="json"),
        whole=panel.whole,
        shape=shape.model_dump(mode="json"),
        members=recipe.training.members,
        lags=collator.lags,
        vocabulary=collator.vocabulary,
        filling=collator.filling,
        adjustment=collator.adjustment,
        floor=collator.scaling.floor,
        target=collator.scaling.target,
        trained_on=trained_on,
        trained_until=_last_target(panel, windows.train),
        validated_until=_last_target(panel, windows.validation),
    )


def _last_target(panel: Panel, windows: WindowRanges) -> str:
    """Return the time of the last target of these windows, UTC."""
    return str(panel.last_target(windows.series, windows.last))


def _require_counts(panel: Panel) -> None:
    """Raise SpecError with the first observation that is not a count."""
    wrong = np.flatnonzero(np.isfinite(panel.y) & ((panel.y < 0) | (panel.y != np.rint(panel.y))))
    if len(wrong):
        series = int(np.searchsorted(panel.starts, wrong[0], side="right")) - 1
        time = panel.grid[panel.first[series] + wrong[0] - panel.starts[series]]
        raise SpecError(
            f"head: negative_binomial is for counts (0, 1, 2 …), but series {panel.ids[series]} has "
            f"{panel.y[wrong[0]]:g} at {time} ({len(wrong)} such values). Choose head: student_t or quantiles."
        )


def _fit_collator(panel: Panel, train: WindowRanges, recipe: Recipe, adjustment: tuple[int, ...]) -> WindowCollator:
    """Fit the normalisation of windows on the training part alone."""
    view, model = recipe.view, recipe.model
    vocabulary = tuple({value: code for code, value in enumerate(sorted(set(v)), 1)} for v in panel.static)
    lags = tuple(lag for lag in seasons(view.freq) if lag <= view.lookback and model.seasons)
    scaling = Scaling.fit(panel, train, view.lookback)
    last = train.last_cutoffs(len(panel.ids))
    columns = view.features.known_columns, view.features.observed
    known, observed = (tuple(view.fill_of(name) for name in names) for names in columns)
    filling = Filling(
        season=view.season,
        y=view.fill_of("y"),
        known=known,
        observed=observed,
        gappy_known=_columns_with_gaps(panel, panel.known, last),
        gappy_observed=_columns_with_gaps(panel, panel.observed, last),
    )
    return WindowCollator(
        view.lookback, view.horizon, lags, scaling, vocabulary, model.normalisation, filling, adjustment
    )


def _columns_with_gaps(panel: Panel, values: np.ndarray, last: np.ndarray) -> tuple[int, ...]:
    """Columns of (R, K) with a gap at or before step `last` (S,) of any series; a few rows at a time are compared."""
    if not values.shape[1]:
        return ()
    until, has_gap = panel.rows_until(last), np.zeros(values.shape[1], dtype=bool)
    for rows, _ in panel.blocks():
        has_gap |= (~np.isfinite(values[rows]) & until[rows, None]).any(axis=0)
    return tuple(int(column) for column in np.flatnonzero(has_gap))


def _network_shape(recipe: Recipe, collator: WindowCollator, panel: Panel) -> NetworkShape:
    past, future = collator.widths(panel)
    return NetworkShape(
        lookback=recipe.view.lookback,
        horizon=recipe.view.horizon,
        past=past,
        future=future,
        statics=tuple(len(codes) + 1 for codes in collator.vocabulary),
        quantiles=recipe.quantiles,
        season=recipe.view.season,
        echoes=len(collator.lags),
    )
