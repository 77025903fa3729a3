import pytest
import torch

from mnemoscope.training.examples import EPOCHS, Order, orders

pytestmark = pytest.mark.usefixtures("global_generator_untouched")

CPU = torch.device("cpu")


@pytest.mark.parametrize("n", [1, 7, 12])
def test_a_pass_shows_every_example_once(n):
    drawn = orders(n, seed=0, block=0)
    assert drawn.shape == (EPOCHS, n)
    assert drawn.sort(dim=1).values.tolist() == [list(range(n))] * EPOCHS


def test_the_order_differs_by_pass_and_by_seed_and_by_nothing_else():
    found = set()
    for seed in range(4):
        order = Order(20, [seed], CPU)
        found |= {tuple(order.epoch(e)[0].tolist()) for e in (0, 1, EPOCHS - 1, EPOCHS, 200)}
    assert len(found) == 20
    # Asked for out of turn, as after a resumption.
    one, other = Order(20, [3], CPU), Order(20, [3], CPU)
    one.epoch(0)
    assert torch.equal(one.epoch(70), other.epoch(70))


def test_many_trainings_see_what_each_would_alone():
    together = Order(9, [5, 2, 5], CPU).epoch(65)
    for row, seed in enumerate([5, 2, 5]):
        assert torch.equal(together[row], Order(9, [seed], CPU).epoch(65)[0])


def test_every_example_comes_first_as_often_as_any_other():
    first = torch.cat([orders(4, seed=1, block=b)[:, 0] for b in range(40)])
    counts = torch.bincount(first, minlength=4).double()
    # 2,560 draws: a standard deviation of 22 around 640; five of them.
    assert bool(((counts - 640).abs() < 110).all())
