"""Certificates: cases solved by hand, maps built to deceive, and attacks on trained networks."""

import math
from fractions import Fraction

import pytest
import torch

import mnemoscope as mn
from mnemoscope.theory.certificates import certify, certify_all
from tests.theory.certificates.attack import attack

SMOOTH = ["tanh", "sigmoid", "erf", "silu", "gelu", "elu", "softplus", "sin", "cosid"]
KINKED = ["relu", "leaky_relu", "leaky_relu(0.6)", "selu", "identity"]


def network(inner, shift, outer, offset, activation):
    """`f(x) = outer phi(inner x + shift) + offset` in float64."""
    inner, shift, outer, offset = (
        torch.as_tensor(v, dtype=torch.float64) for v in (inner, shift, outer, offset)
    )
    units, d = inner.shape
    spec = mn.nets.FullyConnected(shape=(d,), width=units, depth=2, activation=activation)
    net = spec.build(seed=0, dtype=torch.float64)
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), (inner, shift, outer, offset), strict=True):
            parameter.copy_(value)
    return net


def on_a_line(slope, units, activation="relu"):
    """`slope x + sum of a phi(b (x - h))` over `units` of `(a, b, h)`, right of -10."""
    # x itself is relu(x + 10) - 10; for other activations a unit that is linear is not to be had.
    linear = [(slope, 1.0, -10.0)]
    parts = linear + units
    inner = [[b] for _, b, _ in parts]
    shift = [-b * h for _, b, h in parts]
    outer = [[a for a, _, _ in parts]]
    return network(inner, shift, outer, [-10 * slope], activation)


def smooth_line(units, activation, offset=0.0):
    inner = [[b] for _, b, _ in units]
    shift = [-b * h for _, b, h in units]
    return network(inner, shift, [[a for a, _, _ in units]], [offset], activation)


def test_a_linear_map_contracts_everywhere():
    net = network([[0.5, 4.0], [0.0, 0.5]], [0.0, 1.0], torch.eye(2), [0.0, 0.0], "identity")
    certificate = certify(net, torch.tensor([3.0, 3.0]))
    assert certificate.certified
    assert certificate.radius > 1e9
    assert torch.allclose(certificate.center, torch.tensor([16.0, 2.0]).double(), atol=1e-12)
    assert certificate.spectral_radius == pytest.approx(0.5)
    assert 0.5 <= certificate.rate < 1
    attack(net, certificate)


@pytest.mark.parametrize("activation", ["tanh", "erf", "sin"])
def test_one_unit_that_contracts_everywhere(activation):
    # |f'| = |a b phi'(b x)| is largest at 0.
    net = network([[2.0]], [0.0], [[0.2]], [0.0], activation)
    certificate = certify(net, torch.tensor([0.1]))
    steepest = 0.4 * (2 / math.pi**0.5 if activation == "erf" else 1)
    assert certificate.radius > 1e9
    assert certificate.rate == pytest.approx(steepest, rel=1e-9)
    assert certificate.rate >= steepest


def test_the_ball_ends_where_the_factor_does():
    # f(x) = 2 tanh(x): at the fixed point 1.915, f' = 0.166. In one dimension the factor over a
    # ball of radius r is f'(x* - r), 1 where cosh^2 = 2, at 0.8814, and what is wanted of the slack
    # (a tenth of 1 - 0.166) is left down to cosh^2 = 2 / 0.9166, at 0.9372.
    net = network([[1.0]], [0.0], [[2.0]], [0.0], "tanh")
    certificate = certify(net, torch.tensor([1.5]))
    x = float(certificate.center)
    assert x == pytest.approx(2 * math.tanh(x), abs=1e-12)
    end = math.acosh((2 / (1 - 0.1 * (1 - 2 / math.cosh(x) ** 2))) ** 0.5)
    assert 0.9 * (x - end) < certificate.radius <= x - end
    attack(net, certificate)


@pytest.mark.parametrize("h", [1e-1, 1e-3, 1e-6])
def test_a_kink_next_to_the_center_and_a_second_fixed_point_behind_it(h):
    # Slope 1/2 up to h, 2 beyond: fixed points at 0 and at 3h/2.
    net = on_a_line(0.5, [(1.5, 1.0, h)])
    trap = torch.tensor([1.5 * h], dtype=torch.float64)
    assert torch.allclose(net(trap[None]), trap[None], atol=1e-14)
    certificate = certify(net, torch.tensor([0.1 * h]))
    assert certificate.certified
    assert 0.9 * h < certificate.radius < 1.5 * h
    assert not certificate.contains(trap[None])
    attack(net, certificate)


