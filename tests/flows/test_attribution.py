"""A second forecast of the same day says how far it moved and why, and the causes add up."""

import json

import numpy as np
import pandas as pd
import pytest

from data_contracts.artifact import Artifact
from flows.forecast import forecast
from flows.nightly import nightly
from tasks.history.reader import PublishedReader
from tasks.storage.store import Store

CAUSES = ["new_actuals", "revised_history", "covariates", "model"]


@pytest.fixture
def moved(world, panel):
    """(world, manifest) of a forecast six hours after a night; two past values and a plan were changed meanwhile."""
    first = nightly.fn(str(world / "ports.yaml"), "2024-02-08")
    changed, hours = panel.copy(), panel["hour_utc"]
    changed.loc[hours == "2024-02-07T20:00Z", "late"] += 30.0
    changed.loc[hours.between("2024-02-08T08:00Z", "2024-02-08T20:00Z"), "planned"] += 20.0
    changed.to_parquet(world / "ports.parquet", index=False)
    second = forecast.fn(str(world / "ports.yaml"), "2024-02-08T06:00Z")
    assert first.published != second.published
    return world, json.loads((world / "store" / second.manifest).read_text(encoding="utf-8"))


def test_moved_forecast_is_split_into_causes_in_the_manifest_and_on_the_page(moved):
    world, manifest = moved
    parts, store = manifest["story"]["attributed"], Store(root=str(world / "store"))
    table = store.get(Artifact.model_validate(parts["table"]))
    assert (parts["times"], len(table)) == (2 * 18, 2 * 18)
    np.testing.assert_allclose(table[CAUSES].sum(axis=1), table["after"] - table["before"], rtol=0, atol=1e-9)
    reader = PublishedReader(pipeline="ports", store=store)
    vintages = reader.all_forecasts().to_pandas()
    published = {
        as_of.hour: part.set_index(["unique_id", "ds"])["y_hat"] for as_of, part in vintages.groupby("as_of", sort=True)
    }
    rows = pd.MultiIndex.from_frame(table[["unique_id", "ds"]])
    assert table["before"].tolist() == published[0].reindex(rows).tolist()
    assert table["after"].tolist() == published[6].reindex(rows).tolist()
    by_cause = table[CAUSES].abs().max()
    assert (by_cause[["new_actuals", "revised_history", "covariates"]] > 0.01).all()
    assert by_cause["model"] < 1e-9  # the same champion: the other causes explain everything
    page = (world / "store" / manifest["page"]).read_text(encoding="utf-8")
    assert "Forecast moved" in page
    assert "on average: new actuals" in page
    assert any(manifest["story"]["forecasted"]["share_changes"])  # which the new actuals moved
    assert "Shares in the median" in page


def test_nights_without_a_common_time_have_nothing_to_explain(world):
    nightly.fn(str(world / "ports.yaml"), "2024-02-08")
    second = forecast.fn(str(world / "ports.yaml"), "2024-02-09")
    manifest = json.loads((world / "store" / second.manifest).read_text(encoding="utf-8"))
    assert manifest["story"]["attributed"]["table"] is None
    assert "Forecast moved" not in (world / "store" / manifest["page"]).read_text(encoding="utf-8")
