"""A store that was copied, and one that was moved, continue: same forecasts, models in their own folder."""

import shutil
from pathlib import Path

import pytest

from flows.nightly import nightly
from flows.settings import Settings
from tasks.registry.inspection import read_registry

NEXT, AFTER = "2024-02-10", "2024-02-11"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_copied_and_moved_stores_publish_the_same_bytes(
    two_nights: tuple[Path, list[object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = two_nights
    original, copy, moved = tmp_path / "original", tmp_path / "copy", tmp_path / "moved"
    shutil.copytree(folder / "store", original)
    shutil.copytree(original, copy)
    published = {}
    for root in (copy, original):
        before = files_of(original / "mlflow")
        monkeypatch.setenv("NIGHTCAST_STORE", str(root))
        outcome = nightly.fn(str(folder / "ports.yaml"), NEXT)
        published[root] = (root / str(outcome.published)).read_bytes()
        assert (files_of(original / "mlflow") == before) == (root == copy)
    assert published[copy] == published[original]
    shutil.rmtree(original)
    shutil.move(copy, moved)
    monkeypatch.setenv("NIGHTCAST_STORE", str(moved))
    other = tmp_path / "ports.yaml"  # another model, so that it is registered
    other.write_text((folder / "ports.yaml").read_text().replace("max_epochs: 6", "max_epochs: 3"))
    before = read_registry(Settings().tracking, "ports").versions
    nightly.fn(str(other), AFTER)
    state = read_registry(Settings().tracking, "ports")
    for version in state.versions.values():
        assert (moved / "mlflow/artifacts" / version.run / "artifacts/model/weights.safetensors").exists()
    assert len(state.versions) == len(before) + 1
    assert state.aliases["champion"]
    assert not copy.exists()
    assert not original.exists()
