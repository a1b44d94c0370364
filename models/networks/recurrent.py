"""The recurrent forecaster: one network, its variety is data.

past (b, L, P) → segments (b, L/s, sP) → encoder → states (b, L/s, width) → readout → context (b, width)
context + extra (b, E) + future (b, H, F) → decoder → raw (b, H, size) → head, on top of a linear map from L to H
"""

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from data_contracts.spec import Spec
from models.data.batches import Batch
from models.data.scaling import Normalisation
from models.networks.cycle import Cycle
from models.networks.decoders import CELLS, DECODERS, Cell, Decoding, Widths
from models.networks.gates import chrono_init_
from models.networks.heads import HeadName, build_head
from models.networks.readouts import Attention, Readout, Scores, build_readout

LEVELS, STATIC_WIDTH, FORGOTTEN = 3, 4, 0.05
SAID = {"cell", "hidden", "layers", "segment", "bidirectional", "readout"}  # in a name by a word of its own


class RecurrentSpec(Spec):
    """What a network is made of; every option earns its place in `make bench-ablation`, or is off by default."""

    cell: Cell
    hidden: PositiveInt = 64
    layers: PositiveInt = 1
    bidirectional: bool = Field(False, description="over the lookback only")
    readout: Readout = "last"
    attention: Scores = "additive"
    decoding: Decoding = "direct"
    teacher_forcing: float = Field(0.5, ge=0, le=1, description="share of segments fed with the truth in training")
    segment: PositiveInt | None = Field(
        None,
        description="steps read and decoded at a time (SegRNN, arXiv 2308.11200); by default a day where the lookback "
        "holds several, else a step",
    )
    normalisation: Normalisation = "standard"
    cycle: NonNegativeInt = Field(0, description="steps of a learned cycle that is taken out (CycleNet, 2409.18479)")
    skip: bool = Field(True, description="a linear map from lookback to horizon: the network learns the rest")
    blend: bool = Field(True, description="the closed-form linear map is mixed in, as far as the validation part says")
    level: bool = Field(True, description="it is told what normalisation took away: how high and how wide")
    seasons: bool = Field(True, description="each step is shown the values one day, one week … before it")
    head: HeadName = "quantiles"
    dropout: float = Field(0.1, ge=0, lt=1)

    def settled(self, day: int, lookback: int) -> "RecurrentSpec":
        """The same with its segment: of `day` steps where nothing else is said and the lookback holds four of them."""
        usual = day if lookback >= 4 * day else 1
        return self.model_copy(update={"segment": self.segment or usual})

    @property
    def name(self) -> str:
        """Short and unique among settings that differ in kind: gru-64, lstm-64x2, gru-64-s24, lstm-64-bi-att."""
        parts = [self.cell, f"{self.hidden}x{self.layers}" if self.layers > 1 else str(self.hidden)]
        parts += [f"s{self.segment}"] if self.segment and self.segment > 1 else []
        parts += ["bi"] if self.bidirectional else []
        parts += ["att"] if self.readout == "attention" else []
        for field, about in type(self).model_fields.items():
            value = getattr(self, field)
            if field not in SAID and value != about.default:
                parts.append(_word(field, value))
        return "-".join(parts)


def _word(field: str, value: object) -> str:
    if field == "dropout" and isinstance(value, float):
        return f"d{round(100 * value)}"
    if isinstance(value, bool):
        return field if value else f"no_{field}"
    return value if isinstance(value, str) else f"{field}_{value}"


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
    echoes: int = 0
    """Seasons that each step is shown."""


