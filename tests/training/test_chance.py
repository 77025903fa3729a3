import pytest
import torch

from mnemoscope.training.solvers import seeded

pytestmark = pytest.mark.usefixtures("global_generator_untouched")

CPU = torch.device("cpu")


def drawn(seed, turn):
    with seeded(seed, turn, CPU):
        return tuple(torch.rand(3).tolist())


def test_draws_depend_on_seed_and_turn_alone():
    assert len({drawn(seed, turn) for seed in range(3) for turn in range(3)}) == 9
    assert drawn(1, 2) == drawn(1, 2)


def test_the_global_generator_is_put_back_after_an_error_too():
    before = torch.random.get_rng_state()
    with pytest.raises(KeyError), seeded(0, 0, CPU):  # noqa: PT012
        torch.rand(3)
        raise KeyError
    assert torch.equal(before, torch.random.get_rng_state())
