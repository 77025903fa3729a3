"""Ranges of slopes, against slopes drawn densely and differences of the activations themselves."""

import math

import pytest
import torch

from mnemoscope.nets.activations import ACTIVATIONS, activation_function
from mnemoscope.theory.certificates.slopes import SLOPE_PADDING, slope_range, steepest

NAMES = [*ACTIVATIONS, "leaky_relu(0.9)", "leaky_relu(-0.5)", "leaky_relu(3)"]

GELU_TOP = (1 + math.erf(1)) / 2 + math.exp(-1) / math.pi**0.5
"""At the square root of 2: the distribution function there and the root times the density."""


def slope(activation, z):
    z = z.clone().requires_grad_(True)
    return torch.autograd.grad(activation_function(activation)(z).sum(), z)[0]


def intervals(n, seed=0):
    """Of all sizes, around numbers of all sizes, and with ends at and next to special points."""
    generator = torch.Generator().manual_seed(seed)

    def uniform():
        return torch.rand(n, generator=generator, dtype=torch.float64)

    sign = torch.where(uniform() < 0.5, -1.0, 1.0)
    middle = sign * 10 ** (8 * uniform() - 5)
    width = 10 ** (9 * uniform() - 7)
    special = torch.tensor([0.0, 2.0**0.5, 2.399357280515468, math.pi, math.pi / 2, 20.0]).double()
    middle[: n // 3] = special[torch.arange(n // 3) % 6] * sign[: n // 3]
    low, high = middle - width * uniform(), middle + width * uniform()
    low[::7], high[3::7] = middle[::7], middle[3::7]
    return low, high


@pytest.mark.parametrize("activation", NAMES)
def test_no_slope_in_the_interval_lies_outside(activation):
    low, high = intervals(3000)
    least, largest = slope_range(activation, low, high)
    t = torch.linspace(0, 1, 201, dtype=torch.float64)[:, None]
    found = slope(activation, (low + t * (high - low)).clamp(low, high))
    # Of what autograd itself rounds.
    assert bool((found >= least - 1e-14).all())
    assert bool((found <= largest + 1e-14).all())


@pytest.mark.parametrize("activation", NAMES)
def test_differences_lie_between_the_slopes(activation):
    # What the proof uses: phi(a) - phi(b) = s (a - b), kinks and jumps included.
    low, high = intervals(3000, seed=1)
    least, largest = slope_range(activation, low, high)
    phi = activation_function(activation)
    wide = high - low > 1e-3 * (1 + low.abs())
    t, s = torch.rand(2, 100, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    a, b = low + t * (high - low), low + s * (high - low)
    difference = phi(a) - phi(b)
    allowed = 1e-13 * (1 + a.abs())
    up, down = largest * (a - b).abs(), least * (a - b).abs()
    difference = difference * torch.sign(a - b)
    assert bool((difference <= up + allowed)[:, wide].all())
    assert bool((difference >= down - allowed)[:, wide].all())


@pytest.mark.parametrize("activation", NAMES)
def test_the_range_is_no_wider_than_the_slopes_that_occur(activation):
    low, high = intervals(600, seed=3)
    near = (high - low < 10) & (low.abs() < 1e3)
    if activation == "softplus":
        near &= (low > 20) | (high <= 20)
    low, high = low[near], high[near]
    least, largest = slope_range(activation, low, high)
    t = torch.linspace(0, 1, 4001, dtype=torch.float64)[:, None]
    at = low + t * (high - low)
    found = slope(activation, at)
    if "relu" in activation or activation == "selu":
        # The slope on the other side of a kink at an end belongs to the range too.
        touches = (low <= 0) & (high >= 0)
        for side in (-1e-300, 1e-300):
            there = slope(activation, torch.full_like(low, side))
            found = torch.cat([found, torch.where(touches, there, found[0])[None]])
    # Between two of 4000 points, at most 0.0025 apart, a smooth slope turns by 1e-6 at most.
    assert bool((least >= found.amin(0) - 2e-6 - SLOPE_PADDING).all())
    assert bool((largest <= found.amax(0) + 2e-6 + SLOPE_PADDING).all())


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("identity", (1, 1)),
        ("relu", (0, 1)),
        ("leaky_relu", (0.2, 1)),
        ("leaky_relu(-0.5)", (-0.5, 1)),
        ("selu", (0, 1.7580993408473766)),
        ("elu", (0, 1)),
        ("tanh", (0, 1)),
        ("sigmoid", (0, 0.25)),
        ("erf", (0, 2 / math.pi**0.5)),
        ("sin", (-1, 1)),
        ("cosid", (-2, 0)),
        ("softplus", (-math.inf, math.inf)),
        ("silu", (-0.09983932012886886, 1.0998393201288688)),
        ("gelu", (1 - GELU_TOP, GELU_TOP)),
    ],
)
def test_the_range_on_the_whole_line(activation, expected):
    end = torch.tensor([math.inf], dtype=torch.float64)
    least, largest = slope_range(activation, -end, end)
    assert float(least) == pytest.approx(expected[0], abs=1e-9)
    assert float(largest) == pytest.approx(expected[1], abs=1e-9)
    assert float(least) <= expected[0] + 1e-12
    assert float(largest) >= expected[1] - 1e-12
    if activation != "softplus":
        assert steepest(activation) == max(-float(least), float(largest))


def test_piecewise_linear_slopes_are_exact_and_a_closed_interval_has_both_sides_of_its_end():
    low = torch.tensor([-2.0, -1.0, 0.0, 1e-300], dtype=torch.float64)
    high = torch.tensor([-1.0, 0.0, 0.0, 1.0]).double()
    least, largest = slope_range("leaky_relu", low, high)
    assert least.tolist() == [0.2, 0.2, 0.2, 1.0]
    assert largest.tolist() == [0.2, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("activation", ["sin", "cosid"])
def test_huge_arguments(activation):
    # A period fits into the gap between two float64 numbers: nothing is known.
    z = torch.tensor([1e17, -1e300, 2.0**60]).double()
    least, largest = slope_range(activation, z, z)
    assert bool((largest - least >= 2).all())


def test_the_jump_of_softplus_has_no_bound():
    end = torch.tensor([20.0]).double()
    assert slope_range("softplus", end - 1, end)[1].isfinite().all()
    assert slope_range("softplus", end - 1, torch.nextafter(end, end + 1))[1].isinf().all()
    beyond = torch.nextafter(end, end + 1)
    assert float(slope_range("softplus", beyond, end + 5)[1]) == pytest.approx(1)
    assert steepest("softplus") == pytest.approx(1)
