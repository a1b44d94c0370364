"""Heavy libraries that each command imports: those that it uses, since each takes a second or more."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

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
    add_pipeline_with_rule(folder, "understood", "expect_column_pair_values_to_be_equal", column_A="v", column_B="v2")
    add_pipeline_with_rule(folder, "delegated", "expect_column_mean_to_be_between", column="v", max_value=99)
    night = run_nightcast(("nightly", "small", "--as-of", AS_OF, "--no-server"), folder, user_environment(folder))
    assert night.returncode == 0, night.stderr
    return folder


def add_pipeline_with_rule(folder: Path, name: str, expectation: str, **arguments: object) -> None:
    """Write the pipeline `small` under another name, with a contract of one rule, which holds."""
    table = pd.read_parquet(folder / "panel.parquet")
    table.assign(v2=table["v"]).to_parquet(folder / "panel.parquet", index=False)
    rule = {"name": "r", "type": "custom", "engine": "greatExpectations"}
    rule |= {"implementation": yaml.safe_dump({"type": expectation, "kwargs": arguments})}
    columns = {"id": "string", "t": "timestamp", "v": "number", "v2": "number"}
    properties = [{"name": column, "logicalType": kind} for column, kind in columns.items()]
    document = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": name, "version": "1.0.0", "status": "active"}
    document |= {"schema": [{"name": "panel", "properties": properties, "quality": [rule]}]}
    (folder / "pipelines" / f"{name}-contract.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    spec = yaml.safe_load((folder / "pipelines" / "small.yaml").read_text(encoding="utf-8"))
    spec |= {"name": name, "contract": f"{name}-contract.yaml"}
    (folder / "pipelines" / f"{name}.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")


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
        ("doctor small", set()),  # the night on record has replayed the golden forecast of the champion
        (f"check small --as-of {AS_OF}", {"torch"}),
        (f"check understood --as-of {AS_OF}", {"torch"}),
        (f"check delegated --as-of {AS_OF}", {"torch", "great_expectations", "scipy", "sqlalchemy"}),
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
