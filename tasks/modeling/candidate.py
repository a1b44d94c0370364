"""A stored model and its role: champion, challenger or baseline."""

from typing import Literal

import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from models.bundle import Bundle, RecurrentSettings
from models.golden import check_golden_forecast
from tasks.storage.store import Store


class Candidate(Spec):
    """A reference to a stored model. `version` is empty before registration, and always for baselines."""

    name: str
    role: str
    bundle: Artifact
    version: str = ""

    @property
    def label(self) -> str:
        """Name and version. The version tells a champion from a challenger with the same settings."""
        return f"{self.name} v{self.version}" if self.version else self.name


class ExcludedCandidate(Spec):
    """A model that was not compared, and why: its bundle is damaged, or made for another setup, or it gave NaN."""

    candidate: Candidate
    cause: Literal["damaged", "other setup", "not finite"]
    reason: str


def read_bundle(candidate: Candidate, store: Store) -> Bundle:
    """Read the bundle of a candidate and check its digest. Settings need no more, and a forecast needs `load_bundle`.

    Returns:
        The bundle.

    Raises:
        StoreDamaged: The file is missing or its digest differs.
        BundleDamaged: The bytes are not a bundle.
    """
    return Bundle.from_bytes(store.get_bytes(candidate.bundle))


def load_bundle(candidate: Candidate, store: Store) -> Bundle:
    """Read the bundle of a candidate, and replay its golden forecast.

    Returns:
        The bundle.

    Raises:
        StoreDamaged: The file is missing or its digest differs.
        BundleDamaged: The bytes are not a bundle.
        GoldenForecastDiffers: The model does not give the forecast that it gave when it was trained.
    """
    bundle = read_bundle(candidate, store)
    check_golden_forecast(bundle)
    return bundle


def trained_until(model: Candidate, store: Store) -> pd.Timestamp | None:
    """Return the last target that a network was trained on, in UTC; None if it is not on record."""
    settings = read_bundle(model, store).settings
    until = settings.trained_until if isinstance(settings, RecurrentSettings) else None
    return pd.Timestamp(until, tz="UTC") if until else None
