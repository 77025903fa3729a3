"""First-order steps on flat tensors, compared with PyTorch's optimizers, one for each network."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from mnemoscope.nets.layout import Layout
from mnemoscope.training import TrainingOptions
from mnemoscope.training.group import Descent
from mnemoscope.training.options import FIRST_ORDER
from mnemoscope.training.solvers import first_order_optimizer
from tests.known_maps import DTYPES

SHAPES = [(4, 3), (4,)]


def drawn(*size, seed, dtype):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gradients(step, replicas, dtype):
    return [drawn(replicas, *s, seed=10 * step + i, dtype=dtype) for i, s in enumerate(SHAPES)]


def begin(name, replicas, dtype, decays):
    tensors = [drawn(replicas, *s, seed=100 + i, dtype=dtype) for i, s in enumerate(SHAPES)]
    layout = Layout.of(tensors)
    values, gradient = layout.join(tensors), torch.zeros(layout.size, dtype=dtype)
    stack: Any = SimpleNamespace(layout=layout, values=values, gradient=gradient)
    descent = Descent(name, stack, momentum=0.8, weight_decay=decays)

    def step(gradients, rates):
        gradient.copy_(layout.join(gradients))
        descent.step(rates)

    return layout, values, descent, step


def alone(name, replica, replicas, dtype, rates, decay):
    """The same network by itself, with PyTorch's optimizer."""
    tensors = [drawn(replicas, *s, seed=100 + i, dtype=dtype) for i, s in enumerate(SHAPES)]
    parameters = [nn.Parameter(t[replica].clone()) for t in tensors]
    options = TrainingOptions(optimizer=name, momentum=0.8, weight_decay=decay)
    solver = first_order_optimizer(parameters, options)
    for step, rate in enumerate(rates):
        for parameter, gradient in zip(parameters, gradients(step, replicas, dtype), strict=True):
            parameter.grad = gradient[replica].clone()
        solver.param_groups[0]["lr"] = rate
        solver.step()
    return [p.detach() for p in parameters]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("decays", [[0.0, 0.0, 0.0], [0.1, 0.0, 0.3]], ids=str)
@pytest.mark.parametrize(
    "rates",
    [
        [[0.01, 0.01, 0.01]] * 5,
        [[0.01, 0.02, 0.003]] * 5,
        # All alike, then each its own, then all alike again: the state goes on.
        [[0.01] * 3, [0.01, 0.02, 0.003], [0.01, 0.04, 0.003], [0.02] * 3, [0.01, 0.02, 0.01]],
    ],
    ids=["one rate", "a rate each", "now so, now so"],
)
@pytest.mark.parametrize("name", FIRST_ORDER)
def test_every_network_moves_as_it_would_alone(name, rates, decays, dtype):
    layout, values, _, step = begin(name, 3, dtype, decays)
    for at, each in enumerate(rates):
        step(gradients(at, 3, dtype), each)
    for replica in range(3):
        expected = alone(name, replica, 3, dtype, [r[replica] for r in rates], decays[replica])
        for view, tensor in zip(layout.views(values), expected, strict=True):
            # Five steps of a few roundings each; values are of order 1.
            assert torch.allclose(view[replica], tensor, rtol=0, atol=50 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_it_goes_on_from_its_state(name):
    _, values, descent, step = begin(name, 2, torch.float32, [0.0, 0.0])
    for at in range(3):
        step(gradients(at, 2, torch.float32), [0.01, 0.02])
    _, resumed, later, go_on = begin(name, 2, torch.float32, [0.0, 0.0])
    later.load_state_dict({k: v.clone() for k, v in descent.state_dict().items()})
    resumed.copy_(values)
    last = gradients(3, 2, torch.float32)
    step(last, [0.01, 0.02])
    go_on(last, [0.01, 0.02])
    assert torch.equal(values, resumed)
    assert int(descent.state_dict()["steps"]) == int(later.state_dict()["steps"]) == 4


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_some_of_the_networks_go_on_as_they_are(name):
    layout, values, descent, step = begin(name, 3, torch.float64, [0.1, 0.2, 0.3])
    for at in range(3):
        step(gradients(at, 3, torch.float64), [0.01, 0.02, 0.03])
    rows = [2, 0]
    parts = [view[rows] for view in layout.views(values)]
    small = Layout.of(parts)
    last = gradients(3, 3, torch.float64)
    fewer, gradient = small.join(parts), small.join([g[rows] for g in last])
    stack: Any = SimpleNamespace(layout=small, values=fewer, gradient=gradient)
    some = descent.only(rows, stack)
    assert some.weight_decay == [0.3, 0.1]
    some.step([0.03, 0.01])
    step(last, [0.01, 0.02, 0.03])
    for view, whole in zip(small.views(fewer), layout.views(values), strict=True):
        # Vectors end elsewhere, and their ends round by themselves; values are of order 1.
        assert torch.allclose(view, whole[rows], rtol=0, atol=1e-14)
