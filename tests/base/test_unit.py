"""The unit of data, of starts, and what is refused as one."""

import logging
import math

import pytest
import torch

import mnemoscope as mn
from mnemoscope.base.unit import (
    checked_unit,
    feature_units,
    uneven_features,
    unit_of,
    unit_of_starts,
)


def uniform(*size, seed=0):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_unit_is_the_range():
    assert unit_of(torch.tensor([[0.0, 3.0], [-1.0, 2.0]])) == 4.0


@pytest.mark.parametrize("factor", [1e-3, 255.0, 2048.0])
@pytest.mark.parametrize("shift", [0.0, -1000.0])
def test_it_scales_with_the_data_and_ignores_a_shift(factor, shift):
    X = uniform(50, 7)
    assert unit_of(factor * X + shift) == pytest.approx(factor * unit_of(X), rel=1e-8)
    assert unit_of_starts(factor * X + factor * shift) == pytest.approx(
        factor * unit_of_starts(X + shift), rel=1e-8
    )


def test_outliers_do_not_set_the_scale_and_are_reported(caplog):
    X = uniform(100, 100)
    X[3, 4] = 1e4
    with caplog.at_level(logging.WARNING, logger="mnemoscope"):
        unit = unit_of(X)
    # 99.8% of uniform entries span 0.998.
    assert unit == pytest.approx(0.998, abs=0.003)
    assert "99.8% of the entries" in caplog.text


def test_rare_ones_among_zeros_are_no_outliers():
    # One entry in 3,000 is 1: both quantiles are 0, and the range is all there is.
    assert unit_of(torch.eye(3000)) == 1.0


def test_constant_data_have_a_unit_too():
    assert unit_of(torch.full((3, 2), -7.0)) == 7.0
    assert unit_of(torch.zeros(3, 2)) == 1.0


def test_the_unit_of_starts_of_many_widths_is_the_typical_one():
    narrow, wide = uniform(60, 50), 1e3 * uniform(30, 50, seed=1)
    assert unit_of_starts(torch.cat([narrow, wide])) < 2.0
    assert unit_of_starts(torch.linspace(-2, 2, 10)[:, None]) == 4.0
    assert unit_of_starts(torch.zeros(3, 2)) == 1.0
    assert unit_of_starts(torch.full((2, 3), math.nan)) == 1.0


@pytest.mark.parametrize("unit", [0, -1.0, math.nan, math.inf, "wide", None, torch.ones(3)])
def test_what_is_no_unit_is_refused(unit):
    with pytest.raises(mn.MnemoscopeError, match=r"unit.*above 0"):
        checked_unit(unit)


def test_features_that_differ_in_scale_more_than_a_hundredfold():
    X = uniform(20, 3) * torch.tensor([1.0, 50.0, 1e4], dtype=torch.float64)
    ratio = uneven_features(X)
    assert ratio is not None
    assert ratio == pytest.approx(1e4, rel=0.2)
    assert uneven_features(X[:, :2]) is None
    assert uneven_features(X[:, None, :]) is None
    units = feature_units(torch.tensor([[0.0, 5.0, 0.0], [2.0, 5.0, 0.0]]))
    assert units.tolist() == [2.0, 5.0, 1.0]


def test_a_map_carries_its_unit():
    f = mn.SelfMap(lambda z: z / 2, (2,), unit=10.0)
    assert [g.unit for g in (f, f**2, f @ f, f.to(torch.float64), mn.SelfMap(f))] == [10.0] * 5
    assert f.with_unit(3.0).unit == 3.0
    assert mn.SelfMap(lambda z: z, (2,)).known_unit is None
    # RMS of f(z) - z is 5, half a unit.
    assert f.residual(torch.full((1, 2), 10.0)).tolist() == [0.5]
