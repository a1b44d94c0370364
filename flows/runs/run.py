"""One run from opening to manifest: what every flow shares, so that a flow file contains only its steps."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

from prefect.runtime import flow_run

from data_contracts.artifact import Artifact
from data_contracts.contract_diff import Change
from data_contracts.errors import LeaseHeld, LeaseLost, RunInterrupted
from flows.pipeline.parameters import NO_OVERRIDES, OverridesForm
from flows.pipeline.spec import PipelineSpec
from flows.runs.console import outlive_console
from flows.runs.events import FINISHED, build_events, emit_events
from flows.runs.exclusive import leased, wait_for_others
from flows.runs.failure_record import (
    describe_failure,
    describe_second,
    first_missing_step,
    locate,
    require_stored,
    rerun_command,
)
from flows.runs.future import refuse_future, refuse_retracted, store_notices
from flows.runs.interruption import recorded_by
from flows.runs.manual_change import adopt_alias
from flows.runs.origin import registration_spec
from flows.runs.outcome import Outcome, summarize
from flows.runs.prefect_artifacts import publish_artifacts, publish_failure
from flows.runs.publication import publish_for_readers
from flows.runs.request import RunRequest
from flows.runs.run_order import STUDIES
from flows.runs.run_record import RunFacts, build_record
from flows.settings import Settings
from tasks.engine import run_log
from tasks.engine.execution import executed_on
from tasks.engine.failure import StepFailure
from tasks.intake.partition_size import partitions_of
from tasks.modeling.candidate import Candidate
from tasks.registry.champion_repair import ChampionGuard
from tasks.report.failure_page import render_failure_page
from tasks.results.run import RunResults
from tasks.results.steps import ReportResult, RunContext
from tasks.sources.databases import incremental
from tasks.storage import contract_history, snapshots
from tasks.storage.layout import dry_run_dir, manifest_uri, vintage_name
from tasks.storage.object_stores import StoreUnreachable
from tasks.storage.process_identity import ProcessIdentity, current_process
from tasks.storage.store import Store


class Run:
    """One run of one flow: its spec, as-of and store, and the log entries of its steps."""

    def __init__(self, flow: str, request: RunRequest) -> None:
        self.settings = settings = Settings()
        self.flow, self.started, self.dry_run, self.token = flow, datetime.now(UTC), request.dry_run, 0
        self.argument, self.spec = request.argument, request.read_spec(settings)
        self.as_of = request.parse_as_of(self.spec, flow_run.scheduled_start_time)
        if not (request.force or self.dry_run or flow in STUDIES):
            refuse_future(self.as_of, self.started, settings.max_future_hours, self.spec.schedule.zone)
            refuse_retracted(self.spec.name, self.argument, flow, self.as_of, settings.opened_store)
        overlay = dry_run_dir(self.spec.name, self.as_of)
        self.store: Store = settings.opened_store.overlay(overlay) if self.dry_run else settings.opened_store
        self.gate = registration_spec(self.spec, self.argument, None if self.dry_run else settings.tracking, settings)
        self.entries, self.execution = list[run_log.Entry](), settings.execution
        run_log.name_run(self.spec.name)
        self.guard: ChampionGuard | None = None
        self.alias_notices: tuple[str, ...] = ()
        self.resources, self.is_waiting = contextlib.ExitStack(), False  # while it waits, it has changed nothing

    def context(self, raw: Artifact) -> RunContext:
        """Return pipeline, run id and as-of, which all records of this run contain."""
        run_log.name_run(self.spec.name, run_id := self.spec.run_id(self.flow, self.as_of, raw))
        return RunContext(pipeline=self.spec.name, run_id=run_id, as_of=self.as_of)

    @property
    def rewritten(self) -> tuple[Change, ...]:
        """Changes of the contract since the night before."""
        return contract_history.diff_since_last_run(self.spec.compiled_contract, self.spec.name, self.as_of, self.store)

    @property
    def last_night(self) -> tuple[Artifact | None, datetime | None]:
        """The clean table and the cutoff of the night before; None for a first night."""
        snapshot = snapshots.snapshot_before(self.spec.name, self.as_of, self.store)
        return (snapshot.clean, snapshot.cutoff) if snapshot else (None, None)

    def checked(self, champion: Candidate | None) -> Candidate | None:
        """Return the champion on record, after its bundle was checked and, if it is damaged, restored from a copy."""
        self.guard = ChampionGuard(champion, self.argument, self.spec.name, self.settings.readable_tracking, self.store)
        return champion

    @property
    def champion_fault(self) -> str:
        """Why the champion cannot be read; empty if it can, or was restored."""
        return self.guard.fault if self.guard else ""

    @property
    def notices(self) -> tuple[str, ...]:
        """Faults of the store that this run met."""
        faults = store_notices(self.spec.name, self.as_of, self.started, self.store)
        return (*self.alias_notices, *(self.guard.notices if self.guard else ()), *faults)

    def wait_for_others(self) -> None:
        """Wait for other runs of the pipeline. Dry runs and searches write nothing that others read."""
        if not (self.dry_run or self.flow in STUDIES):
            wait_for_others(self.spec.name, self._owner, self.settings.lease_settings, self.store)

    def leased_store(self) -> Store:
        """Take the lease until the run is closed, and return the fenced store. Reading the source before may hang."""
        if not (self.dry_run or self.flow in STUDIES):
            self.is_waiting = True
            lease = leased(self.spec.name, self._owner, self.settings.lease_settings, self.store)
            self.store, self.token = self.resources.enter_context(lease)
            self.is_waiting = False
            self.alias_notices = adopt_alias(self.spec, self.gate.tracking, self.store)
        return self.store

    @property
    def _owner(self) -> ProcessIdentity:
        return current_process(f"{self.flow} {self.spec.name} as of {self.as_of.isoformat()}", flow_run.id or "")

    def require_hardware(self) -> None:
        """Refuse a device or precision that this machine lacks before anything is read; `nightly` can do without."""
        from models.training.precision import require_hardware  # loads torch

        require_hardware(self.spec.training)

    def close(self, results: RunResults, reported: ReportResult | StepFailure) -> Outcome:
        """Write the manifest, unless the run has one, and return how the run ended. Raises ResultsNotStored."""
        if results.forecasted:  # a cached night also restores latest/ if it was deleted
            publish_for_readers(results, self.store)
        contract_history.record_contract(self.spec.compiled_contract, self.spec.name, self.as_of, self.store)
        snapshots.record_snapshot(self._snapshot(results), self.spec.name, self.store)
        require_stored(results, reported)  # before the manifest: the same night, run again, writes it whole
        uri = manifest_uri(self.spec.name, results.night.run_id)
        page = reported if isinstance(reported, ReportResult) else None
        outcome = Outcome(
            pipeline=self.spec.name,
            flow=self.flow,
            run_id=results.night.run_id,
            as_of=self.as_of,
            verdict=page.verdict if page else "watch",
            lines=reported.lines
            if isinstance(reported, ReportResult)
            else (f"The page could not be written: {reported.reason}",),
            champion=results.champion.label if results.champion else None,
            published=results.forecasted.published.uri if results.forecasted else None,
            page=page.page.uri if page else None,
            manifest=uri,
            cached=all(entry.outcome == "cached" for entry in self.entries if entry.step != "ingest"),
            dry_run=self.dry_run,
            notices=results.notices,
            without_forecast=results.without_forecast,
        )
        events = build_events(self.flow, results, self.spec.alerts, self.store)
        facts = RunFacts(self.spec, self.started, self.token, self.entries, self.guard)
        record = build_record(facts, results, reported, outcome) | {"events": sorted(events)}
        is_new = self.store.write_json(uri, record, only_if_absent=True)
        if not self.dry_run:
            repeated = {name: payload for name, payload in events.items() if name == FINISHED}
            emit_events(self.spec.name, events if is_new else repeated)
        publish_artifacts(summarize(outcome, page, self.spec.schedule.zone, self.store), self.settings, self.store)
        return outcome

    def _snapshot(self, results: RunResults) -> snapshots.Snapshot:
        validated = results.validated
        reading = incremental.dataset_spec_digest(self.spec.dataset)
        return snapshots.Snapshot(
            as_of=self.as_of, reading=reading, raw=results.raw, clean=validated.clean, cutoff=validated.cutoff
        )

    def record_failure(self, error: Exception) -> None:
        """Write manifest and page of a run that raised an error. Those of a successful run are not overwritten."""
        if self.is_waiting or self.flow == "backtest":  # no night, so without a page that `list` would show
            return
        # `refused-` is the stored name of every run that raised, whether the outcome is refused or failed
        name = f"refused-{self.flow}-{vintage_name(self.as_of)}"
        about = {"pipeline": self.spec.name, "flow": self.flow, "as_of": self.as_of.isoformat()}
        record = about | {"started": self.started.isoformat(), **describe_failure(error, self.entries)}
        try:
            failed = RunContext(pipeline=self.spec.name, run_id=name, as_of=self.as_of)
            step, rerun = first_missing_step(self.entries), rerun_command(self.flow, self.argument, self.as_of)
            page = render_failure_page(failed, step, error, self.spec.forecast_setup, self.store, rerun)
            self.store.write_json(manifest_uri(self.spec.name, name), record | {"page": page.uri})
            publish_failure(self.spec.name, self.flow, f"{self.as_of:%Y-%m-%d %H:%M} UTC", error, page.uri)
            error.add_note(f"The page of this night: {locate(page.uri, self.store)}")
        except Exception as second:  # noqa: BLE001 - the first error matters more than the record of it
            error.add_note(f"(The page of this night could not be written: {describe_second(error, second)})")


@contextlib.contextmanager
def open_run(
    flow: str,
    pipeline: PipelineSpec | str,
    as_of: str | datetime | None,
    overrides: OverridesForm = NO_OVERRIDES,
    dry_run: bool = False,
    force: bool = False,
) -> Iterator[Run]:
    """Open a run: read the spec, check that the store is writable, wait for other runs, and record errors.

    Args:
        flow: Name of the flow.
        pipeline: A spec, or path or name of a pipeline.
        as_of: The as-of; None: the as-of of the schedule, else the scheduled time of the run, else now.
        overrides: Settings that differ from the YAML file.
        dry_run: Write to an overlay of the store.
        force: Accept an as-of in the future.

    Yields:
        The run, which the flow closes with its results.

    Raises:
        LeaseHeld: Another run has not ended in time; nothing is recorded then.
        LeaseLost: Another run took over; nothing is recorded then.
        StoreUnreachable: The store does not answer; nothing can be recorded then.
    """
    outlive_console()
    run = Run(flow, RunRequest(pipeline, as_of, overrides, dry_run, force))
    run.store.check_writable()
    run.wait_for_others()
    parts, engine = partitions_of(run.settings.partition_rows), executed_on(run.execution)
    with run.resources, parts, engine, run_log.record_entries() as entries, recorded_by(run.record_failure):
        run.entries = entries
        try:
            yield run
        except (LeaseHeld, LeaseLost, StoreUnreachable):
            raise
        except Exception as error:
            run.record_failure(error)
            raise
        except BaseException as received:  # Prefect names the state of the run by the type
            interruption = RunInterrupted.caused_by(received, run_log.describe_activity())
            if interruption:
                run.record_failure(interruption)
                received.__notes__ = getattr(interruption, "__notes__", [])  # where the page is
            raise
