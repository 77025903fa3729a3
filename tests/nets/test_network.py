"""The module of a spec is a self-map that every transform of torch.func supports."""

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.func import (
    functional_call,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    stack_module_state,
    vjp,
    vmap,
)

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets import FullyConnected, Spec, UNet


def states(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def test_a_batch_goes_to_a_batch_of_the_same_shape(spec: Spec):
    net = spec.build(dtype=torch.float64)
    for n in (0, 1, 3):
        Z = states(n, *spec.shape)
        assert net(Z).shape == Z.shape
        assert net(Z).dtype == Z.dtype


def test_a_single_state_goes_where_it_goes_in_a_batch(spec: Spec):
    net = spec.build(dtype=torch.float64)
    Z = states(3, *spec.shape)
    alone = torch.stack([net(z) for z in Z])
    torch.testing.assert_close(alone, net(Z), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("transform", [jacfwd, jacrev])
def test_the_derivative_is_the_difference_quotient(spec: Spec, transform):
    net, step = spec.build(dtype=torch.float64), 1e-6
    z, v = states(*spec.shape), states(*spec.shape, seed=1)
    J = transform(net)(z).reshape(z.numel(), z.numel())
    quotient = (net(z + step * v) - net(z - step * v)) / (2 * step)
    torch.testing.assert_close(J @ v.flatten(), quotient.flatten(), rtol=1e-5, atol=1e-8)


def test_jvp_vjp_and_linearize_agree_with_the_jacobian(spec: Spec):
    net = spec.build(dtype=torch.float64)
    z, v = states(2, *spec.shape), states(2, *spec.shape, seed=1)
    J = vmap(jacrev(net))(z).reshape(2, z[0].numel(), z[0].numel())
    forward = torch.einsum("nij,nj->ni", J, v.flatten(1)).reshape(z.shape)
    backward = torch.einsum("nij,ni->nj", J, v.flatten(1)).reshape(z.shape)

    torch.testing.assert_close(jvp(net, (z,), (v,)), (net(z), forward))
    torch.testing.assert_close(vjp(net, z)[1](v)[0], backward)
    value, push = linearize(net, z)
    torch.testing.assert_close(value, net(z))
    torch.testing.assert_close(push(v), forward)


def test_vmap_over_states_and_over_batches_agrees_with_the_batch(spec: Spec):
    net = spec.build(dtype=torch.float64)
    Z = states(2, 3, *spec.shape)
    batchwise = torch.stack([net(batch) for batch in Z])
    torch.testing.assert_close(vmap(vmap(net))(Z), batchwise)
    torch.testing.assert_close(vmap(net)(Z), batchwise)


def test_vmap_over_tangents_agrees_with_one_jvp_at_a_time(spec: Spec):
    net = spec.build(dtype=torch.float64)
    Z, V = states(2, *spec.shape), states(4, 2, *spec.shape, seed=1)
    together = vmap(lambda v: jvp(net, (Z,), (v,))[1])(V)
    torch.testing.assert_close(together, torch.stack([jvp(net, (Z,), (v,))[1] for v in V]))


def test_many_replicas_run_in_one_call(spec: Spec):
    nets = [spec.build(seed=seed, dtype=torch.float64) for seed in range(3)]
    parameters, buffers = stack_module_state(list(nets))
    Z, outline = states(2, *spec.shape), spec.outline()

    def call(parameters, buffers, Z):
        return functional_call(outline, (parameters, buffers), (Z,))

    together = vmap(call, in_dims=(0, 0, None))(parameters, buffers, Z)
    torch.testing.assert_close(together, torch.stack([net(Z) for net in nets]))


def test_every_weight_gets_a_gradient(spec: Spec):
    net = spec.build(dtype=torch.float64)
    (net(states(4, *spec.shape)) ** 2).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all()


def test_a_batch_of_another_shape_is_refused(spec: Spec):
    net = spec.build()
    shape = spec.shape
    for wrong in [
        (2, *shape[:-1], shape[-1] + 1),
        (2, 2, *shape),
        (2, shape[0] + 1, *shape[1:]),
        shape[1:],
        (),
    ]:
        with pytest.raises(MnemoscopeError) as error:
            net(torch.zeros(wrong))
        assert error.value.field == "z"
        assert str(wrong) in error.value.given
        assert f"(n, {', '.join(map(str, shape))})" in error.value.expected


def test_states_of_another_shape_are_refused_under_vmap_too():
    with pytest.raises(MnemoscopeError, match=r"\(n, 3\)") as error:
        vmap(FullyConnected(shape=(3,)).build())(torch.zeros(2, 4))
    assert error.value.field == "z"


@settings(max_examples=30, deadline=None)
@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple),
    n=st.integers(0, 3),
    depth=st.integers(1, 3),
)
def test_a_fully_connected_network_takes_states_of_any_shape(
    shape: tuple[int, ...], n: int, depth: int
):
    net = FullyConnected(shape=shape, width=3, depth=depth).build()
    assert net(torch.zeros(n, *shape)).shape == (n, *shape)


def test_a_fresh_network_knows_its_spec_and_has_no_training_record(spec: Spec):
    net = spec.build()
    assert net.spec is spec
    assert net.shape == spec.shape
    assert net.training_record is None


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_is_a_network_of_its_own(spec: Spec, record, duplicate):
    net = spec.build()
    net.training_record = record
    twin = duplicate(net)
    assert twin.spec == spec
    assert twin.training_record == record
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert all(torch.equal(twin.state_dict()[name], before[name]) for name in before)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1)
    assert all(torch.equal(net.state_dict()[name], before[name]) for name in before)


def test_dtype_can_be_changed_as_in_any_module():
    net = UNet(shape=(1, 4, 4), channels=2).build().double()
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float64}
