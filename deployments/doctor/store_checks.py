"""What doctor sees in the store: old, missed, refused and degraded nights, leases, the champion and the registry."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from data_contracts.errors import StoreDamaged
from deployments.doctor.finding import CheckContext, Finding, FindingState
from flows.pipeline.schedule import missing_nights, scheduled_times, vintages
from flows.pipeline.spec import PipelineSpec
from tasks.registry.champions import champion_at
from tasks.results.manifest import RunManifest, read_all
from tasks.storage import lease
from tasks.storage.layout import latest_uri
from tasks.storage.process_identity import has_exited
from tasks.storage.store import Store

REBUILD = "The next night that trains makes a new one; forecasts follow the store, and go on."
FAR = timedelta(days=31)  # no missed night is looked for further back
SOME = 7  # nights that are listed by name
GRACE = timedelta(hours=2)  # a night that was due so lately may still be under way


def check(look: CheckContext) -> Iterator[Finding]:
    store = look.settings.opened_store
    store.check_writable()
    yield Finding("store", "good", f"{store.display_root} can be written to")
    for spec in look.pipelines:
        if spec.schedule.as_of:
            yield Finding(
                spec.name, "good", f"runs the night of {spec.schedule.as_of} again and again, so none is missed"
            )
        else:
            yield from _forecasts(spec, store, look)
            yield from _nights(spec, store, look)
        yield from _records(spec, store, look)
        yield from _writer(spec, store)


def _forecasts(spec: PipelineSpec, store: Store, look: CheckContext) -> Iterator[Finding]:
    made = vintages(spec.name, store)
    if not made:
        told = "has published nothing yet"
        yield Finding(spec.name, "bad", told, f"Run its first night: nightcast nightly {look.word(spec)}")
        return
    newest = max(made)
    age = look.now - newest
    told = f"newest forecasts: {newest:%Y-%m-%d %H:%M} UTC, {_long(age)} old"
    state: FindingState = "good" if age <= look.max_age else "bad"
    step = f"Older than {_long(look.max_age)}: see below why, then nightcast nightly {look.word(spec)}"
    if age < timedelta(0):
        state, told = "bad", f"newest forecasts are of the future: {newest:%Y-%m-%d %H:%M} UTC"
        step = "Set the clock of the machine that made them, or remove that vintage."
    yield Finding(spec.name, state, told, step)
    latest = latest_uri(spec.name)
    try:
        same = store.table_at(latest, "forecasts").digest == store.table_at(made[newest], "forecasts").digest
        if not same:
            yield Finding(spec.name, "bad", f"{latest} is not the newest vintage", _again(look.word(spec), newest))
    except StoreDamaged as damaged:
        yield Finding(spec.name, "bad", str(damaged), _again(look.word(spec), newest))


def _nights(spec: PipelineSpec, store: Store, look: CheckContext) -> Iterator[Finding]:
    """Nights that were due since the first vintage, and have none."""
    made = [moment for moment in vintages(spec.name, store) if moment <= look.now]
    if not made:
        return
    since = max(min(made), look.now - FAR)
    nights = [night for night in scheduled_times(spec, since, look.now) if night <= look.now - GRACE]
    gone = missing_nights(spec, nights, store)
    if not gone:
        yield Finding(spec.name, "good", f"no night was missed since {since:%Y-%m-%d}")
        return
    zone = spec.schedule.zone
    names = [f"{night.astimezone(zone):%Y-%m-%d %H:%M}" for night in gone]
    listed = names if len(names) <= SOME else [*names[: SOME - 1], "…", names[-1]]
    count = "1 night was" if len(gone) == 1 else f"{len(gone)} nights were"
    step = f"nightcast backfill {look.word(spec)} --from {names[0][:10]} --to {names[-1][:10]}"
    yield Finding(spec.name, "bad", f"{count} missed: {', '.join(listed)} ({zone.key})", step)


def _records(spec: PipelineSpec, store: Store, look: CheckContext) -> Iterator[Finding]:
    """The newest manifest, and refusals of nights after it."""
    runs = read_all(store, spec.name)
    newest = next((run for run in reversed(runs) if run.outcome in ("done", "degraded") and run.published), None)
    if newest and newest.outcome == "degraded":
        told = f"the newest forecasts are not the champion's; the page says why: {newest.page}"
        yield Finding(spec.name, "watch", told, f"nightcast show {look.word(spec)}")
    refused = [run for run in runs if run.outcome in ("refused", "failed")]
    last = refused[-1] if refused else None
    if last and (not newest or last.as_of > newest.as_of):
        yield Finding(spec.name, "bad", f"the night as of {last.as_of_text} was {_told(last)}", f"See {last.page}")


def _told(run: RunManifest) -> str:
    reason = [line.strip(" -") for line in run.reason.splitlines() if line.strip()]
    return f"{run.outcome}: {' '.join(reason[:2])[:300]}"


def _writer(spec: PipelineSpec, store: Store) -> Iterator[Finding]:
    held = lease.holder(store.root, spec.name)
    if held and has_exited(held.owner):
        told = f"{held.owner.told} died in the middle of it"
        yield Finding(spec.name, "bad", told, "Run that night again, or backfill: no finished step is done twice.")
    elif held:
        yield Finding(spec.name, "good", f"under way: {held.told}")


def registry(look: CheckContext) -> Iterator[Finding]:
    """The champion's weights in the store, and whether the registry's alias points at them."""
    from tasks.registry.mlflow_registry import ModelRegistry

    store = look.settings.opened_store
    for spec in look.pipelines:
        champion = champion_at(spec.name, look.now, store)
        if not champion:
            continue
        if not store.contains(champion.bundle):
            told = f"the weights of champion {champion.label} are missing or damaged: {champion.bundle.uri}"
            yield Finding("registry", "bad", told, f"nightcast retrain {look.word(spec)}")
            continue
        if look.settings.tracking.lost:
            yield Finding("registry", "bad", f"there is no registry at {look.settings.tracking.uri}", REBUILD)
            return
        version = ModelRegistry(look.settings.tracking, spec.name).get_alias("champion")
        if version == champion.version:
            yield Finding("registry", "good", f"champion of {spec.name} is {champion.label}, its weights are whole")
        else:
            told = f"alias champion of {spec.name} is version {version}, the store says {champion.version}"
            yield Finding("registry", "watch", told, "The next night sets it right; forecasts follow the store.")


def _again(word: str, night: datetime) -> str:
    return f"nightcast nightly {word} --as-of {night:%Y-%m-%dT%H:%M:%SZ}"


def _long(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours:,.0f} h" if hours < 72 else f"{hours / 24:,.0f} days"