def test_a_gentle_kink_lets_the_ball_grow_beyond_the_linear_region():
    # Slope 1/2 up to 0.01, 0.8 beyond, to where relu(x + 10) has its own kink at -10.
    net = on_a_line(0.5, [(0.3, 1.0, 0.01)])
    certificate = certify(net, torch.tensor([0.0]))
    assert certificate.radius > 9
    assert 0.8 <= certificate.rate <= 0.8 + 1e-9
    attack(net, certificate)


@pytest.mark.parametrize("h", [1e-2, 1e-6])
def test_a_two_cycle_near_the_fixed_point(h):
    # Slope -1/2 between -h and h, -2 beyond: a two-cycle at 3h/2.
    net = on_a_line(-0.5, [(-1.5, 1.0, h), (1.5, -1.0, -h)])
    trap = torch.tensor([[1.5 * h]], dtype=torch.float64)
    assert torch.allclose(net(trap), -trap, atol=1e-14)
    certificate = certify(net, torch.tensor([0.0]))
    assert certificate.certified
    assert certificate.radius < 1.5 * h
    # Of the second iterate the trap is a fixed point.
    squared = certify(mn.SelfMap(net) ** 2, torch.tensor([0.0]))
    assert squared.certified
    assert squared.radius < 1.5 * h
    attack(net, certificate)


@pytest.mark.parametrize("width", [1e-4, 1e-9])
@pytest.mark.parametrize("activation", ["tanh", "erf", "sigmoid"])
def test_a_spike_of_the_slope_hidden_between_samples(activation, width):
    # 0.1 phi(x) near 0; at h the map leaps within `width`, to a second fixed point beyond.
    h, leap = 0.37, 1.0
    low = {"tanh": -1.0, "erf": -1.0, "sigmoid": 0.0}[activation]
    at_zero = 0.5 if activation == "sigmoid" else 0.0
    units = [(0.1, 1.0, 0.0), (leap, 1 / width, h)]
    net = smooth_line(units, activation, -leap * low - 0.1 * at_zero)
    certificate = certify(net, torch.tensor([0.0]))
    assert certificate.certified
    assert abs(float(certificate.center)) < 0.01
    assert 0.2 < certificate.radius < h
    beyond = torch.tensor([[h + 2e-3]], dtype=torch.float64)
    assert float(net(net(beyond)).detach()) > 0.9
    assert not certificate.contains(beyond)
    attack(net, certificate)


@pytest.mark.parametrize("coupling", [1e1, 1e3, 1e5, 1e8])
def test_a_jacobian_far_from_normal(coupling):
    # f(x) = J tanh(x): the spectral radius is 1/2, the norm that of the coupling; x_2 grows past
    # 1/coupling and carries x_1 far away before it comes back.
    net = network(torch.eye(2), [0.0, 0.0], [[0.5, coupling], [0.0, 0.5]], [0.0, 0.0], "tanh")
    certificate = certify(net, torch.zeros(2))
    assert certificate.spectral_radius == pytest.approx(0.5, abs=1e-5)
    assert certificate.certified == (coupling < 1e8)
    if certificate.certified:
        attack(net, certificate)


def test_a_jacobian_far_from_normal_with_a_trap():
    # x_1 is carried to a second fixed point as soon as x_2 exceeds about 1/1000.
    d = 0.001
    inner = [[1.0, 0.0], [0.0, 1.0], [50.0, 0.0]]
    outer = [[0.5, 1 / d * 0.5, 0.5], [0.0, 0.5, 0.0]]
    net = network(inner, [0.0, 0.0, -25.0], outer, [0.5, 0.0], "tanh")
    certificate = certify(net, torch.zeros(2))
    assert certificate.certified
    trap = torch.tensor([[0.0, 0.002]], dtype=torch.float64)
    x = trap
    with torch.no_grad():
        for _ in range(200):
            x = net(x)
    assert float(x[0, 0]) > 0.5
    assert not certificate.contains(trap)
    assert certificate.radius < 0.002
    attack(net, certificate)


def test_a_map_without_fixed_point_whose_slopes_are_below_1():
    # softplus(x) > x everywhere, its slope below 1; at 18 the residual is 1.5e-8. PyTorch's jumps
    # to x itself above 20, where every state is fixed and none attracts.
    net = mn.nets.FullyConnected(shape=(1,), depth=1, activation="softplus").build(
        seed=0, dtype=torch.float64
    )
    with torch.no_grad():
        net.body[1].weight.fill_(1.0)
        net.body[1].bias.zero_()
    for start in (0.0, 10.0, 18.0, 19.999, 20.0, 20.0001, 30.0):
        certificate = certify(net, torch.tensor([start]))
        assert not certificate.certified
        assert certificate.reason
        assert certificate.radius == 0


