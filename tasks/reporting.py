"""Step 10 · the night's claim checks → the morning page: what happened, and whether to worry."""

import importlib.metadata
from collections.abc import Collection

import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from tasks import _morning, _page
from tasks._health import health_of
from tasks._lags import Fading
from tasks._memory import out_of_sight
from tasks._picture import picture
from tasks._step import step
from tasks._store import Store
from tasks._story import Story, challengers
from tasks.accuracy import Realised
from tasks.drift import Drifted
from tasks.evaluation import METRICS, Evaluated, Question
from tasks.memory import Pictured, drawn
from tasks.registration import Registered

PACKAGES = ("torch", "pandas", "numpy", "pyarrow", "prefect", "mlflow", "evidently", "great-expectations")


class Reported(Spec):
    """The page, its verdict and its first three lines; `leaderboard` has a row a candidate, best first."""

    page: Artifact
    picture: Artifact | None = None
    verdict: _morning.Verdict
    lines: tuple[str, ...]
    leaderboard: tuple[dict[str, str | float | int | None], ...] = ()

    @property
    def sentence(self) -> str:
        return self.verdict


def versions() -> tuple[tuple[str, str], ...]:
    """The installed versions of the packages that decide what comes out."""
    return tuple((name, importlib.metadata.version(name)) for name in PACKAGES)


def leaderboard(story: Story, metric: str, store: Store) -> pd.DataFrame:
    """The scores with the parts as they stand after the gate, best first."""
    if not isinstance(story.evaluated, Evaluated):
        return pd.DataFrame(columns=["model_name", "role", *METRICS])
    scores = store.get(story.evaluated.scores)
    champion = story.champion
    crowned = scores["bundle"] == (champion.bundle.digest if champion else "")
    scores.loc[(scores["role"] == "champion") & ~crowned, "role"] = "former champion"
    scores.loc[crowned, "role"] = "champion"
    return scores.sort_values([metric, "model_name"], ignore_index=True)


def verdict(story: Story) -> tuple[_morning.Verdict, tuple[str, ...]]:
    """(state, the three lines): what was published, how good it is, what to look at."""
    worries = [f"{one.step} failed: {one.reason}" for one in story.failures]
    if story.forecasted and story.forecasted.rung.degraded_reason:
        worries.append(f"the champion did not forecast: {story.forecasted.rung.degraded_reason}")
    if isinstance(story.drifted, Drifted) and story.drifted.drifted:
        worries.append(f"drift: {story.drifted.summary}")
    worries += [
        f"{one.candidate.name}: {out_of_sight(one.memory)}"
        for one in challengers(story.trained)
        if one.memory and not one.memory.sees_a_season
    ]
    if story.forecasted and story.forecasted.last < story.night.as_of:
        worries.append(
            f"the source is stale: its newest observation is of {story.validated.cutoff:%Y-%m-%d %H:%M} UTC, "
            "and every time that was forecast has passed"
        )
    if story.validated.health.quarantined:
        worries.append(f"{story.validated.health.quarantined:,} rows lie in quarantine")
    if aside := story.validated.health.set_aside:
        worries.append(f"{len(aside)} series broke a rule, are set aside and were not forecast: {_some(aside)}")
    if broken := sum(change.effect == "breaking" for change in story.rewritten):
        worries.append(f"the contract changed since the last night, {broken} time{'s' if broken > 1 else ''} breaking")
    if found := len(story.validated.findings):
        worries.append(f"{found} finding{'s' if found > 1 else ''} in the data, told under data health")
    silent = {*story.validated.health.ended, *(story.forecasted.left_out if story.forecasted else ())}
    if silent:
        worries.append(f"{len(silent)} series ended or lack covariates ahead, and were not forecast: {_some(silent)}")
    worry = "Look at: " + "; ".join(worries) + "." if worries else "Nothing to worry about."
    state: _morning.Verdict = "watch" if worries else "good"
    return state, (_published_line(story), _quality_line(story), worry)


def _some(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:5]) + (" …" if len(names) > 5 else "")


def _published_line(story: Story) -> str:
    if story.forecasted is None:
        return f"No forecast was due in this run; data are known up to {story.validated.cutoff:%Y-%m-%d %H:%M} UTC."
    rung = story.forecasted.rung.candidate
    who = f"champion {rung.label}" if rung.role == "champion" else f"baseline {rung.label}, standing in"
    return f"{story.forecasted.table.rows:,} forecasts for {story.forecasted.series} series, by {who}."


def _quality_line(story: Story) -> str:
    told = []
    if isinstance(story.registered, Registered):
        told.append(f"{'New champion' if story.registered.moved else 'No promotion'}: {story.registered.reason}.")
    if isinstance(story.realised, Realised) and story.realised.accuracy:
        told.append(f"{story.realised.summary[0].upper()}{story.realised.summary[1:]}.")
    return " ".join(told) or "No model was judged in this run."


@step
def report(story: Story, question: Question, store: Store) -> Reported:
    """Write the morning page beside the drift report."""
    board = leaderboard(story, question.evaluation.metric, store)
    state, lines = verdict(story)
    morning = _filled(story, question, board, store)
    page = _page.render(morning)
    folder = f"reports/pipeline={story.night.pipeline}/{story.night.run_id}"
    rows = board.drop(columns=["bundle"], errors="ignore")
    drawn = picture(morning) if len(morning.forecast) else b""
    return Reported(
        page=store.place(page.encode(), "page", f"{folder}/index.html"),
        picture=store.place(drawn, "picture", f"{folder}/forecast.svg") if drawn else None,
        verdict=state,
        lines=lines,
        leaderboard=tuple(rows.astype(object).where(rows.notna(), None).to_dict("records")),
    )


