import math

import pytest
import torch

import mnemoscope as mn
from mnemoscope.associative.hopfield import ERROR, Hopfield

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def test_two_patterns_by_hand():
    # At z between -a and a: f(z) = a tanh(beta a z), the mean-field equation of a magnet.
    a, beta = 0.8, 1.7
    f = Hopfield(torch.tensor([[a], [-a]], dtype=torch.float64), beta=beta)
    z = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None]
    torch.testing.assert_close(f(z), a * torch.tanh(beta * a * z))
    # Its slope at 0 is beta a^2: above 1 the patterns attract, below it the mean.
    assert mn.spectral_radius(f, z[4:5]).item() == pytest.approx(beta * a**2, rel=1e-9)


def test_without_a_bias_it_is_the_formula_of_the_paper():
    X = torch.tensor([[1.0, 2.0], [0.5, -1.0], [0.0, 3.0]])
    z = torch.tensor([[0.3, -0.2]])
    expected = torch.softmax(2.0 * X @ z[0], 0) @ X
    torch.testing.assert_close(Hopfield(X, beta=2.0, bias=False)(z)[0], expected)


def test_pattern_of_large_norm_takes_over_only_without_a_bias():
    X = torch.tensor([[1.0, 0.0], [3.0, 0.0]], dtype=torch.float64)
    near = Hopfield(X, beta=20.0)(X)
    far = Hopfield(X, beta=20.0, bias=False)(X)
    torch.testing.assert_close(near, X, atol=1e-6, rtol=0)
    torch.testing.assert_close(far, X[[1, 1]], atol=1e-6, rtol=0)


@pytest.mark.parametrize("n", [2, 50])
def test_default_beta_is_the_smallest_that_keeps_the_bound(n):
    X = mn.load_data("digits", n=n).double()
    f = Hopfield(X)
    error = (f(X) - X).flatten(1).square().mean(1).sqrt().max() / (X.max() - X.min())
    assert error <= ERROR
    # The bound is not far from the truth where one neighbour decides.
    softer = Hopfield(X, beta=f.beta / 2)
    assert (softer(X) - X).flatten(1).square().mean(1).sqrt().max() > error


def test_it_stores_its_patterns_and_recalls_them():
    X = mn.load_data("digits", n=20)
    audit = mn.audit(Hopfield(X), X, starts=50, trials=2)
    assert audit.summary.stored.count == 20


def test_equal_patterns_need_no_temperature():
    X = torch.ones(3, 4)
    torch.testing.assert_close(Hopfield(X)(torch.zeros(1, 4)), X[:1])


@pytest.mark.parametrize("beta", [0.0, -1.0, math.nan, math.inf])
def test_beta_must_be_a_finite_number_above_0(beta):
    with pytest.raises(mn.MnemoscopeError) as refused:
        Hopfield(torch.eye(2), beta=beta)
    assert refused.value.field == "beta"


def test_no_patterns():
    with pytest.raises(mn.MnemoscopeError):
        Hopfield(torch.empty(0, 3))


def test_values_of_the_next_pattern_make_a_cycle():
    X = torch.eye(3, dtype=torch.float64)
    f = Hopfield(X, values=X.roll(-1, 0))
    torch.testing.assert_close(f(X), X.roll(-1, 0), atol=3 * ERROR, rtol=0)
    orbits = mn.iterate(f, X)
    assert orbits.period.tolist() == [3, 3, 3]
