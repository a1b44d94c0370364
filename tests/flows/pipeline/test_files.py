"""A folder of pipelines may hold what `nightcast init` writes: pipelines and their contracts."""

from pathlib import Path

from flows.pipeline.files import list_pipelines


def test_contract_beside_its_pipeline_is_no_pipeline(tmp_path: Path) -> None:
    for name in ("sales.yaml", "sales.odcs.yaml", "shop.yml", "shop.odcs.yml"):
        (tmp_path / name).write_text("kind: DataContract\n" if "odcs" in name else "name: x\n")
    assert set(list_pipelines(tmp_path)) - set(list_pipelines()) == {"sales", "shop"}
