"""Endings of orbits from noise, and recall, on maps whose only fixed point is known."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics.outcomes import count_outcomes_from_noise
from mnemoscope.sweep.measurements import outcomes, recall
from tests.sweep.measurements.groups import contractions, group

X = torch.tensor([[1.0, 1.0], [0.0, 0.0]])


def test_starts_end_at_an_example_or_elsewhere_or_nowhere():
    replicas = contractions((0.5, 1.0), (0.5, 0.5), (2.0, 1.0))
    columns = outcomes.take(group(replicas, X, starts=20))
    assert columns == {
        "starts": [20, 20, 20],
        "at_examples": [20, 0, 0],
        "spurious": [0, 20, 0],
        "not_settled": [0, 0, 20],
        "examples_reached": [1, 0, 0],
        "spurious_attractors": [0, 1, 0],
    }


def test_copies_are_recalled_to_their_own_example_only():
    replicas = contractions((0.5, 1.0), (0.5, 0.5), (2.0, 1.0))
    columns = recall.take(group(replicas, X, trials=7))
    assert columns == {"trials": [14, 14, 14], "recalled": [7, 0, 0]}


def test_the_seed_of_the_run_draws():
    digits = mn.load_data("digits", n=3)
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=16, depth=3)
    replicas = mn.train_replicas(
        spec, digits, seeds=[3, 7], options=mn.TrainingOptions(max_steps=3000)
    )
    trained = group(replicas, digits, seeds=(3, 7), starts=30, start_kind="gaussian")
    columns = outcomes.take(trained)
    for r, seed in enumerate(trained.seeds):
        expected, _ = count_outcomes_from_noise(replicas[r], digits, ["gaussian"], 30, seed)
        assert [columns[name][r] for name in columns] == [
            getattr(expected, name) for name in columns
        ]


@pytest.mark.parametrize(("noise", "fewer"), [(0.01, False), (5.0, True)])
def test_noise_decides_what_is_recalled(noise, fewer):
    digits = mn.load_data("digits", n=3)
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=64, depth=4, activation="sigmoid")
    replicas = mn.train_replicas(
        spec, digits, seeds=range(1), options=mn.TrainingOptions(max_steps=20_000)
    )
    columns = recall.take(group(replicas, digits, trials=4, noise=noise))
    assert columns["trials"] == [12]
    assert (columns["recalled"][0] < 12) == fewer
