import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.maps import SelfMap, check_map

Z = torch.linspace(0, 1, 12).reshape(3, 4)


def sampling(z):
    return z + 0.1 * torch.randn_like(z)


FAULTS = [
    (sampling, "each time"),
    (lambda z: nn.functional.dropout(z, 0.5), "each time"),
    (lambda z: z - z.mean(0), "others in its batch"),
    (lambda z: z.log() * 0 if bool((z > 0).any()) else z, "NaN or infinity of state 0"),
]


@pytest.mark.parametrize(("f", "says"), FAULTS)
def test_what_is_no_map(f, says):
    with pytest.raises(mn.MnemoscopeError, match=says):
        check_map(SelfMap(f, shape=(4,)), Z)


def test_a_map_passes_and_chance_is_left_alone(known, dtype, global_generator_untouched):
    check_map(known.self_map(dtype), known.at)


def test_the_audit_refuses_a_map_of_chance():
    with pytest.raises(mn.MnemoscopeError, match="mean"):
        mn.audit(sampling, Z, starts=5, trials=1)
