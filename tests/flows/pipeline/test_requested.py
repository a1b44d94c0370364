"""Doors: a run of a deployment cannot bring a pipeline of its own, whatever its parameters are."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
import yaml
from prefect.context import FlowRunContext

from data_contracts.errors import SpecError
from flows.nightly import nightly
from flows.pipeline import requested
from flows.pipeline.parameters import OverridesForm
from flows.pipeline.requested import read_requested
from flows.pipeline.spec import PipelineSpec

CODE = {
    "name": "evil",
    "source": {"kind": "python", "callable": "leave_a_mark:run"},
    "columns": {"ds": "hour", "y": "late"},
    "freq": "h",
    "windowing": {"horizon": 24},
}


@pytest.fixture
def folder(tmp_path):
    """A folder of pipelines with `good`, the link `linked` to a file outside, and evil.yaml outside."""
    pipelines = tmp_path / "pipelines"
    pipelines.mkdir()
    (tmp_path / "evil.yaml").write_text(yaml.safe_dump(CODE))
    (pipelines / "good.yaml").write_text(yaml.safe_dump(CODE | {"name": "good"}))
    (pipelines / "linked.yaml").symlink_to(tmp_path / "evil.yaml")
    (pipelines / "inside.yaml").symlink_to("good.yaml")  # as Kubernetes mounts a ConfigMap
    return pipelines


@pytest.fixture
def of_deployment(monkeypatch):
    run = SimpleNamespace(flow_run=SimpleNamespace(deployment_id=uuid4()))
    monkeypatch.setattr(requested.FlowRunContext, "get", classmethod(lambda _: run))


def test_run_of_a_deployment_refuses_a_pipeline_that_is_no_name_in_the_folder(folder, of_deployment):
    outside = str(folder.parent / "evil.yaml")
    for request in (outside, "../evil", "../evil.yaml", "./good.yaml", "good.yaml", "nope", "", "linked"):
        with pytest.raises(SpecError, match="folder of pipelines") as refused:
            read_requested(request, folder)
        assert refused.value.exit_code == 2
    with pytest.raises(SpecError, match=r"is a whole pipeline; .* one of: good, inside, linked, nyc-delays"):
        read_requested(PipelineSpec.model_validate(CODE), folder)
    assert [read_requested(name, folder).name for name in ("good", "inside")] == ["good", "good"]


def test_python_caller_gives_a_spec_or_a_path(folder):
    assert FlowRunContext.get() is None
    assert read_requested(PipelineSpec.model_validate(CODE), folder).name == "evil"
    assert read_requested(str(folder.parent / "evil.yaml"), folder).name == "evil"


def test_name_that_links_outside_the_folder_is_refused_to_every_caller(folder):
    with pytest.raises(SpecError, match=r"link from .*linked.yaml to .*evil.yaml.*Copy the file into the folder"):
        PipelineSpec.read("linked", folder)


@pytest.mark.parametrize("more", [{"source": {"kind": "python"}}, {"training": {}}, {"contract": "/dev/zero"}])
def test_overrides_are_a_closed_list(more):
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        OverridesForm.model_validate(more)


def test_api_without_the_schema_check_starts_no_code(prefect_server, tmp_path, monkeypatch):
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow

    (tmp_path / "leave_a_mark.py").write_text("def run():\n    open('mark', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(nightly), "door", enforce_parameter_schema=False)
        made = client.create_flow_run_from_deployment(deployment, parameters={"pipeline": CODE})
        with pytest.raises(SpecError, match=r"is a whole pipeline"):
            run_flow(nightly, flow_run=made, parameters=made.parameters)
        assert client.read_flow_run(made.id).name == "refused"
    assert not (tmp_path / "mark").exists()
