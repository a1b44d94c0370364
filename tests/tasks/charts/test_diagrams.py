"""The three drawings: of the network's real numbers, well-formed, and whole whatever a memory looks like."""

import math
import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from models.diagnostics.memory import GateStatistics, Memory
from models.networks.recurrent import RecurrentSpec, Shape
from tasks.charts.cell_diagram import draw_cell
from tasks.charts.diagram import Diagram, fill_opacity
from tasks.charts.gradient_by_lag import GradientCurve, draw_lags
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
    told = {"cell": cell, "season": 4, "segment": 1, "forecast": tuple(curve), "recurrence": tuple(curve)}
    return Memory.model_validate(told | {"effective": len(curve), "effective_recurrence": 1, "gates": uses} | changes)


def drawn(remembered: Memory, name: str = "gru-64", horizon: int = 6, **spec: Any) -> NetworkView:
    lookback = len(remembered.forecast)
    shape = Shape(lookback=lookback, horizon=horizon, past=2, future=0, statics=(), quantiles=(0.5,), season=4)
    return NetworkView(name, RecurrentSpec.model_validate({"cell": remembered.cell} | spec), shape, remembered)


def read(plate: Diagram) -> ET.Element:
    """The sheet as XML; what is drawn holds no number that no renderer knows."""
    text = plate.sheet.decode("utf-8")
    assert not re.search(r'="[^"]*\b(nan|inf)\b', text)
    assert not re.search(r"-?\d[\d.]{12,}", text)
    return ET.fromstring(text)  # noqa: S314 - we wrote it ourselves


def texts(plate: Diagram) -> list[str]:
    return [node.text or "" for node in read(plate).iter(f"{SVG}text")]


def plates(one: NetworkView) -> list[Diagram]:
    curves = [GradientCurve(one.name, one.memory), GradientCurve("rnn-64", one.memory, reference=True)]
    return [
        draw_unrolled(one), draw_unrolled(one, narrow=True), draw_cell(one), draw_lags(curves),
        draw_lags(curves, narrow=True),
    ]  # fmt: skip


FADING = tuple(0.5**lag for lag in range(6))


def test_a_step_is_told_with_its_lags_and_the_largest_gradient_among_them_over_the_largest_of_all() -> None:
    one = memory((4.0, 2.0, 1.0, 0.5, 0.2), segment=2)
    assert recurrence_steps(one) == [RecurrenceStep(5, 5, 0.05), RecurrenceStep(3, 4, 0.25), RecurrenceStep(1, 2, 1.0)]


def test_steps_in_the_middle_are_left_out_and_counted() -> None:
    steps = [RecurrenceStep(lag, lag, 1 / lag) for lag in range(10, 0, -1)]
    assert elide_middle(steps, 10) == steps
    shown = elide_middle(steps, 5)
    assert shown == [steps[0], Gap(6, 0.25), *steps[-3:]]


def test_the_unrolled_network_has_its_own_steps_shares_and_horizon() -> None:
    told = texts(draw_unrolled(drawn(memory(FADING), horizon=6)))
    assert [word for word in told if word.endswith("%")] == ["3.1%", "6.2%", "12%", "25%", "50%", "100%"]
    assert [word for word in told if word.isdigit()] == ["6", "5", "4", "3", "2", "1"]
    assert {"+1", "+6", "GRU", "context"} <= set(told)
    assert told.count("GRU") == 6


def test_a_long_lookback_is_elided_and_a_segment_names_its_lags() -> None:
    told = texts(draw_unrolled(drawn(memory((1.0,) * 100, segment=5))))
    assert {"100–96", "5–1", "13 more"} <= set(told)


def test_what_a_network_has_is_drawn_and_what_it_lacks_is_not() -> None:
    plain, rich = (
        " ".join(texts(draw_unrolled(drawn(memory(FADING), **spec))))
        for spec in (
            {"skip": False},
            {"readout": "attention", "bidirectional": True, "layers": 2, "decoding": "recurrent"},
        )
    )
    for words in ("attention reads every state", "layer 2 ←", "linear map", "each step is fed the one before"):
        assert words in rich
        assert words not in plain
    assert "each step on its own" in plain


def test_the_fainter_the_gradient_the_fainter_the_ink_by_decades() -> None:
    assert [fill_opacity(share) for share in (1.0, 0.1, 0.01, 0.001, 1e-9, 0.0, math.nan)] == [
        1.0, 0.667, 0.333, 0.0, 0.0, 0.0, 0.0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("share", "words"), [(1.0, "100%"), (0.37, "37%"), (0.032, "3.2%"), (0.0004, "0.04%"), (1e-7, "≈ 0"), (0.0, "≈ 0")]
)
def test_a_share_in_a_few_letters(share: float, words: str) -> None:
    assert format_share(share) == words


