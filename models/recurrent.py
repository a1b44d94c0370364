"""The recurrent forecaster: one network, its variety is data.

past (b, L, P) → segments (b, L/s, sP) → encoder → states (b, L/s, width) → readout → context (b, width)
context + future (b, H, F) + static → decoder → quantiles (b, H, Q), on top of a linear map from lookback to horizon
"""

from typing import Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from data_contracts.spec import Spec
from models.batches import Batch
from models.heads import QuantileHead, pinball_loss
from models.readouts import READOUTS, Readout

Cell = Literal["rnn", "lstm", "gru"]
CELLS: dict[Cell, type[nn.RNN | nn.LSTM | nn.GRU]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
STEP_WIDTH, STATIC_WIDTH, FORGOTTEN = 8, 4, 0.05


class RecurrentSpec(Spec):
    """`segment` reads that many steps at a time, so that the recurrence is shorter (SegRNN, arXiv 2308.11200)."""

    cell: Cell
    hidden: PositiveInt = 64
    layers: PositiveInt = 1
    bidirectional: bool = False
    readout: Readout = "last"
    segment: PositiveInt = 1
    dropout: float = Field(0.1, ge=0, lt=1)

    @property
    def name(self) -> str:
        """Short and unique among settings that differ in kind: gru-64, lstm-64x2, gru-64-s24, lstm-64-bi-att."""
        parts = [self.cell, f"{self.hidden}x{self.layers}" if self.layers > 1 else str(self.hidden)]
        parts += [f"s{self.segment}"] if self.segment > 1 else []
        parts += ["bi"] if self.bidirectional else []
        parts += ["att"] if self.readout == "attention" else []
        usual = type(self).model_fields["dropout"].default
        parts += [f"d{round(100 * self.dropout)}"] if self.dropout != usual else []
        return "-".join(parts)


class Shape(Spec):
    """Widths that the data decide."""

    lookback: int
    horizon: int
    past: int
    future: int
    statics: tuple[int, ...]
    """Number of codes of each static covariate, the unknown one included."""
    quantiles: tuple[float, ...]
    season: int


class Recurrent(nn.Module):
    """Encoder, readout, and a decoder that sees each step's own future; direct, so no error feeds on itself."""

    def __init__(self, spec: RecurrentSpec, shape: Shape) -> None:
        super().__init__()
        self.spec, self.shape = spec, shape
        self.segment = min(spec.segment, shape.lookback)
        width = spec.hidden * (1 + spec.bidirectional)
        between_layers = spec.dropout if spec.layers > 1 else 0.0  # torch warns otherwise
        entered = self.segment * shape.past
        self.enter = nn.Linear(entered, spec.hidden) if self.segment > 1 else nn.Identity()
        self.encoder = CELLS[spec.cell](
            spec.hidden if self.segment > 1 else entered,
            spec.hidden,
            spec.layers,
            batch_first=True,
            dropout=between_layers,
            bidirectional=spec.bidirectional,
        )
        self.readout = READOUTS[spec.readout](width, spec.bidirectional)
        self.statics = nn.ModuleList(nn.Embedding(size, STATIC_WIDTH) for size in shape.statics)
        self.steps = nn.Embedding(shape.horizon, STEP_WIDTH)
        told = width + 3 + STATIC_WIDTH * len(shape.statics)
        self.context = nn.Linear(told, spec.hidden)
        self.each = nn.Linear(STEP_WIDTH + shape.future, spec.hidden, bias=False)
        between = (nn.GELU(), nn.Dropout(spec.dropout), nn.Linear(spec.hidden, spec.hidden), nn.GELU())
        self.decoder = nn.Sequential(*between)
        self.head = QuantileHead(spec.hidden, shape.quantiles)
        self.skip = nn.Linear(shape.lookback, shape.horizon)
        self._begin_as_seasonal()

    def _begin_as_seasonal(self) -> None:
        """The linear map starts as half of the seasonal naive forecast: the network learns what that leaves over."""
        with torch.no_grad():
            self.skip.weight.zero_()
            self.skip.bias.zero_()
            for step in range(self.shape.horizon):
                lag = self.shape.season * (step // self.shape.season + 1) - step
                if lag <= self.shape.lookback:
                    self.skip.weight[step, self.shape.lookback - lag] = 0.5

    def encode(self, past: Tensor) -> Tensor:
        """States (b, L/s, width); the lookback is padded on the left to whole segments."""
        short = -past.shape[1] % self.segment
        padded = nn.functional.pad(past, (0, 0, short, 0))
        segments = padded.reshape(len(past), -1, self.segment * past.shape[2])
        states: Tensor = self.encoder(self.enter(segments))[0]
        return states

    def _forgotten(self, codes: Tensor) -> Tensor:
        """In training some static values are unknown (code 0), so that it has learned what to do with a new one."""
        return torch.where(torch.rand(codes.shape) < FORGOTTEN, 0, codes) if self.training else codes

    def forward(self, batch: Batch) -> Tensor:
        """Normalised quantiles (b, H, Q), rising in Q."""
        context = self.readout(self.encode(batch.past))
        codes = self._forgotten(batch.static)
        static = [embed(codes[:, place]) for place, embed in enumerate(self.statics)]
        whole = self.context(torch.cat([context, batch.level, *static], dim=-1)).unsqueeze(1)
        steps = self.steps.weight.expand(len(context), -1, -1)
        each = self.each(torch.cat([steps, batch.future], dim=-1))
        base = self.skip(batch.linear).unsqueeze(-1)
        quantiles: Tensor = base + self.head(self.decoder(whole + each))
        return quantiles

    def point(self, batch: Batch) -> Tensor:
        """Normalised median (b, H)."""
        return self(batch)[..., self.shape.quantiles.index(0.5)]

    def loss(self, batch: Batch) -> Tensor:
        """What training lessens: the mean pinball loss in normalised units; missing targets do not count."""
        return pinball_loss(self(batch), batch.target, torch.tensor(self.shape.quantiles))
