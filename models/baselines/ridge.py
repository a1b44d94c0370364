"""Ridge regression from the lookback to the horizon, over all series at once, solved in closed form.

Windows are shifted by their last value and divided by their deviation. The penalty, and how much of the lookback is
worth reading, are chosen on the validation part.
Few networks beat it (Zeng et al. 2023, arXiv 2205.13504).
"""

import numpy as np

from models.data.panel import InputSpec, Panel
from models.data.scaling import error_weights, series_std
from models.data.windows import WindowIndex

PENALTIES = (1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 0.3, 1.0, 10.0)  # times the number of windows
PARTS = (1, 2, 4)  # of the lookback
AT_ONCE = 4096
AT_MOST = 60_000  # windows


def fit_linear(panel: Panel, index: WindowIndex, view: InputSpec) -> dict[str, np.ndarray]:
    """{"weights": (lookback + 1, horizon)}; the last row is the intercept."""
    train = _thinned(*index.of("train"))
    sizes = series_std(panel, *train)
    gram, cross, count = _moments(panel, *train, view, sizes)
    if count == 0:  # every target has a gap, as where nights are not observed
        gram, cross, count = _moments(panel, *train, view, sizes, gaps=True)
    solutions = [_solved(gram, cross, view.lookback // part, p * count) for part in PARTS for p in PENALTIES]
    solutions.append(np.zeros_like(cross))  # the last value itself: nothing beats it on a random walk
    checked = _thinned(*index.of("validation"), 8192)
    inputs, targets, _, scale = _normal(panel, *checked, view)
    loud = error_weights(scale, checked[0], sizes)
    errors = (loud * (targets - inputs @ weights) for weights in solutions)
    losses = np.array([(np.nanmean(np.abs(error)), np.nanmean(np.square(error))) for error in errors])
    relative = (losses / np.maximum(losses[-1], np.finfo(float).tiny)).sum(axis=1)  # neither median nor mean alone
    return {"weights": solutions[int(np.nanargmin(relative))]}


def _solved(gram: np.ndarray, cross: np.ndarray, read: int, penalty: float) -> np.ndarray:
    """Weights of the ridge regression on the last `read` steps; those of older steps are 0."""
    kept = slice(len(gram) - 1 - read, None)
    ridge = np.diag(np.append(np.full(read, penalty), 0.0))  # not of the intercept
    weights = np.zeros_like(cross)
    weights[kept] = np.linalg.solve(gram[kept, kept] + ridge, cross[kept])
    return weights


def linear_points(
    weights: np.ndarray, view: InputSpec, panel: Panel, series: np.ndarray, position: np.ndarray
) -> np.ndarray:
    """(n, H) forecasts in the units of the source."""
    found = np.zeros((len(series), view.horizon))
    for start in range(0, len(series), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        inputs, _, last, scale = _normal(panel, series[part], position[part], view)
        found[part] = last + scale * (inputs @ weights)
    return found


def _moments(
    panel: Panel, series: np.ndarray, position: np.ndarray, view: InputSpec, sizes: np.ndarray, gaps: bool = False
) -> tuple[np.ndarray, np.ndarray, int]:
    """Of the windows whose target is whole; with `gaps` of all, and missing targets stand at the last value."""
    gram, cross, count = np.zeros((view.lookback + 1,) * 2), np.zeros((view.lookback + 1, view.horizon)), 0
    for start in range(0, len(series), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        inputs, targets, _, scale = _normal(panel, series[part], position[part], view)
        loud = error_weights(scale, series[part], sizes)
        inputs, targets = loud * inputs, loud * (np.nan_to_num(targets) if gaps else targets)
        whole = np.isfinite(targets).all(axis=1)
        gram += inputs[whole].T @ inputs[whole]
        cross += inputs[whole].T @ targets[whole]
        count += int(whole.sum())
    return gram, cross, count


def _normal(
    panel: Panel, series: np.ndarray, position: np.ndarray, view: InputSpec
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (n, L + 1), targets (n, H), last value (n, 1), scale (n, 1)); missing inputs stand at the last value."""
    past = panel.take(panel.y, series, position, np.arange(1 - view.lookback, 1))
    seen = np.isfinite(past)
    newest = past.shape[1] - 1 - np.argmax(seen[:, ::-1], axis=1)
    last = np.nan_to_num(past[np.arange(len(past)), newest])[:, None]
    shifted = np.where(seen, past - last, 0.0)
    scale = np.sqrt((shifted**2).mean(axis=1, keepdims=True))
    scale = np.where(scale > 1e-9 * (1 + np.abs(last)), scale, 1.0 + np.abs(last))
    ahead = panel.take(panel.y, series, position, np.arange(1, view.horizon + 1))
    inputs = np.concatenate([shifted / scale, np.ones((len(past), 1))], axis=1)
    return inputs, (ahead - last) / scale, last, scale


def _thinned(series: np.ndarray, position: np.ndarray, most: int = AT_MOST) -> tuple[np.ndarray, np.ndarray]:
    chosen = np.linspace(0, len(series) - 1, min(len(series), most)).astype(int)
    return series[chosen], position[chosen]
