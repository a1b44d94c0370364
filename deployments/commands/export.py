"""`nightcast export`: the champion's networks as an ONNX graph in a file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data_contracts.errors import NoChampion, SpecError
from flows.pipeline.published import identify_pipeline
from flows.settings import Settings
from models.bundle import Bundle
from models.engines import require_onnx
from models.streaming.obstacles import streaming_obstacles
from tasks.registry.champions import champion_at
from tasks.storage import files


def export_champion(pipeline: str, target: str, force: bool) -> tuple[dict[str, Any], str]:
    """Write the graph of the champion.

    Args:
        pipeline: A pipeline YAML or a name.
        target: Path of the file.
        force: Overwrite the file.

    Returns:
        Facts and the same as text.

    Raises:
        NoChampion: No night has promoted a model.
        SpecError: The file exists.
        NightcastError: The model is damaged or no network, or the ONNX libraries are not installed.
    """
    require_onnx()
    from models.export.network import export_onnx

    path = Path(target).absolute()
    if path.exists() and not force:
        raise SpecError(
            f"{target} already exists and was not changed. Choose another name, or overwrite it with --force."
        )
    if not path.parent.is_dir():
        raise SpecError(f"the folder {path.parent} does not exist. Create it, or choose another one.")
    store = Settings().opened_store
    name = identify_pipeline(pipeline, store).name
    champion = champion_at(name, datetime.now(UTC), store)
    if champion is None:
        raise NoChampion(name, f"no night has promoted a model in the store {store.display_root!r}")
    bundle = Bundle.from_bytes(store.get_bytes(champion.bundle))
    data = export_onnx(bundle)
    files.write(str(path.parent), path.name, data)
    obstacles = streaming_obstacles(bundle)
    facts: dict[str, Any] = {
        "pipeline": name,
        "model": champion.label,
        "digest": champion.bundle.digest,
        "file": str(path),
        "bytes": len(data),
        "streams_exactly": not obstacles,
        "obstacles": list(obstacles),
    }
    note = (
        f"Its state cannot be carried exactly: {'; '.join(obstacles)}." if obstacles else "Its state can be carried on."
    )
    return facts, f"{champion.label} of {name}: {len(data):,} bytes in {target}. {note}"
