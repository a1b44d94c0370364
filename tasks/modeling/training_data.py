"""Windows between the store and the models, and which part of the clean table a model may learn from."""

import functools
import hashlib

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from models.bundle import Bundle
from models.data.panel import InputSpec
from models.data.windows import SPLITS, WindowIndex
from models.training.recipe import Recipe
from tasks.modeling.candidate import Candidate, load_bundle
from tasks.storage.store import Store


def load_window_index(windows: Artifact, store: Store) -> WindowIndex:
    frame = store.get(windows)
    codes = frame["split"].map({name: code for code, name in enumerate(SPLITS)})
    return WindowIndex(
        series=frame["series"].to_numpy(np.int32, copy=True),
        position=frame["position"].to_numpy(np.int32, copy=True),
        split=codes.to_numpy(np.int8, copy=True),
    )


def series_starts(clean: pd.DataFrame) -> tuple[pd.Index, np.ndarray]:
    """(names of the series in their order, row at which each begins)."""
    sizes = clean.groupby("unique_id", sort=True).size()
    return sizes.index, sizes.cumsum().to_numpy() - sizes.to_numpy()


def window_cutoffs(clean: pd.DataFrame, index: WindowIndex, split: str) -> pd.DataFrame:
    """(unique_id, cutoff) of every window of a part: they name a window whatever the panel's numbering."""
    series, position = index.of(split)
    names, starts = series_starts(clean)
    cutoffs = clean["ds"].iloc[starts[series] + position]
    return pd.DataFrame({"unique_id": names[series], "cutoff": cutoffs.reset_index(drop=True)})


def select_training_part(clean: pd.DataFrame, index: WindowIndex, view: InputSpec) -> tuple[pd.DataFrame, WindowIndex]:
    """The rows up to the last validation target, and the training and validation windows over them.

    A model is given nothing else, so it can't see the test part, and it need not be trained again while this is equal.
    """
    learning = index.split <= SPLITS.index("validation")
    series, position = index.series[learning], index.position[learning]
    names, starts = series_starts(clean)
    ends = np.minimum(starts[series] + position + view.horizon, len(clean) - 1)
    part = clean[clean["ds"] <= clean["ds"].iloc[ends].max()] if len(ends) else clean.iloc[:0]
    renumbered = np.cumsum(names.isin(part["unique_id"])) - 1
    return part, WindowIndex(renumbered[series].astype(np.int32), position, index.split[learning])


def content_digest(frame: pd.DataFrame, index: WindowIndex) -> str:
    """Digest of the values, whatever file they came from."""
    rows = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    windows = (index.series.tobytes(), index.position.tobytes(), index.split.tobytes())
    return hashlib.sha256(b"".join((rows.tobytes(), *windows, ",".join(frame.columns).encode()))).hexdigest()


def training_cache_key(
    clean: Artifact, windows: Artifact, recipe: Recipe, incumbent: Candidate | None, store: Store
) -> tuple[Recipe, str, str | None]:
    """What the result depends on: the recipe, the values of the training and validation parts, and where it begins."""
    champion, reason = warm_start_bundle(recipe, incumbent, store)
    begins = incumbent.bundle.digest if champion and incumbent else reason
    return recipe, training_part_digest(clean, windows, recipe.view, store), begins


def warm_start_bundle(recipe: Recipe, incumbent: Candidate | None, store: Store) -> tuple[Bundle | None, str | None]:
    """The champion's bundle where training is asked to begin with it, or why it can't."""
    if recipe.training.start == "scratch":
        return None, None
    if incumbent is None:
        return None, "there is no champion yet"
    if incumbent.name != recipe.model.name:
        return None, "the champion is another kind of network"
    try:
        return load_bundle(incumbent, store), None
    except NightcastError:
        return None, "the champion's bundle is damaged"


@functools.lru_cache(maxsize=4)
def training_part_digest(clean: Artifact, windows: Artifact, view: InputSpec, store: Store) -> str:
    """The same for every recipe of a night, and the clean table may be large."""
    part, index = select_training_part(store.get(clean), load_window_index(windows, store), view)
    return content_digest(part, index)
