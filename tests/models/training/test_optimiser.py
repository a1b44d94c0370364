"""AdamW without torch's wrappers gives the same bytes as torch's."""

import torch

from models.training.optimiser import AdamW


def train(optimiser_class: type[torch.optim.Optimizer]) -> torch.Tensor:
    torch.manual_seed(0)
    network = torch.nn.LSTM(4, 8)
    optimiser = optimiser_class(network.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(5):
        optimiser.zero_grad(set_to_none=True)
        network(torch.randn(6, 3, 4))[0].square().mean().backward()
        optimiser.step()
    assert all(weight.requires_grad for weight in network.parameters())
    return torch.cat([weight.detach().flatten() for weight in network.parameters()])


def test_weights_are_those_of_torch_bit_by_bit() -> None:
    assert torch.equal(train(AdamW), train(torch.optim.AdamW))
