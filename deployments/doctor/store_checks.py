"""Health checks of the store: old, missed, refused and degraded nights, leases, the champion and the registry."""

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta

from data_contracts.errors import StoreDamaged, redact
from deployments.doctor.finding import CheckContext, Finding, FindingState
from flows.pipeline.schedule import list_vintages, missing_nights, scheduled_times
from flows.pipeline.spec import PipelineSpec
from tasks.modeling.candidate import Candidate
from tasks.modeling.golden_replay import is_replayed
from tasks.registry.alias_report import describe_moved_alias
from tasks.registry.aliases import read_alias
from tasks.registry.champion_repair import champion_fault
from tasks.registry.champions import champion_at
from tasks.registry.manual_decisions import describe_manual_decisions
from tasks.registry.manual_promotion import REFUSED_ALIAS
from tasks.registry.reachability import advise, registry_fault
from tasks.results.manifest import RunManifest, read_all
from tasks.storage import lease
from tasks.storage.layout import latest_uri
from tasks.storage.process_identity import has_exited
from tasks.storage.retractions import list_retractions
from tasks.storage.store import Store
from tasks.storage.vintages import MAX_AHEAD, nights_ahead

REBUILD_STEP = "Build it again with its version numbers: nightcast fsck --repair; forecasts use the store and continue."
MAX_LOOKBACK = timedelta(days=31)  # of missed nights before it, those of a pause that reaches into it are counted
MAX_COUNTED_NIGHTS = 1_000
MAX_LISTED_NIGHTS = 7
MAX_MESSAGE_CHARACTERS = 400
NIGHT_DURATION = timedelta(hours=2)  # a night that was due more recently may still be running


def check(context: CheckContext) -> Iterator[Finding]:
    """Check that the store is writable, and the nights of every pipeline."""
    store = context.settings.opened_store
    store.check_writable()
    yield Finding("store", "good", f"{store.display_root} is writable")
    for spec in context.pipelines:
        if spec.schedule.as_of:
            message = f"always runs the night of {spec.schedule.as_of} (schedule.as_of), so no night can be missed"
            yield Finding(spec.name, "good", message)
        else:
            yield from _check_newest_forecasts(spec, store, context)
            yield from _check_missed_nights(spec, store, context)
        yield from _check_manifests(spec, store, context)
        yield from _check_lease(spec, store, context.argument_for(spec))


def _check_newest_forecasts(spec: PipelineSpec, store: Store, context: CheckContext) -> Iterator[Finding]:
    published = {moment: uri for moment, uri in list_vintages(spec.name, store).items() if moment <= context.now}
    argument = context.argument_for(spec)
    yield from _check_future_nights(spec, store, context)
    if not published:
        step = f"Run its first night: nightcast nightly {argument}"
        yield Finding(spec.name, "bad", "has published nothing yet", step)
        return
    newest = max(published)
    age = context.now - newest
    message = f"newest forecasts: {newest:%Y-%m-%d %H:%M} UTC, {_format_age(age)} old"
    state: FindingState = "good" if age <= context.max_age else "bad"
    step = (
        f"Older than {_format_age(context.max_age)}: read the findings below for the cause, "
        f"then run nightcast nightly {argument}"
    )
    yield Finding(spec.name, state, message, step)
    latest = latest_uri(spec.name)
    try:
        same = store.table_at(latest, "forecasts").digest == store.table_at(published[newest], "forecasts").digest
        if not same:
            message = f"{latest} is not the newest vintage"
            yield Finding(spec.name, "bad", message, _rerun_command(argument, newest))
    except StoreDamaged as damaged:
        yield Finding(spec.name, "bad", str(damaged), _rerun_command(argument, newest))


def _check_future_nights(spec: PipelineSpec, store: Store, context: CheckContext) -> Iterator[Finding]:
    """Report nights of the future with the files to delete."""
    for moment, uris in sorted(nights_ahead(spec.name, context.now, store).items()):
        message = f"the night as of {moment:%Y-%m-%d %H:%M} UTC is in the future; latest/ and later nights ignore it"
        root = store.display_root.rstrip("/")
        step = f"Check the clock of the machine that ran it, then delete: {' '.join(f'{root}/{uri}' for uri in uris)}"
        yield Finding(spec.name, "bad", message, step)


def _check_missed_nights(spec: PipelineSpec, store: Store, context: CheckContext) -> Iterator[Finding]:
    """Report nights that were due after the first vintage and have none."""
    published = [moment for moment in list_vintages(spec.name, store) if moment <= context.now]
    if not published:
        return
    since = max(min(published), context.now - MAX_LOOKBACK)
    for moment, retraction in list_retractions(spec.name, store).items():
        if since <= moment <= context.now:
            yield Finding(spec.name, "good", retraction.sentence)
    due = [night for night in scheduled_times(spec, since, context.now) if night <= context.now - NIGHT_DURATION]
    missed = missing_nights(spec, due, store)
    if not missed:
        yield Finding(spec.name, "good", f"no night was missed since {since:%Y-%m-%d}")
        return
    zone = spec.schedule.zone
    names = [f"{night.astimezone(zone):%Y-%m-%d %H:%M}" for night in missed]
    listed = names if len(names) <= MAX_LISTED_NIGHTS else [*names[: MAX_LISTED_NIGHTS - 1], "…", names[-1]]
    count = "1 night was" if len(missed) == 1 else f"{len(missed)} nights were"
    step = f"nightcast backfill {context.argument_for(spec)} --from {names[0][:10]} --to {names[-1][:10]}"
    message = f"{count} missed: {', '.join(listed)} ({zone.key})"
    if earlier := _nights_of_pause(spec, published, since):
        more = f"{len(earlier):,}" if len(earlier) <= MAX_COUNTED_NIGHTS else f"more than {MAX_COUNTED_NIGHTS:,}"
        first = f"{earlier[0].astimezone(zone):%Y-%m-%d}"
        message += f", and {more} before them, from {first} on"
        step += f"; to run those before them too, --from {first}"
    yield Finding(spec.name, "bad", message, step)