def test_a_ball_over_the_jump_of_softplus_is_not_certified():
    net = network([[1.0]], [0.0], [[0.5]], [10.0 - 1e-6], "softplus")
    certificate = certify(net, torch.tensor([20.0]))
    assert float(certificate.center) == pytest.approx(20, abs=1e-4)
    assert certificate.radius < abs(20 - float(certificate.center)) + 1e-12


def test_no_fixed_point_behind_a_residual_that_is_small():
    # x + 1e-9 left of 1, and slope 1 - 1e-3 there: a map that creeps, with no fixed point at 0.
    net = on_a_line(1.0, [(-1e-3, 1.0, 1.0)])
    with torch.no_grad():
        net.body[3].bias += 1e-9
    certificate = certify(net, torch.tensor([0.0]))
    assert not certificate.contains(torch.zeros(1, 1))
    if certificate.certified:
        assert float(certificate.center) == pytest.approx(1 + 1e-6, abs=1e-9)


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9])
def test_fixed_points_close_together_next_to_an_unstable_one(gap):
    # (1 + gap) sin(x): 0 repels, +-sqrt(6 gap) attract with 1 - 2 gap.
    net = network([[1.0]], [0.0], [[1 + gap]], [0.0], "sin")
    assert not certify(net, torch.zeros(1)).certified
    root = (6 * gap) ** 0.5
    certificate = certify(net, torch.tensor([root], dtype=torch.float64))
    assert certificate.radius < root
    if certificate.certified:
        attack(net, certificate)


@pytest.mark.parametrize("gap", [1e-3, 1e-9, 1e-12, 1e-15, 0.0, -1e-15, -1e-9])
def test_a_spectral_radius_of_all_but_1(gap):
    net = network([[1.0]], [0.0], [[1 - gap]], [0.0], "tanh")
    certificate = certify(net, torch.zeros(1))
    assert not (certificate.certified and gap <= 0)
    assert certificate.certified == (gap >= 1e-9)
    if not certificate.certified:
        assert "1" in certificate.reason


