"""The nights that were missed, oldest first, each as it would have been: with what was known then, and no more."""

import logging
from datetime import UTC, datetime

from prefect import flow

from data_contracts.errors import LeaseHeld, LeaseLost, NightcastError, NightsFailed, SpecError
from data_contracts.spec import Spec
from flows.nightly import nightly
from flows.pipeline.parameters import Day, DryRun, Pipeline, backfill_name
from flows.pipeline.schedule import backfill_range, missing_nights
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings

log = logging.getLogger("nightcast")


class BackfillResult(Spec):
    """Which nights were due, and what became of each."""

    pipeline: str
    published: tuple[datetime, ...]
    skipped: tuple[datetime, ...]
    lines: tuple[str, ...]


@flow(name="backfill", flow_run_name=backfill_name, persist_result=False)
def backfill(pipeline: Pipeline, start: Day = None, end: Day = None, dry_run: DryRun = False) -> BackfillResult:
    """Run the nights that have no forecasts. Raises NightsFailed, after the last one, where some could not be run."""
    settings = Settings()
    spec, store = PipelineSpec.read(pipeline, settings.pipelines), settings.opened_store
    nights = backfill_range(spec, start, end, store, datetime.now(UTC))
    published, skipped, lines = list[datetime](), list[datetime](), list[str]()
    failed: dict[str, NightcastError] = {}
    for night in nights:
        name = f"{night.astimezone(spec.schedule.zone):%Y-%m-%d %H:%M}"
        if not missing_nights(spec, [night], store):
            skipped.append(night)
            continue
        log.info("the night of %s", name)
        try:
            outcome = nightly(pipeline, night, dry_run=dry_run)  # by its name: Prefect keeps parameters
        except (SpecError, LeaseHeld, LeaseLost):
            raise  # the next night would meet the same
        except NightcastError as error:  # it would have failed then too, and the next one would have run
            failed[name] = error
            continue
        published.append(night)
        lines.append(f"{name}  {outcome.lines[0]}")
    if failed:
        raise NightsFailed(spec.name, failed, len(published))
    return BackfillResult(pipeline=spec.name, published=tuple(published), skipped=tuple(skipped), lines=tuple(lines))