def _nights_of_pause(spec: PipelineSpec, published: list[datetime], since: datetime) -> list[datetime]:
    """Return the nights that were due between the newest vintage before `since` and `since`."""
    before = [moment for moment in published if moment < since]
    nights = scheduled_times(spec, max(before), since) if before else iter(())
    return [night for night in itertools.islice(nights, MAX_COUNTED_NIGHTS + 1) if night < since]


def _check_manifests(spec: PipelineSpec, store: Store, context: CheckContext) -> Iterator[Finding]:
    """Report a degraded newest night, and nights that were refused or failed after it."""
    runs = [run for run in read_all(store, spec.name) if run.as_of <= context.now + MAX_AHEAD]
    newest = next((run for run in reversed(runs) if run.outcome in ("done", "degraded") and run.published), None)
    if newest and newest.outcome == "degraded":
        page = f"{store.display_root.rstrip('/')}/{newest.page}"
        message = f"the newest forecasts are not the champion's, or not all; the page states the reason: {page}"
        yield Finding(spec.name, "watch", message, f"nightcast show {context.argument_for(spec)}")
    for notice in newest.notices if newest else ():
        if notice.startswith(REFUSED_ALIAS):
            yield Finding(spec.name, "watch", notice, f"nightcast champion show {context.argument_for(spec)}")
    refused = [run for run in runs if run.outcome in ("refused", "failed")]
    last = refused[-1] if refused else None
    if last and (not newest or last.as_of > newest.as_of):
        message = f"the night as of {last.as_of_text} was {_format_failure(last)}"
        page = f"See {store.display_root.rstrip('/')}/{last.page}, then run: " if last.page else "Run: "
        yield Finding(spec.name, "bad", message, f"{page}{_rerun_command(context.argument_for(spec), last.as_of)}")


def _format_failure(run: RunManifest) -> str:
    """Return how a run ended: its headline, if it has one, and the first of its reasons."""
    reasons = [line.strip(" -") for line in run.reason.splitlines() if line.strip()]
    headline = f"{run.headline} " if run.headline else ""
    text = " ".join(reasons[1:2] if headline and len(reasons) > 1 else reasons[:2])
    return f"{run.outcome}: {headline}{text}"[:MAX_MESSAGE_CHARACTERS]


def _check_lease(spec: PipelineSpec, store: Store, argument: str) -> Iterator[Finding]:
    held = lease.holder(store.root, spec.name)
    if held and has_exited(held.owner):
        message = f"{held.owner.description} died during the run"
        step = f"Run: nightcast backfill {argument}, or that night again; finished steps are not repeated."
        yield Finding(spec.name, "bad", message, step)
    elif held:
        yield Finding(spec.name, "good", f"running: {held.description}")


def check_registry(context: CheckContext) -> Iterator[Finding]:
    """Check that the registry answers, each champion's weights are in the store, and the alias points to it."""
    store, tracking = context.settings.opened_store, context.settings.tracking
    for spec in context.pipelines:
        champion = champion_at(spec.name, context.now, store)
        if champion and (fault := _champion_fault(champion, spec, store)):
            message = f"the weights of champion {champion.label} are missing or damaged: {fault}"
            yield Finding("registry", "bad", message, f"nightcast champion restore {context.argument_for(spec)}")
            continue
        if champion and tracking.database_is_missing:
            message = f"the registry at {tracking.uri} does not exist"
            yield Finding("registry", "bad", message, REBUILD_STEP)
            return
        if fault := registry_fault(tracking):  # without a champion too: there will be none
            message = f"the registry at {redact(tracking.uri)} {fault}; no model can be promoted"
            yield Finding("registry", "bad", message, f"{advise(fault)}, then run: nightcast doctor")
            return
        if not champion:
            continue
        argument = context.argument_for(spec)
        moved, _ = describe_moved_alias(spec.name, spec.forecast_setup, tracking, store, context.now)
        version = read_alias(tracking, spec.name).version or None
        by_hand = "".join(f"; {text}" for text in describe_manual_decisions(spec.name, context.now, store)[-1:])
        if moved:
            step = f"Decide before the next night, if need be: nightcast champion show {argument}"
            yield Finding("registry", "watch", moved, step)
        elif version == champion.version:
            message = f"champion of {spec.name} is {champion.label}, its weights are intact{by_hand}"
            yield Finding("registry", "good", message)
        else:
            message = f"alias champion of {spec.name} is version {version}, but the store has {champion.version}"
            yield Finding(
                "registry",
                "watch",
                message,
                "The next night corrects it, or nightcast fsck --repair; forecasts use the store.",
            )


def _champion_fault(champion: Candidate, spec: PipelineSpec, store: Store) -> str:
    """Return why a champion cannot be used. A golden forecast that a night of this machine replayed is not repeated."""
    replays = (run.replayed for run in reversed(read_all(store, spec.name)))
    return champion_fault(champion, store, is_replayed(champion, replays))


def _rerun_command(argument: str, night: datetime) -> str:
    return f"nightcast nightly {argument} --as-of {night:%Y-%m-%dT%H:%M:%SZ}"


def _format_age(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours:,.0f} h" if hours < 72 else f"{hours / 24:,.0f} days"
