"""Drawings of networks: they show the measured numbers and stay valid for any memory."""

import math
import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from models.diagnostics.measurements import GateStatistics, Memory
from models.networks.architecture import NetworkShape, RecurrentSpec
from tasks.charts.cell_diagram import draw_cell
from tasks.charts.diagram import Diagram, fill_opacity
from tasks.charts.gradient_by_lag import GradientCurve, draw_gradient_by_lag
from tasks.charts.gradient_norms import draw_gradient_norms
from tasks.charts.network_view import Gap, NetworkView, RecurrenceStep, elide_middle, recurrence_steps
from tasks.charts.unrolled_network import draw_unrolled, format_share

EVIL = "</text><script>alert(1)</script>\x00\ud800"
GATES = {"lstm": ("input", "forget", "new", "output"), "gru": ("reset", "update", "new"), "rnn": ("new",)}
SVG = "{http://www.w3.org/2000/svg}"


def memory(curve: Sequence[float], cell: str = "gru", **changes: Any) -> Memory:
    uses = tuple(
        GateStatistics(layer=0, gate=gate, mean=0.25, low=0.1, high=0.05, by_step=(0.2, 0.3)) for gate in GATES[cell]
    )
    fields = {"cell": cell, "season": 4, "segment": 1, "forecast": tuple(curve), "recurrence": tuple(curve)}
    return Memory.model_validate(fields | {"effective": len(curve), "effective_recurrence": 1, "gates": uses} | changes)


def network(measured: Memory, name: str = "gru-64", horizon: int = 6, **spec: Any) -> NetworkView:
    lookback = len(measured.forecast)
    shape = NetworkShape(lookback=lookback, horizon=horizon, past=2, future=0, statics=(), quantiles=(0.5,), season=4)
    return NetworkView(name, RecurrentSpec.model_validate({"cell": measured.cell} | spec), shape, measured)


def parse(diagram: Diagram) -> ET.Element:
    """Parse the SVG file, after a check that no attribute is NaN, infinite or has needless digits."""
    text = diagram.sheet.decode("utf-8")
    assert not re.search(r'="[^"]*\b(nan|inf)\b', text)
    assert not re.search(r"-?\d[\d.]{12,}", text)
    return ET.fromstring(text)  # noqa: S314 - we wrote it ourselves


def texts(diagram: Diagram) -> list[str]:
    return [node.text or "" for node in parse(diagram).iter(f"{SVG}text")]


def diagrams(view: NetworkView) -> list[Diagram]:
    curves = [GradientCurve(view.name, view.memory), GradientCurve("rnn-64", view.memory, reference=True)]
    return [
        draw_unrolled(view), draw_unrolled(view, narrow=True), draw_cell(view), draw_gradient_by_lag(curves),
        draw_gradient_by_lag(curves, narrow=True),
    ]  # fmt: skip


FADING = tuple(0.5**lag for lag in range(6))


def test_step_has_its_lags_and_their_largest_share_of_the_gradient() -> None:
    segmented = memory((4.0, 2.0, 1.0, 0.5, 0.2), segment=2)
    assert recurrence_steps(segmented) == [
        RecurrenceStep(5, 5, 0.05),
        RecurrenceStep(3, 4, 0.25),
        RecurrenceStep(1, 2, 1.0),
    ]


def test_middle_steps_are_left_out_and_counted() -> None:
    steps = [RecurrenceStep(lag, lag, 1 / lag) for lag in range(10, 0, -1)]
    assert elide_middle(steps, 10) == steps
    shown = elide_middle(steps, 5)
    assert shown == [steps[0], Gap(6, 0.25), *steps[-3:]]


def test_unrolled_network_shows_lags_shares_and_horizon() -> None:
    labels = texts(draw_unrolled(network(memory(FADING), horizon=6)))
    assert [word for word in labels if word.endswith("%")] == ["3.1%", "6.2%", "12%", "25%", "50%", "100%"]
    assert [word for word in labels if word.isdigit()] == ["6", "5", "4", "3", "2", "1"]
    assert {"+1", "+6", "GRU", "context"} <= set(labels)
    assert labels.count("GRU") == 6


