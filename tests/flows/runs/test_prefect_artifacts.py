"""Artifacts of runs in a real Prefect server: errors do not stop a night, and names of series are not markup."""

import json

import pytest
from prefect.client.orchestration import get_client

from data_contracts.errors import ContractBroken
from flows.nightly import nightly
from flows.runs import prefect_artifacts
from flows.runs.prefect_artifacts import escape_markup

pytestmark = pytest.mark.usefixtures("prefect_server")


def left():
    """Data of all artifacts in the server by key, newest last."""
    found = {}
    with get_client(sync_client=True) as client:
        for one in sorted(client.read_artifacts(limit=200), key=lambda one: one.created):
            found.setdefault(one.key, []).append(one)
    return found


def test_night_creates_artifacts_with_stable_keys(two_nights):
    found = left()
    assert {"ports-outcome", "ports-leaderboard", "ports-forecast", "ports-training-gru-16-s12"} <= set(found)
    assert len(found["ports-outcome"]) >= 2  # a night later the same key has a new version
    assert any("# nightly of 2024-02-08 00:00" in str(one.data) for one in found["ports-outcome"])
    board = json.loads(str(found["ports-leaderboard"][0].data))
    assert {"model_name", "role", "mase", "wql"} <= set(board[0])
    decisions = [json.loads(str(table.data)) for table in found["ports-decisions"]]
    assert [[row["as_of"][:10] for row in table] for table in decisions[:2]] == [
        ["2024-02-08"],
        ["2024-02-09", "2024-02-08"],
    ]
    assert decisions[1][1]["outcome"] == "promoted"
    assert str(found["ports-forecast"][0].data).startswith("data:image/svg+xml;base64,")
    assert found["ports-training-gru-16-s12"][0].data == 100.0


def test_task_run_that_trains_is_named_after_its_network(two_nights):
    with get_client(sync_client=True) as client:
        names = {run.name for run in client.read_task_runs(limit=200)}
    assert {"train gru-16-s12", "validate"} <= names


def test_failed_night_has_an_outcome_artifact_with_the_same_key(world):
    spec = (world / "ports.yaml").read_text().replace("y: late", "y: lately")
    (world / "ports.yaml").write_text(spec)
    with pytest.raises(ContractBroken):
        nightly(str(world / "ports.yaml"), "2024-02-08")
    told = str(left()["ports-outcome"][-1].data)
    assert "# nightly of 2024-02-08 00:00 UTC: The columns of the source are not those of the pipeline" in told
    assert "lately" in told


def test_failing_prefect_artifact_does_not_stop_the_night(world, monkeypatch, caplog):
    def refused(*_, **__):
        raise ConnectionError("server gone")

    monkeypatch.setattr(prefect_artifacts, "create_markdown_artifact", refused)
    outcome = nightly(str(world / "ports.yaml"), "2024-02-08")
    assert (world / "store" / outcome.manifest).exists()
    assert "not complete: server gone" in caplog.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("</script><script>alert(1)", "&lt;/script&gt;&lt;script&gt;alert\\(1\\)"),
        ("a|b", "a\\|b"),
        ("[x](javascript:y)", "\\[x\\]\\(javascript:y\\)"),
        ("`rm` **bold** _it_", "\\`rm\\` \\*\\*bold\\*\\* \\_it\\_"),
        ("Zürich 東京", "Zürich 東京"),
    ],
)
def test_markup_in_text_is_escaped(text, shown):
    assert escape_markup(text) == shown
