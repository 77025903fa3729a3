import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.census import survey
from mnemoscope.dynamics.returns import DISTANCE, returning, was_finished
from mnemoscope.dynamics.stored import stored_examples
from mnemoscope.nets import FinishRecord

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def returns(f, X):
    f = mn.SelfMap(f, shape=X.shape[1:], unit=1.0, dtype=X.dtype)
    atlas, labels, _ = survey(f, X, Atlas.empty(f))
    return labels, returning(f, X, atlas, labels)


def test_orbits_next_to_an_attractor_come_back():
    X = torch.tensor([[0.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    labels, back = returns(lambda z: z / 2, X)
    assert labels.tolist() == [0, 0]
    assert back.tolist() == [True, True]


def test_each_example_comes_back_to_its_own():
    # z - (z^3 - z) / 2 has attractors at -1 and 1 and repels at 0.
    X = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    labels, back = returns(lambda z: z - (z**3 - z) / 2, X)
    assert labels[0] != labels[1]
    assert back.tolist() == [True, True]


def test_basin_smaller_than_the_distance():
    # It halves what is nearer than half of the distance, and sends the rest to 1.
    near = DISTANCE / 2
    X = torch.zeros(1, 1, dtype=torch.float64)
    labels, back = returns(lambda z: torch.where(z.abs() < near, z / 2, 1 + 0 * z), X)
    assert labels.tolist() == [0]
    assert back.tolist() == [False]


def test_escape_along_the_leading_eigenvector():
    # Of d entries the first one escapes beyond five times the distance. A random direction has a
    # fifth of what that takes there, as its standard deviation; the leading eigenvector all.
    d, far = 50, 5 * DISTANCE
    slopes = torch.full((d,), 0.5, dtype=torch.float64)
    slopes[0] = 0.9

    def f(z):
        escaped = z[:, :1].abs() > far
        return torch.where(escaped, torch.ones_like(z), slopes * z)

    labels, back = returns(f, torch.zeros(1, d, dtype=torch.float64))
    assert labels.tolist() == [0]
    assert back.tolist() == [False]


def test_example_without_an_attractor_does_not_return():
    f = mn.SelfMap(lambda z: z + 1, shape=(1,), unit=1.0, dtype=torch.float64)
    X = torch.zeros(1, 1, dtype=torch.float64)
    assert returning(f, X, Atlas.empty(f), torch.tensor([-1])).tolist() == [False]


class Halving:
    """A stage that can only be evaluated."""

    differentiable = False

    def __call__(self, z):
        return z / 2


def test_map_of_values_only():
    f = mn.SelfMap(Halving(), shape=(2,), unit=1.0, dtype=torch.float64)
    assert not f.differentiable
    X = torch.zeros(1, 2, dtype=torch.float64)
    atlas, labels, _ = survey(f, X, Atlas.empty(f))
    assert returning(f, X, atlas, labels).tolist() == [True]


class Small(nn.Module):
    """The basin that is smaller than the distance, as a network with a record of its training."""

    training_record = None

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))

    def forward(self, z):
        # Beyond half of the distance it grows.
        return self.weight * z + 0.5 / (DISTANCE / 2) ** 2 * z**3


class Record:
    def __init__(self, finish):
        self.finish = finish


@pytest.mark.parametrize("finished", [False, True])
def test_it_decides_what_a_finished_network_stores(finished):
    net, X = Small(), torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    finish = FinishRecord(method="least_squares", loss_before=1e-4, update=0.01)
    net.training_record = Record(finish if finished else None)
    assert was_finished(mn.SelfMap(net, shape=(2,))) == finished
    assert stored_examples(mn.SelfMap(net, shape=(2,)), X).tolist() == [not finished, False]
    assert mn.audit(net, X, starts=10, trials=1).examples["stored"].to_list() == [
        not finished,
        False,
    ]


def test_network_that_was_finished_stores_what_it_attracts():
    X = mn.load_data("digits", n=5)
    net = mn.nets.FullyConnected(shape=(1, 8, 8), width=64, depth=4, activation="sigmoid")
    net = net.build(seed=0)
    mn.train(net, X, mn.TrainingOptions(finish="least_squares"))
    assert was_finished(mn.SelfMap(net, shape=(1, 8, 8)))
    radii = mn.spectral_radius(net, X)
    assert (stored_examples(mn.SelfMap(net, shape=(1, 8, 8)), X) <= (radii < 1)).all()
