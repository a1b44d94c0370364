"""Every file of a store is listed with its facts, and its path says what it is."""

import os
from pathlib import Path

import pytest

from tasks.storage.inventory import forbid_others, list_stored, remove_empty_folders
from tasks.storage.kinds import StoredKind, kind_of

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        (f"artifacts/raw/{DIGEST}.parquet", StoredKind("artifact", digest=DIGEST, table="raw")),
        (f"quarantine/pipeline=shop/{DIGEST}.parquet", StoredKind("quarantine", "shop", DIGEST)),
        ("cache/train/0a1b.json", StoredKind("cache", table="train")),
        (
            "actuals/pipeline=shop/vintage=2024-03-01T000000Z/actuals.parquet",
            StoredKind("published", "shop", table="actuals", vintage="2024-03-01T000000Z"),
        ),
        ("latest/pipeline=shop/forecasts.parquet", StoredKind("latest", "shop")),
        ("latest/pipeline=shop/history.parquet", StoredKind("latest", "shop")),
        ("changes/pipeline=shop.md", StoredKind("changes", "shop")),
        ("decisions/pipeline=shop/vintage=x.json", StoredKind("decision", "shop", vintage="x")),
        ("reports/pipeline=shop/r1/index.html", StoredKind("report", "shop", run="r1")),
        ("runs/pipeline=shop/r1.json", StoredKind("manifest", "shop", run="r1")),
        ("leases/pipeline=shop/.door", StoredKind("lease", "shop")),
        ("leases/pipeline=shop/000000000007.json", StoredKind("lease", "shop")),
        (
            "dry-runs/pipeline=shop/vintage=x/runs/a.json",
            StoredKind("dry run", "shop", vintage="x", rest="runs/a.json"),
        ),
        ("mlflow/artifacts/r1/artifacts/model/weights.safetensors", StoredKind("weights", run="r1")),
        ("mlflow/mlflow.db", StoredKind("registry")),
        (f"artifacts/raw/.{'0' * 32}.part", StoredKind("half-written")),
        (".writable", StoredKind("half-written")),
        ("lost+found/runs/a.json", StoredKind("lost")),
        ("artifacts/raw/table.parquet", StoredKind("unknown")),
        ("notes.txt", StoredKind("unknown")),
    ],
)
def test_path_says_what_a_file_is(uri: str, kind: StoredKind) -> None:
    assert kind_of(uri) == kind


def test_links_hidden_files_and_open_folders_are_listed(tmp_path: Path) -> None:
    root, outside = tmp_path / "store", tmp_path / "outside"
    for folder in (root / "a", root / "open", outside):
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    (root / "open").chmod(0o777)
    for path in (root / "a/.hidden", root / "a/plain", outside / "secret"):
        path.write_bytes(b"123")
        path.chmod(0o644)
    (root / "a/plain").chmod(0o664)
    (root / "inside").symlink_to(root / "a/plain")
    (root / "linked").symlink_to(outside)
    facts = {file.uri: (file.size, file.link, file.open_to_others, file.is_folder) for file in list_stored(str(root))}
    assert facts == {
        "a/.hidden": (3, "", False, False),
        "a/plain": (3, "", True, False),
        "inside": (facts["inside"][0], "", False, False),
        "linked": (facts["linked"][0], os.path.realpath(outside), False, False),
        "open": (0, "", True, True),
    }
    forbid_others(str(root), "a/plain")
    forbid_others(str(root), "open")
    assert not any(file.open_to_others for file in list_stored(str(root)))


def test_empty_folders_of_one_run_are_removed(tmp_path: Path) -> None:
    for folder in ("reports/pipeline=shop/r1", "reports/pipeline=shop/r2", "cache/train"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "reports/pipeline=shop/r2/index.html").touch()
    remove_empty_folders(
        str(tmp_path), [f"reports/pipeline=shop/r{n}/drift.html" for n in (1, 2)] + ["cache/train/0a.json"]
    )
    folders = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_dir()}
    assert folders == {"reports", "reports/pipeline=shop", "reports/pipeline=shop/r2", "cache", "cache/train"}
