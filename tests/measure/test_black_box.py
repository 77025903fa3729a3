"""The same network audited twice, once with its derivatives and once by its values alone."""

import polars as pl
import pytest
import torch

import mnemoscope as mn

BRIEF = {"starts": 100, "trials": 4, "corruptions": {"gaussian": [0.1, 0.4]}}


@pytest.fixture(scope="module")
def both(trained, digits):
    def evaluate(z):
        with torch.no_grad():
            return trained(torch.from_numpy(z)).numpy()

    black = mn.SelfMap(mn.BlackBox(evaluate), shape=(1, 8, 8))
    return mn.audit(trained, digits, mn.AuditOptions.of(**BRIEF)), mn.audit(
        black, digits, mn.AuditOptions.of(**BRIEF)
    )


def test_the_verdict_is_the_same(both):
    white, black = both
    assert white.verdict == black.verdict
    assert (white.summary.black_box, black.summary.black_box) == (False, True)


def test_what_is_stored_and_recalled_is_the_same(both):
    white, black = both
    for column in ("stored", "attractor", "recall_rate"):
        assert black.examples[column].to_list() == white.examples[column].to_list()
    assert black.curves.equals(white.curves)
    # An orbit at the edge of a basin may fall to the other side by rounding: none did here.
    same = pl.col("kind", "starts", "at_examples", "at_spurious", "at_cycles", "diverged")
    assert black.starts.select(same).equals(white.starts.select(same))


def test_contraction_from_orbits_is_the_spectral_radius_to_a_hundredth(both):
    """By the power method: to what is left of the second eigenvalue after 48 steps."""
    white, black = (audit.examples for audit in both)
    for column in ("spectral_radius", "fixed_point_spectral_radius"):
        a, b = white[column].to_torch(), black[column].to_torch()
        assert torch.allclose(a, b, rtol=1e-2), column
    assert (black["spectral_radius_low"] <= black["spectral_radius"]).all()
    assert (black["spectral_radius"] <= black["spectral_radius_high"]).all()
    assert white["spectral_radius_low"].null_count() == white.height


def test_what_needs_derivatives_is_reported_to_be_missing(both):
    _, black = both
    assert black.examples["operator_norm"].null_count() == black.examples.height
    assert black.examples["certified_radius"].null_count() == black.examples.height
    assert black.summary.contractive_in_norm is None
    assert black.summary.certified is None
    assert black.summary.controls.untrained_missing
    assert black.spectra["real"].null_count() == black.spectra.height


def test_it_can_be_kept_and_shown(both, tmp_path):
    _, black = both
    again = mn.Audit.load(black.save(tmp_path / "audit"))
    assert again.examples.equals(black.examples)
    page = mn.write_report(again, tmp_path / "report.html").read_text()
    assert "could only be evaluated" in page
