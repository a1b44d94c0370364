"""The store: one name for the same bytes; a write checks the contract, a read the digest."""

import hashlib
import os
import pickle
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.artifact import Artifact
from data_contracts.errors import ContractBroken, StoreDamaged
from tasks.storage.failures import StoreUnusable
from tasks.storage.store import Store

ROOT = Path(__file__).parents[3]
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def actuals(y: float = 1.0) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": ["a", "b"], "ds": [NOON, NOON], "as_of": [NOON, NOON], "y": [y, 2.0]})


def files(store: Store) -> list[str]:
    return store.list_files("")


def test_table_is_named_by_the_sha256_of_its_bytes(store: Store) -> None:
    claim = store.put(actuals(), "actuals")
    data = (Path(store.root) / claim.uri).read_bytes()
    assert claim.digest == hashlib.sha256(data).hexdigest()
    assert claim.uri == f"artifacts/actuals/{claim.digest}.parquet"
    assert (claim.contract, claim.rows) == ("actuals@1.0.0", 2)


def test_same_table_is_stored_once(store: Store) -> None:
    first = store.put(actuals(), "actuals")
    written = (Path(store.root) / first.uri).stat().st_mtime_ns
    assert store.put(actuals(), "actuals") == first
    assert store.put(pa.Table.from_pandas(actuals()), "actuals") == first
    assert (Path(store.root) / first.uri).stat().st_mtime_ns == written
    assert len(files(store)) == 1


def test_different_values_have_different_names(store: Store) -> None:
    assert store.put(actuals(1.0), "actuals").digest != store.put(actuals(1.5), "actuals").digest
    assert len(files(store)) == 2


def test_stored_table_is_read_back_unchanged(store: Store) -> None:
    claim = store.put(actuals(), "actuals")
    table = store.get(claim)
    assert table["unique_id"].tolist() == ["a", "b"]
    assert table["y"].tolist() == [1.0, 2.0]
    assert [str(kind) for kind in table.dtypes] == ["str", "datetime64[us, UTC]", "datetime64[us, UTC]", "float64"]
    assert store.get(claim, columns=["y"]).columns.tolist() == ["y"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_detected(store: Store, place: float, bit: int) -> None:
    claim = store.put(actuals(), "actuals")
    path = Path(store.root) / claim.uri
    whole = path.read_bytes()
    where = int(place * len(whole))
    path.write_bytes(whole[:where] + bytes([whole[where] ^ 1 << bit]) + whole[where + 1 :])
    with pytest.raises(StoreDamaged, match=claim.uri):
        store.get(claim)
    assert not store.contains(claim)
    path.write_bytes(whole)
    assert store.contains(claim)


def test_truncation_deletion_and_swapped_files_are_detected(store: Store) -> None:
    claim, other = store.put(actuals(1.0), "actuals"), store.put(actuals(9.0), "actuals")
    path = Path(store.root) / claim.uri
    whole = path.read_bytes()
    for damage in (whole[:-1], b"", (Path(store.root) / other.uri).read_bytes()):
        path.write_bytes(damage)
        with pytest.raises(StoreDamaged, match=f"{claim.uri} in the store has digest"):
            store.get(claim)
    path.unlink()
    with pytest.raises(StoreDamaged, match=f"{claim.uri} in the store is missing"):
        store.get(claim)


def test_storing_a_table_again_repairs_its_damaged_file(store: Store) -> None:
    claim = store.put(actuals(), "actuals")
    (Path(store.root) / claim.uri).write_bytes(b"rot")
    store.put(actuals(), "actuals")
    assert store.get(claim)["y"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (actuals().drop(columns="y"), "column 'y' is missing"),
        (actuals(float("nan")), "column 'y' has 1 missing values"),
        (actuals(float("inf")), "column 'y' has 1 values that are not finite"),
        (actuals().assign(unique_id="a"), "1 rows repeat a key"),
        (actuals().assign(ds="noon"), "column 'ds' is large_string, not timestamp"),
    ],
)
def test_table_that_violates_its_contract_is_not_written(store: Store, broken: pd.DataFrame, said: str) -> None:
    with pytest.raises(ContractBroken, match=f"(?s)the actuals table.*{said}"):
        store.put(broken, "actuals")
    assert files(store) == []


