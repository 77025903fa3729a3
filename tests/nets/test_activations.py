"""The activations, by name."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets import ACTIVATIONS, FullyConnected, activation_function, activation_module
from mnemoscope.nets.activations import activation_into, activation_name, activation_pullback

ALL = [*ACTIVATIONS, "leaky_relu(0.5)"]


@pytest.mark.parametrize(
    ("name", "z", "value"),
    [
        ("identity", -3.0, -3.0),
        ("relu", -1.0, 0.0),
        ("relu", 2.0, 2.0),
        ("leaky_relu", -1.0, -0.2),
        ("leaky_relu", 2.0, 2.0),
        ("leaky_relu(0.1)", -1.0, -0.1),
        ("selu", 1.0, 1.0507009873554805),
        ("selu", -1.0, 1.0507009873554805 * 1.6732632423543772 * (math.exp(-1) - 1)),
        ("silu", 1.0, 1 / (1 + math.exp(-1))),
        ("gelu", 1.0, 0.5 * (1 + math.erf(1 / math.sqrt(2)))),
        ("elu", -1.0, math.exp(-1) - 1),
        ("softplus", 0.0, math.log(2)),
        ("tanh", 1.0, math.tanh(1)),
        ("sigmoid", 0.0, 0.5),
        ("erf", 0.5, math.erf(0.5)),
        ("sin", math.pi / 2, 1.0),
        ("cosid", 0.0, 1.0),
        ("cosid", math.pi, -1 - math.pi),
    ],
)
def test_values_by_hand(name: str, z: float, value: float):
    at = torch.tensor(z, dtype=torch.float64)
    assert activation_function(name)(at).item() == pytest.approx(value, rel=1e-15)
    assert activation_module(name)(at).item() == pytest.approx(value, rel=1e-15)


def test_every_activation_has_a_value_by_hand():
    (mark,) = (m for m in test_values_by_hand.pytestmark if m.name == "parametrize")  # pyright: ignore[reportFunctionMemberAccess]
    assert {name for name, _, _ in mark.args[1]} >= set(ACTIVATIONS)


@pytest.mark.parametrize("name", ALL)
def test_function_and_module_agree_to_the_bit_on_any_shape(name: str):
    for shape in [(), (3,), (2, 0), (2, 3, 4)]:
        z = 3 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
        value = activation_function(name)(z)
        assert value.shape == shape
        assert torch.equal(value, activation_module(name)(z))


@pytest.mark.parametrize("name", ALL)
def test_a_module_has_no_parameters_and_leaves_its_input_alone(name: str):
    module = activation_module(name)
    z = torch.tensor([-1.0, 0.5])
    module(z)
    assert list(module.parameters()) == []
    assert z.tolist() == [-1.0, 0.5]


@pytest.mark.parametrize("name", ALL)
def test_the_forward_derivative_is_the_difference_quotient(name: str):
    function, step = activation_function(name), 1e-6
    # None of these points is within a step of 0, where some activations have a kink.
    z = torch.linspace(-2, 2, 8, dtype=torch.float64)
    derivative = torch.func.jvp(function, (z,), (torch.ones_like(z),))[1]
    quotient = (function(z + step) - function(z - step)) / (2 * step)
    torch.testing.assert_close(derivative, quotient, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("make", [activation_function, activation_module])
def test_an_unknown_activation_is_refused_with_the_list_and_the_nearest(make):
    with pytest.raises(MnemoscopeError, match="leakyrelu") as error:
        make("leakyrelu")
    assert "`leaky_relu`" in error.value.todo
    assert {name.partition("(")[0] for name in error.value.choices} == set(ACTIVATIONS)


def test_only_leaky_relu_takes_a_number():
    for name in ACTIVATIONS:
        if name != "leaky_relu":
            with pytest.raises(MnemoscopeError, match="takes no number"):
                activation_module(f"{name}(1)")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", ALL)
def test_the_pullback_is_autograds_and_is_written_over_the_covector(name: str, dtype: torch.dtype):
    generator = torch.Generator().manual_seed(0)
    z = 3 * torch.randn(2, 3, 50, generator=generator, dtype=dtype)
    # Kinks, and where exponentials saturate.
    z[0, 0, :4] = torch.tensor([0.0, -0.0, 30.0, -30.0])
    u = torch.randn(z.shape, generator=generator, dtype=dtype)
    leaf = z.clone().requires_grad_()
    a = activation_function(name)(leaf)
    (expected,) = torch.autograd.grad(a, leaf, u)
    given = u.clone()
    found = activation_pullback(name)(given, z, a.detach())
    assert found.data_ptr() == given.data_ptr()
    # sin and cosid are written out, a rounding or two apart from autograd's; covectors are below 5.
    assert torch.allclose(found, expected, rtol=0, atol=10 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", ALL)
def test_written_to_memory_that_is_there_it_is_the_same(name: str, dtype: torch.dtype):
    generator = torch.Generator().manual_seed(0)
    z = 3 * torch.randn(2, 3, 50, generator=generator, dtype=dtype)
    kept, out = z.clone(), torch.full_like(z, torch.nan)
    found = activation_into(name)(z, out)
    assert torch.equal(found, activation_function(name)(z))
    assert torch.equal(z, kept)
    assert found.data_ptr() == (z if name == "identity" else out).data_ptr()


@pytest.mark.parametrize("name", ALL)
def test_a_module_and_a_function_have_the_name_they_were_made_by(name: str):
    assert activation_name(activation_module(name)) in (name, f"{name}(0.2)")
    if not name.startswith("leaky_relu"):
        assert activation_name(activation_function(name)) == name


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (nn.GELU(), "gelu"),
        (nn.ReLU, "relu"),
        (nn.ReLU(inplace=True), "relu"),
        (nn.LeakyReLU(), "leaky_relu(0.01)"),
        (nn.LeakyReLU(0.3), "leaky_relu(0.3)"),
        (functional.leaky_relu, "leaky_relu(0.01)"),
        (torch.tanh, "tanh"),
        (functional.tanh, "tanh"),
        (torch.relu, "relu"),
        (torch.special.erf, "erf"),
    ],
)
def test_a_spec_takes_a_function_or_a_module(value: object, name: str):
    spec = FullyConnected(shape=(2,), activation=value, output_activation=value)
    assert (spec.activation, spec.output_activation) == (name, name)
    assert FullyConnected.from_json(spec.to_json()) == spec
    z = torch.linspace(-2, 2, 9)
    function = value() if isinstance(value, type) else value
    assert torch.equal(activation_function(name)(z), function(z.clone()))


@pytest.mark.parametrize(
    "value", [lambda z: z, nn.GELU(approximate="tanh"), nn.ELU(2.0), nn.Linear(2, 2), abs]
)
def test_a_function_without_a_name_is_refused(value: object):
    with pytest.raises(MnemoscopeError) as error:
        FullyConnected(shape=(2,), activation=value)
    assert error.value.field == "activation"
    assert error.value.choices == ACTIVATIONS
