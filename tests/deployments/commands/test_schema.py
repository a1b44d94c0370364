"""The JSON schema of pipelines is current and accepts every shipped pipeline."""

import json
import re

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from deployments.cli.main import app
from deployments.commands.schema import SCHEMA, pipeline_schema, schema_text

PIPELINES = sorted(SCHEMA.parent.glob("*.y*ml"))
PIPELINE = yaml.safe_load((SCHEMA.parent / "nyc-delays.yaml").read_text(encoding="utf-8"))


def test_shipped_schema_matches_the_settings():
    assert SCHEMA.read_text(encoding="utf-8") == schema_text() + "\n", (
        "the settings of a pipeline changed: nightcast schema > deployments/pipelines/pipeline.schema.json"
    )


def test_command_prints_a_valid_json_schema():
    result = CliRunner().invoke(app, ["schema"])
    assert result.exit_code == 0
    assert result.stdout == SCHEMA.read_text(encoding="utf-8")
    jsonschema.Draft202012Validator.check_schema(json.loads(result.stdout))
    assert json.loads(CliRunner().invoke(app, ["schema", "--json"]).stdout) == json.loads(result.stdout)


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_shipped_pipelines_are_valid_and_name_the_schema(path):
    text = path.read_text(encoding="utf-8")
    jsonschema.validate(yaml.safe_load(text), pipeline_schema(), jsonschema.Draft202012Validator)
    match = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert match, "the first line does not name a schema"
    assert (path.parent / match[1]).resolve() == SCHEMA.resolve()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"freqq": "h"}, []),
        ({"windowing": {"horizont": 24}}, ["windowing"]),
        ({"models": [{"cell": "transformer"}]}, ["models", 0, "cell"]),
        ({"training": {"max_epochs": 0}}, ["training", "max_epochs"]),
        ({"name": "No Spaces"}, ["name"]),
    ],
)
def test_schema_error_points_to_the_wrong_field(change, where):
    errors = list(jsonschema.Draft202012Validator(pipeline_schema()).iter_errors(PIPELINE | change))
    assert where in [list(error.absolute_path) for error in errors]
