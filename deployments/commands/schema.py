"""The JSON schema of pipeline YAMLs, made from the settings themselves, for editors and other tools."""

import json
from pathlib import Path
from typing import Any

from flows.pipeline.spec import PipelineSpec

SCHEMA = Path(__file__).parents[1] / "pipelines" / "pipeline.schema.json"


def pipeline_schema() -> dict[str, Any]:
    """What a pipeline YAML may hold; rules that span fields are told by `nightcast check` alone."""
    schema = PipelineSpec.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A Nightcast pipeline"} | {
        name: value for name, value in schema.items() if name != "title"
    }


def schema_text() -> str:
    return json.dumps(pipeline_schema(), indent=1, ensure_ascii=False)