def test_the_lags_are_drawn_for_every_cell_and_a_reference_is_named_as_one() -> None:
    curves = [
        GradientCurve("lstm-64", memory(FADING, "lstm")),
        GradientCurve("gru-64", memory(FADING, "gru", effective=1, effective_recurrence=0)),
        GradientCurve("rnn-64", memory(FADING, "rnn"), reference=True),
    ]
    plate = draw_lags(curves)
    lines = [node.get("class") for node in read(plate).iter(f"{SVG}path") if len(node.get("d", "")) > 30]
    assert sorted(filter(None, lines)) == 2 * ["line gru"] + 2 * ["line lstm"] + 2 * ["line rnn reference"]
    told = texts(plate)
    assert told.count("one season: 4 steps") == 2
    assert {"gru-64: none", "gru-64: 1 step", "rnn-64, reference: 6 steps"} <= set(told)
    assert "rnn-64 is a reference, trained briefly" in plate.caption


def test_a_season_beyond_the_lookback_is_said_to_be_never_read() -> None:
    near, far = (draw_lags([GradientCurve("gru", memory(FADING, season=season))]) for season in (8, 800))
    assert "never read" in texts(near)
    assert "a season, 800 steps, lies far beyond the lookback →" in texts(far)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_cell_is_drawn_with_its_own_gates_and_their_means(cell: str) -> None:
    told = texts(draw_cell(drawn(memory(FADING, cell), cell=cell)))
    assert [word for word in told if word in GATES["lstm"] + GATES["gru"]] == list(GATES[cell])
    assert told.count("0.25") == 2 * len(GATES[cell])
    assert told.count("10%") == len(GATES[cell])
    assert ("c(t)" in told) == (cell == "lstm")
    assert ("1 −" in told) == (cell == "gru")


def test_the_cell_is_that_of_the_highest_layer_on_its_way_forward() -> None:
    uses = [
        GateStatistics(layer=layer, gate="new", mean=mean, low=0.0, high=0.0, by_step=(mean,), direction=way)
        for layer, mean, way in ((0, 0.11, "forward"), (1, -0.22, "forward"), (1, 0.33, "backward"))
    ]  # fmt: skip
    plate = draw_cell(drawn(memory(FADING, "rnn", gates=tuple(uses)), layers=2, bidirectional=True))
    assert texts(plate).count("−0.22") == 2
    assert not {"0.11", "0.33"} & set(texts(plate))
    assert plate.title.endswith("layer 2 of 2")


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
def test_no_memory_breaks_a_drawing(name: str) -> None:
    for plate in plates(drawn(ODD[name])):
        assert read(plate).get("viewBox")
        assert "nan" not in str(plate.inline)


@pytest.mark.parametrize("layers", [1, 3, 9])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("decoding", ["direct", "segment", "recurrent"])
def test_every_kind_of_network_stays_on_its_sheet(layers: int, bidirectional: bool, decoding: str) -> None:
    spec = {"layers": layers, "bidirectional": bidirectional, "decoding": decoding, "segment": 3}
    for narrow in (False, True):
        plate = draw_unrolled(drawn(memory(FADING, segment=3), horizon=30, **spec), narrow)
        for node in read(plate).iter(f"{SVG}text"):
            assert 0 <= float(node.get("x", -1)) <= plate.size[0] + 48
            assert 0 <= float(node.get("y", -1)) <= plate.size[1] + 200


def test_names_are_escaped_and_unprintable_ones_still_make_a_sheet() -> None:
    for plate in plates(drawn(memory(FADING), name=EVIL)):
        assert not list(read(plate).iter(f"{SVG}script"))
        assert "<script" not in str(plate.inline)


def test_a_sheet_asks_no_network_and_has_ink_for_light_and_dark() -> None:
    text = draw_unrolled(drawn(memory(FADING))).sheet.decode()
    assert "prefers-color-scheme:dark" in text
    used, known = set(re.findall(r"var\(--(\w+)\)", text)), set(re.findall(r"--(\w+):", text))
    assert used <= known
    assert "href" not in text
    assert "url(" not in text


def test_the_same_memory_gives_the_same_bytes() -> None:
    first, second = (plates(drawn(memory(FADING))) for _ in range(2))
    assert [plate.sheet for plate in first] == [plate.sheet for plate in second]


def test_gradient_norms_name_their_layers_apart_and_skip_what_is_no_number() -> None:
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