def test_column_that_the_contract_does_not_have_is_not_written(store: Store) -> None:
    windows = pd.DataFrame({"series": [0], "first": [3], "last": [9], "stride": [1], "split": ["train"], "note": ["x"]})
    with pytest.raises(ContractBroken, match="column 'note' is not in the contract"):
        store.put(windows, "windows")
    assert files(store) == []


def test_values_are_cast_only_without_loss(store: Store) -> None:
    whole = store.put(actuals().assign(y=np.array([1, 2], dtype="int32")), "actuals")
    assert whole == store.put(actuals(1.0), "actuals")
    fine = actuals().assign(ds=pd.Series([NOON] * 2, dtype="datetime64[us, UTC]") + pd.Timedelta(1, "ns"))
    with pytest.raises(ContractBroken, match=r"'ds' is timestamp\[ns, tz=UTC\]"):
        store.put(fine, "actuals")


def test_stored_table_has_page_checksums(store: Store) -> None:
    claim = store.put(actuals(), "actuals")
    data = bytearray((Path(store.root) / claim.uri).read_bytes())
    column = pq.ParquetFile(pa.BufferReader(bytes(data))).metadata.row_group(0).column(2)
    first = column.dictionary_page_offset or column.data_page_offset
    data[first + column.total_compressed_size - 1] ^= 1
    with pytest.raises((OSError, pa.ArrowException)):
        pq.read_table(pa.BufferReader(bytes(data)), page_checksum_verification=True)


def test_publishing_the_same_bytes_again_writes_nothing(store: Store) -> None:
    claim = store.put(actuals(), "actuals")
    there = store.publish(claim, "latest/actuals.parquet")
    path = Path(store.root) / "latest/actuals.parquet"
    written = path.stat().st_mtime_ns
    assert store.publish(claim, "latest/actuals.parquet") == there
    assert path.stat().st_mtime_ns == written
    assert store.get(there).equals(store.get(claim))
    path.write_bytes(b"rot")
    store.publish(claim, "latest/actuals.parquet")
    assert store.contains(there)


def test_damaged_table_is_not_published(store: Store) -> None:
    claim = store.put(actuals(), "actuals")
    (Path(store.root) / claim.uri).write_bytes(b"rot")
    with pytest.raises(StoreDamaged):
        store.publish(claim, "latest/actuals.parquet")
    assert files(store) == [claim.uri]


def test_only_complete_tables_get_a_reference(store: Store) -> None:
    published = store.publish(store.put(actuals(), "actuals"), "latest/actuals.parquet")
    assert store.table_at("latest/actuals.parquet", "actuals") == published
    path = Path(store.root) / "latest/actuals.parquet"
    whole = path.read_bytes()
    middle = len(whole) // 5
    for damage in (whole[:-9], b"", b"no table", whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]):
        path.write_bytes(damage)
        with pytest.raises(StoreDamaged, match=r"latest/actuals\.parquet in the store is not a complete Parquet table"):
            store.table_at("latest/actuals.parquet", "actuals")


@pytest.mark.parametrize("torn", [b"", b'{"a": ', b"\xff\xfe", b"[1, 2]", b"null", b"[" * 100_000])
def test_torn_json_is_read_as_none(store: Store, torn: bytes) -> None:
    store.write_json("runs/1.json", {"a": 1})
    (Path(store.root) / "runs/1.json").write_bytes(torn)
    assert store.read_json("runs/1.json") is None


def test_record_that_must_be_absent_is_written_once(store: Store) -> None:
    assert store.write_json("runs/1.json", {"a": "é"}, only_if_absent=True)
    assert not store.write_json("runs/1.json", {"a": 2}, only_if_absent=True)
    assert store.read_json("runs/1.json") == {"a": "é"}
    assert store.read_json("runs/2.json") is None


