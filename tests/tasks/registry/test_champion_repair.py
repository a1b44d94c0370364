"""A champion that cannot be read is restored only from the same bytes; otherwise it is reported, and not replaced."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.engine.cached_only import cached_steps_only
from tasks.modeling.candidate import Candidate
from tasks.registry.champion_repair import ChampionGuard, check_champion
from tasks.registry.mlflow_registry import LoggedModel, ModelRegistry, TrackingSettings
from tasks.storage.store import Store

Model = Callable[..., Candidate]
COPY = "mlflow/artifacts/run-1/artifacts/model/weights.safetensors"


@pytest.fixture
def champion(model: Model) -> Candidate:
    return model("gru", 0.1, "champion", "3")


def flip_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def damage(path: Path, kind: str, other: Path) -> None:
    if kind == "flipped":
        flip_bit(path)
    elif kind == "deleted":
        path.unlink()
    elif kind == "swapped":
        path.write_bytes(other.read_bytes())
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:100])
    else:
        path.write_bytes(b"")


def test_guard_has_replayed_a_champion_that_it_can_read(store: Store, champion: Candidate) -> None:
    assert ChampionGuard(champion, "shop", "shop", None, store).replayed == champion.bundle.digest
    (Path(store.root) / champion.bundle.uri).unlink()
    assert ChampionGuard(champion, "shop", "shop", None, store).replayed == ""
    with cached_steps_only():
        assert ChampionGuard(champion, "shop", "shop", None, store).replayed == ""


KINDS = ("flipped", "deleted", "swapped", "truncated", "emptied")


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_champion_is_restored_from_the_copy_in_the_store(
    store: Store, champion: Candidate, model: Model, kind: str
) -> None:
    path, other = Path(store.root) / champion.bundle.uri, Path(store.root) / model("lstm", 0.2).bundle.uri
    before = path.read_bytes()
    copy = Path(store.root) / COPY
    copy.parent.mkdir(parents=True)
    copy.write_bytes(before)
    damage(path, kind, other)
    guard = ChampionGuard(champion, "shop", "shop", None, store)
    assert path.read_bytes() == before
    (notice,) = guard.notices
    assert notice.startswith("champion gru v3 was damaged (artifacts/bundle/")
    assert notice.endswith(f"and is restored from {COPY}")
    assert guard.fault == ""


@pytest.mark.parametrize("kind", KINDS)
def test_champion_without_a_copy_is_reported_with_the_command(
    store: Store, champion: Candidate, model: Model, kind: str
) -> None:
    path, other = Path(store.root) / champion.bundle.uri, Path(store.root) / model("lstm", 0.2).bundle.uri
    damage(path, kind, other)
    guard = ChampionGuard(champion, "shop", "shop", None, store)
    (notice,) = guard.notices
    assert notice.startswith("champion gru v3 cannot be read (artifacts/bundle/")
    assert notice.endswith("so no model is promoted: run nightcast champion restore shop")
    assert guard.fault


def test_damaged_copy_is_not_used(store: Store, champion: Candidate) -> None:
    path, copy = Path(store.root) / champion.bundle.uri, Path(store.root) / COPY
    copy.parent.mkdir(parents=True)
    copy.write_bytes(path.read_bytes())
    flip_bit(copy)
    flip_bit(path)
    assert check_champion(champion, "shop", None, store).is_lost


def test_champion_is_restored_from_a_registry_outside_the_store(
    store: Store, champion: Candidate, tmp_path: Path
) -> None:
    tracking = TrackingSettings(uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=(tmp_path / "elsewhere").as_uri())
    path = Path(store.root) / champion.bundle.uri
    logged = LoggedModel(
        name="gru", digest=champion.bundle.digest, settings={}, metrics={}, curve=(), weights=path.read_bytes(),
        settings_json="{}",
    )  # fmt: skip
    registry = ModelRegistry(tracking, "shop")
    registry.register_version(champion.bundle.digest, registry.log_model(logged, "night-1"), "night-1")
    flip_bit(path)
    check = check_champion(champion, "shop", tracking, store)
    assert (check.restored_from, check.is_lost) == ("the registry, version 3", False)
    assert path.read_bytes() == logged.weights


def test_registry_that_does_not_exist_is_not_created(store: Store, champion: Candidate, tmp_path: Path) -> None:
    tracking = TrackingSettings(uri=f"sqlite:///{tmp_path}/none.db")
    (Path(store.root) / champion.bundle.uri).unlink()
    assert check_champion(champion, "shop", tracking, store).is_lost
    assert not (tmp_path / "none.db").exists()


def test_intact_champion_and_missing_champion_have_no_notice(store: Store, champion: Candidate) -> None:
    assert ChampionGuard(champion, "shop", "shop", None, store).notices == ()
    assert ChampionGuard(None, "shop", "shop", None, store).notices == ()


def test_champion_that_training_wrote_again_is_reported_as_restored(store: Store, champion: Candidate) -> None:
    path = Path(store.root) / champion.bundle.uri
    data = path.read_bytes()
    path.unlink()
    guard = ChampionGuard(champion, "shop", "shop", None, store)
    assert guard.fault
    path.write_bytes(data)
    assert guard.fault == ""
    assert guard.notices[0].endswith("is restored from the training of this run, which gave the same bytes")
