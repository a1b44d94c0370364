"""Memory of networks whose weights are set by hand, so that the derivative of each lag is a literal."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.data.batches import Batch
from models.diagnostics.measurements import GateStatistics
from models.diagnostics.memory import last_significant_lag, measure_memory
from models.networks.architecture import NetworkShape, RecurrentSpec
from models.networks.recurrent import RecurrentNetwork


def network(lookback: int = 6, horizon: int = 2, season: int = 4, future: int = 0, **spec: object) -> RecurrentNetwork:
    """A network, by default of one unit; its past is the target and the mask of observed values."""
    shape = NetworkShape(
        lookback=lookback, horizon=horizon, past=2, future=future, statics=(), quantiles=(0.5,), season=season
    )
    return RecurrentNetwork(RecurrentSpec.model_validate({"cell": "rnn", "hidden": 1, "dropout": 0.5} | spec), shape)


def fading(model: RecurrentNetwork, kept: float) -> RecurrentNetwork:
    """Set the weights in place: the new state is the input plus `kept` times the previous state."""
    with torch.no_grad():
        for name, weight in model.encoder.named_parameters():
            weight.fill_(kept if name.startswith("weight_hh") else 0.0)
            if name.startswith("weight_ih"):
                weight[:, 0] = 1.0
    return model


def batch_of(target: Tensor, future: Tensor | None = None, horizon: int = 2) -> Batch:
    count, ones = len(target), torch.ones(len(target), 1)
    return Batch(
        past=torch.stack([target, torch.ones_like(target)], dim=-1),
        future=torch.zeros(count, horizon, 0) if future is None else future,
        static=torch.zeros(count, 0, dtype=torch.int64),
        level=torch.zeros(count, 3),
        linear=target,
        target=torch.zeros(count, horizon),
        location=ones.double(),
        scale=ones.double(),
        clock=torch.zeros(count, dtype=torch.int64),
        error_weights=torch.ones(count, 1),
    )


class InputForecast(RecurrentNetwork):
    """A network whose point forecast is computed from its inputs alone."""

    def from_inputs(self, batch: Batch) -> Tensor:
        raise NotImplementedError

    def point(self, batch: Batch) -> Tensor:
        self(batch)
        return self.from_inputs(batch)


class PastForecast(InputForecast):
    def from_inputs(self, batch: Batch) -> Tensor:
        return batch.past[..., :2, 0] + 3 * batch.linear[..., :2]


class SeasonalForecast(InputForecast):
    def from_inputs(self, batch: Batch) -> Tensor:
        return batch.future[..., 0] + 10 * batch.future[..., 2]


class LastAndOldest(InputForecast):
    """Forecasts the last value and a share of the oldest."""

    share = 0.0

    def from_inputs(self, batch: Batch) -> Tensor:
        return torch.stack([batch.linear[:, -1], self.share * batch.linear[:, 0]], dim=1)


def test_unit_that_halves_its_state_recalls_the_last_value_only() -> None:
    memory = measure_memory(fading(network(), 0.5), batch_of(torch.zeros(3, 6)))
    assert memory.recurrence == (1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)
    assert memory.recall[:3] == pytest.approx((0.749, 0.187, 0.047), abs=1e-3)  # 1, 1/4, 1/16 of their sum
    assert memory.effective_recurrence == 1


def test_running_sum_depends_on_each_step_and_recalls_none() -> None:
    memory = measure_memory(fading(network(), 1.0), batch_of(torch.zeros(3, 6)))
    assert memory.recurrence == (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    assert memory.recall == pytest.approx((1 / 6,) * 6, abs=1e-3)
    assert memory.effective_recurrence == 0


def test_three_units_that_shift_values_recall_the_last_three() -> None:
    model = fading(network(hidden=3, season=3), 0.0)
    with torch.no_grad():
        model.encoder.weight_ih_l0.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]))
        model.encoder.weight_hh_l0.copy_(torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    memory = measure_memory(model, batch_of(torch.zeros(3, 6)))
    assert memory.recurrence == (1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
    assert memory.recall == pytest.approx((1.0, 1.0, 1.0, 0.0, 0.0, 0.0), abs=0.003)
    assert memory.effective_recurrence == 3
    assert memory.carries_a_season


def test_backward_direction_does_not_count_as_memory() -> None:
    memory = measure_memory(fading(network(bidirectional=True), 0.5), batch_of(torch.zeros(3, 6)))
    assert memory.recurrence == (1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)


def test_lags_are_steps_for_any_segment() -> None:
    model = fading(network(lookback=5, segment=2), 0.5)
    with torch.no_grad():
        model.enter.weight.copy_(torch.tensor([[1.0, 0.0, 1.0, 0.0]]))
        model.enter.bias.zero_()
    memory = measure_memory(model, batch_of(torch.zeros(3, 5)))
    assert memory.segment == 2
    assert memory.recurrence == (1.0, 1.0, 0.5, 0.5, 0.25)
    assert len(memory.gates[0].by_step) == 3


def test_gates_are_measured_on_inputs_without_the_cycle() -> None:
    model = fading(network(cycle=4), 0.0)
    torch.nn.init.constant_(model.cycle.shared, 9.0)
    memory = measure_memory(model, batch_of(torch.zeros(3, 6)))
    assert memory.gates[0].mean == pytest.approx(-1.0)
    assert memory.recurrence[0] < 1e-6  # the tanh is flat there


def test_forecast_sensitivity_covers_all_paths() -> None:
    model = PastForecast(network(lookback=4).spec, network(lookback=4).shape)
    assert measure_memory(model, batch_of(torch.zeros(3, 4))).forecast == (0.0, 0.0, 4.0, 4.0)


def test_replaced_missing_value_counts_for_the_last_observation() -> None:
    model = PastForecast(network(lookback=4).spec, network(lookback=4).shape)
    batch = batch_of(torch.zeros(1, 4))
    batch.past[0, 1, 1] = 0.0
    assert measure_memory(model, batch).forecast == (0.0, 0.0, 0.0, 5.0)  # by two steps: 1 + 3 and 3
    batch.past[0, 0, 1] = 0.0
    assert measure_memory(model, batch).forecast == (0.0, 0.0, 0.0, 0.0)  # no observation before it


def test_seasonal_lag_counts_if_it_was_observed() -> None:
    settings = network(lookback=5, horizon=3, future=4)
    future = torch.ones(2, 3, 4)
    memory = measure_memory(
        SeasonalForecast(settings.spec, settings.shape), batch_of(torch.zeros(2, 5), future, 3), lags=(2, 4)
    )
    assert memory.forecast == pytest.approx((1.0, 122**0.5, 10.0, 10.0, 0.0))
    future[:, :, 3] = 0.0  # the lag of four steps was not observed
    memory = measure_memory(
        SeasonalForecast(settings.spec, settings.shape), batch_of(torch.zeros(2, 5), future, 3), lags=(2, 4)
    )
    assert memory.forecast == pytest.approx((1.0, 2**0.5, 0.0, 0.0, 0.0))


@pytest.mark.parametrize(("lookback", "seen"), [(24, True), (30, True), (23, False)])
def test_new_network_sees_a_season_if_its_lookback_holds_one(lookback: int, seen: bool) -> None:
    torch.manual_seed(0)
    model = network(lookback, horizon=6, season=24, cell="gru", hidden=8)
    memory = measure_memory(model, batch_of(torch.randn(20, lookback), horizon=6))
    assert memory.sees_a_season is seen
    assert memory.effective_recurrence < 24


@pytest.mark.parametrize(
    ("curve", "lag"),
    [((1.0, 0.05, 0.049), 2), ((0.0, 0.0, 1.0), 3), ((1.0, 0.0, 0.0, 0.4, 0.0), 4), ((0.01, 0.02), 0)],
)
def test_farthest_lag_counts_regardless_of_nearer_lags(curve: tuple[float, ...], lag: int) -> None:
    assert last_significant_lag(curve, 0.05) == lag
    assert last_significant_lag((0.0, 0.0), 0.0) == 0


def test_lag_below_a_twentieth_of_the_largest_does_not_count() -> None:
    settings = network(lookback=3)
    for share, effective in ((0.051, 3), (0.049, 1)):
        model = LastAndOldest(settings.spec, settings.shape)
        model.share = share
        assert measure_memory(model, batch_of(torch.zeros(2, 3))).effective == effective


def test_windows_with_infinite_gradients_are_counted_and_left_out() -> None:
    target = torch.zeros(4, 6)
    target[0] = 1.0  # the tanh is flat there
    memory = measure_memory(fading(network(), 1e20), batch_of(target))
    assert memory.exploded == 0.75
    assert np.isfinite(memory.recurrence).all()
    memory = measure_memory(fading(network(), 1e20), batch_of(target[1:]))
    assert memory.exploded == 1.0
    assert (memory.effective, memory.effective_recurrence, memory.recurrence) == (0, 0, (0.0,) * 6)


def test_shut_and_open_gates_are_counted() -> None:
    model = fading(network(cell="lstm"), 0.0)
    with torch.no_grad():
        model.encoder.bias_ih_l0.copy_(torch.tensor([-10.0, 10.0, 0.0, 0.0]))
    statistics = {gate.gate: gate for gate in measure_memory(model, batch_of(torch.zeros(3, 6))).gates}
    assert list(statistics) == ["input", "forget", "new", "output"]
    assert [(gate.low, gate.high) for gate in statistics.values()] == [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (0.0, 0.0)]
    half = GateStatistics(layer=0, gate="output", mean=0.5, low=0.0, high=0.0, by_step=(0.5,) * 6)
    assert statistics["output"] == half


def test_candidate_is_saturated_near_both_ends() -> None:
    target = torch.tensor([[-9.0, 9.0, 9.0, 0.0]])
    (gate,) = measure_memory(fading(network(lookback=4), 0.0), batch_of(target)).gates
    assert (gate.low, gate.high) == (0.25, 0.5)
    assert gate.by_step == pytest.approx((-1.0, 1.0, 1.0, 0.0))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_measuring_is_repeatable_and_leaves_the_network_unchanged(cell: str) -> None:
    torch.manual_seed(0)
    model = network(horizon=12, cell=cell, hidden=4, layers=2, bidirectional=True, readout="attention").train()
    model.readout.eval()
    batch = batch_of(torch.randn(5, 6), horizon=12)
    model.loss(batch).backward()
    weights = [weight.clone() for weight in model.state_dict().values()]
    grads = [weight.grad.clone() for weight in model.parameters()]
    modes = [part.training for part in model.modules()]
    state = torch.get_rng_state()
    with torch.no_grad():
        first = measure_memory(model, batch)
    assert torch.equal(torch.get_rng_state(), state)
    assert [part.training for part in model.modules()] == modes
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), weights, strict=True))
    assert all(torch.equal(a.grad, b) for a, b in zip(model.parameters(), grads, strict=True))
    assert all(weight.requires_grad for weight in model.parameters())
    assert [part for part in model.modules() if isinstance(part, nn.RNNBase) and part._forward_pre_hooks] == []
    torch.manual_seed(1)
    assert measure_memory(model, batch) == first
