"""The recurrent forecaster: one network class, configured by data.

past (b, L, P) → segments (b, L/s, sP) → encoder → states (b, L/s, width) → readout → context (b, width)
context + extra (b, E) + future (b, H, F) → decoder → raw (b, H, size) → head, added to a linear map from L to H
"""

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from data_contracts.spec import SettingsSpec, Spec
from models.data.batches import Batch
from models.data.scaling import Normalisation
from models.data.windows import MAX_WINDOW_STEPS
from models.networks.cycle import Cycle
from models.networks.decoders import CELLS, DECODERS, CellName, DecoderWidths, Decoding
from models.networks.gates import chrono_init_
from models.networks.heads import HeadName, build_head
from models.networks.readouts import AttentionReadout, AttentionScore, ReadoutName, build_readout

LEVEL_WIDTH = 3  # columns of Batch.level
STATIC_EMBEDDING_WIDTH = 4
STATIC_DROPOUT = 0.05  # share of static values that training replaces by the unknown value
# fields that RecurrentSpec.name writes in a form of its own
SPELLED_FIELDS = {"cell", "hidden", "layers", "segment", "bidirectional", "readout"}


class RecurrentSpec(SettingsSpec):
    """The architecture of a network. `make bench-ablation` shows what each option gains; one without gain is off."""

    cell: CellName
    hidden: PositiveInt = Field(64, le=16_384)
    layers: PositiveInt = Field(1, le=64)
    bidirectional: bool = Field(False, description="the encoder reads the lookback in both directions")
    readout: ReadoutName = "last"
    attention: AttentionScore = "additive"
    decoding: Decoding = "direct"
    teacher_forcing: float = Field(
        0.5, ge=0, le=1, description="share of segments that read the actual values in training"
    )
    segment: PositiveInt | None = Field(
        None,
        le=MAX_WINDOW_STEPS,
        description="steps that are read and decoded at a time (SegRNN, arXiv 2308.11200); default: a day if the "
        "lookback holds four days, else one step",
    )
    normalisation: Normalisation = "standard"
    cycle: NonNegativeInt = Field(
        0,
        le=MAX_WINDOW_STEPS,
        description="steps of a learned cycle that is subtracted (CycleNet, arXiv 2409.18479); 0: no cycle",
    )
    skip: bool = Field(True, description="a linear map from lookback to horizon; the network learns the residual")
    blend: bool = Field(True, description="mix in the closed-form linear map, with a share set on the validation part")
    level: bool = Field(True, description="the network reads the location and scale that normalisation removed")
    seasons: bool = Field(True, description="each step of the horizon reads the values one day, one week … before it")
    head: HeadName = "quantiles"
    dropout: float = Field(0.1, ge=0, lt=1)

    def with_default_segment(self, day: int, lookback: int) -> "RecurrentSpec":
        """Fill in the default segment: `day` steps if the lookback holds four of them, else one step."""
        default = day if lookback >= 4 * day else 1
        return self.model_copy(update={"segment": self.segment or default})

    @property
    def name(self) -> str:
        """Short name, unique among settings that differ in kind: gru-64, lstm-64x2, gru-64-s24, lstm-64-bi-att."""
        parts = [self.cell, f"{self.hidden}x{self.layers}" if self.layers > 1 else str(self.hidden)]
        parts += [f"s{self.segment}"] if self.segment and self.segment > 1 else []
        parts += ["bi"] if self.bidirectional else []
        parts += ["att"] if self.readout == "attention" else []
        for field, info in type(self).model_fields.items():
            value = getattr(self, field)
            if field not in SPELLED_FIELDS and value != info.default:
                parts.append(_name_part(field, value))
        return "-".join(parts)


def _name_part(field: str, value: object) -> str:
    if field == "dropout" and isinstance(value, float):
        return f"d{round(100 * value)}"
    if isinstance(value, bool):
        return field if value else f"no_{field}"
    return value if isinstance(value, str) else f"{field}_{value}"


class NetworkShape(Spec):
    """Sizes of a network that depend on the data: steps, features and codes."""

    lookback: int
    horizon: int
    past: int
    """Features of each step of the lookback (P)."""
    future: int
    """Features of each step of the horizon (F)."""
    statics: tuple[int, ...]
    """Number of codes of each static covariate, the unknown value included."""
    quantiles: tuple[float, ...]
    season: int
    echoes: int = 0
    """Number of seasonal lags; the last 2 × echoes features of the horizon are their values and masks."""


