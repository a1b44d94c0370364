"""What a network remembers, where it is known: weights set by hand, so that each lag's derivative is a literal."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.data.batches import Batch
from models.diagnostics.memory import GateStatistics, last_significant_lag, measure_memory
from models.networks.recurrent import Recurrent, RecurrentSpec, Shape


def network(lookback: int = 6, horizon: int = 2, season: int = 4, future: int = 0, **spec: object) -> Recurrent:
    """Of one unit where nothing else is asked; its past is the target and whether it was seen."""
    shape = Shape(
        lookback=lookback, horizon=horizon, past=2, future=future, statics=(), quantiles=(0.5,), season=season
    )
    return Recurrent(RecurrentSpec.model_validate({"cell": "rnn", "hidden": 1, "dropout": 0.5} | spec), shape)


def fading(model: Recurrent, kept: float) -> Recurrent:
    """The same network, its unit adding what it reads to `kept` times what it held."""
    with torch.no_grad():
        for name, weight in model.encoder.named_parameters():
            weight.fill_(kept if name.startswith("weight_hh") else 0.0)
            if name.startswith("weight_ih"):
                weight[:, 0] = 1.0
    return model


def batch_of(target: Tensor, future: Tensor | None = None, horizon: int = 2) -> Batch:
    count, one = len(target), torch.ones(len(target), 1)
    return Batch(
        past=torch.stack([target, torch.ones_like(target)], dim=-1),
        future=torch.zeros(count, horizon, 0) if future is None else future,
        static=torch.zeros(count, 0, dtype=torch.int64),
        level=torch.zeros(count, 3),
        linear=target,
        target=torch.zeros(count, horizon),
        location=one.double(),
        scale=one.double(),
        clock=torch.zeros(count, dtype=torch.int64),
        error_weights=torch.ones(count, 1),
    )


class Plain(Recurrent):
    """A network that works in vain: its point forecast is made of what it is shown alone."""

    def made_of(self, batch: Batch) -> Tensor:
        raise NotImplementedError

    def point(self, batch: Batch) -> Tensor:
        self(batch)
        return self.made_of(batch)


class Known(Plain):
    def made_of(self, batch: Batch) -> Tensor:
        return batch.past[..., :2, 0] + 3 * batch.linear[..., :2]


class Echoing(Plain):
    def made_of(self, batch: Batch) -> Tensor:
        return batch.future[..., 0] + 10 * batch.future[..., 2]


class Graded(Plain):
    """The last value, and a share of the oldest."""

    share = 0.0

    def made_of(self, batch: Batch) -> Tensor:
        return torch.stack([batch.linear[:, -1], self.share * batch.linear[:, 0]], dim=1)


def test_a_unit_that_halves_what_it_holds_tells_the_last_value_alone() -> None:
    memory = measure_memory(fading(network(), 0.5), batch_of(torch.zeros(3, 6)))
    assert memory.recurrence == (1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)
    assert memory.recall[:3] == pytest.approx((0.749, 0.187, 0.047), abs=1e-3)  # 1, 1/4, 1/16 of their sum
    assert memory.effective_recurrence == 1


def test_a_running_sum_depends_on_every_step_and_tells_none() -> None:
    memory = measure_memory(fading(network(), 1.0), batch_of(torch.zeros(3, 6)))
    assert memory.recurrence == (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    assert memory.recall == pytest.approx((1 / 6,) * 6, abs=1e-3)
    assert memory.effective_recurrence == 0


def test_three_units_that_hand_values_on_tell_the_last_three() -> None:
    model = fading(network(hidden=3, season=3), 0.0)
    with torch.no_grad():
        model.encoder.weight_ih_l0.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]))
        model.encoder.weight_hh_l0.copy_(torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    memory = measure_memory(model, batch_of(torch.zeros(3, 6)))
    assert memory.recurrence == (1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
    assert memory.recall == pytest.approx((1.0, 1.0, 1.0, 0.0, 0.0, 0.0), abs=0.003)
    assert memory.effective_recurrence == 3
    assert memory.carries_a_season


def test_the_way_back_is_no_memory_of_the_oldest_step() -> None:
    memory = measure_memory(fading(network(bidirectional=True), 0.5), batch_of(torch.zeros(3, 6)))
    assert memory.recurrence == (1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)


def test_lags_are_steps_however_many_are_read_at_once() -> None:
    model = fading(network(lookback=5, segment=2), 0.5)
    with torch.no_grad():
        model.enter.weight.copy_(torch.tensor([[1.0, 0.0, 1.0, 0.0]]))
        model.enter.bias.zero_()
    memory = measure_memory(model, batch_of(torch.zeros(3, 5)))
    assert memory.segment == 2
    assert memory.recurrence == (1.0, 1.0, 0.5, 0.5, 0.25)
    assert len(memory.gates[0].by_step) == 3


def test_the_encoder_is_asked_about_what_it_reads_not_about_the_cycle_taken_out_of_it() -> None:
    model = fading(network(cycle=4), 0.0)
    torch.nn.init.constant_(model.cycle.shared, 9.0)
    memory = measure_memory(model, batch_of(torch.zeros(3, 6)))
    assert memory.gates[0].mean == pytest.approx(-1.0)
    assert memory.recurrence[0] < 1e-6  # far out on the tanh nothing is felt


def test_every_way_to_the_forecast_counts_together() -> None:
    model = Known(network(lookback=4).spec, network(lookback=4).shape)
    assert measure_memory(model, batch_of(torch.zeros(3, 4))).forecast == (0.0, 0.0, 4.0, 4.0)


def test_what_stands_in_for_a_missing_value_is_owed_to_the_last_one_seen() -> None:
    model = Known(network(lookback=4).spec, network(lookback=4).shape)
    batch = batch_of(torch.zeros(1, 4))
    batch.past[0, 1, 1] = 0.0
    assert measure_memory(model, batch).forecast == (0.0, 0.0, 0.0, 5.0)  # by two steps: 1 + 3 and 3
    batch.past[0, 0, 1] = 0.0
    assert measure_memory(model, batch).forecast == (0.0, 0.0, 0.0, 0.0)  # before the first one there was none


def test_a_shown_season_counts_where_it_was_observed() -> None:
    settings = network(lookback=5, horizon=3, future=4)
    future = torch.ones(2, 3, 4)
    memory = measure_memory(Echoing(settings.spec, settings.shape), batch_of(torch.zeros(2, 5), future, 3), lags=(2, 4))
    assert memory.forecast == pytest.approx((1.0, 122**0.5, 10.0, 10.0, 0.0))
    future[:, :, 3] = 0.0  # the four steps' echo was never seen
    memory = measure_memory(Echoing(settings.spec, settings.shape), batch_of(torch.zeros(2, 5), future, 3), lags=(2, 4))
    assert memory.forecast == pytest.approx((1.0, 2**0.5, 0.0, 0.0, 0.0))


@pytest.mark.parametrize(("lookback", "seen"), [(24, True), (30, True), (23, False)])
def test_a_new_network_sees_a_season_where_its_lookback_holds_one(lookback: int, seen: bool) -> None:
    torch.manual_seed(0)
    model = network(lookback, horizon=6, season=24, cell="gru", hidden=8)
    memory = measure_memory(model, batch_of(torch.randn(20, lookback), horizon=6))
    assert memory.sees_a_season is seen
    assert memory.effective_recurrence < 24


@pytest.mark.parametrize(
    ("curve", "lag"),
    [((1.0, 0.05, 0.049), 2), ((0.0, 0.0, 1.0), 3), ((1.0, 0.0, 0.0, 0.4, 0.0), 4), ((0.01, 0.02), 0)],
)
def test_the_farthest_lag_counts_whatever_lies_before_it(curve: tuple[float, ...], lag: int) -> None:
    assert last_significant_lag(curve, 0.05) == lag
    assert last_significant_lag((0.0, 0.0), 0.0) == 0


def test_a_lag_of_less_than_a_twentieth_of_the_largest_does_not_matter() -> None:
    settings = network(lookback=3)
    for share, effective in ((0.051, 3), (0.049, 1)):
        model = Graded(settings.spec, settings.shape)
        model.share = share
        assert measure_memory(model, batch_of(torch.zeros(2, 3))).effective == effective


def test_windows_whose_gradients_explode_are_counted_and_left_out() -> None:
    target = torch.zeros(4, 6)
    target[0] = 1.0  # far out on the tanh nothing is felt
    memory = measure_memory(fading(network(), 1e20), batch_of(target))
    assert memory.exploded == 0.75
    assert np.isfinite(memory.recurrence).all()
    memory = measure_memory(fading(network(), 1e20), batch_of(target[1:]))
    assert memory.exploded == 1.0
    assert (memory.effective, memory.effective_recurrence, memory.recurrence) == (0, 0, (0.0,) * 6)


def test_shut_and_open_gates_are_found() -> None:
    model = fading(network(cell="lstm"), 0.0)
    with torch.no_grad():
        model.encoder.bias_ih_l0.copy_(torch.tensor([-10.0, 10.0, 0.0, 0.0]))
    found = {use.gate: use for use in measure_memory(model, batch_of(torch.zeros(3, 6))).gates}
    assert list(found) == ["input", "forget", "new", "output"]
    assert [(use.low, use.high) for use in found.values()] == [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (0.0, 0.0)]
    half = GateStatistics(layer=0, gate="output", mean=0.5, low=0.0, high=0.0, by_step=(0.5,) * 6)
    assert found["output"] == half


def test_a_candidate_is_saturated_near_both_of_its_ends() -> None:
    target = torch.tensor([[-9.0, 9.0, 9.0, 0.0]])
    (use,) = measure_memory(fading(network(lookback=4), 0.0), batch_of(target)).gates
    assert (use.low, use.high) == (0.25, 0.5)
    assert use.by_step == pytest.approx((-1.0, 1.0, 1.0, 0.0))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_looking_changes_nothing_and_sees_the_same_again(cell: str) -> None:
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
