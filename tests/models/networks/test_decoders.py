"""From one context to a horizon, three ways."""

import pytest
import torch
from torch import Tensor

from models.networks.decoders import (
    DECODERS,
    AutoregressiveDecoder,
    DecoderWidths,
    Decoding,
    DirectDecoder,
    SegmentDecoder,
)

WIDTHS = DecoderWidths(context=6, extra=2, future=3, horizon=7, size=2)


def inputs(count: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    return tuple(torch.randn(count, *shape, generator=draw) for shape in ((6,), (2,), (7, 3)))  # type: ignore[return-value]


def nothing(raw: Tensor, start: int) -> Tensor:
    return torch.zeros(raw.shape[:2])


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("segment", [1, 3, 24])
@pytest.mark.parametrize("decoding", ["direct", "segment", "recurrent"])
def test_a_horizon_that_is_no_multiple_of_the_segment_is_filled_exactly(cell, segment: int, decoding: Decoding) -> None:
    decoder = DECODERS[decoding](cell, WIDTHS, 5, segment, 0.0)
    assert decoder(*inputs(), nothing).shape == (4, 7, 2)


@pytest.mark.parametrize("kind", [DirectDecoder, SegmentDecoder])
def test_what_is_known_of_one_segment_changes_no_other(kind: type[DirectDecoder | SegmentDecoder]) -> None:
    decoder = kind("gru", WIDTHS, 5, 3, 0.0).eval()
    context, extra, future = inputs()
    before = decoder(context, extra, future, nothing)
    future[:, 4] += 1.0  # in the second segment, steps 3, 4 and 5
    changed = (decoder(context, extra, future, nothing) != before).any(dim=0).any(dim=-1)
    assert changed[[4]].all()
    assert not changed[[0, 1, 2, 6]].any()


def test_the_recurrent_decoding_carries_what_it_read_to_later_segments_alone() -> None:
    decoder = AutoregressiveDecoder("gru", WIDTHS, 5, 3, 0.0).eval()
    context, extra, future = inputs()
    before = decoder(context, extra, future, nothing)
    future[:, 4] += 1.0
    changed = (decoder(context, extra, future, nothing) != before).any(dim=0).any(dim=-1)
    assert changed.tolist() == [False, False, False, True, True, True, True]


def test_each_segment_is_fed_with_what_feedback_says_of_the_one_before() -> None:
    decoder = AutoregressiveDecoder("lstm", WIDTHS, 5, 3, 0.0).eval()
    asked: list[tuple[int, Tensor]] = []

    def feedback(raw: Tensor, start: int) -> Tensor:
        asked.append((start, raw))
        return raw[..., 0]

    found = decoder(*inputs(), feedback)
    assert [start for start, _ in asked] == [0, 3, 6]
    torch.testing.assert_close(torch.cat([raw for _, raw in asked], dim=1)[:, :7], found)
    other = decoder(*inputs(), lambda raw, start: raw[..., 0] + 1.0)
    assert torch.equal(other[:, :3], found[:, :3])
    assert not torch.equal(other[:, 3:], found[:, 3:])
