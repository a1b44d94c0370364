"""Automations as code: which events notify. `up` and `deploy` register them; unchanged ones are left alone."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from flows.pipeline.schedule import scheduled_times
from flows.pipeline.spec import PipelineSpec
from flows.runs.events import FINISHED, NO_PROMOTION, QUARANTINE, pipeline_resource_id

OWNER_LABEL = {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.nightcast"}
NIGHT_DURATION = timedelta(hours=2)


def automations(specs: tuple[PipelineSpec, ...], block: UUID) -> list[AutomationCore]:
    """Build all automations of the pipelines; `block` is the notification block that they call."""
    run, state = "{{ flow_run.name }}", "{{ flow_run.state.name }}: {{ flow_run.state.message }}"
    ended = {"prefect.flow-run.Failed", "prefect.flow-run.Crashed"}
    late = {"prefect.flow-run.Late"}
    return [
        _run_automation("a run failed", ended, f"{run} {state}", block),
        _run_automation("a night is late", late, f"{run} is late: no worker has started it", block),
        _pipeline_automation("much in quarantine", QUARANTINE, block),
        _pipeline_automation("no promotion for long", NO_PROMOTION, block),
        *(_missed_night_automation(spec, block) for spec in specs),
    ]


def register(client: SyncPrefectClient, wanted: list[AutomationCore]) -> list[str]:
    """Create missing automations and replace those that differ. Returns the names of both."""
    changed = []
    for automation in wanted:
        existing = client.read_automations_by_name(automation.name)
        if existing and _is_same(existing[0], automation):
            continue
        if existing:
            client.delete_automation(existing[0].id)
        client.create_automation(automation)
        changed.append(automation.name)
    return changed


def _is_same(existing: AutomationCore, wanted: AutomationCore) -> bool:
    def content(automation: AutomationCore) -> tuple[object, ...]:
        actions = [action.model_dump() for action in automation.actions]
        return automation.description, automation.trigger.model_dump(exclude={"id"}), actions

    return content(existing) == content(wanted)


def _run_automation(title: str, expect: set[str], body: str, block: UUID) -> AutomationCore:
    trigger = EventTrigger(
        expect=expect,
        match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
        match_related=ResourceSpecification(OWNER_LABEL),
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
    return _automation(title, f"Notifies when {title}, for any pipeline.", trigger, body, block)


def _pipeline_automation(title: str, event: str, block: UUID) -> AutomationCore:
    trigger = EventTrigger(
        expect={event},
        match=ResourceSpecification({"prefect.resource.id": pipeline_resource_id("*")}),
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
    body = "{{ event.resource.name }}: {{ event.payload.told }}"
    return _automation(title, f"Notifies on the event {event} of any pipeline.", trigger, body, block)


def _missed_night_automation(spec: PipelineSpec, block: UUID) -> AutomationCore:
    within = longest_gap(spec) + NIGHT_DURATION
    trigger = EventTrigger(
        expect={FINISHED},
        match=ResourceSpecification({"prefect.resource.id": pipeline_resource_id(spec.name)}),
        posture=Posture.Proactive,
        threshold=1,
        within=within,
    )
    hours = round(within.total_seconds() / 3600)
    body = f"{spec.name}: no night has finished for {hours} hours. Run: nightcast doctor {spec.name}"
    title = f"a night of {spec.name} was missed"
    description = f"Notifies when no night of {spec.name} finishes for {hours} hours."
    return _automation(title, description, trigger, body, block)


def longest_gap(spec: PipelineSpec) -> timedelta:
    """Return the longest time between two scheduled nights of the next two years."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    nights = list(scheduled_times(spec, now, now + timedelta(days=740)))
    return max((later - night for night, later in pairwise(nights)), default=timedelta(days=370))


def _automation(title: str, description: str, trigger: EventTrigger, body: str, block: UUID) -> AutomationCore:
    notification = SendNotification(block_document_id=block, subject=f"Nightcast: {title}", body=body)
    return AutomationCore(name=f"nightcast: {title}", description=description, trigger=trigger, actions=[notification])