def test_long_lookback_is_elided_and_segments_show_their_lags() -> None:
    labels = texts(draw_unrolled(network(memory((1.0,) * 100, segment=5))))
    assert {"100–96", "5–1", "13 more"} <= set(labels)


def test_only_parts_that_a_network_has_are_drawn() -> None:
    plain, rich = (
        " ".join(texts(draw_unrolled(network(memory(FADING), **spec))))
        for spec in (
            {"skip": False},
            {"readout": "attention", "bidirectional": True, "layers": 2, "decoding": "recurrent"},
        )
    )
    for words in ("attention reads every state", "layer 2 ←", "linear map", "each step is fed the one before"):
        assert words in rich
        assert words not in plain
    assert "each step on its own" in plain


def test_opacity_falls_by_decades_of_the_gradient() -> None:
    assert [fill_opacity(share) for share in (1.0, 0.1, 0.01, 0.001, 1e-9, 0.0, math.nan)] == [
        1.0, 0.667, 0.333, 0.0, 0.0, 0.0, 0.0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("share", "words"), [(1.0, "100%"), (0.37, "37%"), (0.032, "3.2%"), (0.0004, "0.04%"), (1e-7, "≈ 0"), (0.0, "≈ 0")]
)
def test_share_is_formatted(share: float, words: str) -> None:
    assert format_share(share) == words


def test_every_cell_has_a_curve_and_references_are_labelled() -> None:
    curves = [
        GradientCurve("lstm-64", memory(FADING, "lstm")),
        GradientCurve("gru-64", memory(FADING, "gru", effective=1, effective_recurrence=0)),
        GradientCurve("rnn-64", memory(FADING, "rnn"), reference=True),
    ]
    diagram = draw_gradient_by_lag(curves)
    lines = [node.get("class") for node in parse(diagram).iter(f"{SVG}path") if len(node.get("d", "")) > 30]
    assert sorted(filter(None, lines)) == 2 * ["line gru"] + 2 * ["line lstm"] + 2 * ["line rnn reference"]
    labels = texts(diagram)
    assert labels.count("one season: 4 steps") == 2
    assert {"gru-64: none", "gru-64: 1 step", "rnn-64, reference: 6 steps"} <= set(labels)
    assert "rnn-64 is a reference, trained briefly" in diagram.caption


def test_season_beyond_the_lookback_is_marked_as_never_read() -> None:
    near, far = (draw_gradient_by_lag([GradientCurve("gru", memory(FADING, season=season))]) for season in (8, 800))
    assert "never read" in texts(near)
    assert "a season, 800 steps, lies far beyond the lookback →" in texts(far)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_cell_shows_its_gates_and_their_means(cell: str) -> None:
    labels = texts(draw_cell(network(memory(FADING, cell), cell=cell)))
    assert [word for word in labels if word in GATES["lstm"] + GATES["gru"]] == list(GATES[cell])
    assert labels.count("0.25") == 2 * len(GATES[cell])
    assert labels.count("10%") == len(GATES[cell])
    assert ("c(t)" in labels) == (cell == "lstm")
    assert ("1 −" in labels) == (cell == "gru")


def test_cell_is_the_forward_cell_of_the_highest_layer() -> None:
    uses = [
        GateStatistics(layer=layer, gate="new", mean=mean, low=0.0, high=0.0, by_step=(mean,), direction=way)
        for layer, mean, way in ((0, 0.11, "forward"), (1, -0.22, "forward"), (1, 0.33, "backward"))
    ]  # fmt: skip
    diagram = draw_cell(network(memory(FADING, "rnn", gates=tuple(uses)), layers=2, bidirectional=True))
    assert texts(diagram).count("−0.22") == 2
    assert not {"0.11", "0.33"} & set(texts(diagram))
    assert diagram.title.endswith("layer 2 of 2")


