"""Numbers of a pipeline: finite, within bounds that the message names, and refused before memory is taken."""

import math
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_contracts.errors import SpecError
from flows.pipeline.spec import PipelineSpec

INF, NAN = math.inf, math.nan
PIPELINE: dict[str, Any] = {
    "name": "shop",
    "source": {"kind": "csv", "path": "s.csv"},
    "columns": {"unique_id": "id", "ds": "ds", "y": "y"},
    "freq": "h",
    "windowing": {"horizon": 24},
}


def read(folder: Path, field: str, value: Any) -> PipelineSpec:
    document: dict[str, Any] = yaml.safe_load(yaml.safe_dump(PIPELINE))
    *parents, last = field.split(".")
    target = document
    for name in parents:
        target = target.setdefault(name, {})
    target[last] = value
    (folder / "shop.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return PipelineSpec.read(str(folder / "shop.yaml"))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("windowing.horizon", 10**9, r"windowing\.horizon: Input should be less than or equal to 100000 \(got 10{9}\)"),
        ("windowing.lookback", 10**9, r"windowing\.lookback: .* less than or equal to 100000"),
        ("windowing.horizon", 10**40, r"windowing\.horizon: "),
        ("windowing.validation", 10**12, r"windowing\.validation.*limit of 100,000,000"),
        ("windowing.test", 10**12, r"windowing\.test.*limit of 100,000,000"),
        ("windowing.test", "99999999999999999999d", r"windowing\.test"),
        ("windowing.refresh", "99999999999999999999d", r"windowing\.refresh"),
        ("models", [{"cell": "gru", "hidden": 10**9}], r"models\.0\.hidden: .* less than or equal to 16384"),
        ("models", [{"cell": "gru", "layers": 10**6}], r"models\.0\.layers: .* less than or equal to 64"),
        ("models", [{"cell": "gru", "segment": 10**12}], r"models\.0\.segment: .* less than or equal to 100000"),
        ("models", [{"cell": "gru", "cycle": 10**12}], r"models\.0\.cycle: .* less than or equal to 100000"),
        ("models", [{"cell": "gru", "dropout": NAN}], r"models\.0\.dropout"),
        ("models", [{"cell": "gru", "hidden": size} for size in range(1, 52)], "models: .* at most 50 items"),
        ("training.max_epochs", 10**12, r"training\.max_epochs: .* less than or equal to 100000"),
        ("training.batch_size", 10**12, r"training\.batch_size: .* less than or equal to 1000000"),
        ("training.learning_rate", INF, r"training\.learning_rate: .* finite"),
        ("training.learning_rate", NAN, r"training\.learning_rate: "),
        ("training.learning_rate", "1e999", r"training\.learning_rate: .* finite"),
        ("training.learning_rate", "inf", r"training\.learning_rate: .* finite"),
        ("training.clip", INF, r"training\.clip: .* finite"),
        ("training.weight_decay", INF, r"training\.weight_decay: .* finite"),
        ("training.seed", -1, r"training\.seed: "),
        ("training.seed", 10**40, r"training\.seed: "),
        ("training.members", 10**6, r"training\.members: .* less than or equal to 100 "),
        ("training.threads", 10**6, r"training\.threads: .* less than or equal to 1024"),
        ("training.patience", 10**12, r"training\.patience: "),
        ("training.windows_per_epoch", 10**12, r"training\.windows_per_epoch: "),
        ("training.validation_windows", 10**12, r"training\.validation_windows: "),
        ("evaluation.season", 10**9, r"evaluation\.season: .* less than or equal to 100000"),
        ("evaluation.windows", 10**9, r"evaluation\.windows: .* less than or equal to 10000"),
        (
            "forecast.quantiles",
            [number / 500 for number in range(1, 500)],
            r"forecast\.quantiles: .* at most 199 items",
        ),
        ("forecast.quantiles", [NAN], r"forecast\.quantiles"),
        ("forecast.minimum", -INF, r"forecast\.minimum: .* finite"),
        ("forecast.maximum", INF, r"forecast\.maximum: .* finite"),
        ("memory.reference_steps", 10**12, r"memory\.reference_steps: "),
        ("drift.share", NAN, r"drift\.share: "),
        ("drift.current", 10**12, r"drift\.current: "),
        ("drift.reference", 10**12, r"drift\.reference: "),
        ("promotion.significance", NAN, r"promotion\.significance: "),
        ("promotion.min_gain", NAN, r"promotion\.min_gain: "),
        ("alerts.quarantine", NAN, r"alerts\.quarantine: "),
        ("alerts.promotion", 10**12, r"alerts\.promotion: "),
        ("alerts.cooldown", "99999999999999999999d", r"alerts\.cooldown"),
        ("source.missing", [INF], r"source\.missing"),
        ("source.skip", 10**40, r"source\.skip"),
        ("freq", "100YS", "horizon: 24 steps of 100YS are more than 1000 years; lower the horizon, or set a shorter"),
        ("freq", "99999999999D", "horizon: 24 steps of 99999999999D are more than 1000 years"),
        ("freq", 10**12, "more than 1000 years"),
        ("freq", 10**40, "freq"),
    ],
)
def test_value_out_of_bounds_is_named_with_its_limit(tmp_path: Path, field: str, value: Any, message: str) -> None:
    begun = time.monotonic()
    with pytest.raises(SpecError, match=message) as refused:
        read(tmp_path, field, value)
    assert time.monotonic() - begun < 2
    assert len(str(refused.value)) < 2000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("windowing.horizon", 8760),
        ("windowing.lookback", 17_520),
        ("windowing.test", 500_000),
        ("training.learning_rate", 1e-5),
        ("forecast.quantiles", [number / 100 for number in range(1, 100)]),
        ("evaluation.windows", 365),
        ("models", [{"cell": "lstm", "hidden": 2048, "layers": 8}]),
        ("freq", "YE"),
        ("freq", "1ns"),
    ],
)
def test_large_but_possible_value_is_accepted(tmp_path: Path, field: str, value: Any) -> None:
    assert read(tmp_path, field, value).name == "shop"


def test_long_lists_of_columns_are_checked_in_a_moment(tmp_path: Path) -> None:
    begun = time.monotonic()
    names = [f"column {number}" for number in range(10_000)]
    assert len(read(tmp_path, "features", {"observed": names}).features.observed) == 10_000
    with pytest.raises(SpecError, match="column 'column 7' has two roles"):
        read(tmp_path, "features", {"observed": [*names, "column 7"]})
    assert time.monotonic() - begun < 10
