"""The digest of a step's code: what changes it, and what does not."""

import ast
import functools
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import grimp
import pytest

from tasks.engine import code_digest as module
from tasks.engine.code_digest import PACKAGES, code_digest, import_closure

ROOT = Path(__file__).parents[3]
STEPS = sorted(f"tasks.{path.stem}" for path in (ROOT / "tasks").glob("*.py") if path.stem != "__init__")
STEP = '''from tasks import helper


def run():
    """Run."""
    from models.net import weigh

    return helper.twice(weigh())
'''
FILES = {
    "tasks/__init__.py": '"""Steps."""\n',
    "tasks/step.py": STEP,
    "tasks/helper.py": "def twice(x):\n    'Twice.'\n    return 2 * x\n",
    "tasks/other.py": "LIMIT = 1\n",
    "tasks/report/__init__.py": "",
    "models/__init__.py": "",
    "models/net.py": 'def weigh():\n    assert True\n    return {"a", "b"} and 1.5\n',
    "models/odcs/raw.yaml": "version: 1\n",
}
IMPORTS = [
    "import tasks.other",
    "import os, tasks.other as o",
    "from tasks import (  # )\n    other,\n)",
    "x = 1; from tasks.other import LIMIT",
    "from . import other",
    "from .other import LIMIT",
    "if True:\n    try:\n        pass\n    except OSError:\n        import tasks.other",
    "match 1:\n    case 1:\n        with open('x') as f:\n            import tasks.other",
    "class A:\n    async def f(self):\n        while x:\n            x\n        else:\n            import tasks.other",
    "import importlib\nloaded = importlib.import_module('tasks.other')",
]


def forget() -> None:
    for cached in (module.code_digest, module.import_closure, module._read, module._read_loaded):
        cached.cache_clear()


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).write_text(text, encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, FILES)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return tmp_path


def digest_after(change: Callable[[], object], step: str = "tasks.step") -> tuple[str, str]:
    def fresh() -> str:
        forget()
        return code_digest(step)

    before = fresh()
    change()
    after = fresh()
    forget()
    return before, after


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tasks/helper.py", "# doubles\n\n\ndef twice(x):\n    '''Double.'''\n    return 2 * x  # twice\n"),
        ("tasks/helper.py", "def twice(x):\n    'Two.'\n    return (2 *\n            x)\n"),
        ("tasks/helper.py", "def twice(x):\n    return 2 * x\n"),
        ("tasks/__init__.py", '"""Each file\nimport tasks.other\nis a step."""\n'),
        ("tasks/other.py", "LIMIT = 2\n"),
        ("tasks/new.py", "LIMIT = 2\n"),
        ("tasks/report/page.html", "<p>"),  # of a package that the step does not import
        ("models/README.md", "# Models\n"),
        ("models/__pycache__/net.cpython-311.pyc", "x"),
        ("models/.net.py.swp", "x"),
    ],
)
def test_comments_layout_and_other_modules_do_not_change_the_digest(project: Path, name: str, text: str) -> None:
    before, after = digest_after(lambda: write(project, {name: text}))
    assert after == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tasks/helper.py", "def twice(x):\n    'Twice.'\n    return 3 * x\n"),
        ("tasks/helper.py", "def twice(x):\n    'Twice.'\n    return 2.0 * x\n"),
        ("tasks/helper.py", "def twice(x, y=1):\n    'Twice.'\n    return 2 * x\n"),
        ("tasks/helper.py", "def twice(x) -> int:\n    'Twice.'\n    return 2 * x\n"),
        ("models/net.py", 'def weigh():\n    assert True\n    return {"a", "c"} and 1.5\n'),
        ("models/net.py", 'def weigh():\n    assert True\n    return {"a", "b"} and 1\n'),
        ("models/net.py", 'def weigh():\n    assert False\n    return {"a", "b"} and 1.5\n'),
        ("tasks/__init__.py", "import os\n"),
        ("models/contract.yaml", "version: 1\n"),
        ("models/odcs/raw.yaml", "version: 2\n"),
        ("models/weights.bin", "1"),
    ],
)
def test_code_and_data_that_the_step_reaches_change_the_digest(project: Path, name: str, text: str) -> None:
    before, after = digest_after(lambda: write(project, {name: text}))
    assert after != before


def test_data_file_that_is_renamed_changes_the_digest(project: Path) -> None:
    folder = project / "models/odcs"
    before, after = digest_after(lambda: (folder / "raw.yaml").rename(folder / "clean.yaml"))
    assert after != before


@pytest.mark.parametrize("statement", IMPORTS)
def test_each_form_of_import_is_followed(project: Path, statement: str) -> None:
    write(project, {"tasks/helper.py": f"def twice(x):\n    return 2 * x\n\n\n{statement}\n"})
    before, after = digest_after(lambda: write(project, {"tasks/other.py": "LIMIT = 2\n"}))
    assert after != before


def test_file_that_is_changed_after_it_was_loaded_does_not_count(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(module.sys.modules, "tasks.other", module)
    forget()
    code_digest("tasks.step")
    write(project, {"tasks/other.py": "LIMIT = 2\n"})
    late = code_digest("tasks.other")  # the process still has the old code
    before, after = digest_after(lambda: write(project, FILES), "tasks.other")
    assert late == after != before


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, cache_dir=None)


