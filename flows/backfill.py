"""Run missed nights, oldest first, each with only the data that was known then."""

import logging
from datetime import UTC, datetime

from prefect import flow
from prefect.context import FlowRunContext

from data_contracts.errors import LeaseHeld, LeaseLost, NightcastError, NightsFailed, SpecError
from data_contracts.spec import Spec
from flows.nightly import nightly
from flows.pipeline.parameters import DryRun, FirstDay, LastDay, Pipeline, backfill_name
from flows.pipeline.requested import read_requested
from flows.pipeline.schedule import backfill_range, missing_nights
from flows.settings import Settings
from tasks.storage.object_stores import StoreUnreachable

log = logging.getLogger("nightcast")


class BackfillResult(Spec):
    """Which of the due nights were published, and which already were."""

    pipeline: str
    published: tuple[datetime, ...]
    skipped: tuple[datetime, ...]
    lines: tuple[str, ...]


@flow(name="backfill", flow_run_name=backfill_name, persist_result=False, result_serializer="json")
def backfill(
    pipeline: Pipeline, start: FirstDay = None, end: LastDay = None, dry_run: DryRun = False
) -> BackfillResult:
    """Run the nights that have no forecasts. Raises NightsFailed, after the last night, if some nights failed."""
    settings = Settings()
    spec, store = read_requested(pipeline, settings.pipelines), settings.opened_store
    nights = backfill_range(spec, start, end, store, datetime.now(UTC))
    published, skipped, lines = list[datetime](), list[datetime](), list[str]()
    failed: dict[str, NightcastError] = {}
    run_night = nightly if FlowRunContext.get() else nightly.fn
    for night in nights:
        name = f"{night.astimezone(spec.schedule.zone):%Y-%m-%d %H:%M}"
        if not missing_nights(spec, [night], store):
            skipped.append(night)
            continue
        log.info("the night of %s", name)
        try:
            outcome = run_night(pipeline, night, dry_run=dry_run)  # by name, since Prefect stores the parameters
        except (SpecError, LeaseHeld, LeaseLost, StoreUnreachable):
            raise  # the next night would fail in the same way
        except NightcastError as error:  # as on the night itself: the next one runs nevertheless
            failed[name] = error
            continue
        published.append(night)
        lines.append(f"{name}  {outcome.lines[0]}")
    if failed:
        raise NightsFailed(spec.name, failed, len(published))
    return BackfillResult(pipeline=spec.name, published=tuple(published), skipped=tuple(skipped), lines=tuple(lines))
