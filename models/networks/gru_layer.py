"""One direction of a GRU layer with a backward pass of its own, for training on a CPU: torch has no fused GRU there.

r = sigmoid(W_r x + U_r h + b_r)              reset gate
z = sigmoid(W_z x + U_z h + b_z)              update gate
k = U_n h + d_n                               what the candidate reads of the state
n = tanh(W_n x + b_n + r * k)                 candidate
h = n + z * (h - n)                           state

With g the gradient of h after a step, the gradients of what is inside the functions above are, because z * (h - n) of
the state before is h - n of the state after:

n: g * (1 - z) * (1 - n * n)    k: that of n times r    r: that of n times k * r * (1 - r)    z: g * (1 - z) * (h - n)

Sequences are (T, features, b), so that a gate of one step is contiguous. Each product and each elementwise operation of
a step reads what the processor's cache still holds, and writes into arrays that are allocated once. The gates of a step
are the rows k, r, z, n of one array: products with the state need k, r, z and those with the input r, z, n, which are
contiguous. The gradients of the gates of one step stay in one such array of a step.

Under autocast to bfloat16, the factors of the products are rounded, as autocast does; states, gates and sums of
gradients stay in the precision of the weights. Layers of few units do not gain from that.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

d_tanh, d_sigmoid = torch.ops.aten.tanh_backward.grad_input, torch.ops.aten.sigmoid_backward.grad_input
MIN_ROUNDED_UNITS = 64  # of a layer whose products are computed in bfloat16 under autocast


def gru_states(x: Tensor, h: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Return the states after each step, in the precision of the weights. They have no second derivatives.

    Products of at least MIN_ROUNDED_UNITS units are computed in bfloat16 under autocast to it.

    Args:
        x: What the layer reads, (T, P, b).
        h: The state before the first step, (hidden, b).
        weights: weight_ih, weight_hh, bias_ih and bias_hh of torch.nn.GRU, whose equations these are.

    Returns:
        The states, (T, hidden, b).
    """
    dtype, units = weights[0].dtype, weights[1].shape[1]
    is_rounded = torch.is_autocast_enabled("cpu") and units >= MIN_ROUNDED_UNITS
    factors = torch.get_autocast_dtype("cpu") if is_rounded else dtype
    with torch.autocast("cpu", enabled=False):
        states: Tensor = _GruLayer.apply(x.to(factors), h.to(dtype), *weights)  # type: ignore[no-untyped-call]
    return states


def _add_rounded_product(base: Tensor, left: Tensor, right: Tensor, *, out: Tensor) -> None:
    """Write base + left @ right, as torch.addmm does, in the precision of `out`, higher than that of the factors."""
    torch.add(base, left @ right, out=out)


class _GruLayer(torch.autograd.Function):
    """The function of `gru_states`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, *weights: Tensor) -> Tensor:
        """Compute all states; keep gates and states for the backward pass."""
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        (steps, _, batch), hidden = x.shape, weight_hh.shape[1]
        # tanh(a) = 2 sigmoid(2a) - 1 takes half the time of torch.tanh
        double = torch.cat([h.new_ones(2 * hidden, 1), h.new_full((hidden, 1), 2.0)])
        from_input, factors = (weight_ih * double).to(x.dtype), x.dtype
        constant = torch.cat([bias_ih[: 2 * hidden] + bias_hh[: 2 * hidden], bias_ih[2 * hidden :]])
        constant = (constant.unsqueeze(1) * double).repeat(1, batch)
        from_state, state_constant = weight_hh.roll(hidden, 0).to(factors), bias_hh[2 * hidden :].unsqueeze(1)
        offset = h.new_full((hidden, batch), -1.0)
        gates, states = h.new_empty(steps, 4 * hidden, batch), h.new_empty(steps + 1, hidden, batch)
        states[0] = h
        rounded = states if factors == states.dtype else torch.empty_like(states, dtype=factors)
        k, r, z, n = (gate.unbind() for gate in torch.chunk(gates, 4, dim=1))
        krz, rz, rzn = (gates[:, start * hidden : end * hidden].unbind() for start, end in ((0, 3), (1, 3), (1, 4)))
        h_after, inputs = states.unbind(), x.unbind()
        read = h_after if rounded is states else rounded.unbind()
        is_rounded = rounded is not states
        add_product = _add_rounded_product if is_rounded else torch.addmm
        for t in range(steps):
            state = h_after[t]
            if is_rounded:
                read[t].copy_(state)
            k[t].copy_(state_constant)
            add_product(constant, from_input, inputs[t], out=rzn[t])
            add_product(krz[t], from_state, read[t], out=krz[t])
            rz[t].sigmoid_()
            n[t].addcmul_(r[t], k[t], value=2.0).sigmoid_()
            torch.add(offset, n[t], alpha=2.0, out=n[t])
            torch.lerp(n[t], state, z[t], out=h_after[t + 1])
        ctx.save_for_backward(x, weight_ih, from_state, gates, states, rounded)
        ctx.by_step = k, r, z, n, h_after[1:]
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_states: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, h, weights and biases."""
        x, weight_ih, from_state, gates, states, rounded = ctx.saved_tensors
        hidden, factors = states.shape[1], x.dtype
        dh, kept = torch.zeros_like(states[0]), torch.empty_like(states[0])
        to_state, to_input = from_state.t().contiguous(), weight_ih.to(factors).t().contiguous()
        d_from_state, d_weight_ih = torch.zeros_like(from_state, dtype=gates.dtype), torch.zeros_like(weight_ih)
        d_gates, d_gate = torch.zeros_like(gates[0]), torch.empty_like(gates[0])
        rounded_gate = d_gate if factors == gates.dtype else torch.empty_like(d_gate, dtype=factors)
        dx = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        k, r, z, n, h_after = ctx.by_step
        dk, dr, dz, dn = torch.chunk(d_gate, 4)
        krz, rzn = rounded_gate[: 3 * hidden], rounded_gate[hidden:]
        before, inputs = rounded.transpose(1, 2).unbind(), x.transpose(1, 2).unbind()
        d_after, d_inputs = d_states.unbind(), dx.unbind() if dx is not None else ()
        add_product = torch.addmm if factors == gates.dtype else _add_rounded_product
        for t in range(len(x) - 1, -1, -1):
            dh.add_(d_after[t])
            torch.mul(dh, z[t], out=kept)  # what reaches the state before along the update gate
            dh.sub_(kept)
            torch.sub(h_after[t], n[t], out=dz).mul_(dh)
            d_tanh(dh, n[t], grad_input=dn)
            torch.mul(dn, r[t], out=dk)
            d_sigmoid(torch.mul(dn, k[t], out=dr), r[t], grad_input=dr)
            d_gates.add_(d_gate)
            if rounded_gate is not d_gate:
                rounded_gate.copy_(d_gate)
            add_product(d_weight_ih, rzn, inputs[t], out=d_weight_ih)
            add_product(d_from_state, krz, before[t], out=d_from_state)
            if d_inputs:
                torch.mm(to_input, rzn, out=d_inputs[t])
            add_product(kept, to_state, krz, out=dh)
        d_bias = d_gates.sum(1)
        d_bias_hh = d_bias[: 3 * hidden].roll(-hidden)
        return dx, dh, d_weight_ih, d_from_state.roll(-hidden, 0), d_bias[hidden:], d_bias_hh