ODD = {
    "nothing comes back": memory((0.0,) * 6),
    "one step": memory((1.0,), season=1),
    "one step and a far season": memory((1.0,), season=500, effective=0, effective_recurrence=0),
    "no finite gradient": memory((math.nan, math.inf, -math.inf, 1.0)),
    "denormal": memory((1.0, 5e-324, 1e300)),
    "no gate": memory(FADING, gates=()),
    "a gate that is no number": memory(
        FADING, gates=(GateStatistics(layer=0, gate="update", mean=math.nan, low=math.nan, high=math.inf, by_step=()),)
    ),
    "a gate beyond its range": memory(
        FADING, gates=(GateStatistics(layer=0, gate="new", mean=-7, low=2, high=-1, by_step=(9, math.nan, -9)),)
    ),
    "a lookback that ends in a segment": memory(FADING, segment=4),
    "a segment longer than the lookback": memory(FADING, segment=60),
    "a thousand steps": memory([1 / lag for lag in range(1, 1001)], season=168),
}


@pytest.mark.parametrize("name", ODD)
def test_any_memory_gives_valid_drawings(name: str) -> None:
    for diagram in diagrams(network(ODD[name])):
        assert parse(diagram).get("viewBox")
        assert "nan" not in str(diagram.inline)


@pytest.mark.parametrize("layers", [1, 3, 9])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("decoding", ["direct", "segment", "recurrent"])
def test_labels_of_every_kind_of_network_stay_within_the_drawing(
    layers: int, bidirectional: bool, decoding: str
) -> None:
    spec = {"layers": layers, "bidirectional": bidirectional, "decoding": decoding, "segment": 3}
    for narrow in (False, True):
        diagram = draw_unrolled(network(memory(FADING, segment=3), horizon=30, **spec), narrow)
        for node in parse(diagram).iter(f"{SVG}text"):
            assert 0 <= float(node.get("x", -1)) <= diagram.size[0] + 48
            assert 0 <= float(node.get("y", -1)) <= diagram.size[1] + 200


def test_names_are_escaped_and_unprintable_names_give_valid_files() -> None:
    for diagram in diagrams(network(memory(FADING), name=EVIL)):
        assert not list(parse(diagram).iter(f"{SVG}script"))
        assert "<script" not in str(diagram.inline)


def test_file_loads_nothing_and_has_colours_for_light_and_dark() -> None:
    text = draw_unrolled(network(memory(FADING))).sheet.decode()
    assert "prefers-color-scheme:dark" in text
    used, known = set(re.findall(r"var\(--(\w+)\)", text)), set(re.findall(r"--(\w+):", text))
    assert used <= known
    assert "href" not in text
    assert "url(" not in text


def test_the_same_memory_gives_the_same_bytes() -> None:
    first, second = (diagrams(network(memory(FADING))) for _ in range(2))
    assert [diagram.sheet for diagram in first] == [diagram.sheet for diagram in second]


def test_gradient_norm_labels_do_not_overlap_and_invalid_norms_are_skipped() -> None:
    drawing = draw_gradient_norms(
        "gru-64", {"encoder.l0": (1.0, 0.1), "skip": (1.0, 0.1), "dead": (0.0, 0.0), "bad": (math.nan,)}
    )
    nodes = list(ET.fromstring(str(drawing)).iter("text"))  # noqa: S314 - we wrote it ourselves
    heights = {
        node.text: float(node.get("y", 0)) for node in nodes if node.text in ("encoder.l0", "skip", "dead", "bad")
    }
    assert set(heights) == {"encoder.l0", "skip"}
    assert abs(heights["encoder.l0"] - heights["skip"]) >= 11
    assert draw_gradient_norms("gru-64", {"dead": (0.0,)}) == ""
    assert "nan" not in str(draw_gradient_norms("gru-64", {"huge": (3.4e38, math.inf, 1e-300)}))