def _filled(story: Story, question: Question, board: pd.DataFrame, store: Store) -> _morning.Morning:
    clean = store.get(story.validated.clean)
    cutoff = pd.Timestamp(story.validated.cutoff)
    state, lines = verdict(story)
    drifted = story.drifted if isinstance(story.drifted, Drifted) else None
    decision = story.registered.reason if isinstance(story.registered, Registered) else "No decision in this run."
    rejected = story.validated.quarantine.uri if story.validated.quarantine else None
    return _morning.Morning(
        pipeline=story.night.pipeline,
        as_of=story.night.as_of,
        zone=question.view.zone,
        cutoff=story.validated.cutoff,
        run_id=story.night.run_id,
        horizon=question.view.horizon,
        freq=question.view.freq,
        season=question.evaluation.season or question.view.season,
        verdict=state,
        lines=lines,
        failures=tuple(_morning.Failure(one.step, one.reason) for one in story.failures),
        leaderboard=board.assign(train_seconds=float("nan")),
        metric=question.evaluation.metric,
        decision=decision,
        history=_recent(clean, cutoff, question),
        forecast=store.get(story.forecasted.table) if story.forecasted else pd.DataFrame(),
        yesterday=_yesterday(story, clean, store),
        accuracy=_nights(story, store),
        health=health_of(story, cutoff, question.view),
        quarantine=rules_broken(rejected, store),
        quarantine_uri=rejected or "",
        drift=store.get(drifted.table) if drifted else None,
        drift_summary=drifted.summary if drifted else "",
        drift_href="drift.html" if drifted else None,
        training=tuple(
            _morning.Curve(one.candidate.name, one.train_losses, one.validation_losses, one.note)
            for one in challengers(story.trained)
        ),
        memories=_best_first(story, board, store),
        references=_references(story),
        provenance=_provenance(story),
        versions=versions(),
    )


def _recent(clean: pd.DataFrame, cutoff: pd.Timestamp, question: Question) -> pd.DataFrame:
    steps = max(7 * question.view.season if question.view.season <= 96 else 0, 3 * question.view.horizon)
    history = clean.loc[clean["ds"] <= cutoff, ["unique_id", "ds", "y"]]
    return history.groupby("unique_id").tail(steps)


def _yesterday(story: Story, clean: pd.DataFrame, store: Store) -> pd.DataFrame | None:
    if not story.past:
        return None
    table = store.get(story.past[-1].file)
    return table.merge(clean[["unique_id", "ds", "y"]].dropna(), "inner", ["unique_id", "ds"])


def _nights(story: Story, store: Store) -> pd.DataFrame | None:
    if not isinstance(story.realised, Realised) or story.realised.accuracy is None:
        return None
    table = store.get(story.realised.accuracy)
    figures = {name: (name, "mean") for name in ("mae", "mase", "wql", "coverage")}
    nights = table.groupby("forecast_vintage", as_index=False).agg(**figures, rows=("rows", "sum"))
    return nights.rename(columns={"forecast_vintage": "vintage"})


def rules_broken(uri: str | None, store: Store) -> pd.DataFrame:
    """(rule, rows, series, example) of a file of rejected rows; empty where there is none."""
    if uri is None:
        return pd.DataFrame(columns=["rule", "rows", "series", "example"])
    grouped = store.get(store.claim(uri, "quarantine")).groupby("rule", as_index=False)
    return grouped.agg(rows=("row", "size"), series=("unique_id", "nunique"), example=("reason", "first"))


def _provenance(story: Story) -> tuple[_morning.Origin, ...]:
    claims = [("raw", story.raw), ("clean", story.validated.clean)]
    claims += [("windows", story.windows)] if story.windows else []
    claims += [(one.candidate.name, one.candidate.bundle) for one in challengers(story.trained)]
    if isinstance(story.evaluated, Evaluated):
        claims += [("backtest", story.evaluated.backtest), ("scores", story.evaluated.scores)]
    if isinstance(story.registered, Registered):
        claims.append(("decision", story.registered.decision))
    claims += [("forecasts", story.forecasted.table)] if story.forecasted else []
    return tuple(_morning.Origin(what, claim.digest, claim.uri) for what, claim in claims)


def _best_first(story: Story, board: pd.DataFrame, store: Store) -> tuple[_morning.Remembered, ...]:
    """What tonight's models remember, in the order of the leaderboard; those that are not on it come last."""
    places = {digest: place for place, digest in enumerate(board["bundle"])} if "bundle" in board else {}
    found = [(one, drawn(one, store)) for one in challengers(story.trained)]
    found.sort(key=lambda pair: places.get(pair[0].candidate.bundle.digest, len(places)))
    return tuple(_morning.Remembered(known, one.gradients) for one, known in found if known is not None)


def _references(story: Story) -> tuple[Fading, ...]:
    found = story.pictured.references if isinstance(story.pictured, Pictured) else ()
    return tuple(Fading(one.name, one.memory, reference=True) for one in found)
