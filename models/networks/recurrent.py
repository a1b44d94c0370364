"""The recurrent forecaster: one network class, configured by data.

past (b, L, P) → segments (b, L/s, sP) → encoder → states (b, L/s, width) → readout → context (b, width)
context + extra (b, E) + future (b, H, F) → decoder → raw (b, H, size) → head, added to a linear map from L to H
"""

import numpy as np
import torch
from torch import Tensor, nn

from models.data.batches import Batch
from models.networks.architecture import LEVEL_WIDTH, NetworkShape, RecurrentSpec
from models.networks.cycle import Cycle
from models.networks.decoders import CELLS, DECODERS, DecoderWidths
from models.networks.encoder_layers import EncoderState, is_faster_by_layers, run_layers
from models.networks.gates import chrono_init_
from models.networks.heads import build_head
from models.networks.readouts import AttentionReadout, build_readout

STATIC_EMBEDDING_WIDTH = 4
STATIC_DROPOUT = 0.05  # share of static values that training replaces by the unknown value


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

    def cut_segments(self, past: Tensor) -> Tensor:
        """Reshape past (b, n, P) → (b, n/s, sP), padded on the left with zeros to whole segments."""
        padded = nn.functional.pad(past, (0, 0, -past.shape[1] % self.segment, 0))
        return padded.reshape(len(past), -1, self.segment * past.shape[2])

    def encode(self, past: Tensor) -> Tensor:
        """Return the states (b, L/s, width) of past (b, L, P), from an empty state."""
        return self.advance(self.cut_segments(past))[0]

    def advance(self, segments: Tensor, state: EncoderState = ()) -> tuple[Tensor, EncoderState]:
        """Read segments, going on from a state.

        Args:
            segments: What the encoder reads, (b, n, sP), as `cut_segments` returns them.
            state: What an earlier call returned; empty before the first segment.

        Returns:
            The states after each segment, (b, n, width), and the state to go on from.
        """
        entered = self.enter(segments)
        if is_faster_by_layers(self.encoder, entered):
            return run_layers(self.encoder, entered, state)
        states, last = self.encoder(entered, state if len(state) > 1 else state[0] if state else None)
        return states, last if isinstance(last, tuple) else (last,)

    def forward(self, batch: Batch) -> Tensor:
        """Return the params (b, H, …) of the head's distribution in normalised units; for `quantiles` (b, H, Q)."""
        return self.forecast_from(batch)[0]

    def forecast_from(self, batch: Batch, state: EncoderState = ()) -> tuple[Tensor, EncoderState]:
        """Forecast from a state and what followed it.

        Args:
            batch: Windows; `past` (b, n, P) has the n steps after the state, or the whole lookback without one.
            state: The state of the encoder before `past`; empty: none was read before.

        Returns:
            The params (b, H, …) as `forward` returns them, and the state after `past`.
        """
        codes = self._drop_statics(batch.static)
        past, linear, cycle = batch.past, batch.linear, torch.zeros_like(batch.target)
        if self.cycle is not None:
            past, linear, cycle = self.cycle.remove(batch, codes)
        base = cycle + self.skip(linear) if self.skip is not None else cycle
        static = [embedding(codes[:, index]) for index, embedding in enumerate(self.statics)]
        extra = torch.cat([batch.level[:, : LEVEL_WIDTH * self.spec.level], *static], dim=-1)
        states, state = self.advance(self.cut_segments(past), state)
        raw = self.decoder(self.readout(states), extra, batch.future, TeacherForcing(self, batch, base))
        # the head and the loss compute in float32, whatever the precision of the network
        return self.head(raw.to(batch.target), base.to(batch.target), batch), state

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


def start_skip(network: RecurrentNetwork, weights: np.ndarray) -> None:
    """Start the linear map of a network as a closed-form one.

    Args:
        network: Changed in place, if it has a linear map.
        weights: (L, H) for lookbacks that are shifted by their last value; the forecast is shifted back.
    """
    if network.skip is not None:
        start = np.array(weights.T, dtype=np.float32)
        start[:, -1] += 1 - weights.sum(axis=0)  # without the shift
        with torch.no_grad():
            network.skip.weight.copy_(torch.from_numpy(start))


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
