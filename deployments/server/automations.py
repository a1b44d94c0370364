"""Automations as code: who is told of what. Registered by `up` and `deploy`; the same ones again change nothing."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from flows.pipeline.schedule import scheduled_times
from flows.pipeline.spec import PipelineSpec
from flows.runs.events import FINISHED, NO_PROMOTION, QUARANTINE, resource_of

OWNER_LABEL = {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.nightcast"}
SLACK = timedelta(hours=2)  # a night takes its time


def automations(specs: tuple[PipelineSpec, ...], block: UUID) -> list[AutomationCore]:
    """Every automation there should be; `block` is told."""
    run, state = "{{ flow_run.name }}", "{{ flow_run.state.name }}: {{ flow_run.state.message }}"
    ended = {"prefect.flow-run.Failed", "prefect.flow-run.Crashed"}
    made = [
        _of_runs("a run failed", ended, f"{run} {state}", block),
        _of_runs("a night is late", {"prefect.flow-run.Late"}, f"{run} is late: nobody has taken it", block),
        _of_pipelines("much in quarantine", QUARANTINE, block),
        _of_pipelines("no promotion for long", NO_PROMOTION, block),
    ]
    return made + [_missed(spec, block) for spec in specs]


def register(client: SyncPrefectClient, wanted: list[AutomationCore]) -> list[str]:
    """Make what is not there and mend what is otherwise; the names of those that changed."""
    changed = []
    for one in wanted:
        there = client.read_automations_by_name(one.name)
        if there and _same(there[0], one):
            continue
        if there:
            client.delete_automation(there[0].id)
        client.create_automation(one)
        changed.append(one.name)
    return changed


def _same(there: AutomationCore, wanted: AutomationCore) -> bool:
    def told(one: AutomationCore) -> tuple[object, ...]:
        return one.description, one.trigger.model_dump(exclude={"id"}), [action.model_dump() for action in one.actions]

    return told(there) == told(wanted)


def _of_runs(what: str, expect: set[str], body: str, block: UUID) -> AutomationCore:
    trigger = EventTrigger(
        expect=expect,
        match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
        match_related=ResourceSpecification(OWNER_LABEL),
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
    return _automation(what, f"Tells when {what}, of any pipeline.", trigger, body, block)


def _of_pipelines(what: str, event: str, block: UUID) -> AutomationCore:
    trigger = EventTrigger(
        expect={event},
        match=ResourceSpecification({"prefect.resource.id": resource_of("*")}),
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
    body = "{{ event.resource.name }}: {{ event.payload.told }}"
    return _automation(what, f"Tells when {event} comes, of any pipeline.", trigger, body, block)


def _missed(spec: PipelineSpec, block: UUID) -> AutomationCore:
    within = longest_gap(spec) + SLACK
    trigger = EventTrigger(
        expect={FINISHED},
        match=ResourceSpecification({"prefect.resource.id": resource_of(spec.name)}),
        posture=Posture.Proactive,
        threshold=1,
        within=within,
    )
    hours = round(within.total_seconds() / 3600)
    body = f"{spec.name}: no night was finished for {hours} hours; nightcast doctor {spec.name}"
    what = f"a night of {spec.name} was missed"
    return _automation(what, f"Tells when no night of {spec.name} ends for {hours} hours.", trigger, body, block)


def longest_gap(spec: PipelineSpec) -> timedelta:
    """The longest time between two nights in the next two years."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    nights = list(scheduled_times(spec, now, now + timedelta(days=740)))
    return max((later - night for night, later in pairwise(nights)), default=timedelta(days=370))


def _automation(what: str, description: str, trigger: EventTrigger, body: str, block: UUID) -> AutomationCore:
    notice = SendNotification(block_document_id=block, subject=f"Nightcast: {what}", body=body)
    return AutomationCore(name=f"nightcast: {what}", description=description, trigger=trigger, actions=[notice])
