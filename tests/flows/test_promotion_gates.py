"""A pipeline with gates measures segments and coverage on each night that compares with a champion, and shows them."""

import json
from pathlib import Path

import pandas as pd
import pytest

from flows.nightly import nightly

NIGHTS = ("2024-02-06", "2024-02-09")


@pytest.fixture(scope="module")
def gated(tmp_path_factory, panel, build):
    """The folder of a store with two nights of three ports on two coasts."""
    with pytest.MonkeyPatch.context() as patch:
        ports = pd.concat([panel, panel[panel["port"] == "north"].assign(port="west")], ignore_index=True)
        ports["coast"] = ports["port"].map({"north": "Baltic", "south": "Adriatic", "west": "Baltic"})
        settings = {"max_segment_increase": 0.25, "max_coverage_error": 0.1}
        features = {"known": ["planned", "hour"], "observed": ["wind"], "static": ["coast"]}
        folder = build(tmp_path_factory.mktemp("gated"), ports, patch, promotion=settings, features=features)
        for night in NIGHTS:
            nightly.fn(str(folder / "ports.yaml"), night)
        yield folder / "store"


def decision_of(store: Path, night: str) -> dict[str, object]:
    path = store / "decisions" / "pipeline=ports" / f"vintage={night}T000000Z.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_first_champion_has_no_segments_to_compare(gated):
    first = decision_of(gated, NIGHTS[0])
    assert first["moved"]
    assert "segment" not in first
    assert first["coverage"]["share"] == 0.8


def test_next_challenger_is_compared_in_every_port_and_on_every_coast(gated):
    segment = decision_of(gated, NIGHTS[1])["segment"]
    assert segment["compared"] == 5
    assert segment["by"] in {"series", "segment coast"}
    assert segment["level"] == pytest.approx(0.05 / 2 / (3 if segment["by"] == "series" else 2))


def test_page_lists_the_measures(gated):
    run = decision_of(gated, NIGHTS[1])["run_id"]
    page = (gated / "reports" / "pipeline=ports" / str(run) / "index.html").read_text(encoding="utf-8")
    assert "<th>Worst segment</th>" in page
    assert 'n">Expected</th>' in page
