"""Step 3 · clean → windows: where each cutoff stands and which part it belongs to. Indices, never copied values."""

from datetime import datetime

import pandas as pd

from data_contracts.artifact import Artifact
from models.windows import SPLITS, cut_index
from tasks._step import step
from tasks._store import Store
from tasks._view import View


@step
def cut_windows(clean: Artifact, cutoff: datetime, view: View, origins: int, store: Store) -> Artifact:
    """One row a window; `origins` rolling origins in the test part, and one window a series at the cutoff."""
    panel = view.panel(store.get(clean))
    index = cut_index(panel, view.windowing, pd.Timestamp(cutoff), origins)
    frame = pd.DataFrame({"series": index.series, "position": index.position})
    frame["split"] = pd.Series([SPLITS[code] for code in index.split], dtype="str")
    return store.put(frame, "windows")
