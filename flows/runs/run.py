"""One run from its opening to its manifest: what every flow shares, so that a flow is only its steps."""

import contextlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from prefect.runtime import flow_run

from data_contracts.artifact import Artifact
from data_contracts.contract_diff import Change
from data_contracts.errors import LeaseLost, NightcastError, redact
from data_contracts.spec import Spec
from flows.pipeline.parameters import NO_OVERRIDES, OverridesForm
from flows.pipeline.spec import PipelineSpec
from flows.runs.events import FINISHED, build_events, emit_events
from flows.runs.prefect_artifacts import RunSummary, publish_artifacts, publish_failure
from flows.runs.run_order import mark_crashed, wait_for_earlier_runs
from flows.settings import Settings
from models.devices import device_of
from tasks.engine import run_log
from tasks.engine.failure import StepFailure
from tasks.registration import RegistrationSpec
from tasks.report.assemble import versions
from tasks.report.failure_page import render_failure_page
from tasks.results.run import RunResults
from tasks.results.steps import ReportResult, RunContext
from tasks.sources import incremental
from tasks.storage import contract_history, snapshots
from tasks.storage.layout import dry_run_dir, manifest_uri, vintage_name
from tasks.storage.lease import hold_lease
from tasks.storage.process_identity import current_process
from tasks.storage.store import Store
from tasks.storage.vintages import publish_latest

log = logging.getLogger("nightcast")


# Long to write and shown on the page: what is left out of the manifest.
CURVES: Any = {
    "trained": {"__all__": {"memory": {"forecast", "recurrence", "recall", "gates"}}},
    "pictured": {"references"},
}


class Outcome(Spec):
    """How a run ended: what the command line prints, and what a caller in Python gets."""

    pipeline: str
    flow: str
    run_id: str
    as_of: datetime
    verdict: str
    lines: tuple[str, ...]
    champion: str | None = None
    published: str | None = None
    page: str | None = None
    manifest: str
    cached: bool = False
    dry_run: bool = False


class RunRequest(NamedTuple):
    """What a flow was called with."""

    pipeline: PipelineSpec | str
    as_of: str | datetime | None
    overrides: OverridesForm = NO_OVERRIDES
    dry_run: bool = False


