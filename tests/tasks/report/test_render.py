"""The rendered page: hostile text is inert, missing data is explained, and the same data gives the same bytes."""

import dataclasses
import re
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.diagnostics.measurements import Memory
from models.networks.architecture import NetworkShape, RecurrentSpec
from tasks.charts.gradient_by_lag import GradientCurve
from tasks.charts.network_view import NetworkView
from tasks.report.decision_history import DecisionRow
from tasks.report.page_data import (
    FailureRow,
    HealthRow,
    LearningCurve,
    ModelMemory,
    ProvenanceEntry,
    ReportData,
)
from tasks.report.render import render_page

CUTOFF = pd.Timestamp("2013-11-30T04:00Z")
EVIL = "</script><script>alert(1)</script>"


def panel(names: tuple[str, ...], start: pd.Timestamp, steps: int) -> pd.DataFrame:
    ds = pd.date_range(start, periods=steps, freq="h")
    frames = [
        pd.DataFrame({"unique_id": name, "ds": ds, "y": np.arange(steps) % 24 + 10.0 * (len(names) - rank)})
        for rank, name in enumerate(names)
    ]
    return pd.concat(frames, ignore_index=True)


def quantiles(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(y_hat=frame["y"] + 1, q05=frame["y"] - 2, q95=frame["y"] + 4)


def report_data(names: tuple[str, ...] = ("JFK", "JFK/DL"), **changes: Any) -> ReportData:
    hour = pd.Timedelta(hours=1)
    forecast = quantiles(panel(names, CUTOFF + hour, 24)).drop(columns="y")
    board = [
        ("lstm", "champion", 0.712, 0.25, 1.2, 2.3, 0.6, 0.9),
        ("ridge", "baseline", 0.8, 0.3, 1.4, 2.5, 0.7, np.nan),
    ]
    data = ReportData(
        pipeline="nyc-delays", as_of=(CUTOFF + hour).to_pydatetime(), zone="America/New_York",
        cutoff=CUTOFF.to_pydatetime(), run_id="7f3c0a91", horizon=24, freq="h", season=24,
        verdict="good", lines=("48 forecasts are published.", "They were good yesterday.", "Nothing to do."),
        leaderboard=pd.DataFrame(
            board, columns=["model_name", "role", "mase", "wql", "mae", "rmse", "smape", "coverage"]
        ),
        metric="mase", decision="lstm stays champion.",
        history=panel(names, CUTOFF - 167 * hour, 168),
        forecast=forecast.assign(cutoff=CUTOFF, step=1, model_name="lstm", source="champion", degraded_reason=None),
        yesterday=quantiles(panel(names, CUTOFF - 23 * hour, 24)),
        accuracy=pd.DataFrame(
            {"vintage": [CUTOFF], "mae": [1.0], "mase": [0.7], "wql": [0.2], "coverage": [0.9], "rows": [48]}
        ),
        health=(HealthRow("Rows read", "8 759", "on time", "good"),),
        quarantine=pd.DataFrame({"rule": ["no storm"], "rows": [3], "series": [1], "example": ["1048 mph"]}),
        quarantine_uri="quarantine/x.parquet",
        drift=pd.DataFrame(
            {
                "column": ["visib"], "test": ["KS"], "statistic": [0.3], "threshold": [0.1], "drifted": [True],
                "p_value": [0.001], "nights": [2], "series": ["JFK"], "series_p_value": [0.02], "marked": [True],
            }
        ),
        drift_summary="1 of 1 columns moved.", drift_href="drift.html",
        training=(LearningCurve("lstm", (0.5, 0.4), (0.6, 0.5)),),
        provenance=(ProvenanceEntry("raw table", "8d1f" * 16),), versions=(("torch", "2.13.0"),),
    )  # fmt: skip
    return dataclasses.replace(data, **changes)


class Reader(HTMLParser):
    """Collects tags, attributes and the text a person sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_verdict_and_its_lines_come_first() -> None:
    text = Reader(render_page(report_data(verdict="bad"))).text
    positions = [text.index(words) for words in ("Needs a person", "48 forecasts are published.", "Nothing to do.")]
    assert positions == sorted(positions)
    assert positions[-1] < text.index("Leaderboard")


def model_memory(name: str = "lstm", **changes: Any) -> ModelMemory:
    curve = (1.0, 0.5, 0.25, 0.125)
    fields = {"cell": "lstm", "season": 2, "segment": 1, "forecast": curve, "recurrence": curve, "gates": ()}
    memory = Memory.model_validate(fields | {"effective": 4, "effective_recurrence": 1} | changes)
    shape = NetworkShape(lookback=4, horizon=24, past=2, future=0, statics=(), quantiles=(0.5,), season=2)
    return ModelMemory(NetworkView(name, RecurrentSpec(cell="lstm"), shape, memory), {"encoder.l0": (0.5, 0.4)})


def test_memory_of_each_model_is_listed_and_the_best_model_is_drawn() -> None:
    reference = GradientCurve("rnn-64", model_memory(cell="rnn").view.memory, reference=True)
    page = render_page(report_data(memories=(model_memory("lstm-a"), model_memory("lstm-b")), references=(reference,)))
    text = " ".join(Reader(page).text.split())
    assert "lstm-a4 steps2.00 1 step2 steps yes" in text
    assert "lstm-a, unrolled through time" in text
    assert "lstm-b, unrolled through time" not in text
    assert "rnn-64, reference: 4 steps" in text
    assert "encoder.l0" in text
    assert "no number" not in text


def test_model_that_cannot_see_a_season_is_listed_with_the_reason() -> None:
    blind = model_memory("lstm-a", season=3, effective=1, exploded=0.25)
    text = " ".join(Reader(render_page(report_data(memories=(blind,)))).text.split())
    assert "lstm-a: it can't see a season back: its forecast depends on the last 1 of the 4 steps" in text
    assert "the gradients of 25.0% of the windows are not finite" in text


def test_missing_drawings_are_explained() -> None:
    assert "No memory was measured tonight." in Reader(render_page(report_data())).text
    text = " ".join(Reader(render_page(report_data(failures=(FailureRow("draw_memory", "out of ink"),)))).text.split())
    assert "Nothing to show here: draw_memory failed. out of ink" in text


def test_same_data_gives_same_bytes() -> None:
    assert render_page(report_data()) == render_page(report_data())


def test_order_of_rows_does_not_change_the_page() -> None:
    data = report_data()
    assert render_page(
        dataclasses.replace(data, history=data.history[::-1], forecast=data.forecast[::-1])
    ) == render_page(data)


def test_hostile_text_in_any_field_is_inert() -> None:
    data = report_data(
        names=(EVIL, '" onload="alert(1)'), pipeline=EVIL, lines=(EVIL,) * 3, decision=EVIL, run_id=EVIL,
        failures=(FailureRow("watch_drift", EVIL), FailureRow(EVIL, EVIL)),
        health=(HealthRow(EVIL, EVIL, EVIL, "bad"),),
        quarantine=pd.DataFrame({"rule": [EVIL], "rows": [1], "series": [1], "example": [EVIL]}),
        quarantine_uri=EVIL, drift_summary=EVIL, training=(LearningCurve(EVIL, (1.0,), (1.0,), EVIL),),
        memories=(model_memory(EVIL, effective=0),),
        provenance=(ProvenanceEntry(EVIL, EVIL, EVIL),), versions=((EVIL, EVIL),),
    )  # fmt: skip
    page = render_page(dataclasses.replace(data, forecast=data.forecast.assign(source=EVIL, degraded_reason=EVIL)))
    read = Reader(page)
    assert "script" not in read.tags
    assert not [name for name, _ in read.attributes if name.startswith("on") or name == "style"]
    assert "alert(1)" in read.text


def test_page_loads_nothing() -> None:
    read = Reader(render_page(report_data()))
    assert not [name for name, _ in read.attributes if name in ("src", "srcset", "data", "action")]
    assert {value for name, value in read.attributes if name == "href" and not str(value).startswith("#")} == {
        "drift.html",
        "../../../forecasts/pipeline=nyc-delays/vintage=2013-11-30T050000Z/forecasts.parquet",
    }
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(read.tags)


def test_security_policy_allows_the_stylesheet_by_digest() -> None:
    page = render_page(report_data())
    sheet = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert sheet
    policy = f"default-src 'none'; style-src 'sha256-{b64encode(sha256(sheet[1].encode()).digest()).decode()}'"
    assert policy in page.replace("&#39;", "'")


def test_drift_report_link_must_be_a_file_name() -> None:
    assert "javascript" not in render_page(report_data(drift_href="javascript:alert(1)"))


def test_empty_night_has_a_page() -> None:
    empty = pd.DataFrame()
    text = Reader(
        render_page(
            report_data(
                leaderboard=empty, history=empty, forecast=empty, yesterday=None, accuracy=None, health=(),
                quarantine=empty, drift=None, training=(), provenance=(), versions=(),
            )
        )
    ).text  # fmt: skip
    for sentence in (
        "No forecast was published tonight.",
        "there are no actuals for an earlier forecast",
        "No model was evaluated tonight.",
        "No model was trained tonight.",
        "every row that was read was used",
        "Drift was not measured tonight.",
    ):
        assert sentence in text


def test_section_of_a_failed_step_gives_the_reason() -> None:
    data = report_data(verdict="watch", drift=None, failures=(FailureRow("watch_drift", "Evidently raised KeyError"),))
    text = Reader(render_page(data)).text
    assert "1 step failed and did not stop the night" in text
    assert "Nothing to show here: watch_drift failed. Evidently raised KeyError" in " ".join(text.split())
    assert "Drift was not measured tonight." not in text


def test_failed_model_is_reported_beside_trained_models() -> None:
    text = " ".join(Reader(render_page(report_data(failures=(FailureRow("train[gru]", "loss is NaN"),)))).text.split())
    assert "Incomplete: train[gru] failed. loss is NaN" in text
    assert "best epoch" in text


def test_rows_of_a_fallback_are_reported_with_their_reason() -> None:
    data = report_data()
    rows = data.forecast.assign(source="last_vintage", degraded_reason="no rows for three days")
    text = Reader(render_page(dataclasses.replace(data, forecast=rows))).text
    assert "No row comes from a champion." in text
    assert "no rows for three days" in text
    half = pd.concat([rows.iloc[:24], data.forecast.iloc[24:]])
    assert (
        "Not every row comes from the champion." in Reader(render_page(dataclasses.replace(data, forecast=half))).text
    )
    assert "from the champion." not in Reader(render_page(data)).text


def test_several_warnings_are_a_list_and_one_is_the_last_line() -> None:
    lines = ("48 forecasts.", "No promotion.", "Look at: 4 rows are in quarantine; drift: all moved.")
    two = report_data(verdict="watch", lines=lines, warnings=("4 rows are in quarantine", "drift: all moved"))
    page = render_page(two)
    assert "<li>4 rows are in quarantine</li><li>Drift: all moved</li>" in page
    assert lines[2] not in page
    page = render_page(dataclasses.replace(two, warnings=("4 rows are in quarantine",)))
    assert f"<p>{lines[2]}</p>" in page


def test_failed_step_is_named_in_its_box_alone() -> None:
    failure, lines = (
        FailureRow("register", "MLflow is down"),
        ("48 forecasts.", "?", "Look at: register failed: MLflow is down."),
    )
    page = render_page(report_data(verdict="watch", lines=lines, failures=(failure,)))
    assert lines[2] not in page
    assert "Look at" not in page
    assert "<li>4 rows</li>" in render_page(report_data(lines=lines, failures=(failure,), warnings=("4 rows",)))


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1e12, 1e12])
def test_any_value_gives_a_valid_page(value: float) -> None:
    data = report_data()
    changes: dict[str, Any] = {
        name: frame.assign(**{c: value for c in frame if c in ("y", "y_hat", "q05", "q95")})
        for name, frame in (("history", data.history), ("forecast", data.forecast), ("yesterday", data.yesterday))
        if frame is not None
    }
    board = data.leaderboard.assign(mase=value, wql=value)
    page = render_page(dataclasses.replace(data, **changes, leaderboard=board))
    assert not re.search(r'="[^"]*\b(nan|inf)\b[^"]*"|>\s*(nan|NaN|None|NaT|inf)\s*<', page)


def test_forecast_without_quantiles_or_with_one_step_is_drawn() -> None:
    data = report_data()
    bare = data.forecast.drop(columns=["q05", "q95"])
    assert (
        "interval"
        not in Reader(render_page(dataclasses.replace(data, forecast=bare, yesterday=None))).text.split("Yesterday's")[
            0
        ]
    )
    assert "1 step (h) after" in render_page(
        report_data(forecast=data.forecast.groupby("unique_id").head(1), horizon=1)
    )


def test_long_names_are_clipped_and_unprintable_names_are_valid_utf8() -> None:
    page = render_page(report_data(names=("x" * 500, "🛫\x00\x1b[31m", "e\u0301"), lines=("\ud800",)))
    assert "x" * 250 not in page
    assert "🛫\ufffd\ufffd[31m" in page
    page.encode("utf-8")


def test_many_series_draw_largest_and_worst_and_count_the_rest() -> None:
    page = render_page(report_data(names=tuple(f"s{i:03d}" for i in range(100))))
    assert "64 of 100 series are not drawn" in Reader(page).text
    assert "latest/pipeline=nyc-delays/forecasts.parquet" in page
    assert len(page.encode()) < 300_000


def test_page_of_thirty_series_is_below_300_kilobytes() -> None:
    assert len(render_page(report_data(names=tuple(f"s{i}" for i in range(30)))).encode()) < 300_000


def test_tiles_show_champion_and_yesterday() -> None:
    text = Reader(render_page(report_data())).text
    assert "MASE of the champion0.712\u221211.0% vs. the best baseline" in text
    assert "Yesterday's mean error1.0048 rows now have actuals" in text
    assert "Inside the interval100%expected: 90%" in text


def test_series_with_smallest_share_inside_comes_first() -> None:
    data = report_data()
    assert data.yesterday is not None
    missed = data.yesterday.assign(y=data.yesterday["y"].where(data.yesterday["unique_id"] == "JFK", -100.0))
    text = Reader(render_page(dataclasses.replace(data, yesterday=missed))).text
    table = text[text.index("vs. seasonal naive") :]
    assert re.findall(r"JFK(?:/DL)?", table)[:2] == ["JFK/DL", "JFK"]


def test_former_champion_has_its_own_style() -> None:
    board = report_data().leaderboard.assign(role=["former champion", "baseline"])
    page = render_page(report_data(leaderboard=board))
    assert 'class="role former-champion"' in page
    assert "MASE of the champion" not in page


def test_decisions_of_the_last_nights_are_listed_with_their_numbers() -> None:
    tonight = DecisionRow(datetime(2024, 3, 2, tzinfo=UTC), "lstm v2", "gru", 0.0312, 0.0004, 0.0017, "promoted")
    before = DecisionRow(datetime(2024, 3, 1, tzinfo=UTC), "lstm v2", "", None, None, None, "changed by hand")
    text = " ".join(render_page(report_data(decisions=(tonight, before))).split())
    assert "Decisions of the last 2 nights" in text
    assert '<td class="n">+3.1 %</td> <td class="n">0.0004</td> <td class="n">0.0017</td> <td>promoted</td>' in text
    assert '<td class="n"></td> <td class="n"></td> <td class="n"></td> <td>changed by hand</td>' in text
    assert "Decisions of the last" not in render_page(report_data(decisions=(tonight,)))


def test_measures_of_gates_are_listed_where_a_gate_was_on() -> None:
    tonight = DecisionRow(
        datetime(2024, 3, 2, tzinfo=UTC), "lstm v2", "gru", 0.0312, 0.0004, 0.0017, "stays", "origin <JFK>", 0.5, 0.842,
        0.9,
    )  # fmt: skip
    before = DecisionRow(datetime(2024, 3, 1, tzinfo=UTC), "lstm v2", "", None, None, None, "stays")
    text = " ".join(render_page(report_data(decisions=(tonight, before))).split())
    assert "<th>Worst segment</th>" in text
    assert '<bdi>origin &lt;JFK&gt;</bdi></td> <td class="n">+50.0 %</td> <td class="n">84.2 %</td>' in text
    assert '<td class="n">90 %</td> <td>stays</td>' in text
    plain = render_page(report_data(decisions=(before, before)))
    assert "Worst segment" not in plain
    assert 'n">Expected' not in plain


def test_errors_and_coverage_by_step_are_drawn() -> None:
    steps = pd.DataFrame(
        {"step": [1, 2, 3], "rows": [10, 10, 8], "mae": [1.0, 1.5, 2.5], "bias": [0.1, -0.2, 0.3],
         "coverage_90": [0.9, 0.8, 0.75], "coverage_975": [1.0, 1.0, 0.95]}
    )  # fmt: skip
    page = " ".join(render_page(report_data(by_step=steps)).split())
    assert "Published forecasts by step" in page
    assert "Mean absolute error by step, from 1.00 at step 1 to 2.50 at 3" in page
    assert "expected: 90<" in page
    assert "expected: 97.5<" in page
    assert "28 published rows with an actual" in page
    assert "Published forecasts by step" not in render_page(report_data(by_step=steps.iloc[:1]))
