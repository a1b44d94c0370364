"""Training data between the store and the models: the window index, the training part, its digest, a warm start."""

import functools
import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from models.bundle import Bundle
from models.data.mapped_pages import release_pages
from models.data.panel import InputSpec
from models.data.panel_table import PanelTable
from models.data.windows import SPLITS, WindowIndex, WindowRanges
from models.training.recipe import Recipe
from tasks.modeling.candidate import Candidate, load_bundle
from tasks.modeling.clean_table import load_clean_until, load_series_steps
from tasks.storage.store import Store

DIGESTED_NUMBERS = 1_000_000  # at once
RANGE_COLUMNS = ("series", "first", "last", "stride")


def load_window_index(windows: Artifact, store: Store) -> WindowIndex:
    """Load the windows table of `cut_windows` as an index."""
    tables = dict(tuple(store.get(windows).groupby("split")))
    return WindowIndex(
        {
            part: WindowRanges(*(tables[part][name].to_numpy(np.int32, copy=True) for name in RANGE_COLUMNS))
            for part in SPLITS
            if part in tables
        }
    )


def to_windows_table(index: WindowIndex) -> pd.DataFrame:
    """Return the windows table of an index: a row per range, with the part in the column `split`."""
    tables = [
        pd.DataFrame({name: getattr(windows, name) for name in RANGE_COLUMNS}).assign(split=part)
        for part, windows in index.parts.items()
    ]
    return pd.concat(tables, ignore_index=True)


def window_cutoffs(clean: PanelTable, index: WindowIndex, split: str) -> pd.DataFrame:
    """Return (unique_id, cutoff in UTC) of every window of a split, which does not depend on the panel's numbering."""
    series, position = index.of(split)
    return pd.DataFrame({"unique_id": clean.ids.take(series), "cutoff": clean.times[clean.first[series] + position]})


def select_training_part(clean: PanelTable, index: WindowIndex, view: InputSpec) -> tuple[PanelTable, WindowIndex]:
    """Select what a model may learn from: all rows up to the last validation target, and the windows over them.

    A model gets nothing else, so it cannot see the test part. It is trained again only if this part changes.

    Args:
        clean: The clean table.
        index: The windows over it.
        view: The inputs of the models; only the horizon is used.

    Returns:
        The rows, and the training and validation windows, numbered as in these rows.
    """
    learning = {name: windows for name, windows in index.parts.items() if name in ("train", "validation")}
    last = np.concatenate([clean.first[windows.series] + windows.last for windows in learning.values()])
    end = min(int(last.max()) + view.horizon + 1, len(clean.times)) if len(last) else 0
    renumbered = (np.cumsum(clean.first < end) - 1).astype(np.int32)
    parts = {name: replace(windows, series=renumbered[windows.series]) for name, windows in learning.items()}
    return clean.between(0, end), WindowIndex(parts)


def load_training_part(
    clean: Artifact, windows: Artifact, view: InputSpec, store: Store
) -> tuple[PanelTable, WindowIndex]:
    """Load what a model may learn from, as `select_training_part` selects it; no other row is held.

    Args:
        clean: The clean table.
        windows: The windows table of `cut_windows`.
        view: The inputs of the models; only the horizon is used.
        store: The store that holds the tables.

    Returns:
        The rows, read-only, and the training and validation windows, numbered as in these rows.

    Raises:
        StoreDamaged: A file is missing or its digest differs.
    """
    part, index = select_training_part(load_series_steps(clean, store), load_window_index(windows, store), view)
    return load_clean_until(clean, part.times[-1], len(part), store), index


def content_digest(table: PanelTable, index: WindowIndex) -> str:
    """Compute a digest of the values and windows, which does not depend on the file they came from."""
    texts = {name: pd.factorize(table.texts[name]) for name in table.texts}
    names = [
        list(table.numbers),
        list(table.ids),
        [(name, list(map(str, known))) for name, (_, known) in texts.items()],
    ]
    digest = hashlib.sha256(repr(names).encode())
    arrays = [table.times.as_unit("us").asi8, table.first, table.lengths, *table.numbers.values()]
    arrays += [codes for codes, _ in texts.values()]
    for part, windows in index.parts.items():
        digest.update(part.encode())
        arrays += [getattr(windows, name) for name in RANGE_COLUMNS]
    for values in arrays:
        for begin in range(0, len(values), DIGESTED_NUMBERS):
            digest.update(np.ascontiguousarray(values[begin : begin + DIGESTED_NUMBERS]).data)
            release_pages(values[begin : begin + DIGESTED_NUMBERS])
    return digest.hexdigest()


def training_cache_key(
    clean: Artifact, windows: Artifact, recipe: Recipe, incumbent: Candidate | None, store: Store
) -> tuple[Recipe, str, str | None]:
    """Return what a training depends on: the recipe, the training part, and the weights it starts from."""
    champion, reason = warm_start_bundle(recipe, incumbent, store)
    start = incumbent.bundle.digest if champion and incumbent else reason
    return recipe, training_part_digest(clean, windows, recipe.view, store), start


def warm_start_bundle(recipe: Recipe, incumbent: Candidate | None, store: Store) -> tuple[Bundle | None, str | None]:
    """Load the champion's bundle if the recipe asks to start from it.

    Returns:
        The bundle, and None; or None, and why training starts from scratch (None if the recipe asks for that).
    """
    if recipe.training.start == "scratch":
        return None, None
    if incumbent is None:
        return None, "the pipeline has no champion yet"
    if incumbent.name != recipe.model.name:
        return None, "the champion is another kind of network"
    try:
        return load_bundle(incumbent, store), None
    except NightcastError:
        return None, "the champion's bundle is damaged"


@functools.lru_cache(maxsize=4)
def training_part_digest(clean: Artifact, windows: Artifact, view: InputSpec, store: Store) -> str:
    """Compute the digest of the training part, once for all recipes of a night, since the clean table may be large."""
    return content_digest(*load_training_part(clean, windows, view, store))
