"""Certificates in an audit: whose attractors are proved, and what is reported where none is."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics import iterate


def test_every_stored_example_of_a_smooth_network_is_proved(audited, trained):
    rows = audited.examples
    stored, radius = rows["stored"].to_list(), rows["certified_radius"].to_list()
    assert all(not r for s, r in zip(stored, radius, strict=True) if not s)
    proved = [r for r in radius if r is not None]
    assert audited.summary.certified.count == len(proved) >= 1
    assert audited.summary.certified.total == rows.height
    assert all(0 < q < 1 for q in rows["certified_rate"] if q is not None)


def test_orbits_from_the_edge_of_the_ball_end_at_the_attractor(audited, trained):
    """The ball is Euclidean and around the attractor, to float32's rounding."""
    generator = torch.Generator().manual_seed(0)
    by_id = dict(zip(audited.attractors["id"], range(audited.attractors.height), strict=True))
    for row in audited.examples.filter(audited.examples["certified_radius"] > 1e-4).to_dicts():
        point = audited.pictures["attractors"][row["attractor"]]
        assert row["attractor"] in by_id
        way = torch.randn(8, *point.shape, generator=generator)
        way = way / way.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
        ends = iterate(trained, point + 0.99 * row["certified_radius"] * way).end
        assert (ends - point).flatten(1).norm(dim=1).max() < 1e-3


def test_none_asked_for(trained, digits):
    audit = mn.audit(
        trained, digits, mn.AuditOptions.of(corruptions={}, certificates=0), starts=10, trials=1
    )
    assert audit.summary.certified is None
    assert audit.summary.certified_missing == "none were asked for"


def test_fewer_than_are_stored(trained, digits, audited):
    audit = mn.audit(
        trained, digits, mn.AuditOptions.of(corruptions={}, certificates=1), starts=10, trials=1
    )
    proved = audited.summary.certified.count
    stored = audited.summary.stored.count
    assert proved >= 2
    assert audit.summary.certified.total == len(digits) - (stored - 1)
    assert audit.examples["certified_radius"].null_count() == len(digits) - 1


@pytest.mark.parametrize(
    "f", [lambda z: torch.tanh(2 * z), mn.nets.UNet(shape=(1, 8, 8), channels=2).build(seed=0)]
)
def test_a_map_that_cannot_be_certified_says_why(f):
    X = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    X = torch.tanh(20 * X) if callable(f) and not isinstance(f, torch.nn.Module) else X
    audit = mn.audit(f, X, mn.AuditOptions.of(corruptions={}), starts=10, trials=1)
    # A map that stores nothing has nothing to be certified: then none is, of all.
    if audit.summary.stored.count:
        assert audit.summary.certified_missing
    else:
        assert audit.examples["certified_radius"].null_count() == 2
