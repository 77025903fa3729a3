import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics.capture import captured
from mnemoscope.dynamics.states import rms
from tests.known_maps import KNOWN_MAPS

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def seen(f, z, landmarks):
    f = mn.SelfMap(f, z.shape[1:])
    return captured(f, z, f(z), landmarks).tolist()


def test_an_orbit_on_the_slow_line_has_settled():
    slopes = torch.tensor([0.9, 0.1])
    z = torch.tensor([[3.0, 0.01], [0.0, 1.0], [1.0, 1.0]])
    # On either axis the direction stays; in between it turns by more than 5%.
    assert seen(lambda z: z * slopes, z, torch.zeros(1, 2)) == [0, 0, -1]


@pytest.mark.parametrize("slope", [1.0, 1.5, -1.0, 0.9995])
def test_nothing_is_concluded_where_nothing_contracts(slope):
    assert seen(lambda z: slope * z, torch.ones(1, 3), torch.zeros(1, 3)) == [-1]


def test_a_start_far_away_that_one_step_brings_near_to_everything_has_not():
    # tanh(2 z) sends 1000 near both corners' line; seen from 1000 it seems to contract linearly.
    f = lambda z: torch.tanh(2 * z)  # noqa: E731
    corners = torch.tensor([[0.9575, 0.9575], [-0.9575, 0.9575]])
    assert seen(f, torch.tensor([[1000.0, -1000.0]]), corners) == [-1]


def test_a_map_that_bends_on_the_way_is_not_straight():
    # From 0.2 to the fixed point 0.9575 the slope of tanh(2 z) falls from 1.7 to 0.17.
    f = lambda z: torch.tanh(2 * z)  # noqa: E731
    assert seen(f, torch.tensor([[0.2], [0.9574]]), torch.tensor([[0.957504]])) == [-1, 0]


@pytest.mark.parametrize(
    "known", [m for m in KNOWN_MAPS if m.fate == "converged" and m.attractors], ids=str
)
def test_ends_are_those_of_going_all_the_way(known, dtype):
    f = known.self_map(dtype)
    Z = 3 * torch.randn(60, *known.shape, generator=torch.Generator().manual_seed(0))
    plain = mn.iterate(f, Z)
    short = mn.iterate(f, Z, landmarks=Z[:0].to(dtype))
    assert torch.equal(plain.status, short.status)
    # Both are within tol / (1 - rate) of the fixed point; rates here are at most 0.95.
    assert rms(plain.end - short.end).max() <= 2 * 1e-6 / 0.05


@pytest.mark.parametrize("kind", mn.dynamics.STARTS)
def test_ends_on_a_trained_network_are_those_of_going_all_the_way(kind, trained):
    Z = next(
        mn.Starts(kind, 300, seed=1).blocks(
            (1, 8, 8), dtype=torch.float32, device=torch.device("cpu")
        )
    )
    plain, short = mn.iterate(trained, Z), mn.iterate(trained, Z, landmarks=Z[:0])
    assert torch.equal(plain.status, short.status)
    assert rms(plain.end - short.end).max() <= 1e-3
    assert short.steps.sum() < plain.steps.sum()


@pytest.fixture(scope="module")
def trained():
    net = mn.nets.FullyConnected(shape=(1, 8, 8), width=96, depth=6).build(seed=0)
    X = mn.load_data("digits", n=6)
    assert mn.train(net, X, mn.TrainingOptions(batch_size=2, tol=1e-7)).converged
    return net
