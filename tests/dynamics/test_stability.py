import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics.stability import stability


@pytest.mark.parametrize(
    ("factor", "attracts"),
    # The last is 1 but for rounding: a state that merely does not move away.
    [(0.5, True), (-0.99, True), (1.0, False), (2.0, False), (1 - 1e-6, False)],
)
def test_below_one_by_more_than_rounding_it_attracts(factor, attracts):
    f = mn.SelfMap(lambda z: factor * z, shape=(4,))
    radius, found = stability(f, torch.zeros(2, 4))
    assert radius.tolist() == pytest.approx([abs(factor)] * 2, rel=1e-5)
    assert found.tolist() == [attracts] * 2
