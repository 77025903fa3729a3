"""What every spec has in common: JSON, building, and errors of one line."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets import ACTIVATIONS, Convolutional, FullyConnected, Spec, UNet

KINDS = [FullyConnected, Convolutional, UNet]


def refused(spec: type[Spec], /, **fields: Any) -> MnemoscopeError:
    with pytest.raises(MnemoscopeError) as error:
        spec(**fields)
    assert "\n" not in str(error.value)
    return error.value


def test_json_comes_back_equal(spec: Spec):
    assert type(spec).from_json(spec.to_json()) == spec


def test_specs_are_values(spec: Spec):
    twin = type(spec).from_json(spec.to_json())
    assert len({spec, twin}) == 1
    with pytest.raises(ValidationError):
        spec.bias = False  # pyright: ignore[reportAttributeAccessIssue]


def test_the_parameters_are_counted_without_being_made(spec: Spec):
    parameters = list(spec.build().parameters())
    assert spec.parameters_count() == sum(parameter.numel() for parameter in parameters)
    assert all(parameter.is_meta for parameter in spec.outline().parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_every_dtype_is_the_cast_of_the_same_draw(spec: Spec, dtype: torch.dtype):
    drawn, cast = spec.build(seed=4), spec.build(seed=4, dtype=dtype)
    for a, b in zip(drawn.parameters(), cast.parameters(), strict=True):
        assert b.dtype == dtype
        assert torch.equal(a.to(dtype), b)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_every_device_has_the_same_draw(spec: Spec):
    here, there = spec.build(seed=4), spec.build(seed=4, device="cuda")
    for a, b in zip(here.parameters(), there.parameters(), strict=True):
        assert b.is_cuda
        assert torch.equal(a, b.cpu())


def test_weights_can_be_trained(spec: Spec):
    assert all(parameter.requires_grad for parameter in spec.build().parameters())


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "0", True, None])
def test_a_seed_that_is_no_whole_number_is_refused(seed: Any):
    with pytest.raises(MnemoscopeError, match="whole number") as error:
        FullyConnected(shape=(2,)).build(seed=seed)
    assert error.value.field == "seed"


@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64, "float32"])
def test_a_dtype_of_no_real_numbers_is_refused(dtype: Any):
    with pytest.raises(MnemoscopeError, match=r"torch\.float32"):
        FullyConnected(shape=(2,)).build(dtype=dtype)


@pytest.mark.parametrize("device", ["cup", "cuda:99", 3.5])
def test_a_device_that_cannot_be_used_is_refused(device: Any):
    with pytest.raises(MnemoscopeError) as error:
        FullyConnected(shape=(2,)).build(device=device)
    assert error.value.field == "device"


def test_a_network_too_large_for_any_memory_is_refused():
    spec = FullyConnected(shape=(2**31 - 1,), width=2**31 - 1)
    for make in (spec.build, spec.outline, spec.parameters_count):
        with pytest.raises(MnemoscopeError, match="memory"):
            make()


@pytest.mark.parametrize("kind", KINDS)
def test_whole_numbers_may_be_numpys_and_tuples_may_be_lists(kind: type[Spec]):
    plain = kind(shape=(1, 8, 8))
    assert kind(shape=[1, np.int64(8), np.int32(8)]) == plain  # pyright: ignore
    assert kind(shape=torch.zeros(1, 8, 8).shape) == plain


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), 8, (1, 0, 8), (1, -8, 8), (1, 8.0, 8), "188", None, (True,)])
def test_a_shape_that_is_none_is_refused(kind: type[Spec], shape: Any):
    error = refused(kind, shape=shape)
    assert error.field is not None
    assert error.field.partition(".")[0] == "shape"
    assert error.given == f"shape={shape!r}"
    assert "whole numbers" in error.expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("field", "value", "fragment"),
    [
        ("activation", "leakyrelu", "`leaky_relu`"),
        ("activation", 3, "the name of an activation"),
        ("output_activation", "tahn", "`tanh`"),
        ("init", "xavier", "`xavier_uniform`"),
        ("init", None, "the name of an initialization"),
        ("bias", "yes", "True or False"),
        ("bias", 1, "True or False"),
        ("kind", "unett", "'"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(
    kind: type[Spec], field: str, value: object, fragment: str
):
    error = refused(kind, shape=(1, 8, 8), **{field: value})
    assert error.field == field
    assert error.given == f"{field}={value!r}"
    assert fragment in str(error)


@pytest.mark.parametrize(
    ("kind", "field", "values", "expected"),
    [
        (FullyConnected, "depth", [0, -1, 10_001, 2.5, "8", True, None], "1 to 10000"),
        (FullyConnected, "width", [0, -1, 2.5, "8", None, (3, 0), torch.ones(3)], "1 or more"),
        (Convolutional, "depth", [0, 10_001, "8"], "1 to 10000"),
        (Convolutional, "channels", [0, 1.5, None], "1 or more"),
        (Convolutional, "kernel_size", [0, -1, 2, 4, 10_001], "odd whole number"),
        (Convolutional, "downsample", [-1, 31, "1"], "0 to 30"),
        (UNet, "channels", [0, 1.5, None], "1 or more"),
        (UNet, "levels", [0, -1, 31, "1"], "1 to 30"),
    ],
)
def test_a_number_out_of_range_is_refused_with_the_range(
    kind: type[Spec], field: str, values: list[object], expected: str
):
    for value in values:
        error = refused(kind, shape=(1, 8, 8), **{field: value})
        assert error.field is not None
        assert error.field.partition(".")[0] == field
        assert expected in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_a_misspelled_field_is_refused_with_the_nearest(kind: type[Spec]):
    error = refused(kind, shape=(1, 8, 8), activtion="relu")
    assert (error.field, "`activation`" in error.todo) == ("activtion", True)
    error = refused(kind, shpe=(1, 8, 8))
    assert (error.field, "`shape`" in error.todo) == ("shpe", True)
    assert refused(kind).field == "shape"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", [*ACTIVATIONS, "leaky_relu(0.1)"])
def test_every_activation_makes_a_network(kind: type[Spec], activation: str):
    net = kind(shape=(1, 4, 4), activation=activation, output_activation=activation).build()
    z = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    assert net(z).isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_describes_every_field(kind: type[Spec]):
    fields = kind.model_json_schema()["properties"]
    assert set(fields) == set(kind.model_fields)
    assert all("description" in field for field in fields.values())