@functools.cache
def reached(graph: grimp.ImportGraph, step: str) -> set[str]:
    """Return what the step imports, and the packages above each module with what these import."""
    names, pending = set[str](), [step]
    while pending:
        name = pending.pop()
        if name and name not in names:
            names.add(name)
            pending += [*graph.find_modules_directly_imported_by(name), name.rpartition(".")[0]]
    return names


@pytest.fixture(scope="module")
def freshly_read() -> None:
    """Forget what other tests have read; the tests of this project share what they read."""
    forget()


@pytest.mark.usefixtures("freshly_read")
@pytest.mark.parametrize("step", STEPS)
def test_closure_is_that_of_the_import_graph(graph: grimp.ImportGraph, step: str) -> None:
    by_text = {"tasks.engine.step_process"} & import_closure(step)  # started by its name
    expected = reached(graph, step).union(*(reached(graph, name) for name in by_text))
    incremental = "tasks.sources.databases.incremental" in expected  # names the step whose digest it uses
    assert import_closure(step) == expected | (reached(graph, "tasks.ingestion") if incremental else set())


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the four packages."""
    folder = tmp_path_factory.mktemp("copied")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def digests(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(module, "ROOT", root)
    forget()
    values = {step: code_digest(step) for step in STEPS}
    forget()
    return values


@pytest.fixture(scope="module")
def digests_before(copied: Path) -> dict[str, str]:
    """The digests of the copy as it is between the tests."""
    with pytest.MonkeyPatch.context() as patch:
        return digests(copied, patch)


def with_other_text(path: Path) -> str:
    """Return a source with a comment at its end and each docstring replaced by another."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if ast.get_docstring(node) is not None:
                lines[first.lineno - 1] = " " * first.col_offset + '"""Another sentence."""'
                lines[first.lineno : first.end_lineno] = [""] * (first.end_lineno - first.lineno)
    return "\n".join(lines) + "\n# the end\n"


def test_comments_and_docstrings_of_the_whole_project_leave_every_digest_equal(
    copied: Path, digests_before: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(copied, tmp_path, dirs_exist_ok=True)
    changed = 0
    for path in tmp_path.rglob("*.py"):
        text = with_other_text(path)
        changed += "Another sentence" in text
        path.write_text(text, encoding="utf-8")
    assert changed > 300
    assert digests(tmp_path, monkeypatch) == digests_before


@pytest.mark.parametrize(
    "name",
    [
        "models/training/optimiser.py",
        "models/streaming/states.py",
        "models/drift/cusum.py",
        "tasks/charts/svg.py",
        "tasks/engine/__init__.py",
        "tasks/quality/pair_rules.py",
        "tasks/sources/cleaning.py",
        "tasks/forecasting.py",
        "flows/settings.py",
        "data_contracts/errors.py",
    ],
)
def test_constant_changes_the_digests_of_exactly_the_steps_that_import_its_module(
    copied: Path,
    digests_before: dict[str, str],
    graph: grimp.ImportGraph,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    path = copied / name
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}\nADDED = 1\n", encoding="utf-8")
    one = digests(copied, monkeypatch)
    path.write_text(f"{text}\nADDED = 2\n", encoding="utf-8")
    two = digests(copied, monkeypatch)
    path.write_text(text, encoding="utf-8")
    imported = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    holding = {step for step in STEPS if imported in reached(graph, step)}
    assert {step for step in STEPS if one[step] != two[step]} == holding
    assert {step for step in STEPS if one[step] != digests_before[step]} == holding
    assert len(holding) < len(STEPS) or name.startswith(("data_contracts", "tasks/engine"))


def test_template_changes_only_the_steps_that_import_its_package(
    copied: Path, digests_before: dict[str, str], graph: grimp.ImportGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = copied / "tasks/report/page.html"
    text = template.read_text(encoding="utf-8")
    template.write_text(text + "<!-- -->", encoding="utf-8")
    after = digests(copied, monkeypatch)
    template.write_text(text, encoding="utf-8")
    importing = [step for step in STEPS if "tasks.report" in reached(graph, step)]
    assert [step for step in STEPS if digests_before[step] != after[step]] == importing
    assert "tasks.reporting" in importing
    assert "tasks.training" not in importing


def test_modules_of_the_project_are_loaded_by_import_statements_only() -> None:
    """What is imported by a computed name is not in the closure, unless it stands in a text as a dotted name."""
    dynamic = re.compile(
        r"\b(?:import_module|__import__|spec_from_file_location|run_module)\(|(?<![.\w])(?:exec|eval)\("
    )
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    users = {str(path.relative_to(ROOT)) for path in files if dynamic.search(path.read_text(encoding="utf-8"))}
    assert users == {
        "tasks/engine/step_process.py",  # the module of a step, whose digest is the key
        "tasks/sources/python_reader.py",  # code of the user
        "tasks/sources/times/month_names.py",  # data of dateparser
    }
