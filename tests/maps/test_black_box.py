import numpy as np
import pytest
import torch

import mnemoscope as mn
from mnemoscope.maps import BlackBox, SelfMap, Wrapped


def test_it_evaluates_and_nothing_else():
    f = SelfMap(BlackBox(lambda z: z / 2), shape=(3,))
    assert not f.differentiable
    assert not f.reversible
    assert torch.equal(f(torch.ones(2, 3)), torch.full((2, 3), 0.5))
    with pytest.raises(mn.MnemoscopeError, match="contraction"):
        f.linearize(torch.ones(1, 3))
    with pytest.raises(mn.MnemoscopeError, match="only be evaluated"):
        mn.spectral_radius(f, torch.ones(1, 3))


def test_a_composition_with_one_is_one():
    f = SelfMap(lambda z: 2 * z, shape=(3,)) @ SelfMap(BlackBox(lambda z: z / 2), shape=(3,))
    assert not f.differentiable
    assert not SelfMap(Wrapped(BlackBox(lambda z: z), scale=(-1, 1)), shape=(3,)).differentiable


def test_it_is_handed_no_more_at_once_than_it_takes():
    sizes = []

    def evaluate(z):
        sizes.append(len(z))
        return z

    SelfMap(BlackBox(evaluate, batch_size=4), shape=(2,))(torch.ones(10, 2))
    assert sizes[1:] == [4, 4, 2]  # The first call is the map's own check of its shape.


def test_its_array_may_be_used_again():
    memory = np.zeros((4, 2), dtype=np.float32)

    def evaluate(z):
        memory[: len(z)] = z + 1
        return memory[: len(z)]

    f = SelfMap(BlackBox(evaluate), shape=(2,))
    first = f(torch.zeros(2, 2))
    f(torch.ones(2, 2))
    assert torch.equal(first, torch.ones(2, 2))


@pytest.mark.parametrize("made", ["text", {"a": 1}, [[1.0], [2.0, 3.0]]])
def test_what_is_no_array(made):
    with pytest.raises(mn.MnemoscopeError, match="array"):
        SelfMap(BlackBox(lambda z: made), shape=(2,))
