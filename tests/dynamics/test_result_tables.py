"""Orbits, censuses and fixed points as tables."""

import torch

import mnemoscope as mn


def two(z):
    return torch.tanh(2 * z)


Z = torch.linspace(-2, 2, 10)[:, None]


def test_orbits_are_a_row_each():
    orbits = mn.iterate(two, Z)
    frame = orbits.to_frame()
    assert frame["status"].to_list() == orbits.names
    assert frame["steps"].to_list() == orbits.steps.tolist()
    assert "10 converged" in orbits._repr_html_()


def test_a_census_is_a_row_for_each_attractor():
    census = mn.find_attractors(two, Z, torch.tensor([[1.0]]))
    frame = census.to_frame()
    assert len(frame) == 2
    assert frame["basin_fraction"].to_list() == [0.5, 0.5]
    assert frame["nearest_example"].to_list() == [0, 0]
    assert "2 attractors reached from 10 starts" in census._repr_html_()


def test_fixed_points_are_a_row_each():
    found = mn.find_fixed_points(two, Z)
    assert sorted(found.to_frame()["attracting"].to_list()) == [False, True, True]
    assert "3 fixed points, 2 attracting" in found._repr_html_()
