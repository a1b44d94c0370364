"""Fit the baselines of a pipeline and store them as candidates."""

from models.baselines.seasonal import fit_baselines
from models.data.calendar import seasons
from models.data.panel import Panel
from models.data.panel_table import PanelTable
from models.data.windows import WindowIndex
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.storage.store import Store


def season_lengths(setup: ForecastSetup) -> tuple[int, ...]:
    """Return the season lengths of the baselines, in steps; the first is that of the metric."""
    view = setup.view
    return tuple(dict.fromkeys((setup.evaluation.season or view.season, *seasons(view.freq))))


def store_baselines(part: PanelTable, index: WindowIndex, setup: ForecastSetup, store: Store) -> list[Candidate]:
    """Fit every baseline on the part that models are trained on, and store it.

    Args:
        part: The rows that models learn from, as `load_training_part` returns them.
        index: The windows over these rows.
        setup: Inputs and outputs that the baselines share with the models.
        store: The store that takes the bundles.

    Returns:
        A candidate per baseline: naive, seasonal naive, seasonal mean, linear.
    """
    view = setup.view
    panel = Panel.from_table(part, view)
    stored = list[Candidate]()
    for bundle in fit_baselines(panel, index, view, setup.bounds.quantiles, season_lengths(setup)):
        artifact = store.put_bytes(bundle.to_bytes(), "bundle", "safetensors")
        stored.append(Candidate(name=bundle.name, role="baseline", bundle=artifact))
        del bundle  # its errors take as much memory as a forecast of all series
    return stored
