"""The columns that the design promises, letter by letter."""

import pytest

from mnemoscope.results.tables import SCHEMAS
from tests.report.example_audit import edge_audit, full_audit

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


def test_a_notebook_shows_counts_and_intervals_escaped():
    audit = full_audit()
    shown = audit.with_summary(partial=("<b>recall</b>",))._repr_html_()
    assert "interrupted before: &lt;b&gt;recall&lt;/b&gt;." in shown
    assert "<td>examples stored</td><td>18 of 20</td><td>70% to 97%</td>" in shown
    assert "<td>limit cycles</td><td>1</td><td></td>" in shown
    assert "rows" not in shown
    assert edge_audit()._repr_html_()
