"""The digest of a step's code: what changes it, and what does not."""

from pathlib import Path

import pytest

from tasks.engine import code_digest as module
from tasks.engine.code_digest import code_digest

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
    "models/__init__.py": "",
    "models/net.py": 'def weigh():\n    return {"a", "b"} and 1.5\n',
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return tmp_path


def digest_after(project: Path, name: str, text: str) -> tuple[str, str]:
    def fresh() -> str:
        for cached in (module.code_digest, module._imports_of, module._digest_of):
            cached.cache_clear()
        return code_digest("tasks.step")

    before = fresh()
    (project / name).write_text(text, encoding="utf-8")
    return before, fresh()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tasks/helper.py", "# doubles\n\n\ndef twice(x):\n    '''Double.'''\n    return 2 * x  # twice\n"),
        ("tasks/helper.py", "def twice(x):\n    'Two.'\n    return (2 *\n            x)\n"),
        ("tasks/other.py", "LIMIT = 2\n"),
        ("tasks/new.py", "LIMIT = 2\n"),
    ],
)
def test_comments_layout_and_other_modules_do_not_change_the_digest(project: Path, name: str, text: str) -> None:
    before, after = digest_after(project, name, text)
    assert after == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tasks/helper.py", "def twice(x):\n    'Twice.'\n    return 3 * x\n"),
        ("tasks/helper.py", "def twice(x, y=1):\n    'Twice.'\n    return 2 * x\n"),
        ("models/net.py", 'def weigh():\n    return {"a", "c"} and 1.5\n'),
        ("models/net.py", 'def weigh():\n    return {"a", "b"} and 1\n'),
        ("tasks/__init__.py", "import os\n"),
        ("models/contract.yaml", "version: 1\n"),
    ],
)
def test_code_and_data_that_the_step_reaches_change_the_digest(project: Path, name: str, text: str) -> None:
    before, after = digest_after(project, name, text)
    assert after != before


def test_steps_of_the_project_have_digests_of_their_own() -> None:
    for cached in (module.code_digest, module._imports_of, module._digest_of):
        cached.cache_clear()
    digests = {code_digest(f"tasks.{step}") for step in ("ingestion", "training", "reporting")}
    assert len(digests) == 3
