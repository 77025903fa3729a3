import pytest
import torch

from mnemoscope.training.batches import epoch_batches

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


@pytest.mark.parametrize("n", [1, 7, 12])
@pytest.mark.parametrize("size", [1, 3, 4])
def test_an_epoch_shows_every_example_once_in_batches_of_this_size(n, size):
    size = min(n, size)
    batches = epoch_batches(n, size, seed=0, epoch=0)
    assert torch.cat(batches).sort().values.tolist() == list(range(n))
    assert [len(b) for b in batches[:-1]] == [size] * (len(batches) - 1)
    assert 1 <= len(batches[-1]) <= size


def test_the_order_differs_by_epoch_and_by_seed_and_by_nothing_else():
    def order(seed, epoch):
        return tuple(torch.cat(epoch_batches(20, 4, seed=seed, epoch=epoch)).tolist())

    orders = {order(seed, epoch) for seed in range(4) for epoch in range(5)}
    assert len(orders) == 20
    assert order(3, 2) == order(3, 2)
