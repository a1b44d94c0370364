"""load_champion: the model of a pipeline as an object that forecasts from a frame, read from the store alone."""

from datetime import UTC, datetime
from typing import Any

from data_contracts.errors import NoChampion, SpecError
from data_contracts.spec import Spec
from flows.notebook.forecaster import library_of
from flows.pipeline.published import identify_pipeline
from flows.settings import Settings
from models.bundle import Bundle
from models.recalibration import Recalibration
from tasks.history.conversion import to_arrow, to_library
from tasks.modeling.candidate import Candidate, load_bundle
from tasks.modeling.forecast_setup import OutputSpec
from tasks.modeling.serving import forecast_history
from tasks.registry.champions import champion_at, list_former_champions
from tasks.registry.id_columns import with_id_columns
from tasks.results.manifest import read_factors, read_finished
from tasks.storage.store import Store


class LoadedChampion:
    """A model that is or was champion, with its facts."""

    def __init__(
        self,
        candidate: Candidate,
        bundle: Bundle,
        published: "PublishedSettings",
        pipeline: str,
        factors: tuple[Recalibration, tuple[str, ...]] | None = None,
    ) -> None:
        self._bundle, self._published, self._factors = bundle, published, factors
        self.pipeline, self.name, self.version = pipeline, candidate.name, candidate.version
        self.freq, self.horizon, self.lookback = bundle.view.freq, bundle.horizon, bundle.view.lookback
        self.levels: tuple[float, ...] = bundle.levels
        features = bundle.view.features
        self.columns = ("unique_id", "ds", "y", *features.known_columns, *features.observed, *features.static)
        """The columns that `predict` needs."""

    def predict(self, history: Any) -> Any:
        """Forecast the horizon after the last observation of a history.

        Args:
            history: `columns` in the long format, at least a lookback of observations per series; rows with an empty
                y have the known covariates of the horizon. A pandas or Polars frame, or an Arrow table.

        Returns:
            A frame of the same library with columns of the published table: unique_id and the columns that together
            name a series, ds (UTC), cutoff, step, y_hat, a column per quantile, model_name and model_version.

        Raises:
            HistoryInvalid: A column, a value or a row of the history is missing or wrong.
        """
        published = self._published
        bounds = OutputSpec(quantiles=self.levels, minimum=published.minimum, maximum=published.maximum)
        frame = to_arrow(history).to_pandas  # called in the call, so that the frame is freed while it is forecast
        table = forecast_history(self._bundle, frame(), bounds, published.closed, None, self._factors)
        table = table.assign(model_name=self.name, model_version=self.version)
        return to_library(to_arrow(with_id_columns(table, published.id_columns)), library_of(history))

    def __repr__(self) -> str:
        """Return name, version and what the model forecasts."""
        levels = ", ".join(map(str, self.levels))
        return f"<{self.name} v{self.version} of {self.pipeline}: {self.horizon} steps of {self.freq}, levels {levels}>"


class PublishedSettings(Spec):
    """The settings of the newest night that a forecast depends on besides its model."""

    minimum: float | None = None
    maximum: float | None = None
    closed: Any = "auto"
    id_columns: tuple[str, ...] = ()


def load_champion(pipeline: str, store: str | None = None, version: str | int | None = None) -> LoadedChampion:
    """Load the model that forecasts for a pipeline. Only the store is read, not MLflow.

    Args:
        pipeline: The path of its YAML file or its name.
        store: Folder or URL of the store; None: NIGHTCAST_STORE, or `store` in the working folder.
        version: A version that is or was champion; None: the champion of today.

    Returns:
        The model, after its digest and its golden forecast were checked.

    Raises:
        NoChampion: No night has promoted a model.
        SpecError: No champion has or had this version.
    """
    opened = Store(root=str(store)) if store else Settings().opened_store
    name, now = identify_pipeline(str(pipeline), opened).name, datetime.now(UTC)
    champion = champion_at(name, now, opened)
    if champion is None:
        raise NoChampion(name, f"no night has promoted a model in the store {opened.display_root!r}")
    if version is not None and str(version) != champion.version:
        known = {model.version: model for model in reversed((champion, *list_former_champions(name, now, opened)))}
        if str(version) not in known:
            versions = ", ".join(sorted(known))
            raise SpecError(f"version {version} of {name!r} is not and was not champion. Champions: {versions}.")
        champion = known[str(version)]
    manifests = read_finished(opened, name)
    factors = read_factors(manifests[0] if manifests else None, champion, opened)
    return LoadedChampion(champion, load_bundle(champion, opened), _published_settings(manifests), name, factors)


def _published_settings(manifests: list[dict[str, Any]]) -> PublishedSettings:
    spec = manifests[0].get("spec") or {} if manifests else {}
    forecast, cleaning = spec.get("forecast") or {}, spec.get("cleaning") or {}
    closed, ids = cleaning.get("closed", "auto"), (spec.get("columns") or {}).get("unique_id")
    return PublishedSettings(
        minimum=forecast.get("minimum"),
        maximum=forecast.get("maximum"),
        closed=tuple(closed) if isinstance(closed, list) else closed,
        id_columns=tuple(ids) if isinstance(ids, list) and len(ids) > 1 else (),
    )
