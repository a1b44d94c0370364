"""The page names the unit of the target, and the next night of the schedule."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings

from flows.pipeline.spec import PipelineSpec
from flows.runs.page_context import collect_page_context
from flows.settings import Settings


def spec_of(**schedule: Any) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "name": "shop",
            "source": {"kind": "csv", "path": "shop.csv"},
            "columns": {"ds": "day", "y": "sold"},
            "freq": "D",
            "windowing": {"horizon": 7},
            "schedule": {"timezone": "Europe/Berlin", **schedule},
        }
    )


@pytest.mark.parametrize(
    ("schedule", "as_of", "following"),
    [
        ({}, datetime(2024, 2, 5, 23, tzinfo=UTC), datetime(2024, 2, 7, 2, tzinfo=UTC)),  # midnight of Berlin: a date
        ({}, datetime(2024, 2, 6, 2, tzinfo=UTC), datetime(2024, 2, 7, 2, tzinfo=UTC)),
        ({"cron": "0 * * * *"}, datetime(2024, 2, 6, 10, 20, tzinfo=UTC), datetime(2024, 2, 6, 11, tzinfo=UTC)),
        ({"as_of": "2024-02-06"}, datetime(2024, 2, 6, 2, tzinfo=UTC), None),  # data that have ended
    ],
)
def test_next_night_is_that_of_the_schedule(
    schedule: dict[str, Any], as_of: datetime, following: datetime | None
) -> None:
    assert collect_page_context(spec_of(**schedule), as_of, Settings()).next_night == following


def test_address_with_a_password_is_not_linked() -> None:
    with temporary_settings({PREFECT_UI_URL: "https://me:secret@prefect.example"}):
        assert collect_page_context(spec_of(), datetime(2024, 2, 6, tzinfo=UTC), Settings()).prefect_url == ""
    with temporary_settings({PREFECT_UI_URL: "https://prefect.example/"}):
        about = collect_page_context(spec_of(), datetime(2024, 2, 6, tzinfo=UTC), Settings())
    assert about.prefect_url == "https://prefect.example/runs"


def test_links_are_empty_without_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NIGHTCAST_MLFLOW_UI", raising=False)
    about = collect_page_context(spec_of(), datetime(2024, 2, 6, tzinfo=UTC), Settings())
    assert (about.unit, about.mlflow_url) == ("", "")
    monkeypatch.setenv("NIGHTCAST_MLFLOW_UI", "http://127.0.0.1:5000/")
    about = collect_page_context(spec_of(), datetime(2024, 2, 6, tzinfo=UTC), Settings())
    assert about.mlflow_url == "http://127.0.0.1:5000/#/models/shop?workflowType=machine_learning"


def test_deployment_is_linked_while_the_server_does_not_answer() -> None:
    deployment = UUID("6f1c7e7c-3c43-4a9e-9d6f-0f5a5d7f2b11")
    run = FlowRun(flow_id=UUID(int=1), deployment_id=deployment)
    server = {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_UI_URL: "http://127.0.0.1:9"}
    with temporary_settings(server), FlowRunContext.model_construct(flow_run=run):
        about = collect_page_context(spec_of(), datetime(2024, 2, 6, tzinfo=UTC), Settings())
    assert about.prefect_url == f"http://127.0.0.1:9/deployments/deployment/{deployment}"
