"""What each of many networks stores, on networks whose fixed points are known."""

import torch

import mnemoscope as mn
from mnemoscope.dynamics.stored import stored_examples
from mnemoscope.measure.replicas import stored_by_replica


def affine(*slopes_and_fixed_points):
    """One-layer networks `z -> a z + (1 - a) p`: `p` is fixed, its spectral radius `|a|`."""
    spec = mn.nets.FullyConnected(shape=(2,), depth=1, activation="identity")
    A = torch.stack([a * torch.eye(2) for a, _ in slopes_and_fixed_points])
    b = torch.tensor([[(1 - a) * p] * 2 for a, p in slopes_and_fixed_points])
    R = len(A)
    return mn.Replicas(
        spec=spec, fits=(None,) * R, diverged=torch.zeros(R, dtype=torch.bool), seconds=0.0,
        parameters=(A, b),
    )  # fmt: skip


def test_only_what_attracts_and_is_near_is_stored():
    X = torch.tensor([[1.0, 1.0]])
    replicas = affine(
        (0.5, 1.0),  # attracts, and is the example
        (2.0, 1.0001),  # repels
        (0.5, 1.05),  # attracts, but is too far away
        (1.0, 1.0),  # everything is fixed, nothing attracts
        (-0.5, 1.0001),  # attracts from alternating sides
        (-1.0, 1.0001),  # goes to and fro for ever
    )
    assert stored_by_replica(replicas, X)[:, 0].tolist() == [True, False, False, False, True, False]


def test_it_agrees_with_one_after_the_other():
    X = mn.load_data("digits", n=5)
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=32, depth=6)
    replicas = mn.train_replicas(spec, X, seeds=range(4))
    one_by_one = torch.stack([stored_examples(mn.SelfMap(net), X) for net in replicas])
    assert 0 < int(one_by_one.sum()) < one_by_one.numel()
    assert torch.equal(stored_by_replica(replicas, X), one_by_one)


def test_each_may_have_examples_of_its_own():
    replicas = affine((0.5, 1.0), (0.5, 0.0), (2.0, 0.0))
    X = torch.tensor([1.0, 0.0])[:, None].expand(2, 2)  # the examples (1, 1) and (0, 0)
    own = torch.stack([X, X.flip(0), X])
    assert stored_by_replica(replicas, own).tolist() == [[True, False], [True, False], [False] * 2]
    assert (
        stored_by_replica(replicas, X.expand(3, 2, 2)).tolist()
        == stored_by_replica(replicas, X).tolist()
    )
