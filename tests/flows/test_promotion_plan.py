"""A promotion plan, end to end: history and 14 future days with an empty y, and the same plan cut short for a shop."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from deployments.commands.check import describe_check
from deployments.demo import promotions
from flows.nightly import nightly
from flows.pipeline.spec import PipelineSpec

AS_OF = "2026-06-01"
EXAMPLE = Path(promotions.__file__).with_name("promotions.yaml")
PLAN_DAYS = pd.date_range("2026-06-01", "2026-06-14", tz="UTC")


@pytest.fixture
def write_pipeline(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))

    def write(table):
        table.to_csv(tmp_path / "shops.csv", index=False)
        small = {
            "source": {"kind": "csv", "path": str(tmp_path / "shops.csv")},
            "models": [{"cell": "gru", "hidden": 16}],
            "training": {"max_epochs": 8, "learning_rate": 0.01},
            "evaluation": {"windows": 4},
        }
        path = tmp_path / "promotions.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(EXAMPLE.read_text()) | small), encoding="utf-8")
        return path

    return write


def plan(table):
    """Return the table with the other choice of promotion on every planned day."""
    return table.assign(promotion=np.where(table["sold"].isna(), 1 - table["promotion"], table["promotion"]))


def published(store):
    table = pd.read_parquet(store / "latest/pipeline=promotions/forecasts.parquet")
    return table.set_index(["unique_id", "ds"])["y_hat"].unstack("unique_id")


@pytest.mark.slow
def test_plan_is_known_used_and_shown(write_pipeline, tmp_path):
    table = promotions.table(pd.Timestamp(AS_OF))
    outcome = nightly.fn(str(write_pipeline(table)), AS_OF)
    assert outcome.verdict in ("good", "watch")
    as_planned = published(tmp_path / "store")
    assert list(as_planned.index) == list(PLAN_DAYS)
    assert list(as_planned.columns) == ["east", "north", "south", "west"]
    page = next((tmp_path / "store/reports/pipeline=promotions").glob("*/index.html")).read_text()
    assert "Known ahead: promotion" in page
    assert "14 of 14 steps" in page
    assert "until Sun 14 Jun 2026" in page

    nightly.fn(str(write_pipeline(plan(table))), AS_OF)
    promoted = table[table["sold"].isna()].set_index(["day", "shop"])["promotion"].unstack("shop")
    promoted.index = as_planned.index
    more_with = (as_planned.to_numpy() - published(tmp_path / "store").to_numpy()) * (2 * promoted.to_numpy() - 1)
    assert np.median(more_with / as_planned.to_numpy()) > 0.1  # a promotion sells more, by what the model has learned


def cut_plan():
    table = promotions.table(pd.Timestamp(AS_OF))
    return table[~((table["shop"] == "west") & (table["day"] > pd.Timestamp("2026-06-10")))]


def test_check_names_the_shop_whose_plan_is_cut_short(write_pipeline):
    facts = describe_check(PipelineSpec.read(str(write_pipeline(cut_plan()))), AS_OF)
    assert facts["windows"]["forecast"] == 3
    sentence = "known covariate has no value for 4 of 56 steps of the horizon, first series 'west' at 2026-06-11"
    assert any(sentence in warning for warning in facts["warnings"]), facts["warnings"]


@pytest.mark.slow
def test_shop_whose_plan_is_cut_short_is_forecast_without_it_and_the_page_names_it(write_pipeline, tmp_path):
    outcome = nightly.fn(str(write_pipeline(cut_plan())), AS_OF)
    forecasts = published(tmp_path / "store")
    assert forecasts.notna().all().to_dict() == {"east": True, "north": True, "south": True, "west": True}
    assert "1 series not forecast by the main model but by " in " ".join(outcome.lines)
    assert "west (its known covariates end before the horizon does)" in " ".join(outcome.lines)


def test_example_says_the_same_of_a_day_at_any_as_of():
    early, late = (promotions.table(pd.Timestamp(day)) for day in ("2026-05-20", "2026-06-01"))
    both = early.merge(late, on=["shop", "day"], suffixes=("_early", "_late")).dropna()
    assert len(both) > 2800
    assert (both["sold_early"] == both["sold_late"]).all()
    assert (both["promotion_early"] == both["promotion_late"]).all()


def test_init_offers_the_plan_as_known_and_a_horizon_within_it(write_pipeline, tmp_path, capsys):
    from deployments.commands.init import init_pipeline
    from deployments.commands.init_request import InitRequest
    from tasks.profiling.inference import Hints

    write_pipeline(promotions.table(pd.Timestamp(AS_OF), days_of_plan=9))
    request = InitRequest(str(tmp_path / "shops.csv"), None, str(tmp_path / "out"), "plan", False)
    facts, _ = init_pipeline(request, Hints())
    assert facts["guesses"]["known"]["value"] == "promotion, price"
    assert (facts["guesses"]["horizon"]["value"], facts["guesses"]["id"]["value"]) == ("9 steps", "shop")
    spec = yaml.safe_load((tmp_path / "out/plan.yaml").read_text())
    assert spec["features"]["known"][-2:] == ["promotion", "price"]
    json.dumps(facts)
