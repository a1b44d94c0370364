"""The forms of the deployments in the Prefect UI: each field has its own title, and says what it is for."""

from typing import Any

import pytest

from deployments.server.deployment_catalogue import catalogue

FORMS = {
    each.flow_name: each._parameter_openapi_schema.model_dump()
    for each in catalogue(None).deployments
    if each.name == "nyc-delays"
}


@pytest.mark.parametrize("flow", FORMS)
def test_each_field_has_its_own_title_and_a_description(flow: str) -> None:
    fields: dict[str, Any] = FORMS[flow]["properties"]
    titles = [field["title"] for field in fields.values()]
    assert len(set(titles)) == len(titles)
    assert all(field["description"].endswith(".") for field in fields.values())


def test_backfill_asks_for_its_first_and_its_last_day() -> None:
    assert [field["title"] for field in FORMS["backfill"]["properties"].values()][1:3] == ["First day", "Last day"]


def test_field_without_a_default_is_required() -> None:
    assert FORMS["promote"]["required"] == ["pipeline", "reason"]
