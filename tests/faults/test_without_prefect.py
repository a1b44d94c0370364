"""`--no-server`: no flow asks or starts a Prefect server, whatever PREFECT_API_URL says."""

import pytest

from tests.faults.harness import NIGHTS, World

NIGHT = NIGHTS[2]


def refuse_servers() -> None:
    """Let every attempt to start or to ask a Prefect server end the process with code 77."""
    import os

    from prefect.client import orchestration
    from prefect.server.api.server import SubprocessASGIServer

    def fail(*_: object, **__: object) -> None:
        os._exit(77)

    SubprocessASGIServer.start = fail
    orchestration.get_client = orchestration.SyncPrefectClient.__init__ = fail


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("nightly", "--as-of", NIGHT),
        ("retrain", "--as-of", NIGHT),
        ("forecast", "--as-of", NIGHT),
        ("monitor", "--as-of", NIGHT),
        ("backfill", "--from", NIGHT, "--to", NIGHT),
    ],
    ids=lambda words: words[0],
)
def test_run_needs_no_server(world: World, words: tuple[str, ...]) -> None:
    flow, *options = words
    unreachable = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    ended = world.run(flow, str(world.spec), *options, "--no-server", inject=refuse_servers, environment=unreachable)
    assert ended.code == 0, ended.output
    assert "Prefect" not in ended.output
