"""Decoders: context (b, W), extra (b, E) and future (b, H, F) → raw numbers (b, H, size) of the horizon.

direct      each step is decoded independently, so an error cannot feed on itself
segment     each segment of the horizon is one step of a cell that continues from the context; all segments at once (the
            parallel decoding of SegRNN, arXiv 2308.11200)
recurrent   segment after segment; each reads the previous one: the forecast, or in training often the truth (teacher
            forcing, Williams and Zipser 1989)
"""

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from models.networks.architecture import CellName, Decoding
from models.networks.dropout import Dropout

CELLS: dict[CellName, type[nn.RNN | nn.LSTM | nn.GRU]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
STEP_EMBEDDING_WIDTH = 8


class DecoderWidths(NamedTuple):
    """Sizes of a decoder's inputs and outputs: W, E, F, H and size of the module docstring."""

    context: int
    extra: int
    future: int
    horizon: int
    size: int


class Feedback(Protocol):
    """Decides what the next segment of the recurrent decoding reads."""

    def __call__(self, raw: Tensor, start: int) -> Tensor:
        """Return values (b, s) for the raw numbers (b, s, size) of steps [start, start + s)."""


class DirectDecoder(nn.Module):
    """One small network for all steps; it reads the context, an embedding of the step and the step's covariates."""

    def __init__(self, cell: CellName, widths: DecoderWidths, hidden: int, segment: int, dropout: float) -> None:
        super().__init__()
        self.steps = nn.Embedding(widths.horizon, STEP_EMBEDDING_WIDTH)
        self.told = nn.Linear(widths.context + widths.extra, hidden)
        self.each = nn.Linear(STEP_EMBEDDING_WIDTH + widths.future, hidden, bias=False)
        self.between = nn.Sequential(nn.GELU(), Dropout(dropout), nn.Linear(hidden, hidden), nn.GELU())
        self.out = nn.Linear(hidden, widths.size)

    def forward(self, context: Tensor, extra: Tensor, future: Tensor, feedback: Feedback) -> Tensor:
        """Decode all steps; `feedback` is not used."""
        steps = self.steps.weight.expand(len(context), -1, -1)
        by_step = self.each(torch.cat([steps, future], dim=-1))
        shared = self.told(torch.cat([context, extra], dim=-1)).unsqueeze(1)
        raw: Tensor = self.out(self.between(shared + by_step))
        return raw


class _CellDecoder(nn.Module):
    """A cell whose first state is the context and whose output is a whole segment."""

    def __init__(self, cell: CellName, widths: DecoderWidths, hidden: int, segment: int, dropout: float) -> None:
        super().__init__()
        self.segment, self.size = min(segment, widths.horizon), widths.size
        self.count = -(-widths.horizon // self.segment)
        self.state = nn.Identity() if widths.context == hidden else nn.Linear(widths.context, hidden)
        self.cell = CELLS[cell](hidden, hidden, batch_first=True)
        self.out = nn.Sequential(Dropout(dropout), nn.Linear(hidden, self.segment * widths.size))

    def split_segments(self, future: Tensor) -> Tensor:
        """Reshape (b, H, F) → (b, count, sF); the last segment is padded with zeros."""
        missing = self.count * self.segment - future.shape[1]
        return pad(future, (0, 0, 0, missing)).reshape(len(future), self.count, -1)


class SegmentDecoder(_CellDecoder):
    """Decodes all segments in parallel from one state; an embedding tells the segments apart."""

    def __init__(self, cell: CellName, widths: DecoderWidths, hidden: int, segment: int, dropout: float) -> None:
        super().__init__(cell, widths, hidden, segment, dropout)
        self.places = nn.Parameter(torch.randn(self.count, hidden))
        self.enter = nn.Linear(widths.extra + self.segment * widths.future, hidden)

    def forward(self, context: Tensor, extra: Tensor, future: Tensor, feedback: Feedback) -> Tensor:
        """Decode all segments at once; `feedback` is not used."""
        count, horizon = len(context), future.shape[1]
        extras = extra.unsqueeze(1).expand(-1, self.count, -1)
        inputs = self.places + self.enter(torch.cat([extras, self.split_segments(future)], dim=-1))
        decoded = step_from_shared_state(self.cell, inputs, self.state(context))
        raw: Tensor = self.out(decoded).reshape(count, self.count * self.segment, self.size)
        return raw[:, :horizon]


def step_from_shared_state(cell: nn.RNN | nn.LSTM | nn.GRU, inputs: Tensor, state: Tensor) -> Tensor:
    """Compute what a cell returns for each of several inputs, all read from the same state.

    The product with the state, half of the arithmetic of a step, is computed once for all inputs.

    Args:
        cell: A cell with one layer and one direction, whose equations these are.
        inputs: Inputs of one step each, (b, n, P).
        state: The state before each of them, (b, hidden); the cell state of an LSTM is zero.

    Returns:
        The state after each input, (b, n, hidden).
    """
    weight_ih, weight_hh, bias_ih, bias_hh = cell.all_weights[0]
    entered, kept = linear(inputs, weight_ih, bias_ih), linear(state, weight_hh, bias_hh).unsqueeze(1)
    if isinstance(cell, nn.GRU):
        (r, z, n), (r_kept, z_kept, n_kept) = entered.chunk(3, dim=-1), kept.chunk(3, dim=-1)
        candidate = torch.tanh(n + torch.sigmoid(r + r_kept) * n_kept)
        return candidate + torch.sigmoid(z + z_kept) * (state.unsqueeze(1).to(candidate) - candidate)
    if isinstance(cell, nn.LSTM):
        i, _, g, o = (entered + kept).chunk(4, dim=-1)
        return torch.sigmoid(o) * torch.tanh(torch.sigmoid(i) * torch.tanh(g))
    return torch.tanh(entered + kept)


class AutoregressiveDecoder(_CellDecoder):
    """Decodes one segment after the other, so that late steps depend on the forecast of early steps."""

    def __init__(self, cell: CellName, widths: DecoderWidths, hidden: int, segment: int, dropout: float) -> None:
        super().__init__(cell, widths, hidden, segment, dropout)
        self.enter = nn.Linear(widths.extra + self.segment * (widths.future + 1), hidden)

    def initial_state(self, context: Tensor) -> Any:
        """Return the first state (1, b, hidden), for an LSTM with an empty cell state."""
        first = self.state(context).unsqueeze(0).contiguous()
        return (first, torch.zeros_like(first)) if isinstance(self.cell, nn.LSTM) else first

    def forward(self, context: Tensor, extra: Tensor, future: Tensor, feedback: Feedback) -> Tensor:
        """Decode segment by segment; each reads the values that `feedback` makes of the previous segment."""
        covariates, state = self.split_segments(future), self.initial_state(context)
        previous = torch.zeros(len(context), self.segment, device=context.device, dtype=context.dtype)
        segments = []
        for index in range(self.count):
            entered = self.enter(torch.cat([extra, covariates[:, index], previous], dim=-1)).unsqueeze(1)
            decoded, state = self.cell(entered, state)
            segments.append(self.out(decoded).reshape(len(context), self.segment, self.size))
            previous = feedback(segments[-1], index * self.segment)
        return torch.cat(segments, dim=1)[:, : future.shape[1]]


DECODERS: dict[Decoding, type[DirectDecoder | SegmentDecoder | AutoregressiveDecoder]] = {
    "direct": DirectDecoder,
    "segment": SegmentDecoder,
    "recurrent": AutoregressiveDecoder,
}
