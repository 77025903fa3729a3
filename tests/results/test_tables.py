"""The columns that the design promises, letter by letter."""

import pytest

from mnemoscope.results.tables import SCHEMAS

PROMISED = {
    "examples": "index, residual, loss, spectral_radius, operator_norm, fixed_point_distance, "
    "fixed_point_spectral_radius, stored, recall_rate, recall_low, recall_high, basin_fraction, "
    "span_distance",
    "recall": "example, corruption, strength, trials, recalled, rate, low, high",
    "attractors": "id, kind, period, spectral_radius, basin_fraction, basin_low, basin_high, "
    "starts, nearest_example, distance, spurious",
}


@pytest.mark.parametrize("table", PROMISED)
def test_columns(table):
    promised = PROMISED[table].split(", ")
    assert list(SCHEMAS[table])[: len(promised)] == promised