class Recurrent(nn.Module):
    """Encoder, readout, decoder and head; nothing of a target is read but by teacher forcing, in training."""

    def __init__(self, spec: RecurrentSpec, shape: Shape) -> None:
        super().__init__()
        self.spec, self.shape = spec, shape
        segment = spec.segment or 1
        self.segment = min(segment, shape.lookback)
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
        chrono_init_(self.encoder, max(1, shape.lookback // self.segment))
        self.readout = build_readout(spec.readout, spec.attention, width, spec.bidirectional)
        self.statics = nn.ModuleList(nn.Embedding(size, STATIC_WIDTH) for size in shape.statics)
        self.head = build_head(spec.head, shape.quantiles)
        extra = LEVELS * spec.level + STATIC_WIDTH * len(shape.statics)
        widths = Widths(width, extra, shape.future, shape.horizon, self.head.size)
        self.decoder = DECODERS[spec.decoding](spec.cell, widths, spec.hidden, segment, spec.dropout)
        self.cycle = Cycle(spec.cycle, shape.statics) if spec.cycle else None
        self.skip = _seasonal_map(shape) if spec.skip else None

    def encode(self, past: Tensor) -> Tensor:
        """States (b, L/s, width); the lookback is padded on the left to whole segments."""
        short = -past.shape[1] % self.segment
        padded = nn.functional.pad(past, (0, 0, short, 0))
        segments = padded.reshape(len(past), -1, self.segment * past.shape[2])
        states: Tensor = self.encoder(self.enter(segments))[0]
        return states

    def forward(self, batch: Batch) -> Tensor:
        """The parameters (b, H, …) of the head's distribution, in normalised units; for `quantiles` (b, H, Q)."""
        codes = self._forgotten(batch.static)
        past, linear, rhythm = batch.past, batch.linear, torch.zeros_like(batch.target)
        if self.cycle is not None:
            past, linear, rhythm = self.cycle.taken_out(batch, codes)
        base = rhythm + self.skip(linear) if self.skip is not None else rhythm
        static = [embed(codes[:, place]) for place, embed in enumerate(self.statics)]
        extra = torch.cat([batch.level[:, : LEVELS * self.spec.level], *static], dim=-1)
        raw = self.decoder(self.readout(self.encode(past)), extra, batch.future, Feedback(self, batch, base))
        return self.head(raw.to(batch.target), base.to(batch.target), batch)  # a loss is never of low precision

    def loss(self, batch: Batch) -> Tensor:
        """What training lessens, a mean over the known targets."""
        return self.head.loss(self(batch), batch)

    def point(self, batch: Batch) -> Tensor:
        """Normalised point forecast (b, H)."""
        return self.head.point(self(batch), batch)

    def quantiles(self, batch: Batch) -> Tensor:
        """Normalised quantiles (b, H, Q), rising in Q."""
        return self.head.quantiles(self(batch), batch)

    def attention(self, batch: Batch) -> Tensor | None:
        """Where the readout looks (b, L/s), oldest first; None where it takes the last state."""
        past = self.cycle.taken_out(batch, batch.static)[0] if self.cycle is not None else batch.past
        return self.readout.weights(self.encode(past)) if isinstance(self.readout, Attention) else None

    def _forgotten(self, codes: Tensor) -> Tensor:
        """In training some static values are unknown (code 0), so that it has learned what to do with a new one."""
        return (
            torch.where(torch.rand(codes.shape, device=codes.device) < FORGOTTEN, 0, codes) if self.training else codes
        )


class Feedback:
    """What the recurrent decoding is fed with: its own forecast, or by lot, in training, the truth."""

    def __init__(self, model: Recurrent, batch: Batch, base: Tensor) -> None:
        self.model, self.batch = model, batch
        filled = (0, model.spec.segment or 1)  # the last segment may reach beyond the horizon
        self.base = nn.functional.pad(base, filled)
        self.target = nn.functional.pad(batch.target, filled, value=torch.nan)

    def __call__(self, raw: Tensor, start: int) -> Tensor:
        head, steps = self.model.head, slice(start, start + raw.shape[1])
        own = head.point(head(raw, self.base[:, steps], self.batch), self.batch)
        if not self.model.training:
            return own
        told = torch.rand(len(raw), 1, device=raw.device) < self.model.spec.teacher_forcing
        truth = self.target[:, steps]
        return torch.where(told & torch.isfinite(truth), truth, own)


def _seasonal_map(shape: Shape) -> nn.Linear:
    """Lookback to horizon, at first half of the seasonal naive forecast: the network learns what that leaves over."""
    skip = nn.Linear(shape.lookback, shape.horizon)
    with torch.no_grad():
        skip.weight.zero_()
        skip.bias.zero_()
        for step in range(shape.horizon):
            lag = shape.season * (step // shape.season + 1) - step
            if lag <= shape.lookback:
                skip.weight[step, shape.lookback - lag] = 0.5
    return skip