@pytest.mark.parametrize("size", [1e4, 1e8, 1e12, 1e15])
def test_huge_weights_that_cancel(size):
    # (size + 1/2) relu(x + 10) - size relu(x + 10): in float64 the sum keeps few digits.
    net = network([[1.0], [1.0]], [10.0, 10.0], [[size + 0.5, -size]], [-5.0], "relu")
    certificate = certify(net, torch.zeros(1))
    inner = Fraction(float(size + 0.5)) - Fraction(float(size))
    fixed = (10 * inner - 5) / (1 - inner)
    if certificate.certified:
        off = abs(Fraction(float(certificate.center)) - fixed)
        assert off <= Fraction(certificate.fixed_point_distance)
        assert certificate.fixed_point_distance <= certificate.radius
        assert certificate.radius <= 10 + off
    else:
        assert size >= 1e12
        assert certificate.reason


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("activation", [*SMOOTH, *KINKED])
def test_attacks_on_random_networks(activation, seed):
    spec = mn.nets.FullyConnected(shape=(5,), width=(7, 3, 9), depth=4, activation=activation)
    net = spec.build(seed=seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 1.3
    certificate = certify(net, torch.full((5,), 0.3))
    if certificate.certified:
        attack(net, certificate, seed)
    else:
        assert certificate.spectral_radius > 0.9


@pytest.mark.parametrize("size", [1e150, 1e300])
def test_numbers_that_overflow_are_no_fixed_point(size):
    net = network([[size]], [size], [[size]], [size], "leaky_relu")
    certificate = certify(net, torch.ones(1))
    assert not certificate.certified
    assert certificate.reason


def test_random_networks_are_certified_at_all():
    spec = mn.nets.FullyConnected(shape=(5,), width=12, depth=3, activation="tanh")
    found = [certify(spec.build(seed=s), torch.full((5,), 0.3)).certified for s in range(5)]
    assert all(found)


def test_a_narrow_first_layer():
    # Where the first layer is narrower than the state, the norm sees only what the layer reads.
    spec = mn.nets.FullyConnected(shape=(3, 4, 4), width=(6, 20), depth=3, activation="gelu")
    net = spec.build(seed=1)
    certificate = certify(net, torch.zeros(3, 4, 4))
    assert certificate.certified
    assert certificate.metric.shape == (6, 48)
    assert certificate.center.shape == (3, 4, 4)
    attack(net, certificate)


def test_an_output_activation_behind_a_narrow_first_layer():
    spec = mn.nets.FullyConnected(
        shape=(20,), width=4, depth=2, activation="leaky_relu", output_activation="sigmoid"
    )
    net = spec.build(seed=0)
    certificate = certify(net, torch.full((20,), 0.5))
    assert certificate.certified
    attack(net, certificate)


@pytest.mark.parametrize("init", ["default", "ntk"])
@pytest.mark.parametrize("activation", ["leaky_relu", "tanh"])
def test_convolutional_networks(activation, init):
    spec = mn.nets.Convolutional(
        shape=(1, 4, 4), channels=3, depth=3, downsample=1, activation=activation, init=init
    )
    net = spec.build(seed=0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 0.5
            # The biases of "ntk" begin at 0: then every unit is at its kink in the state 0.
            parameter += 0.05
    certificate = certify(net, torch.zeros(1, 4, 4))
    assert certificate.certified
    attack(net, certificate)


def test_a_power_of_a_map_certifies_a_cycle():
    # -3/2 tanh(x) has the cycle +-x with x = 1.5 tanh(x).
    net = network([[1.0]], [0.0], [[-1.5]], [0.0], "tanh")
    assert certify(net, torch.zeros(1)).spectral_radius == pytest.approx(1.5)
    certificate = certify(mn.SelfMap(net) ** 2, torch.tensor([1.0]))
    x = float(certificate.center)
    assert certificate.certified
    assert x == pytest.approx(1.5 * math.tanh(x), abs=1e-9)


def test_the_center_is_found_from_a_state_next_to_it():
    net = network([[1.0]], [0.0], [[2.0]], [0.0], "tanh")
    certificate = certify(net, torch.tensor([0.9]))
    assert certificate.certified
    assert float(certificate.center) == pytest.approx(1.915, abs=1e-3)
    assert not certificate.contains(torch.tensor([[0.9]]))
    assert certificate.contains(certificate.center[None])


def test_many_states_at_once():
    net = mn.nets.FullyConnected(shape=(4,), width=8, depth=2, activation="tanh").build(seed=0)
    Z = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))
    together = certify_all(net, Z)
    for one, z in zip(together, Z, strict=True):
        alone = certify(net, z)
        # Float64, and the center is found to a few roundings.
        assert one.radius == pytest.approx(alone.radius, rel=1e-9)
        assert torch.allclose(one.center, alone.center, rtol=0, atol=1e-9)
    assert certify_all(net, Z[:0]) == []


def test_the_network_and_the_generator_stay_as_they_are(global_generator_untouched):
    net = mn.nets.FullyConnected(shape=(4,), width=8, depth=2, activation="tanh").build(seed=0)
    before = [p.clone() for p in net.parameters()]
    certify(net, torch.zeros(4))
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    assert net.training


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (mn.SelfMap(lambda z: z / 2, shape=(4,)), "function"),
        (mn.nets.UNet(shape=(1, 4, 4), channels=2, levels=1).build(), "UNet"),
        (mn.SelfMap(torch.nn.Linear(4, 4), shape=(4,)), "Linear"),
    ],
)
def test_other_maps_are_refused(f, message):
    with pytest.raises(mn.MnemoscopeError, match=message):
        certify(f, torch.zeros(f.shape))


@pytest.mark.parametrize("z", [torch.zeros(5), torch.zeros(2, 4), torch.full((4,), math.nan)])
def test_states_that_do_not_fit_are_refused(z):
    net = mn.nets.FullyConnected(shape=(4,), width=8, depth=2).build(seed=0)
    with pytest.raises(mn.MnemoscopeError, match="state"):
        certify(net, z)


@pytest.mark.slow
@pytest.mark.parametrize("activation", [*SMOOTH, "relu", "leaky_relu", "selu"])
def test_attacks_on_trained_networks(activation):
    generator = torch.Generator().manual_seed(0)
    X = 0.1 + 0.8 * torch.rand(3, 6, generator=generator)
    spec = mn.nets.FullyConnected(shape=(6,), width=16, depth=3, activation=activation)
    nets = mn.train_replicas(spec, X, mn.TrainingOptions(tol=1e-6, max_steps=1500), seeds=12)
    certified = attracting = 0
    for seed, net in enumerate(nets):
        certificate = certify(net, X[seed % 3])
        attracting += certificate.spectral_radius < 0.99
        certified += certificate.certified
        if certificate.certified:
            attack(net, certificate, seed)
    # It must be the rule where the spectral radius leaves room, or the attack tested nothing.
    assert certified >= 0.9 * attracting
