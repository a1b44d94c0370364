"""An exported graph computes what PyTorch computes, for every architecture, from an empty and from a kept state."""

import itertools
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from models.bundle import BaselineSettings, Bundle, RecurrentSettings, TrainingRecord
from models.data.collation import WindowArrays
from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from models.engines import OnnxEngine, TorchEngine
from models.export.network import NotExportable, export_onnx
from models.networks.architecture import NetworkShape, RecurrentSpec
from models.networks.recurrent import RecurrentNetwork
from models.restore import tensor_prefix

LEVELS = (0.1, 0.5, 0.9)
VIEW = InputSpec(features=FeatureSpec(), freq="h", zone="UTC", lookback=24, horizon=7)
CELLS = ("rnn", "lstm", "gru")
OPTIONS = [
    {},
    {"layers": 3},
    {"segment": 4},
    {"segment": 5, "layers": 2},  # five steps divide neither lookback nor horizon
    {"bidirectional": True, "layers": 2},
    {"readout": "attention"},
    {"readout": "attention", "attention": "dot", "bidirectional": True},
    {"decoding": "segment", "segment": 4},
    {"decoding": "segment", "segment": 5, "bidirectional": True},
    {"decoding": "recurrent", "segment": 4},
    {"decoding": "recurrent", "segment": 5, "head": "negative_binomial"},
    {"decoding": "recurrent", "head": "student_t", "segment": 3},
    {"cycle": 24},
    {"cycle": 10, "segment": 4, "skip": False},
    {"head": "student_t"},
    {"head": "negative_binomial"},
    {"head": "mse", "skip": False},
    {"level": False, "seasons": False},
]


def bundle_of(spec: RecurrentSpec, members: int = 1, statics: tuple[int, ...] = (3,)) -> Bundle:
    echoes = 1 if spec.seasons else 0
    shape = NetworkShape(
        lookback=24, horizon=7, past=8, future=6 + 2 * echoes, statics=statics, quantiles=LEVELS, season=24,
        echoes=echoes,
    )  # fmt: skip
    torch.manual_seed(1)
    tensors = {}
    for member in range(members):
        network = RecurrentNetwork(spec, shape)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))  # no weight is left at zero
        tensors |= {tensor_prefix(member) + name: value.numpy() for name, value in network.state_dict().items()}
    settings = RecurrentSettings(
        view=VIEW, quantiles=LEVELS, whole=False, model=spec.model_dump(mode="json"),
        shape=shape.model_dump(mode="json"),
        training=TrainingRecord(threads=1), members=members, lags=(24,) * echoes, floor=1.0, target=(0.0, 1.0),
        vocabulary=tuple({str(code): code for code in range(1, size)} for size in statics),
    )  # fmt: skip
    return Bundle(spec.name, "recurrent", settings, tensors)


def arrays_of(windows: int, steps: int, bundle: Bundle, seed: int = 0) -> WindowArrays:
    draw, shape = np.random.default_rng(seed), bundle.recurrent.shape

    def normal(*sizes: int) -> np.ndarray:
        return draw.standard_normal(sizes).astype(np.float32)

    codes = [draw.integers(0, size, windows) for size in shape["statics"]]
    return WindowArrays(
        past=normal(windows, steps, shape["past"]),
        future=normal(windows, 7, shape["future"]),
        static=np.array(codes, dtype=np.int64).reshape(len(codes), windows).T.copy(),
        level=normal(windows, 3),
        linear=normal(windows, 24),
        target=normal(windows, 7),
        location=20 + draw.random((windows, 1)),
        scale=1 + draw.random((windows, 1)),
        clock=draw.integers(0, 100_000, windows),
        factors=np.ones((windows, 7)),
    )


def assert_engines_agree(bundle: Bundle, segment: int) -> None:
    native, exported = TorchEngine(bundle), OnnxEngine(bundle)
    for windows, steps in ((1, 24), (5, 24), (3, 2 * segment), (2, segment)):
        arrays = arrays_of(windows, steps, bundle)
        expected, actual = native.run(arrays), exported.run(arrays)
        for state in (None, expected.state):
            expected, actual = native.run(arrays, state), exported.run(arrays, state)
            np.testing.assert_allclose(actual.state, expected.state, rtol=0, atol=1e-5)
            for params, wanted in zip(actual.params, expected.params, strict=True):
                np.testing.assert_allclose(params, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("cell", "options"), list(itertools.product(CELLS, OPTIONS)), ids=str)
def test_every_architecture_gives_the_numbers_of_pytorch(cell, options):
    spec = RecurrentSpec(cell=cell, hidden=8, **({"segment": 1} | options))
    assert_engines_agree(bundle_of(spec), spec.segment or 1)


def test_members_and_static_covariates_have_their_own_weights():
    spec = RecurrentSpec(cell="lstm", hidden=8, segment=2, cycle=6)
    assert_engines_agree(bundle_of(spec, members=3, statics=(3, 5)), 2)
    assert_engines_agree(bundle_of(spec, statics=()), 2)


def test_same_bundle_gives_the_same_bytes_with_its_facts():
    bundle = bundle_of(RecurrentSpec(cell="gru", hidden=8, segment=4))
    data = export_onnx(bundle)
    assert data == export_onnx(bundle)
    model = onnx.load_from_string(data)
    assert {entry.key: entry.value for entry in model.metadata_props} == {
        "nightcast": '{"freq": "h", "head": "quantiles", "horizon": 7, "levels": [0.1, 0.5, 0.9], "lookback": 24, '
        '"name": "gru-8-s4", "segment": 4}'
    }
    assert [node.op_type for node in model.graph.node].count("GRU") == 1
    assert next(entry.name for entry in model.graph.input) == "past"


def test_baseline_is_refused_by_name():
    settings = BaselineSettings(view=VIEW, quantiles=LEVELS, whole=False, ids=(), season=24)
    with pytest.raises(NotExportable, match="linear is a baseline: it has no network"):
        export_onnx(Bundle("linear", "linear", settings, {}))


def test_engine_and_states_need_no_pytorch():
    code = "import sys, models.engines, models.export.network, models.predict, models.streaming.build, models.golden\n"
    code += "import onnxruntime; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
