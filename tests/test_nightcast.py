"""`import nightcast`: lazy, complete, and with a clear error if a file of the user hides a package."""

import subprocess
import sys
from pathlib import Path

import pytest

import nightcast

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "prefect", "mlflow", "pandas", "pyarrow")


def run(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run code as a notebook in a folder would: the folder is first on the path."""
    code = f"import sys; sys.path[:0] = ['', {str(ROOT)!r}]\n{code}"
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", nightcast.__all__)
def test_every_name_is_what_its_module_defines(name: str) -> None:
    assert getattr(nightcast, name).__module__.startswith("flows.") or name in ("nightly", "retrain")
    assert name in dir(nightcast)


def test_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fit'; it has Forecaster, PipelineSpec"):
        _ = nightcast.fit


def test_import_is_fast_and_reading_needs_no_model_library(tmp_path: Path) -> None:
    code = f"import nightcast; print([name for name in {HEAVY} if name in sys.modules])\n"
    code += "nightcast.read; print([name for name in ('torch', 'prefect', 'mlflow') if name in sys.modules])"
    result = run(code, tmp_path)
    assert result.stdout.split("\n")[:2] == ["[]", "[]"], result.stderr


@pytest.mark.parametrize("hidden", ["models.py", "tasks.py", "flows.py", "deployments.py", "tasks/__init__.py"])
def test_file_of_the_user_that_hides_a_package_is_named(tmp_path: Path, hidden: str) -> None:
    path = tmp_path / hidden
    path.parent.mkdir(exist_ok=True)
    path.write_text("x = 1\n")
    result = run("import nightcast", tmp_path)
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith(
        f"ImportError: {path} hides the package {hidden.split('/', maxsplit=1)[0].removesuffix('.py')!r}"
    ), last
    assert f"Rename it, or start Python in another folder; the package of Nightcast is in {ROOT}." in last


def test_folder_of_the_user_without_modules_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    assert run("import nightcast, models; print(models.__file__)", tmp_path).stdout.strip() == str(
        ROOT / "models/__init__.py"
    )


def test_command_names_the_file_too(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("")
    result = run("import nightcast; nightcast.main()", tmp_path)
    assert f"{tmp_path / 'tasks.py'} hides the package 'tasks'" in result.stderr
