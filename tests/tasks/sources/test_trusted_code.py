"""Doors: code of a pipeline that other users can change, or that belongs to them, is not run."""

import os
import py_compile
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_contracts.errors import SpecError
from flows.pipeline.spec import PipelineSpec
from tasks.sources.read import read_source
from tasks.sources.spec import SourceSpec
from tasks.sources.trusted_code import TrustedImports

MODULE = """
import neighbour_of_the_door, pandas as pd
def frame(): return pd.DataFrame({"sold": [neighbour_of_the_door.SOLD]})
def late():
    import second_neighbour
    return pd.DataFrame({"sold": [second_neighbour.SOLD]})
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: Any) -> Path:
    (tmp_path / "loader.py").write_text(MODULE)
    for name in ("neighbour_of_the_door", "second_neighbour"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}.py").write_text("SOLD = 3")
    (tmp_path / "shop.yaml").write_text("")
    for path in tmp_path.iterdir():
        path.chmod(0o644)
    return tmp_path


def source(folder: Path, function: str) -> SourceSpec:
    plain = SourceSpec.model_validate({"kind": "python", "callable": function})
    return plain.with_resolved_paths(str, folder, folder / "shop.yaml")


def test_files_of_the_owner_run(folder: Path) -> None:
    assert read_source(source(folder, "loader:frame")).to_pydict() == {"sold": [3]}
    assert read_source(source(folder, "loader:late")).to_pydict() == {"sold": [3]}


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("shop.yaml", "loader:frame"),
        ("loader.py", "loader:frame"),
        ("neighbour_of_the_door.py", "loader:frame"),
        ("second_neighbour.py", "loader:late"),
    ],
)
def test_file_that_others_can_write_is_refused_with_its_mode(folder: Path, name: str, function: str, mode: int) -> None:
    (folder / name).chmod(mode)
    with pytest.raises(SpecError) as refused:
        read_source(source(folder, function))
    assert f"{folder / name} brings code into this pipeline, but its mode is {mode:04o}" in str(refused.value)
    assert str(refused.value).endswith(f"run: chmod go-w {folder / name}")
    Path(folder / name).chmod(mode & ~0o022)  # the way out
    assert read_source(source(folder, function)).num_rows == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_file_of_another_user_is_refused(folder: Path) -> None:
    os.chown(folder / "neighbour_of_the_door.py", 4242, -1)
    with pytest.raises(SpecError, match=r"neighbour_of_the_door.py .* belongs to user 4242"):
        read_source(source(folder, "loader:frame"))
    os.chown(folder / "neighbour_of_the_door.py", 0, -1)
    os.chown(folder / "shop.yaml", 4242, -1)  # a pipeline that someone put into the folder
    with pytest.raises(SpecError, match=r"shop.yaml .* belongs to user 4242"):
        read_source(source(folder, "loader:frame"))
    os.chown(folder, 4242, -1)  # the whole folder is theirs, as if it is mounted into a container
    assert read_source(source(folder, "loader:frame")).num_rows == 1


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_folder_that_others_can_write_is_refused_but_not_with_the_sticky_bit(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    with pytest.raises(SpecError, match=rf"{folder} has mode {mode:04o}.* run: chmod go-w {folder}"):
        read_source(source(folder, "loader:frame"))
    folder.chmod(0o1777)
    assert read_source(source(folder, "loader:frame")).num_rows == 1


@pytest.mark.parametrize("mode", [0o775, 0o777])
def test_folder_above_the_pipeline_that_others_can_write_is_refused(folder: Path, mode: int) -> None:
    """Who can write it replaces the folder of the pipeline by one of the same name."""
    below = folder / "pipelines"
    below.mkdir(mode=0o755)
    for name in ("loader.py", "neighbour_of_the_door.py", "shop.yaml"):
        (folder / name).rename(below / name)
    folder.chmod(mode)
    with pytest.raises(SpecError, match=rf"{folder} has mode {mode:04o}.* run: chmod go-w {folder}"):
        read_source(source(below, "loader:frame"))
    folder.chmod(0o755)
    assert read_source(source(below, "loader:frame")).num_rows == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_folder_above_the_pipeline_of_another_user_is_refused(folder: Path) -> None:
    below = folder / "pipelines"
    below.mkdir(mode=0o755)
    for name in ("loader.py", "neighbour_of_the_door.py", "shop.yaml"):
        (folder / name).rename(below / name)
    os.chown(folder, 4242, -1)
    with pytest.raises(SpecError, match=rf"{folder} belongs to user 4242, who can replace .*shop.yaml"):
        read_source(source(below, "loader:frame"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_source_that_hangs_does_not_judge_the_imports_of_another_pipeline(folder: Path, monkeypatch: Any) -> None:
    hanging = TrustedImports(None)
    hanging.thread = -1  # a thread that was given up
    monkeypatch.setattr("sys.meta_path", [hanging, *sys.meta_path])
    os.chown(folder, 4242, -1)  # its files may belong to its owner, or be replaced by him
    assert read_source(source(folder, "loader:frame")).num_rows == 1


def test_module_outside_the_folder_is_refused(folder: Path) -> None:
    outside = Path(tempfile.mkdtemp(prefix="door_")) / "evil.py"
    outside.write_text("import pathlib\npathlib.Path(__file__).with_name('mark').touch()\ndef run(): ...\n")
    (folder / "linked.py").symlink_to(outside)
    for function in ("linked:run", f"{str(outside.with_suffix('')).replace('/', '.')}:run"):
        with pytest.raises(SpecError, match="outside the folder of the pipeline"):
            read_source(source(folder, function))
    assert not outside.with_name("mark").exists()
    shutil.rmtree(outside.parent)


def test_bytecode_of_another_user_next_to_a_module_is_not_run(folder: Path) -> None:
    evil = folder / "evil.py"
    evil.write_text("SOLD = 666")
    honest = folder / "neighbour_of_the_door.py"
    cached = Path(py_compile.compile(str(evil), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH))
    cached.rename(cached.with_name(cached.name.replace("evil", honest.stem)))
    assert read_source(source(folder, "loader:frame")).to_pydict() == {"sold": [3]}


@pytest.mark.parametrize("condition", [None, "x > 0"])
def test_contract_with_code_that_others_can_write_is_refused(tmp_path: Path, condition: str | None) -> None:
    kwargs = {"column": "x", "max_value": 1} | ({"row_condition": condition} if condition else {})
    rule = {
        "type": "custom",
        "engine": "greatExpectations",
        "implementation": {"type": "expect_column_values_to_be_between", "kwargs": kwargs},
    }
    columns = [{"name": "t", "logicalType": "timestamp"}, {"name": "x", "logicalType": "number", "quality": [rule]}]
    document = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "x", "version": "1.0.0", "status": "active"}
    (tmp_path / "odcs.yaml").write_text(yaml.safe_dump(document | {"schema": [{"name": "x", "properties": columns}]}))
    pipeline = {"name": "x", "source": {"kind": "csv", "path": "x.csv"}, "columns": {"ds": "t", "y": "x"}, "freq": "h"}
    text = yaml.safe_dump(pipeline | {"windowing": {"horizon": 2}, "contract": "odcs.yaml"})
    (tmp_path / "x.yaml").write_text(text)
    (tmp_path / "odcs.yaml").chmod(0o664)
    spec = PipelineSpec.read(str(tmp_path / "x.yaml"))
    if not condition:
        assert spec.compiled_contract
        return
    with pytest.raises(SpecError, match=r"odcs.yaml brings code .* mode is 0664.* chmod go-w .*odcs.yaml"):
        _ = spec.compiled_contract
