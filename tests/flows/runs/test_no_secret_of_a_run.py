"""Secrets that are written in a pipeline are in no file of the store, no log and no record of Prefect."""

import json
import pathlib

import pytest
import yaml
from prefect.client.orchestration import get_client

from data_contracts.errors import NightcastError
from flows.nightly import nightly
from flows.pipeline.spec import PipelineSpec
from tests.flows.conftest import spec_of

SECRETS = ("plain-t0ken", "s1gnature-of-a-url")
SOURCE = {
    "kind": "python",
    "callable": "loader:load",
    "arguments": {"token": SECRETS[0], "url": f"https://b.example/s.csv?X-Amz-Signature={SECRETS[1]}&x=1"},
}


@pytest.mark.parametrize("as_object", [False, True])
def test_failed_run_leaves_no_secret(world, prefect_server, caplog, as_object):
    (world / "loader.py").write_text("def load(token, url): raise RuntimeError(f'no access with {token} to {url}')\n")
    path = world / "ports.yaml"
    path.write_text(yaml.safe_dump(spec_of(world, source=SOURCE)))
    pathlib.Path(path).chmod(0o644)
    pipeline = PipelineSpec.read(str(path)) if as_object else str(path)
    with pytest.raises(NightcastError, match="no access with … to") as refused:
        nightly(pipeline, "2024-02-08")
    shown = f"{refused.value}{refused.value.args}{getattr(refused.value, '__notes__', '')}{caplog.text}"
    with get_client(sync_client=True) as client:
        runs = [run.model_dump_json() for run in client.read_flow_runs()]
        states = [state.model_dump_json() for run in client.read_flow_runs() for state in [run.state]]
        artifacts = json.dumps(client.request("POST", "/artifacts/filter", json={}).json())
        logs = json.dumps(client.request("POST", "/logs/filter", json={}).json())
    files = [item.read_bytes().decode("utf-8", "replace") for item in (world / "store").rglob("*") if item.is_file()]
    for secret in SECRETS:
        assert [text[:300] for text in (shown, *runs, *states, artifacts, logs, *files) if secret in text] == []
