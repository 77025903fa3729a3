"""Stored examples, for each network its own."""

import torch

from mnemoscope.sweep.measurements.stored import take
from tests.sweep.measurements.groups import contractions, group


def test_each_network_is_asked_about_its_own_examples():
    replicas = contractions((0.5, 1.0), (0.5, 1.0), (2.0, 1.0))
    one, zero = torch.ones(1, 2), torch.zeros(1, 2)
    X = torch.stack([torch.cat([one, zero]), torch.cat([zero, zero]), torch.cat([one, one])])
    assert take(group(replicas, X)) == {"stored": [1, 0, 0]}
