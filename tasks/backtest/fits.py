"""Which models forecast at which origin: fixed versions everywhere, fitted models from their origin to the next."""

import itertools
from collections.abc import Iterator

from data_contracts.artifact import Artifact
from data_contracts.errors import NoChampion, SpecError
from tasks.backtest.origins import night_table
from tasks.backtest.settings import BacktestPlan
from tasks.backtesting import forecast_origins
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecasts import NotComparable, load_comparable
from tasks.references import fit_references, select_shown
from tasks.registry.champions import champion_at, standing_at
from tasks.registry.manual_promotion import find_version
from tasks.registry.mlflow_registry import TrackingSettings
from tasks.results.backtest import Origin
from tasks.storage.store import Store
from tasks.training import train
from tasks.windowing import cut_windows

REFIT_SUFFIX = " (refit)"


def choose_models(plan: BacktestPlan, tracking: TrackingSettings | None, store: Store) -> tuple[Candidate, ...]:
    """Find the fixed models of a backtest: the champion and named versions.

    Args:
        plan: The models that are asked for, and the setup that they must have been made for.
        tracking: Where MLflow is; None if no registry is set.
        store: The store.

    Returns:
        The models, in the order in which they were asked for.

    Raises:
        NoChampion: The pipeline has no champion, or it no longer fits the pipeline.
        SpecError: A version does not exist or does not fit the pipeline, or a name is not a model.
    """
    chosen = dict[str, Candidate]()
    for name in plan.settings.fixed_models:
        if name == "baseline":
            continue
        model = _find_model(name, plan, tracking, store)
        try:
            load_comparable(model, plan.setup.view, plan.setup.bounds, store)
        except NotComparable as other:
            if name == "champion":
                raise NoChampion(plan.pipeline, str(other)) from other
            raise SpecError(
                f"--model {name}: {other}. Choose another version, or change the pipeline back to what it was made for."
            ) from other
        chosen.setdefault(model.label, model)
    return tuple(chosen.values())


def _find_model(name: str, plan: BacktestPlan, tracking: TrackingSettings | None, store: Store) -> Candidate:
    version = name.removeprefix("v")
    if version.isdecimal():
        return find_version(plan.pipeline, version, tracking, store)
    if name != "champion":
        raise SpecError(
            f"--model {name!r} is not a model of pipeline {plan.pipeline!r}. Give champion, baseline, or the number of "
            "a version, as nightcast champion show lists them."
        )
    champion = champion_at(plan.pipeline, standing_at(plan.pipeline, plan.as_of, store), store)
    if champion is None:
        raise NoChampion(plan.pipeline, "no night has promoted a model yet")
    return champion


def forecast_all(
    origins: tuple[Origin, ...], fixed: tuple[Candidate, ...], plan: BacktestPlan, store: Store
) -> tuple[Artifact, ...]:
    """Forecast at every origin with the fixed models, and with those fitted at it or at an earlier origin.

    Args:
        origins: The origins, oldest first.
        fixed: The models of `choose_models`.
        plan: When models are fitted and with what, and whether all baselines are shown.
        store: The store that takes bundles and tables.

    Returns:
        The forecasts, a table for each group of origins that share a clean table and a fit.
    """
    return tuple(_forecasts(origins, fixed, plan, store))


def _forecasts(
    origins: tuple[Origin, ...], fixed: tuple[Candidate, ...], plan: BacktestPlan, store: Store
) -> Iterator[Artifact]:
    starts = plan.settings.fit_origins(len(origins))
    for start, end in itertools.pairwise((*starts, len(origins))):
        models = (*fixed, *_fit_at(origins[start], plan, store))
        for _, group in itertools.groupby(origins[start:end], key=lambda origin: origin.clean):
            together = tuple(group)
            yield forecast_origins(together[0].clean, together, models, plan.setup, store)


def _fit_at(origin: Origin, plan: BacktestPlan, store: Store) -> tuple[Candidate, ...]:
    """Fit on what was known at an origin: the baselines that are shown and, with a refit, the first model."""
    clean, cutoff, setup = origin.clean, origin.cutoff, plan.setup
    if origin.known == "current":  # its table goes on after the origin
        validated = night_table(origin.as_of, plan.reading, store)
        clean, cutoff = validated.clean, validated.cutoff
    windows = cut_windows(clean, cutoff, setup.view, plan.windowing, setup.evaluation, store)
    fitted = fit_references(clean, windows, setup, store)
    shown = select_shown(fitted, plan.scoring.reference, "baseline" in plan.settings.models)
    if plan.settings.refit == "never":
        return shown
    trained = train(clean, windows, plan.recipe, None, store).candidate
    return (trained.model_copy(update={"name": f"{trained.name}{REFIT_SUFFIX}"}), *shown)
