import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, built from this tree and installed without dependencies into its own folder."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    built = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(built, check=True, capture_output=True, timeout=120)
    wheel = next(folder.glob("nightcast-*.whl"))
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)], check=True, timeout=120
    )
    return folder / "site"


def test_installed_wheel_runs_from_another_folder(installed, tmp_path):
    code = (
        "import sys, deployments.cli.main as cli; print(cli.__file__); sys.argv = ['nightcast', '--help']; cli.main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(installed)}, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    assert result.stdout.startswith(str(installed))
    assert "nightly" in result.stdout


@pytest.mark.parametrize(
    "file",
    ["nightcast.py", "data_contracts/odcs/clean.yaml",
     "deployments/pipelines/nyc-delays.yaml", "tasks/report/page.html",
     "tasks/report/page.css", "deployments/pipelines/pipeline.schema.json", "deployments/commands/pipeline.yaml.j2",
     "deployments/commands/contract.yaml.j2", "deployments/demo/nyc-delays.parquet"],
)  # fmt: skip
def test_wheel_contains_data_files(installed, file):
    assert (installed / file).is_file()
