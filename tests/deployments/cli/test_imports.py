"""Heavy libraries that each command imports: those that it uses, since each takes a second or more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deployments.conftest import small_world, user_environment
from tests.warm_commands import run_nightcast

HEAVY = {"torch", "torch._dynamo", "scipy", "sqlalchemy", "prefect", "mlflow", "great_expectations", "evidently"}
HEAVY |= {"optuna", "sklearn", "matplotlib"}
AS_OF = "2024-01-30"
RUN = """
import sys
import nightcast
code = 0
try:
    nightcast.main()
except SystemExit as ended:
    code = ended.code or 0
print(code, *sorted(name for name in sys.modules), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose store has one night of the pipeline `small`."""
    folder = small_world(tmp_path_factory.mktemp("imports"), "small", end="2024-01-31")
    night = run_nightcast(("nightly", "small", "--as-of", AS_OF, "--no-server"), folder, user_environment(folder))
    assert night.returncode == 0, night.stderr
    return folder


@pytest.mark.parametrize(
    ("words", "used"),
    [
        ("--help", set()),
        ("--version", set()),
        ("nightly --help", set()),
        ("schema", set()),
        ("list --json", set()),
        ("show small", set()),
        ("read small --as-of 2024-02-01", set()),
        ("quarantine small", set()),
        ("doctor small", set()),
        (f"check small --as-of {AS_OF}", {"torch"}),
        (f"nightly small --as-of {AS_OF}", {"prefect"}),
    ],
)
def test_command_imports_only_the_heavy_libraries_that_it_uses(world: Path, words: str, used: set[str]) -> None:
    environment = user_environment(world, PYTHONPATH=os.pathsep.join(sys.path))
    command = [sys.executable, "-c", RUN, *words.split()]
    ended = subprocess.run(command, cwd=world, env=environment, capture_output=True, text=True, check=False)
    code, *modules = ended.stderr.splitlines()[-1].split()
    assert code == ("1" if words.startswith("doctor") else "0"), ended.stderr[:2000]  # the small night is old
    assert HEAVY & set(modules) == used
    assert not list(world.rglob("prefect.db"))  # no server was started
