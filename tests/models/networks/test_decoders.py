"""The three decoders turn one context into a horizon."""

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
    step_from_shared_state,
)

WIDTHS = DecoderWidths(context=6, extra=2, future=3, horizon=7, size=2)


def inputs(count: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(count, *shape, generator=generator) for shape in ((6,), (2,), (7, 3)))  # type: ignore[return-value]


def no_feedback(raw: Tensor, start: int) -> Tensor:
    return torch.zeros(raw.shape[:2])


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("segment", [1, 3, 24])
@pytest.mark.parametrize("decoding", ["direct", "segment", "recurrent"])
def test_horizon_need_not_be_a_multiple_of_the_segment(cell, segment: int, decoding: Decoding) -> None:
    decoder = DECODERS[decoding](cell, WIDTHS, 5, segment, 0.0)
    assert decoder(*inputs(), no_feedback).shape == (4, 7, 2)


@pytest.mark.parametrize("kind", [DirectDecoder, SegmentDecoder])
def test_parallel_decoders_keep_covariates_of_a_segment_to_that_segment(
    kind: type[DirectDecoder | SegmentDecoder],
) -> None:
    decoder = kind("gru", WIDTHS, 5, 3, 0.0).eval()
    context, extra, future = inputs()
    before = decoder(context, extra, future, no_feedback)
    future[:, 4] += 1.0  # in the second segment, steps 3, 4 and 5
    changed = (decoder(context, extra, future, no_feedback) != before).any(dim=0).any(dim=-1)
    assert changed[[4]].all()
    assert not changed[[0, 1, 2, 6]].any()


@pytest.mark.parametrize("kind", [torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU])
def test_a_step_from_shared_state_equals_that_of_the_cell_with_the_state_repeated(
    kind: type[torch.nn.RNN | torch.nn.LSTM | torch.nn.GRU],
) -> None:
    generator = torch.Generator().manual_seed(0)
    cell = kind(3, 5, batch_first=True).double()
    given = [torch.randn(4, *shape, generator=generator).double().requires_grad_() for shape in ((2, 3), (5,))]
    repeated = given[1].repeat_interleave(2, dim=0).unsqueeze(0)
    first = (repeated, torch.zeros_like(repeated)) if kind is torch.nn.LSTM else repeated
    expected = cell(given[0].reshape(8, 1, 3), first)[0].reshape(4, 2, 5)
    stepped = step_from_shared_state(cell, *given)
    torch.testing.assert_close(stepped, expected, rtol=0, atol=1e-12)
    weights = [*given, *(weight for weight in cell.parameters())]
    for own, of_cell in zip(
        torch.autograd.grad(stepped.sin().sum(), weights),
        torch.autograd.grad(expected.sin().sum(), weights),
        strict=True,
    ):
        torch.testing.assert_close(own, of_cell, rtol=0, atol=1e-12)


def test_autoregressive_decoder_carries_covariates_to_later_segments_only() -> None:
    decoder = AutoregressiveDecoder("gru", WIDTHS, 5, 3, 0.0).eval()
    context, extra, future = inputs()
    before = decoder(context, extra, future, no_feedback)
    future[:, 4] += 1.0
    changed = (decoder(context, extra, future, no_feedback) != before).any(dim=0).any(dim=-1)
    assert changed.tolist() == [False, False, False, True, True, True, True]


def test_each_segment_reads_the_feedback_of_the_previous_segment() -> None:
    decoder = AutoregressiveDecoder("lstm", WIDTHS, 5, 3, 0.0).eval()
    calls: list[tuple[int, Tensor]] = []

    def feedback(raw: Tensor, start: int) -> Tensor:
        calls.append((start, raw))
        return raw[..., 0]

    decoded = decoder(*inputs(), feedback)
    assert [start for start, _ in calls] == [0, 3, 6]
    torch.testing.assert_close(torch.cat([raw for _, raw in calls], dim=1)[:, :7], decoded)
    other = decoder(*inputs(), lambda raw, start: raw[..., 0] + 1.0)
    assert torch.equal(other[:, :3], decoded[:, :3])
    assert not torch.equal(other[:, 3:], decoded[:, 3:])
