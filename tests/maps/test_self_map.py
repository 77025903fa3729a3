import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import mnemoscope as mn


def states(n, *shape, seed=0):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


def test_a_network_brings_its_shape_and_others_are_reported_theirs():
    net = mn.nets.FullyConnected(shape=(1, 4, 4), width=8, depth=2).build(seed=0)
    assert mn.SelfMap(net).shape == (1, 4, 4)
    assert mn.SelfMap(nn.Linear(3, 3), shape=[3]).shape == (3,)
    with pytest.raises(mn.MnemoscopeError, match="without a shape"):
        mn.SelfMap(nn.Linear(3, 3))


def test_evaluation_builds_no_graph_and_follows_the_parameters_dtype():
    f = mn.SelfMap(nn.Linear(3, 3).double(), shape=(3,))
    image = f(states(2, 3))
    assert image.dtype == torch.float64
    assert not image.requires_grad


def test_powers_and_compositions():
    double = mn.SelfMap(lambda z: 2 * z, shape=(2,))
    shift = mn.SelfMap(lambda z: z + 1, shape=(2,))
    Z = states(4, 2)
    assert torch.equal((double**3)(Z), 8 * Z)
    assert torch.equal((double @ shift)(Z), 2 * (Z + 1))
    assert torch.equal(((shift @ double) ** 2)(Z), 2 * (2 * Z + 1) + 1)


@pytest.mark.parametrize("p", [0, -1, 1.5])
def test_other_powers_are_refused(p):
    with pytest.raises(mn.MnemoscopeError, match="whole power"):
        mn.SelfMap(lambda z: z, shape=(2,)) ** p


def test_maps_of_different_states_do_not_compose():
    with pytest.raises(mn.MnemoscopeError, match="same states"):
        mn.SelfMap(lambda z: z, shape=(2,)) @ mn.SelfMap(lambda z: z, shape=(3,))


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda z: z[:, :1], r"to \(1, 1\)"),
        (lambda z: z.double(), "float64"),
        (lambda z: (z, z), "output is a tuple"),
        (lambda z: z @ torch.ones(5, 5), "fails on a batch"),
    ],
    ids=["shape", "dtype", "tuple", "raises"],
)
def test_a_map_that_is_no_self_map_is_refused_when_it_is_made(f, message):
    with pytest.raises(mn.MnemoscopeError, match=message):
        mn.SelfMap(f, shape=(3,))


def test_states_of_another_shape_are_refused():
    f = mn.SelfMap(lambda z: z, shape=(1, 2, 2))
    for wrong in (torch.zeros(1, 2, 2), torch.zeros(3, 4), torch.tensor(1.0)):
        with pytest.raises(mn.MnemoscopeError, match="a batch"):
            f(wrong)


def test_mode_gradients_and_parameters_are_left_as_they_were():
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3))
    net[1].eval()
    net[0].weight.grad = torch.ones_like(net[0].weight)
    before = [p.clone() for p in net.parameters()]
    f = mn.SelfMap(net, shape=(3,))
    f(states(2, 3))
    f.linearize(states(2, 3)).vjp(states(2, 3))
    assert [m.training for m in net.modules()] == [True, True, False, True]
    assert torch.equal(net[0].weight.grad, torch.ones_like(net[0].weight))
    assert net[2].weight.grad is None
    assert all(p.requires_grad for p in net.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_mode_is_restored_when_the_map_raises():
    net = nn.Linear(3, 3)
    f = mn.SelfMap(net, shape=(3,))
    net.weight.data = torch.zeros(4, 4)
    with pytest.raises(mn.MnemoscopeError, match="a map that fails"):
        f(states(1, 3))
    assert net.training


@pytest.mark.parametrize("layer", [nn.Dropout(), nn.BatchNorm1d(3), nn.AlphaDropout()], ids=str)
def test_chance_in_training_mode_is_refused_until_eval(layer):
    net = nn.Sequential(nn.Linear(3, 3), layer)
    with pytest.raises(mn.MnemoscopeError, match=r"training mode.*\.eval\(\)"):
        mn.SelfMap(net, shape=(3,))
    f = mn.SelfMap(net.eval(), shape=(3,))
    f(states(2, 3))
    net.train()
    with pytest.raises(mn.MnemoscopeError, match="training mode"):
        f(states(2, 3))


def test_batch_norm_without_running_statistics_is_refused():
    net = nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False)).eval()
    with pytest.raises(mn.MnemoscopeError, match="running statistics"):
        mn.SelfMap(net, shape=(3,))


def test_another_dtype_is_a_copy():
    net = nn.Linear(3, 3)
    f = mn.SelfMap(net, shape=(3,))
    g = (f**2).to(torch.float64)
    Z = states(2, 3)
    assert g(Z).dtype == torch.float64
    assert net.weight.dtype == torch.float32
    assert torch.allclose(g(Z).float(), f(f(Z)), atol=1e-6)
    assert f.to(torch.float32) is f


def jacobians(known):
    J = torch.func.vmap(torch.func.jacrev(lambda z: known.f(z[None])[0]))(known.at)
    d = math.prod(known.shape)
    return J.reshape(len(known.at), d, d)


