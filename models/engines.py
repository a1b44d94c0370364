"""Engines: what computes a bundle's networks. PyTorch and ONNX Runtime give the same numbers behind one interface.

b windows · M members · k state tensors of a cell (1; LSTM: 2) · l layers
"""

import importlib.util
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from data_contracts.errors import NightcastError
from models.bundle import Bundle
from models.data.collation import WindowArrays
from models.restore import restore_network, segment_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.data.batches import Batch
    from models.networks.encoder_layers import EncoderState

PART_SIZE = 128  # windows that a network computes at once


class EngineOutput(NamedTuple):
    """What the networks of a bundle computed."""

    params: tuple[np.ndarray, ...]  # of each member (b, H, …), the parameters of its head's distribution
    state: np.ndarray  # (b, M, k, l, hidden) float32, the state of each encoder after `past`


class Engine(Protocol):
    """Computes the networks of one bundle."""

    def run(self, arrays: WindowArrays, state: np.ndarray | None = None) -> EngineOutput:
        """Forecast windows, going on from a state.

        Args:
            arrays: Collated windows; `past` (b, n, P) has the steps after the state, or the lookback without one.
            state: (b, M, k, l, hidden), as an earlier call returned it; None: nothing was read before.

        Returns:
            The parameters of every member's distribution, and the state after `past`.
        """


class EngineMissing(NightcastError):
    """The libraries of an engine are not installed."""

    def __init__(self, engine: str, extra: str) -> None:
        super().__init__(
            f"the engine {engine!r} needs libraries that are not installed. Run `pip install 'nightcast[{extra}]'`, or "
            "use the engine 'torch'."
        )


def require_onnx() -> None:
    """Raise EngineMissing if a library that exports or runs ONNX graphs is not installed."""
    if any(importlib.util.find_spec(library) is None for library in ("onnx", "onnxruntime")):
        raise EngineMissing("onnx", "onnx")


class TorchEngine:
    """PyTorch on the CPU, with the number of threads that the networks were trained with."""

    def __init__(self, bundle: Bundle) -> None:
        self.networks = [restore_network(bundle, member) for member in range(bundle.recurrent.members)]
        self.threads = bundle.recurrent.training.threads

    def run(self, arrays: WindowArrays, state: np.ndarray | None = None) -> EngineOutput:
        """Forecast windows, as Engine describes."""
        import torch

        from models.data.batches import Batch
        from models.devices import fixed_threads

        params, states = [], []
        with torch.inference_mode(), fixed_threads(self.threads):
            batch = Batch.from_arrays(arrays)
            for member, network in enumerate(self.networks):
                first = () if state is None else _member_state(state, member)
                computed = [network.forecast_from(*part) for part in _in_parts(batch, first)]
                params.append(np.concatenate([output.numpy() for output, _ in computed]))
                lasts = [np.stack([part.numpy().transpose(1, 0, 2) for part in last], axis=1) for _, last in computed]
                states.append(np.concatenate(lasts))
        return EngineOutput(tuple(params), np.stack(states, axis=1))


class OnnxEngine:
    """ONNX Runtime on the CPU: the graph of `models.export`, without PyTorch."""

    def __init__(self, bundle: Bundle) -> None:
        require_onnx()
        import onnxruntime

        from models.export.network import export_onnx

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = bundle.recurrent.training.threads, 1
        options.log_severity_level = 3  # errors
        self.session = onnxruntime.InferenceSession(export_onnx(bundle), options, providers=["CPUExecutionProvider"])
        inputs = {entry.name: entry.shape for entry in self.session.get_inputs()}
        self.names = tuple(name for name in inputs if name != "state")
        self.state_shape: tuple[int, ...] = tuple(inputs["state"][1:])
        self.segment = segment_steps(bundle)

    def run(self, arrays: WindowArrays, state: np.ndarray | None = None) -> EngineOutput:
        """Forecast windows, as Engine describes."""
        windows = {name: getattr(arrays, name) for name in self.names}
        missing = -arrays.past.shape[1] % self.segment
        if missing:
            windows["past"] = np.pad(arrays.past, ((0, 0), (missing, 0), (0, 0)))
        if state is None:
            state = np.zeros((len(arrays.clock), *self.state_shape), dtype=np.float32)
        params, last = self.session.run(None, windows | {"state": state})
        return EngineOutput(tuple(params), last)


def _in_parts(batch: "Batch", state: "EncoderState") -> "Iterator[tuple[Batch, EncoderState]]":
    """Split a batch of a whole number of parts, which fit the caches of a core; another batch stays in one part.

    Kernels compute the rows at the end of a batch in another way, so a smaller last part would give other bytes.
    """
    count = len(batch.past)
    size = PART_SIZE if count % PART_SIZE == 0 else count
    for start in range(0, count, size):
        part = slice(start, start + size)
        yield batch.select(part), tuple(tensor[:, part].contiguous() for tensor in state)


def _member_state(state: np.ndarray, member: int) -> "EncoderState":
    """Return a member's state as PyTorch's encoders take it: one or two tensors (l, b, hidden)."""
    import torch

    parts = np.ascontiguousarray(state[:, member].transpose(1, 2, 0, 3), dtype=np.float32)
    return tuple(torch.from_numpy(part) for part in parts)
