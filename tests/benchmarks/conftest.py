"""The demo's first night, read and validated once for all benchmarks."""

import pytest

from flows.pipeline.spec import PipelineSpec
from models.data.panel import Panel
from models.data.windows import build_window_index
from tasks.ingestion import ingest
from tasks.modeling.clean_table import load_clean_table
from tasks.storage.store import Store
from tasks.validation import validate


@pytest.fixture(scope="session", autouse=True)
def unsynced_files():
    """Let writes wait for the disk, as they do for users."""


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """(spec, clean table, windows) of the demo's first night."""
    spec, store = PipelineSpec.read("nyc-delays"), Store(root=str(tmp_path_factory.mktemp("bench")))
    as_of = spec.parse_as_of("2013-11-28")
    raw = ingest.fn(spec.dataset, as_of, store)
    validated = validate.fn(raw, spec.dataset, as_of, store)
    clean = load_clean_table(validated.clean, store)
    index = build_window_index(
        Panel.from_table(clean, spec.input_spec), spec.windowing, validated.cutoff, spec.evaluation.windows
    )
    return spec, clean, index
