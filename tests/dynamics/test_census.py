import math

import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics.states import group_within, nearest

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def starts(known, dtype, n=100):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, *known.shape, generator=generator, dtype=torch.float64).to(dtype)


def test_the_attractors_found_are_the_known_ones(known, dtype):
    census = mn.find_attractors(known.self_map(dtype), starts(known, dtype), max_steps=1000)
    assert len(census.period) == len(known.attractors)
    for states in known.attractors:
        distance = (census.attractors[:, None].double() - states).flatten(2).square().mean(2).sqrt()
        nearest_one = distance.amin(1).argmin()
        assert distance[nearest_one].min() <= 1e-4
        assert int(census.period[nearest_one]) == len(states)
    assert (census.spectral_radius < 1).all()
    assert census.basin_fraction.sum() == pytest.approx(1.0 if known.attractors else 0.0)


def test_a_state_that_merely_does_not_move_is_no_attractor():
    for f in (lambda z: z, lambda z: -z, lambda z: z[:, [1, 2, 0]]):
        census = mn.find_attractors(
            f, torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
        )
        assert len(census.period) == 0
        assert census.labels.tolist() == [-1] * 20
        assert census.unseen == 1.0


def test_saddles_are_not_attractors():
    # Exactly on the diagonal of tanh(2 z) the orbit of 0 stays at the repelling 0.
    f = mn.SelfMap(lambda z: torch.tanh(2 * z), shape=(2,))
    census = mn.find_attractors(f, torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]))
    assert census.labels.tolist() == [-1, -1, 0]


def test_basins_of_a_line_counted_by_hand():
    # tanh(2 z) on a line: every positive start ends at one side, every negative at the other.
    Z = torch.tensor([[-2.0], [-0.1], [-0.01], [0.5]])
    X = torch.tensor([[1.0], [-1.0], [5.0]])
    census = mn.find_attractors(lambda z: torch.tanh(2 * z), Z, X)
    assert census.labels.tolist() == [0, 0, 0, 1]
    assert census.basin_fraction.tolist() == [0.75, 0.25]
    assert census.nearest_example.tolist() == [1, 0]
    # In units: the examples range over 6.
    assert census.distance.tolist() == pytest.approx([(1 - 0.9575) / 6] * 2, abs=1e-4)
    low, high = mn.wilson(torch.tensor([3, 1]), 4)
    assert torch.equal(census.basin_low, low)
    assert torch.equal(census.basin_high, high)
    assert census.unseen == 0.25


def test_a_cycle_is_shown_by_its_state_nearest_to_an_example(known):
    if known.fate != "cycle" or not known.attractors:
        pytest.skip("no attracting cycle")
    states = known.attractors[0]
    X = states[[2 % len(states)]] + 0.01
    f = known.self_map(torch.float64).with_unit(1.0)
    census = mn.find_attractors(f, starts(known, torch.float64), X)
    assert torch.allclose(census.attractors[0], states[2 % len(states)], atol=1e-6)
    assert census.distance[0] == pytest.approx(0.01, abs=1e-6)


def test_starts_drawn_in_blocks_end_as_those_given_at_once():
    f = mn.SelfMap(lambda z: torch.tanh(2 * z), shape=(3,))
    drawn = mn.Starts("gaussian", 5000, seed=3)
    Z = torch.cat(list(drawn.blocks((3,), dtype=torch.float32, device=torch.device("cpu"))))
    assert len(Z) == 5000
    one, other = mn.find_attractors(f, drawn), mn.find_attractors(f, Z)
    assert torch.equal(one.labels, other.labels)
    assert one.basin_fraction.sum() == pytest.approx(1.0)


def test_ends_equal_those_of_a_thousand_fixed_iterations():
    net = mn.nets.FullyConnected(shape=(1, 8, 8), width=64, depth=4, activation="sigmoid").build(
        seed=0
    )
    X = mn.load_data("digits", n=5)
    assert mn.train(net, X, mn.TrainingOptions(tol=1e-8)).converged
    Z = torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    census = mn.find_attractors(net, Z, X)
    with torch.no_grad():
        ends = Z
        for _ in range(1000):
            ends = net(ends)
    assert (census.labels >= 0).all()
    assert (census.attractors[census.labels] - ends).flatten(1).square().mean(
        1
    ).sqrt().max() <= 1e-4