def test_products_are_those_of_the_jacobian(known, dtype):
    f = known.self_map(dtype)
    n, d = len(known.at), f.size
    V, U = states(n, *f.shape, seed=1), states(n, *f.shape, seed=2)
    J = jacobians(known)
    linear = f.linearize(known.at)
    forward = torch.einsum("nij,nj->ni", J, V.flatten(1).double())
    backward = torch.einsum("nij,ni->nj", J, U.flatten(1).double())
    # Sums of d products, each rounded.
    tol = 8 * d * torch.finfo(dtype).eps * max(1, float(J.abs().max()))
    for product, expected in (
        (linear.jvp(V.to(dtype)), forward),
        (linear.vjp(U.to(dtype)), backward),
    ):
        assert product.shape == known.at.shape
        assert (product.flatten(1).double() - expected).abs().max() <= tol
    assert linear.products == 2
    assert torch.allclose(f.jvp(known.at, V).flatten(1).double(), forward, atol=tol)
    assert torch.allclose(f.vjp(known.at, U).flatten(1).double(), backward, atol=tol)


@pytest.mark.parametrize("chunk", [None, 3])
def test_dense_jacobian(known, chunk):
    f = known.self_map(torch.float64)
    linear = f.linearize(known.at)
    assert torch.allclose(linear.dense(chunk=chunk), jacobians(known), atol=1e-12)


@pytest.mark.parametrize(
    "spec",
    [
        mn.nets.FullyConnected(shape=(2, 3, 3), width=7, depth=3, activation="silu"),
        mn.nets.Convolutional(shape=(2, 4, 4), channels=3, depth=4, downsample=1),
        mn.nets.UNet(shape=(1, 4, 4), channels=2, levels=1, activation="gelu"),
    ],
    ids=lambda spec: type(spec).__name__,
)
def test_products_of_networks_agree_with_forward_mode(spec):
    f = mn.SelfMap(spec.build(seed=0, dtype=torch.float64))
    Z, V = states(3, *spec.shape).double(), states(3, *spec.shape, seed=1).double()
    net = f.modules[0].eval()
    image, expected = torch.func.jvp(net, (Z,), (V,))
    linear = f.linearize(Z)
    assert torch.allclose(linear.values, image)
    assert torch.allclose(linear.jvp(V), expected, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple),
    n=st.integers(0, 3),
    p=st.integers(1, 3),
)
def test_any_shape_and_number_of_states(shape, n, p):
    f = mn.SelfMap(lambda z: torch.tanh(z) + 1, shape)
    Z = states(n, *shape)
    assert (f**p)(Z).shape == Z.shape
    assert f.residual(Z).shape == (n,)
    assert f.linearize(Z).dense().shape == (n, f.size, f.size)


class Rows(nn.Module):
    """A recurrent network of sequences of rows."""

    def __init__(self, d):
        super().__init__()
        self.r, self.o = nn.LSTM(d, 4, batch_first=True), nn.Linear(4, d)

    def forward(self, z):
        return self.o(self.r(z)[0])


FLATTEN = r"mn\.Wrapped\(model, flatten=True\), --flatten"
OTHER_LAYOUTS = [
    (nn.Sequential(nn.Flatten(), nn.Linear(64, 64)), (1, 8, 8), rf"gives flat states.*{FLATTEN}"),
    (nn.Linear(64, 64), (1, 8, 8), rf"takes flat states \(n, 64\).*{FLATTEN}"),
    (lambda z: z[:, 0], (1, 64), FLATTEN),
    (lambda z: z.squeeze(), (1, 64), FLATTEN),
    (mn.BlackBox(lambda z: z.reshape(len(z), -1)), (3, 4), FLATTEN),
    (nn.Linear(3, 3), (3, 8, 6), r"takes \(n, 8, 6, 3\).*channels_last=True\), --channels-last"),
    (nn.Conv2d(3, 3, 1), (8, 6, 3), r"takes \(n, 3, 8, 6\).*reshape the data"),
    (Rows(8), (1, 8, 8), r"takes \(n, 8, 8\).*reshape the data to \(n, 8, 8\)"),
    # A flat batch would be one sequence of states to these.
    (Rows(64), (1, 8, 8), "check `shape`"),
    (nn.Linear(5, 5), (1, 8, 8), "check `shape`"),
    # Transposed, not reshaped.
    (lambda z: z.movedim(1, -1), (3, 4, 4), "give an autoencoder"),
]


@pytest.mark.parametrize(("f", "shape", "says"), OTHER_LAYOUTS)
def test_states_in_another_layout_are_reported_with_the_way_to_it(f, shape, says):
    with pytest.raises(mn.MnemoscopeError, match=says) as message:
        mn.SelfMap(f, shape)
    assert "\n" not in str(message.value)
    # The way does work.
    if "--flatten" in says:
        assert mn.SelfMap(mn.Wrapped(f, flatten=True), shape).shape == shape
    if "--channels-last" in says:
        assert mn.SelfMap(mn.Wrapped(f, channels_last=True), shape).shape == shape


def test_a_layer_that_takes_a_state_without_its_batch():
    f = mn.SelfMap(nn.Conv2d(1, 1, 3, padding=1), (8, 8))
    with pytest.raises(mn.MnemoscopeError, match=r"takes \(n, 1, 8, 8\).*reshape the data"):
        mn.maps.check_map(f, states(4, 8, 8))


def positive(z):
    if (z <= 0).any():
        raise ValueError("only counts above 0")
    return z / 2


def test_states_outside_a_maps_domain_are_not_taken_for_another_layout():
    f = mn.SelfMap(positive, (2, 3))
    with pytest.raises(mn.MnemoscopeError, match="only counts") as message:
        mn.spectral_radius(f, torch.full((2, 2, 3), -1.0))
    assert "reshape" not in str(message.value)
    assert "flatten" not in str(message.value)
