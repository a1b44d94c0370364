"""The index of the pages: the newest nights of every pipeline of a store, with verdict and link."""

from pydantic import ValidationError

from data_contracts.errors import StoreDamaged
from tasks.report import render
from tasks.results.manifest import RunManifest
from tasks.storage.layout import REPORTS_PREFIX, forecasts_dir, manifest_uri, parse_vintage, runs_dir
from tasks.storage.store import Store

NIGHTS = 14  # of each pipeline
REFUSED = "refused-"  # begins the name of the manifest of a run that raised; the name ends with its as-of


def render_index(pipelines: list[str], store: Store) -> str:
    """Render the index of the pages of a store.

    Args:
        pipelines: The names of its pipelines.
        store: The store that holds manifests and pages.

    Returns:
        The page as HTML. Its links are relative to the folder of all reports.
    """
    nights = {name: list_newest_nights(name, store) for name in sorted(pipelines)}
    page = render.load_template("index.html").render(nights=nights, root=store.display_root, prefix=REPORTS_PREFIX)
    return render.without_controls(page)


def list_newest_nights(pipeline: str, store: Store) -> tuple[RunManifest, ...]:
    """List the newest nights that published a forecast, and the newest that failed, together by as-of.

    Args:
        pipeline: Name of the pipeline.
        store: The store.

    Returns:
        At most NIGHTS manifests, the newest first. Only these are read, whatever the store has.
    """
    published = [uri for uri in store.list_files(forecasts_dir(pipeline)) if uri.endswith("/forecasts.parquet")]
    records = [_record_of_vintage(uri, pipeline, store) for uri in published[-NIGHTS:]]
    refused = [uri for uri in store.list_files(runs_dir(pipeline)) if uri.rpartition("/")[2].startswith(REFUSED)]
    refused.sort(key=lambda uri: uri.removesuffix(".json")[-len("2024-03-01T000000Z") :])
    records += [store.read_json(uri) for uri in refused[-NIGHTS:]]
    nights = []
    for record in filter(None, records):
        try:
            nights.append(RunManifest.model_validate(record))
        except ValidationError:
            continue
    nights.sort(key=lambda night: (night.as_of, night.ended), reverse=True)
    return tuple(nights[:NIGHTS])


def _record_of_vintage(uri: str, pipeline: str, store: Store) -> dict[str, object] | None:
    """Return the manifest of the run that published a vintage; None if one of both is missing or damaged."""
    if parse_vintage(uri) is None:
        return None
    try:
        names = store.get(store.table_at(uri, "forecasts"), ["run_id"])["run_id"]
    except StoreDamaged:
        return None
    return store.read_json(manifest_uri(pipeline, str(names.iloc[0]))) if len(names) else None
