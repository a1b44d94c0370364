"""Derivatives by lag, and recall, of functions whose derivatives are known."""

import dataclasses

import numpy as np
import pytest
import torch

from models.data.batches import Batch
from models.data.collation import Scaling, WindowCollator
from models.data.windows import WindowRanges
from models.diagnostics.sensitivity import compute_jacobian, compute_recall, perturbed, project_jacobian


def test_zeros_perturbed_by_the_observations_are_the_batch(build_panel) -> None:
    y = np.random.default_rng(0).normal(size=60)
    y[[29, 33, 34, 40, 41, 44]] = np.nan
    panel = build_panel({"a": y.tolist()}, lookback=10, horizon=7)
    series, position = np.zeros(12, dtype=int), np.arange(38, 50)
    scaling = Scaling.fit(panel, WindowRanges.from_cutoffs(series, position), 10)
    batch = Batch.from_arrays(WindowCollator(10, 7, (3, 7), scaling, ()).collate(panel, series, position))
    past, future = batch.past.clone(), batch.future.clone()
    past[..., 0] = future[..., -4] = future[..., -2] = 0.0
    zeros = dataclasses.replace(batch, past=past, future=future, linear=torch.zeros(12, 10))
    result = perturbed(zeros, batch.past[..., 0], (3, 7))
    assert torch.equal(result.past, batch.past)
    assert torch.equal(result.linear, batch.linear)
    assert torch.equal(result.future, batch.future)


def test_jacobian_has_outputs_by_lags_newest_first() -> None:
    perturbation = torch.zeros(1, 3, requires_grad=True)
    outputs = torch.stack([perturbation[:, 0] + 2 * perturbation[:, 2], 3 * perturbation[:, 1]], dim=1)
    assert compute_jacobian(outputs, perturbation).tolist() == [[[2.0, 0.0, 1.0], [0.0, 3.0, 0.0]]]


def test_projected_norm_is_exact_for_few_outputs_and_close_for_many() -> None:
    perturbation = torch.zeros(300, 6, requires_grad=True)
    weights = torch.sin(torch.arange(40.0).unsqueeze(1) * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    few, many = (
        project_jacobian(perturbation @ weights[:16].T, perturbation),
        project_jacobian(perturbation @ weights.T, perturbation),
    )
    exact = weights.norm(dim=0).flip(0).tolist()
    assert few[0].norm(dim=0).tolist() == pytest.approx(weights[:16].norm(dim=0).flip(0).tolist())
    assert many.shape == (300, 16, 6)
    assert many.norm(dim=1).mean(dim=0).tolist() == pytest.approx(exact, rel=0.04)


def test_recall_is_shared_by_observations_with_the_same_derivatives() -> None:
    apart = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]], dtype=torch.float64)
    assert compute_recall(apart)[0].tolist() == pytest.approx([1.0, 0.5, 0.5], abs=0.003)


def test_recall_is_a_half_at_a_twentieth_of_the_largest_norm() -> None:
    faint = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.05, 0.0]]], dtype=torch.float64)
    assert compute_recall(faint)[0].tolist() == pytest.approx([1.0, 0.5, 0.0], abs=0.003)


def test_recall_of_constant_outputs_is_zero() -> None:
    assert compute_recall(torch.zeros(2, 3, 4, dtype=torch.float64)).tolist() == [[0.0] * 4] * 2