class Run:
    """One run of one flow: its spec, its as-of, its store, and what its steps wrote down."""

    def __init__(self, flow: str, called: RunRequest) -> None:
        self.settings = settings = Settings()
        self.token = 0
        self.flow, self.started, self.dry_run = flow, datetime.now(UTC), called.dry_run
        self.spec = called.overrides.applied_to(PipelineSpec.read(called.pipeline, settings.pipelines))
        self.as_of = self.spec.parse_as_of(called.as_of or self.spec.schedule.as_of or flow_run.scheduled_start_time)
        rehearsal = dry_run_dir(self.spec.name, self.as_of)
        self.store: Store = settings.opened_store.overlay(rehearsal) if self.dry_run else settings.opened_store
        tracking = None if self.dry_run else settings.tracking
        self.gate = RegistrationSpec(promotion=self.spec.promotion, evaluation=self.spec.evaluation, tracking=tracking)
        self.entries: list[run_log.Entry] = []

    def context(self, raw: Artifact) -> RunContext:
        """The names that this run's records carry."""
        return RunContext(
            pipeline=self.spec.name, run_id=self.spec.run_id(self.flow, self.as_of, raw), as_of=self.as_of
        )

    @property
    def rewritten(self) -> tuple[Change, ...]:
        """What the contract promises otherwise than in the night before."""
        return contract_history.diff_since_last_run(self.spec.compiled_contract, self.spec.name, self.as_of, self.store)

    @property
    def last_night(self) -> tuple[Artifact | None, datetime | None]:
        """The clean table of the night before, and its cutoff."""
        before = snapshots.snapshot_before(self.spec.name, self.as_of, self.store)
        return (before.clean, before.cutoff) if before else (None, None)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Be the one writer of the pipeline inside; a rehearsal and a search write nothing that is anybody's."""
        if self.dry_run or self.flow == "tune":
            yield
            return
        owner = current_process(f"{self.flow} {self.spec.name} as of {self.as_of.isoformat()}", flow_run.id or "")
        wait_for_earlier_runs(owner, self.settings.lease_settings.wait)
        with hold_lease(self.store.root, self.spec.name, owner, self.settings.lease_settings) as lease:
            if lease.before:
                gone = lease.before.owner
                log.warning("taken over from %s, which is gone", gone.told)
                mark_crashed(gone.flow_run, f"its process {gone.pid} on {gone.host} is gone; {owner.run} took over")
            self.store, self.token = self.store.with_lease(lease), lease.held.token
            yield

    def require_device(self) -> None:
        """Raises NoSuchDevice before anything is read. A night need not ask: without a new model it still forecasts."""
        device_of(self.spec.training.device)

    def close(self, story: RunResults, reported: ReportResult | StepFailure) -> Outcome:
        """Write the manifest, if the run has none yet, and say how it ended."""
        if story.forecasted:  # a night from memory mends the stable path too, should it have been lost
            publish_latest(story.forecasted.table, self.spec.name, self.as_of, self.store)
        contract_history.record_contract(self.spec.compiled_contract, self.spec.name, self.as_of, self.store)
        snapshots.record_snapshot(self._snapshot(story), self.spec.name, self.store)
        uri = manifest_uri(self.spec.name, story.night.run_id)
        page = reported if isinstance(reported, ReportResult) else None
        outcome = Outcome(
            pipeline=self.spec.name,
            flow=self.flow,
            run_id=story.night.run_id,
            as_of=self.as_of,
            verdict=page.verdict if page else "watch",
            lines=reported.lines if isinstance(reported, ReportResult) else (f"There is no page: {reported.reason}",),
            champion=story.champion.label if story.champion else None,
            published=story.forecasted.published.uri if story.forecasted else None,
            page=page.page.uri if page else None,
            manifest=uri,
            cached=all(entry.outcome == "cached" for entry in self.entries),
            dry_run=self.dry_run,
        )
        found = build_events(self.flow, story, self.spec.alerts, self.store)
        record = self._manifest(story, reported, outcome) | {"events": sorted(found)}
        new = self.store.write_json(uri, record, only_if_absent=True)
        if not self.dry_run:
            emit_events(
                self.spec.name, found if new else {name: told for name, told in found.items() if name == FINISHED}
            )
        publish_artifacts(self._left(outcome, page), self.settings, self.store)
        return outcome

    def _snapshot(self, story: RunResults) -> snapshots.Snapshot:
        told = story.validated
        reading = incremental.dataset_spec_digest(self.spec.dataset)
        return snapshots.Snapshot(
            as_of=self.as_of, reading=reading, raw=story.raw, clean=told.clean, cutoff=told.cutoff
        )

    def _left(self, outcome: Outcome, page: ReportResult | None) -> RunSummary:
        version = outcome.champion.rpartition(" v")[2] if outcome.champion else None
        places = {"published": outcome.published, "page": outcome.page, "manifest": outcome.manifest}
        return RunSummary(
            pipeline=self.spec.name,
            flow="dry run of " + self.flow if self.dry_run else self.flow,
            night=f"{self.as_of.astimezone(self.spec.schedule.zone):%Y-%m-%d %H:%M}",
            verdict=outcome.verdict,
            lines=outcome.lines,
            places={"champion": outcome.champion, **places, "store": self.store.display_root},
            leaderboard=page.leaderboard if page else (),
            picture=page.picture.uri if page and page.picture else None,
            page=outcome.page,
            champion_version=version,
            cached=outcome.cached,
            dry_run=self.dry_run,
        )

    def record_failure(self, error: Exception) -> None:
        """Leave a record and a page of a run that ended without a result; a good run of the night stands beside it."""
        name = f"refused-{self.flow}-{vintage_name(self.as_of)}"
        record = {
            "pipeline": self.spec.name,
            "flow": self.flow,
            "as_of": self.as_of.isoformat(),
            "started": self.started.isoformat(),
            "outcome": "refused" if isinstance(error, NightcastError) else "failed",
            "error": type(error).__name__,
            "reason": redact(str(error)),
            "exit_code": getattr(error, "exit_code", 1),
            "quarantine": getattr(error, "quarantine", None),
            "steps": [entry.model_dump() for entry in self.entries],
        }
        try:
            night = (self.spec.name, self.as_of)
            page = render_failure_page(name, self._where(), night, error, self.spec.forecast_setup, self.store)
            self.store.write_json(manifest_uri(self.spec.name, name), record | {"page": page.uri})
            publish_failure(self.spec.name, self.flow, f"{self.as_of:%Y-%m-%d %H:%M} UTC", error, page.uri)
            error.add_note(f"The page of this night: {self.store.root.rstrip('/')}/{page.uri}")
        except Exception as second:  # noqa: BLE001 - whatever keeps the record from being written, the error matters more
            error.add_note(f"(The page of this night could not be written: {second})")

    def _where(self) -> str:
        """The step after the last one that is written down."""
        order = ("ingest", "validate", "cut_windows", "forecast")
        done = {entry.step for entry in self.entries}
        return next((step for step in order if step not in done), "report")

    def _manifest(self, story: RunResults, reported: ReportResult | StepFailure, outcome: Outcome) -> dict[str, Any]:
        spec = self.spec.model_dump(mode="json")
        return {
            **outcome.model_dump(mode="json", exclude={"cached", "dry_run"}),
            "outcome": "degraded" if story.forecasted and story.forecasted.rung.degraded_reason else "done",
            "token": self.token,
            "started": self.started.isoformat(),
            "finished": datetime.now(UTC).isoformat(),
            "cutoff": story.validated.cutoff.isoformat(),
            "spec": spec,
            "story": story.model_dump(mode="json", exclude=CURVES),
            "leaderboard": list(reported.leaderboard) if isinstance(reported, ReportResult) else [],
            "failures": [failure.model_dump() for failure in story.failures],
            "steps": [entry.model_dump() for entry in self.entries],
            "versions": dict(versions()),
        }


@contextlib.contextmanager
def open_run(
    flow: str,
    pipeline: PipelineSpec | str,
    as_of: str | datetime | None,
    overrides: OverridesForm = NO_OVERRIDES,
    dry_run: bool = False,
) -> Iterator[Run]:
    """Read the spec and check the store before anything is computed; record a run that ends in an error."""
    run = Run(flow, RunRequest(pipeline, as_of, overrides, dry_run))
    run.store.check_writable()
    with run.exclusive(), run_log.record_entries() as entries:
        run.entries = entries
        try:
            yield run
        except LeaseLost:
            raise
        except Exception as error:
            run.record_failure(error)
            raise
