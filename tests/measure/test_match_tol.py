"""Attractors beyond the tolerance, and how far they are from the data."""

import pytest

import mnemoscope as mn
from mnemoscope.results.finding import findings
from mnemoscope.results.report_format import report_json

X = mn.load_data("digits", n=1)


def nearby(distance):
    """A map with one attractor, at this distance in units from the example."""
    c = X + distance * (X.max() - X.min())
    return lambda z: c + 0.5 * (z - c)


def test_one_just_beyond_the_tolerance_is_reported_with_its_distance(tmp_path):
    audit = mn.audit(nearby(0.0115), X, starts=10, trials=1)
    assert audit.summary.stored.count == 0
    near = audit.summary.nearest_spurious
    assert (near.attractor, near.example) == (0, 0)
    assert near.distance == pytest.approx(0.0115, rel=1e-3)
    assert "0.0115 units from training example 0, just above match_tol 0.01" in audit.verdict
    message = next(finding for finding in findings(audit) if finding.kind == "spurious")
    assert "0.0115 units from training example 0, just above" in message.headline
    assert "0.0115 units" in mn.write_report(audit, tmp_path / "page.html").read_text()
    assert report_json(audit)["summary"]["nearest_spurious"] == near.model_dump()


def test_one_far_from_the_data_is_reported_in_other_words():
    audit = mn.audit(nearby(0.5), X, starts=10, trials=1)
    assert "0.5 units from training example 0" in audit.verdict
    assert "just above" not in audit.verdict


def test_a_wider_tolerance_is_recorded_and_judged_by(tmp_path):
    audit = mn.audit(nearby(0.0115), X, mn.AuditOptions.of(match_tol=0.02), starts=10, trials=1)
    assert audit.summary.stored.count == 1
    assert audit.summary.nearest_spurious is None
    saved = mn.Audit.load(audit.save(tmp_path / "audit"))
    assert saved.summary.match_tol == saved.provenance["settings"]["match_tol"] == 0.02
    assert "within 0.02" in mn.write_report(saved, tmp_path / "page.html").read_text()
