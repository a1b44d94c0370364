"""How one context becomes a horizon: context (b, W), extra (b, E), future (b, H, F) → raw numbers (b, H, size).

direct      each step by itself, all at once: no error feeds on itself
segment     each segment of the horizon is one step of a cell that goes on from the context; all at once (the parallel
            decoding of SegRNN, arXiv 2308.11200)
recurrent   segment after segment, each fed with the one before it: with the forecast, in training often with the truth
            (teacher forcing, Williams and Zipser 1989)
"""

from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

Decoding = Literal["direct", "segment", "recurrent"]
Cell = Literal["rnn", "lstm", "gru"]
CELLS: dict[Cell, type[nn.RNN | nn.LSTM | nn.GRU]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
STEP_WIDTH = 8


class Widths(NamedTuple):
    """Of what a decoder reads and writes."""

    context: int
    extra: int
    future: int
    horizon: int
    size: int


class Feedback(Protocol):
    """What a step is fed with: of raw numbers (b, s, size) at steps [start, start + s), values (b, s)."""

    def __call__(self, raw: Tensor, start: int) -> Tensor: ...


class Direct(nn.Module):
    """A small network, the same for every step, over the context, a code of the step, and what is known of it."""

    def __init__(self, cell: Cell, widths: Widths, hidden: int, segment: int, dropout: float) -> None:
        super().__init__()
        self.steps = nn.Embedding(widths.horizon, STEP_WIDTH)
        self.told = nn.Linear(widths.context + widths.extra, hidden)
        self.each = nn.Linear(STEP_WIDTH + widths.future, hidden, bias=False)
        self.between = nn.Sequential(nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.GELU())
        self.out = nn.Linear(hidden, widths.size)

    def forward(self, context: Tensor, extra: Tensor, future: Tensor, feedback: Feedback) -> Tensor:
        steps = self.steps.weight.expand(len(context), -1, -1)
        each = self.each(torch.cat([steps, future], dim=-1))
        told = self.told(torch.cat([context, extra], dim=-1)).unsqueeze(1)
        raw: Tensor = self.out(self.between(told + each))
        return raw


class _BySegment(nn.Module):
    """A cell whose first state is the context, and whose output is a whole segment."""

    def __init__(self, cell: Cell, widths: Widths, hidden: int, segment: int, dropout: float) -> None:
        super().__init__()
        self.segment, self.size = min(segment, widths.horizon), widths.size
        self.count = -(-widths.horizon // self.segment)
        self.state = nn.Identity() if widths.context == hidden else nn.Linear(widths.context, hidden)
        self.cell = CELLS[cell](hidden, hidden, batch_first=True)
        self.out = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, self.segment * widths.size))

    def begin(self, context: Tensor) -> Any:
        """The first state (1, b, hidden); the memory of an LSTM begins empty."""
        first = self.state(context).unsqueeze(0).contiguous()
        return (first, torch.zeros_like(first)) if isinstance(self.cell, nn.LSTM) else first

    def in_segments(self, future: Tensor) -> Tensor:
        """(b, H, F) → (b, count, sF), the last segment filled up with zeros."""
        lacking = self.count * self.segment - future.shape[1]
        return pad(future, (0, 0, 0, lacking)).reshape(len(future), self.count, -1)


class Segments(_BySegment):
    """Parallel: the state is the same for all segments, what tells them apart is a code of the segment."""

    def __init__(self, cell: Cell, widths: Widths, hidden: int, segment: int, dropout: float) -> None:
        super().__init__(cell, widths, hidden, segment, dropout)
        self.places = nn.Parameter(torch.randn(self.count, hidden))
        self.enter = nn.Linear(widths.extra + self.segment * widths.future, hidden)

    def forward(self, context: Tensor, extra: Tensor, future: Tensor, feedback: Feedback) -> Tensor:
        count, horizon = len(context), future.shape[1]
        extras = extra.unsqueeze(1).expand(-1, self.count, -1)
        asked = self.places + self.enter(torch.cat([extras, self.in_segments(future)], dim=-1))
        state = self.begin(context.repeat_interleave(self.count, dim=0))
        decoded = self.cell(asked.reshape(count * self.count, 1, -1), state)[0]
        raw: Tensor = self.out(decoded).reshape(count, self.count * self.segment, self.size)
        return raw[:, :horizon]


class Autoregressive(_BySegment):
    """One segment after the other, so that late steps know what was said of the early ones."""

    def __init__(self, cell: Cell, widths: Widths, hidden: int, segment: int, dropout: float) -> None:
        super().__init__(cell, widths, hidden, segment, dropout)
        self.enter = nn.Linear(widths.extra + self.segment * (widths.future + 1), hidden)

    def forward(self, context: Tensor, extra: Tensor, future: Tensor, feedback: Feedback) -> Tensor:
        known, state = self.in_segments(future), self.begin(context)
        before = torch.zeros(len(context), self.segment, device=context.device, dtype=context.dtype)
        said = []
        for place in range(self.count):
            entered = self.enter(torch.cat([extra, known[:, place], before], dim=-1)).unsqueeze(1)
            decoded, state = self.cell(entered, state)
            said.append(self.out(decoded).reshape(len(context), self.segment, self.size))
            before = feedback(said[-1], place * self.segment)
        return torch.cat(said, dim=1)[:, : future.shape[1]]


DECODERS: dict[Decoding, type[Direct | Segments | Autoregressive]] = {
    "direct": Direct,
    "segment": Segments,
    "recurrent": Autoregressive,
}
