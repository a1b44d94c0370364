"""The JSON schema of pipelines: current, and true of every pipeline that is shipped."""

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


def test_the_shipped_schema_is_that_of_the_settings():
    assert SCHEMA.read_text(encoding="utf-8") == schema_text() + "\n", (
        "the settings of a pipeline changed: nightcast schema > deployments/pipelines/pipeline.schema.json"
    )


def test_the_verb_prints_it_and_it_is_a_schema():
    told = CliRunner().invoke(app, ["schema"])
    assert told.exit_code == 0
    assert told.stdout == SCHEMA.read_text(encoding="utf-8")
    jsonschema.Draft202012Validator.check_schema(json.loads(told.stdout))
    assert json.loads(CliRunner().invoke(app, ["schema", "--json"]).stdout) == json.loads(told.stdout)


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_every_shipped_pipeline_keeps_the_schema_and_names_it_to_editors(path):
    text = path.read_text(encoding="utf-8")
    jsonschema.validate(yaml.safe_load(text), pipeline_schema(), jsonschema.Draft202012Validator)
    way = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert way, "the first line names no schema"
    assert (path.parent / way[1]).resolve() == SCHEMA.resolve()


@pytest.mark.parametrize(
    ("slip", "where"),
    [
        ({"freqq": "h"}, []),
        ({"windowing": {"horizont": 24}}, ["windowing"]),
        ({"models": [{"cell": "transformer"}]}, ["models", 0, "cell"]),
        ({"training": {"max_epochs": 0}}, ["training", "max_epochs"]),
        ({"name": "No Spaces"}, ["name"]),
    ],
)
def test_a_slip_is_found_where_it_stands(slip, where):
    found = list(jsonschema.Draft202012Validator(pipeline_schema()).iter_errors(PIPELINE | slip))
    assert where in [list(error.absolute_path) for error in found]
