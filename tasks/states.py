"""Keep the state of each series after the night, from which the real-time service goes on.

A state is a file of arrays (safetensors): the newest steps of each series and, for a network that streams exactly, the
state of its encoder after the whole series. The manifest refers to it.
"""

from datetime import datetime

import pandas as pd

from data_contracts.artifact import Artifact
from models.predict import Predictor
from models.streaming.build import build_states
from tasks.engine.step import step
from tasks.modeling.candidate import Candidate
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.forecasts import NotComparable, load_comparable
from tasks.results.steps import StatesResult
from tasks.storage.store import Store
from tasks.storage.written_files import put_written

STATES = "states"  # the kind of artifact


@step
def keep_states(
    clean: Artifact, cutoff: datetime, champion: Candidate | None, setup: ForecastSetup, store: Store
) -> StatesResult:
    """Store the states of the series that a night forecasts, for the champion.

    Args:
        clean: The clean table.
        cutoff: The last observation that is known, in UTC.
        champion: The champion after the night; None: there is nothing to keep.
        setup: Inputs of the forecast, its limits and closed times.
        store: The store that holds the bundle and takes the file.

    Returns:
        The stored file and the number of series. Nothing and the reason for a champion that was made for another setup
        than that of this night, and does not forecast.

    Raises:
        StoreDamaged: The bundle is missing or its digest differs.
    """
    if champion is None:
        return StatesResult()
    try:
        bundle = load_comparable(champion, setup.view, setup.bounds, store)
    except NotComparable as obstacle:
        return StatesResult(obstacle=str(obstacle))
    states, timeline = build_states(
        Predictor(bundle), load_clean_table(clean, store), pd.Timestamp(cutoff), setup.closed
    )
    facts = {"model": champion.bundle.digest, "cutoff": cutoff.isoformat()}
    stored = put_written(lambda path: states.save(path, timeline, facts), STATES, "safetensors", store)
    return StatesResult(states=stored, model=champion.bundle.digest, series=len(states.ids))
