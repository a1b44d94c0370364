"""`nightcast schema`: the JSON schema of pipeline YAMLs, generated from the settings, for editors and other tools."""

import json
from pathlib import Path
from typing import Any

from flows.pipeline.spec import PipelineSpec

SCHEMA = Path(__file__).parents[1] / "pipelines" / "pipeline.schema.json"


def pipeline_schema() -> dict[str, Any]:
    """Return the JSON schema of a pipeline YAML. Rules across several fields are checked by `nightcast check` only."""
    schema = PipelineSpec.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A Nightcast pipeline"} | {
        name: value for name, value in schema.items() if name != "title"
    }


def schema_text() -> str:
    """Return the JSON schema as the text of pipeline.schema.json."""
    return json.dumps(pipeline_schema(), indent=1, ensure_ascii=False)
