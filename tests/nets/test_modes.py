import pytest
from torch import nn

from mnemoscope.nets.modules import eval_mode


@pytest.mark.parametrize("fails", [False, True])
def test_each_module_is_in_its_own_mode_again(fails):
    net = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout(), nn.Linear(2, 2)))
    net[1][0].eval()
    before = [module.training for module in net.modules()]
    assert len(set(before)) == 2
    try:
        with eval_mode(net):
            assert not any(module.training for module in net.modules())
            if fails:
                raise KeyError
    except KeyError:
        assert fails
    assert [module.training for module in net.modules()] == before
