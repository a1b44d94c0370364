"""Step 3 · clean → windows: where each cutoff stands and which part it belongs to. Indices, never copied values."""

from datetime import datetime

import pandas as pd

from data_contracts.artifact import Artifact
from models.data.panel import InputSpec, Panel
from models.data.windows import SPLITS, WindowSpec, build_window_index
from tasks.engine.step import step
from tasks.storage.store import Store


@step
def cut_windows(
    clean: Artifact, cutoff: datetime, view: InputSpec, windowing: WindowSpec, origins: int, store: Store
) -> Artifact:
    """One row a window; `origins` rolling origins in the test part, and one window a series at the cutoff."""
    panel = Panel.from_frame(store.get(clean), view)
    index = build_window_index(panel, windowing, pd.Timestamp(cutoff), origins)
    frame = pd.DataFrame({"series": index.series, "position": index.position})
    frame["split"] = pd.Series([SPLITS[code] for code in index.split], dtype="str")
    return store.put(frame, "windows")
