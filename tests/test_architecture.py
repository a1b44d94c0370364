"""The house is what its plan says: floors, sizes, names, and where each room comes from."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("deployments", "flows", "tasks", "models", "data_contracts")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def test_no_room_imports_a_room_above_it():
    linter = Path(sys.executable).parent / "lint-imports"
    checked = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_comes_from_this_repository(room):
    origin = importlib.util.find_spec(room).origin
    assert Path(origin).parent == ROOT / room


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_holds_one_idea_of_at_most_250_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_function_fits_a_screen(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [node.name for node in functions if node.end_lineno - node.lineno >= 60]
    assert long == []


@pytest.mark.parametrize(
    "path", sorted(set((ROOT / "tasks").glob("*.py")) - {ROOT / "tasks/__init__.py"}), ids=lambda path: path.stem
)
def test_a_step_file_exports_exactly_one_task(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    decorated = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and any("step" in ast.unparse(mark) for mark in node.decorator_list)
    ]
    assert len(decorated) == 1


def test_no_flow_file_is_named_like_a_room_or_an_installed_module():
    names = {
        path.stem for path in (ROOT / "flows").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    names -= {"__init__"}
    taken = {name for name in names if name in ROOMS or name in sys.stdlib_module_names or _installed(name)}
    assert taken == set()


def _installed(name):
    found = importlib.util.find_spec(name)
    return found is not None and not str(found.origin).startswith(str(ROOT / "flows"))


@pytest.mark.parametrize(
    ("word", "files"),
    [
        ("(BaseSettings)", {"flows/settings.py"}),
        # two set what libraries look for when they are imported; the third reads no setting, but secrets of a source
        ("os.environ", {"tasks/__init__.py", "deployments/process_environment.py", "tasks/sources/secrets.py"}),
    ],
)
def test_one_file_reads_the_environment(word, files):
    found = {str(path.relative_to(ROOT)) for path in SOURCES if word in path.read_text(encoding="utf-8")}
    assert found == files


def test_nothing_unpickles():
    forbidden = ("import pickle", "torch.load(", "pd.read_pickle", "joblib.load", "cloudpickle")
    found = [(path.name, word) for path in SOURCES for word in forbidden if word in path.read_text(encoding="utf-8")]
    assert found == []


def test_the_ground_floors_start_without_an_orchestrator():
    code = (
        "import sys, models.bundle, data_contracts.odcs_compiler as _; print({'prefect', 'mlflow'} & set(sys.modules))"
    )
    started = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert started.stdout.strip() == "set()"
