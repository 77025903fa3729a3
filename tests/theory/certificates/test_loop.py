"""The loop: cut at its narrowest layer, and its float64 evaluation compared with fractions."""

from fractions import Fraction

import pytest
import torch
from torch.func import jacrev

import mnemoscope as mn
from mnemoscope.theory.certificates.affine_layers import affine_layers
from mnemoscope.theory.certificates.loop import Loop


def loop_of(net):
    return Loop(affine_layers(mn.SelfMap(net)))


def build(seed=0, **spec):
    return mn.nets.FullyConnected(**spec).build(seed=seed, dtype=torch.float64)


@pytest.mark.parametrize(
    ("spec", "at_state", "n"),
    [
        ({"shape": (4,), "width": 9, "depth": 3}, True, 4),
        ({"shape": (9,), "width": (4, 6), "depth": 3}, False, 4),
        ({"shape": (9,), "width": 4, "depth": 2, "output_activation": "tanh"}, False, 4),
        ({"shape": (4,), "depth": 1}, True, 4),
    ],
)
def test_the_cut(spec, at_state, n):
    net = build(**spec, activation="gelu")
    loop = loop_of(net)
    assert loop.at_state == at_state
    assert loop.coordinates == n
    z = torch.randn(spec["shape"], generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        assert torch.allclose(loop.write(loop.read(z)), net(z), atol=1e-13)
    y = loop.read(z)
    assert torch.allclose(loop.jacobian_at(y), jacrev(loop.step)(y), atol=1e-12)
    point = loop.point(z)
    with torch.no_grad():
        assert torch.allclose(point.image, net(z), atol=1e-13)
    assert len(point.arguments) == len(loop.activations)


def test_coordinates_behind_a_narrow_first_layer_represent_the_smallest_state():
    net = build(shape=(9,), width=4, depth=2)
    loop = loop_of(net)
    z = torch.randn(9, generator=torch.Generator().manual_seed(1)).double()
    y = loop.layers[0].weight @ z
    smallest = torch.linalg.pinv(loop.layers[0].weight) @ y
    length = torch.linalg.solve(loop.to_states, y).norm()
    assert float(length) == pytest.approx(float(smallest.norm()), rel=1e-10)


@pytest.mark.parametrize("size", [1.0, 30.0, 1e6])
@pytest.mark.parametrize("seed", range(3))
def test_what_float64_finds_is_no_further_off_than_the_bound(seed, size):
    # leaky_relu is a rational map of the float64 numbers: fractions evaluate it exactly.
    net = build(shape=(5,), width=6, depth=4, activation="leaky_relu", seed=seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= size
    z = torch.randn(5, generator=torch.Generator().manual_seed(seed)).double()
    point = loop_of(net).point(z)
    a = [Fraction(x) for x in z.tolist()]
    slope = Fraction(0.2)
    linears = [m for m in net.body if isinstance(m, torch.nn.Linear)]
    for k, linear in enumerate(linears):
        W, b = linear.weight.tolist(), linear.bias.tolist()
        a = [
            sum(Fraction(w) * x for w, x in zip(row, a, strict=True)) + Fraction(c)
            for row, c in zip(W, b, strict=True)
        ]
        last = k == len(linears) - 1
        found, bound = (
            (point.image, point.image_error) if last else (point.arguments[k], point.errors[k])
        )
        off = sum((Fraction(f) - x) ** 2 for f, x in zip(found.tolist(), a, strict=True))
        assert off <= Fraction(bound) ** 2
        # And the bound is of the size of rounding.
        assert bound <= 1e-12 * float(max(map(abs, a))) * 10 ** (k + 1)
        a = [x if x > 0 or last else slope * x for x in a]


def test_what_is_too_wide_is_refused():
    with pytest.raises(mn.MnemoscopeError, match="1024"):
        loop_of(build(shape=(1100,), width=1050, depth=2))