def test_nearest_is_exact_where_matrix_products_are_not():
    states = 100 + torch.arange(4.0)[:, None] * 1e-3 * torch.ones(50)
    index, distance = nearest(states + 1e-5, states)
    assert index.tolist() == [0, 1, 2, 3]
    assert distance.max() < 1e-4
    assert nearest(states, states[:0])[0].tolist() == [-1] * 4
    assert math.isinf(float(nearest(states, states[:0])[1][0]))


def test_groups_are_within_the_radius_of_their_leader():
    Z = torch.tensor([[0.0], [1.0], [0.05], [1.02], [5.0]])
    group, leaders = group_within(Z, 0.1)
    assert group.tolist() == [0, 1, 0, 1, 2]
    assert leaders.tolist() == [0, 1, 4]


def test_groups_by_the_thousand_are_those_that_were_planted():
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(40, 3, 10, generator=generator)
    own = torch.randint(40, (5000,), generator=generator)
    Z = centres[own] + 1e-3 * torch.rand(5000, 3, 10, generator=generator)
    group, leaders = group_within(Z, 2e-3)
    assert len(leaders) == 40
    assert torch.equal(group[leaders], torch.arange(40))
    # The same partition: each planted centre has one group and each group one centre.
    assert len(torch.stack([own, group]).unique(dim=1).T) == 40
    assert leaders.tolist() == sorted(leaders.tolist())


@pytest.mark.parametrize("d", [1, 2, 30])
def test_groups_of_what_has_no_gaps_still_lie_around_their_leaders(d):
    Z = torch.rand(400, d, generator=torch.Generator().manual_seed(0))
    group, leaders = group_within(Z, 0.05)
    away = (Z - Z[leaders[group]]).square().mean(1).sqrt()
    assert float(away.max()) <= 0.05
    # And no two leaders are so near that one would have done.
    between = torch.cdist(Z[leaders], Z[leaders]) / d**0.5
    assert float((between + torch.eye(len(leaders))).min()) > 0.05


def led_one_by_one(Z, radius):
    """Hartigan's leader algorithm, state after state."""
    leaders, group = [], []
    for z in Z:
        near = [(z - Z[one]).square().mean().sqrt() <= radius for one in leaders]
        group.append(near.index(True) if any(near) else len(leaders))
        if not any(near):
            leaders.append(len(group) - 1)
    return group, leaders


@pytest.mark.parametrize("radius", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("d", [1, 3, 20])
@pytest.mark.parametrize("kind", ["cloud", "clusters", "equal ones"])
def test_groups_are_those_of_one_state_after_the_other(kind, d, radius):
    Z = torch.rand(300, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    if kind == "clusters":
        Z = Z[torch.arange(300) % 7] + 0.1 * Z
    elif kind == "equal ones":
        Z = Z.mul(4).round() / 4
    group, leaders = group_within(Z, radius)
    assert (group.tolist(), leaders.tolist()) == led_one_by_one(Z, radius)


def test_a_slow_attractor_counts_once():
    # At entries of 30 a step rounds by 2e-6, and along one direction the map contracts by 0.995:
    # refined points lie up to 2e-6 / 0.005 apart, further than two attractors may be (1e-4).
    A = torch.diag(torch.tensor([0.995, 0.3, 0.1]))
    turned = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1))).Q
    A = turned @ A @ turned.T
    b = (torch.eye(3) - A) @ torch.full((3,), 30.0)
    f = mn.SelfMap(lambda z: z @ A.T + b, shape=(3,))
    Z = 30 + 10 * torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    census = mn.find_attractors(f, Z)
    assert len(census.period) == 1
    assert census.labels.tolist() == [0] * 200