def test_torn_record_is_written_again_by_its_night(store):
    store.write_json("runs/1.json", {"a": 1}, only_if_absent=True)
    path = Path(store.root) / "runs/1.json"
    path.write_bytes(path.read_bytes()[:9])
    assert store.write_json("runs/1.json", {"a": 1}, only_if_absent=True)
    assert store.read_json("runs/1.json") == {"a": 1}


def test_invalid_json_is_rejected_before_writing(store: Store) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.write_json("runs/1.json", {"mase": float("nan")})
    assert files(store) == []


def test_write_check_leaves_no_file(store: Store) -> None:
    store.check_writable()
    assert list(Path(store.root).iterdir()) == []


@pytest.mark.parametrize("below", ["", "/deeper/still"])
def test_store_below_a_file_is_unusable_and_names_its_path(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnusable, match=rf"cannot write.*{tmp_path}/file{below}.*NIGHTCAST_STORE"):
        Store(root=f"{tmp_path}/file{below}").check_writable()


@pytest.mark.parametrize("url", ["nowhere://bucket/store", "s4://x"])
def test_store_with_an_unknown_protocol_is_unusable(url: str) -> None:
    with pytest.raises(StoreUnusable, match=f"cannot write.*{url}"):
        Store(root=url).check_writable()


def test_password_in_the_store_url_is_hidden() -> None:
    with pytest.raises(StoreUnusable) as refused:
        Store(root="nowhere://me:hunter2@host/store").check_writable()
    assert "hunter2" not in str(refused.value)


NOBODY = """
import os, sys
from tasks.storage.failures import StoreUnusable
from tasks.storage.store import Store
os.setgid(65534); os.setuid(65534)
try:
    getattr(Store(root=sys.argv[1]), sys.argv[2])(*sys.argv[3:])
except StoreUnusable as refused:
    print(refused)
"""


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can become nobody")
@pytest.mark.parametrize(
    ("verb", "said"), [(["check_writable"], "cannot write"), (["read_json", "a.json"], "cannot read")]
)
def test_store_without_permission_is_unusable_and_names_its_path(verb: list[str], said: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to nobody
        Path(folder).chmod(0o755)
        closed = Path(folder) / "store"
        closed.mkdir()
        (closed / "a.json").write_text("{}")
        (closed / "a.json").chmod(0o600)
        closed.chmod(0o555)
        code = [sys.executable, "-c", NOBODY, str(closed), *verb]
        answer = subprocess.run(code, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said in answer
    assert str(closed) in answer


def test_full_disk_is_reported_with_the_size_of_the_write(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnusable, match=r"cannot write artifacts/page/.*\(5 bytes\).*No space left on device"):
        store.put_bytes(b"12345", "page", "html")
    assert files(store) == []


def test_store_in_memory_behaves_like_a_folder(tmp_path: Path) -> None:
    store = Store(root=f"memory://{tmp_path.name}")
    store.check_writable()
    claim = store.put(actuals(), "actuals")
    assert store.put(actuals(), "actuals") == claim
    assert store.get(claim)["y"].tolist() == [1.0, 2.0]
    assert store.list_files("artifacts") == [claim.uri]
    assert not store.contains(Artifact(contract="a@1", uri="artifacts/none", digest="0" * 64, rows=0))


def test_planted_pickle_is_never_loaded(store: Store, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    claim = store.put(actuals(), "actuals")
    trap = pickle.dumps(Trap())
    (Path(store.root) / claim.uri).write_bytes(trap)
    with pytest.raises(StoreDamaged):
        store.get(claim)
    planted = store.put_bytes(trap, "bundle", "safetensors")
    store.write_json("cache/a.json", {})
    (Path(store.root) / "cache/a.json").write_bytes(trap)
    assert store.read_json("cache/a.json") is None
    with pytest.raises(StoreDamaged):
        store.table_at(planted.uri, "actuals")
    assert not (tmp_path / "sprung").exists()