class RecurrentNetwork(nn.Module):
    """Encoder, readout, decoder and head. Only teacher forcing, in training, reads a target."""

    def __init__(self, spec: RecurrentSpec, shape: NetworkShape) -> None:
        super().__init__()
        self.spec, self.shape = spec, shape
        segment = spec.segment or 1
        self.segment = min(segment, shape.lookback)
        width = spec.hidden * (1 + spec.bidirectional)
        layer_dropout = spec.dropout if spec.layers > 1 else 0.0  # torch warns if one layer has dropout
        segment_width = self.segment * shape.past
        self.enter = nn.Linear(segment_width, spec.hidden) if self.segment > 1 else nn.Identity()
        self.encoder = CELLS[spec.cell](
            spec.hidden if self.segment > 1 else segment_width,
            spec.hidden,
            spec.layers,
            batch_first=True,
            dropout=layer_dropout,
            bidirectional=spec.bidirectional,
        )
        chrono_init_(self.encoder, max(1, shape.lookback // self.segment))
        self.readout = build_readout(spec.readout, spec.attention, width, spec.bidirectional)
        self.statics = nn.ModuleList(nn.Embedding(size, STATIC_EMBEDDING_WIDTH) for size in shape.statics)
        self.head = build_head(spec.head, shape.quantiles)
        extra = LEVEL_WIDTH * spec.level + STATIC_EMBEDDING_WIDTH * len(shape.statics)
        widths = DecoderWidths(width, extra, shape.future, shape.horizon, self.head.size)
        self.decoder = DECODERS[spec.decoding](spec.cell, widths, spec.hidden, segment, spec.dropout)
        self.cycle = Cycle(spec.cycle, shape.statics) if spec.cycle else None
        self.skip = _seasonal_linear(shape) if spec.skip else None

    def encode(self, past: Tensor) -> Tensor:
        """Return the states (b, L/s, width) of past (b, L, P), which is padded on the left to whole segments."""
        missing = -past.shape[1] % self.segment
        padded = nn.functional.pad(past, (0, 0, missing, 0))
        segments = padded.reshape(len(past), -1, self.segment * past.shape[2])
        states: Tensor = self.encoder(self.enter(segments))[0]
        return states

    def forward(self, batch: Batch) -> Tensor:
        """Return the params (b, H, …) of the head's distribution in normalised units; for `quantiles` (b, H, Q)."""
        codes = self._drop_statics(batch.static)
        past, linear, cycle = batch.past, batch.linear, torch.zeros_like(batch.target)
        if self.cycle is not None:
            past, linear, cycle = self.cycle.remove(batch, codes)
        base = cycle + self.skip(linear) if self.skip is not None else cycle
        static = [embedding(codes[:, index]) for index, embedding in enumerate(self.statics)]
        extra = torch.cat([batch.level[:, : LEVEL_WIDTH * self.spec.level], *static], dim=-1)
        feedback = TeacherForcing(self, batch, base)
        raw = self.decoder(self.readout(self.encode(past)), extra, batch.future, feedback)
        # the head and the loss compute in float32, whatever the precision of the network
        return self.head(raw.to(batch.target), base.to(batch.target), batch)

    def loss(self, batch: Batch) -> Tensor:
        """Return the training loss, a mean over the observed targets."""
        return self.head.loss(self(batch), batch)

    def point(self, batch: Batch) -> Tensor:
        """Return the normalised point forecast (b, H)."""
        return self.head.point(self(batch), batch)

    def quantiles(self, batch: Batch) -> Tensor:
        """Return the normalised quantiles (b, H, Q), non-decreasing in Q."""
        return self.head.quantiles(self(batch), batch)

    def attention(self, batch: Batch) -> Tensor | None:
        """Return the weights of the attention readout (b, L/s), oldest first; None for another readout."""
        past = self.cycle.remove(batch, batch.static).past if self.cycle is not None else batch.past
        return self.readout.weights(self.encode(past)) if isinstance(self.readout, AttentionReadout) else None

    def _drop_statics(self, codes: Tensor) -> Tensor:
        """In training, replace some codes by 0 (unknown), so that the network learns to handle a new value."""
        if not self.training:
            return codes
        return torch.where(torch.rand(codes.shape, device=codes.device) < STATIC_DROPOUT, 0, codes)


class TeacherForcing:
    """The Feedback of the recurrent decoding: the point forecast, or in training, at random, the actual value."""

    def __init__(self, model: RecurrentNetwork, batch: Batch, base: Tensor) -> None:
        self.model, self.batch = model, batch
        padding = (0, model.spec.segment or 1)  # the last segment may reach beyond the horizon
        self.base = nn.functional.pad(base, padding)
        self.target = nn.functional.pad(batch.target, padding, value=torch.nan)

    def __call__(self, raw: Tensor, start: int) -> Tensor:
        """Return normalised values (b, s) for the raw numbers (b, s, size) of steps [start, start + s)."""
        head, steps = self.model.head, slice(start, start + raw.shape[1])
        forecast = head.point(head(raw, self.base[:, steps], self.batch), self.batch)
        if not self.model.training:
            return forecast
        forced = torch.rand(len(raw), 1, device=raw.device) < self.model.spec.teacher_forcing
        actual = self.target[:, steps]
        return torch.where(forced & torch.isfinite(actual), actual, forecast)


def _seasonal_linear(shape: NetworkShape) -> nn.Linear:
    """Build a linear map (L → H) that starts as half the seasonal naive forecast; the network learns the residual."""
    skip = nn.Linear(shape.lookback, shape.horizon)
    with torch.no_grad():
        skip.weight.zero_()
        skip.bias.zero_()
        for step in range(shape.horizon):
            lag = shape.season * (step // shape.season + 1) - step
            if lag <= shape.lookback:
                skip.weight[step, shape.lookback - lag] = 0.5
    return skip
