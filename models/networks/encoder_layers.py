"""The layers of an encoder in training on a CPU: what torch's modules compute for long sequences, in less time.

A GRU has a backward pass of its own, and the masks of the dropout between layers are drawn in bulk.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.networks.dropout import drop
from models.networks.gru_layer import gru_states

MIN_STEPS = 16  # of a sequence: shorter ones gain nothing

Encoder = nn.RNN | nn.LSTM | nn.GRU
EncoderState = tuple[Tensor, ...]  # (layers × directions, b, hidden); for an LSTM also the cell's, of the same shape


def is_faster_by_layers(encoder: Encoder, inputs: Tensor) -> bool:
    """Return whether `run_layers` takes less time than the module itself for inputs (b, T, P)."""
    if not encoder.training or inputs.device.type != "cpu" or inputs.shape[1] < MIN_STEPS:
        return False
    return isinstance(encoder, nn.GRU) or bool(encoder.dropout)


def run_layers(encoder: Encoder, inputs: Tensor, state: EncoderState = ()) -> tuple[Tensor, EncoderState]:
    """Run the layers of an encoder in training on a CPU, and dropout between them.

    Args:
        encoder: A module with `batch_first`.
        inputs: What the first layer reads, (b, T, P).
        state: The state before the first step; empty: zeros.

    Returns:
        The states (b, T, hidden × directions) of the last layer, and the state after the last step.
    """
    directions, last = 1 + encoder.bidirectional, list[EncoderState]()
    if not state:
        empty = inputs.new_zeros(encoder.num_layers * directions, len(inputs), encoder.hidden_size)
        state = (empty, empty) if isinstance(encoder, nn.LSTM) else (empty,)
    for layer in range(encoder.num_layers):
        if layer and encoder.dropout:
            inputs = drop(inputs, encoder.dropout)
        rows = slice(layer * directions, (layer + 1) * directions)
        weights = [weight for direction in encoder.all_weights[rows] for weight in direction]
        inputs, after = _run_layer(encoder, inputs, tuple(part[rows] for part in state), weights)
        last.append(after)
    return inputs, tuple(torch.cat(parts) for parts in zip(*last, strict=True))


def _run_layer(
    encoder: Encoder, inputs: Tensor, state: EncoderState, weights: Sequence[Tensor]
) -> tuple[Tensor, EncoderState]:
    """Run all directions of one layer over inputs (b, T, P); return its states and those after the last step."""
    if isinstance(encoder, nn.GRU):
        return _run_gru_layer(inputs, state[0], weights)
    options = (True, 1, 0.0, True, encoder.bidirectional, True)  # biases, layers, dropout, training, …, batch first
    if isinstance(encoder, nn.LSTM):
        states, hidden, cell = torch.lstm(inputs, state, list(weights), *options)
        return states, (hidden, cell)
    states, hidden = torch.rnn_tanh(inputs, state[0], list(weights), *options)
    return states, (hidden,)


def _run_gru_layer(inputs: Tensor, state: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, EncoderState]:
    by_step, directions, last = inputs.permute(1, 2, 0), list[Tensor](), list[Tensor]()
    for number, before in enumerate(state):
        sequence = (by_step.flip(0) if number else by_step).contiguous()
        states = gru_states(sequence, before.t(), weights[4 * number : 4 * number + 4])
        last.append(states[-1].t())
        directions.append(states.flip(0) if number else states)
    states = torch.cat(directions, dim=1) if len(directions) > 1 else directions[0]
    return states.permute(2, 0, 1), (torch.stack(last),)
