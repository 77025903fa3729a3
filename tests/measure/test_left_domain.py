"""Audits of maps that do not take all states."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.measure.negative_controls import controls
from mnemoscope.results.report_format import report_json
from mnemoscope.theory import certify


def drawn(*size, seed=0):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed))


def counts(z):
    if (z < 0).any():
        raise ValueError("counts are not negative")
    return z / 2


X = drawn(3, 6)


@pytest.fixture(scope="module")
def audit():
    return mn.audit(counts, X, starts=60, trials=1, held_out=drawn(20, 6, seed=1))


def test_a_map_that_raises_for_some_states_is_audited(audit):
    """Fixed point 0 lies at the edge; examples converge to it; what is drawn below 0 has left."""
    assert audit.summary.stored.count == 0
    assert audit.summary.contractive.count == 3
    assert audit.examples["attractor"].to_list() == [0, 0, 0]
    assert audit.attractors["spectral_radius"].to_list() == pytest.approx([0.5])
    assert float(audit.pictures["attractors"].abs().max()) < 1e-6
    assert audit.examples["fixed_point_distance"].to_list() == pytest.approx(
        (X.square().mean(1).sqrt() / audit.summary.unit).tolist(), rel=1e-4
    )


def test_orbits_that_left_are_counted_among_all(audit):
    rows = {row["kind"]: row for row in audit.starts.iter_rows(named=True)}
    uniform, wide = rows["uniform"], rows["wide_gaussian"]
    assert (uniform["left_domain"], uniform["at_spurious"]) == (0, 60)
    # A start has six entries around the middle: most have one below 0.
    assert wide["left_domain"] > 40
    assert wide["left_domain"] + wide["at_spurious"] == wide["starts"] == 60
    assert wide["diverged"] == wide["unsettled"] == wide["not_attracting"] == 0
    left = audit.summary.left_domain
    assert left.total == sum(row["starts"] for k, row in rows.items() if k not in WITH_DATA)
    assert left.count == sum(row["left_domain"] for k, row in rows.items() if k not in WITH_DATA)
    assert audit.attractors["basin_fraction"].to_list() == pytest.approx(
        [1 - left.count / left.total]
    )
    assert f"{left.fraction} starts left the map's domain" in audit.verdict


WITH_DATA = ("corrupted", "held_out")


def test_the_report_says_so(audit, tmp_path):
    message = report_json(audit)["summary"]
    assert message["domain"] == {
        "low": None,
        "high": None,
        "refused": "ValueError: counts are not negative",
    }
    page = mn.write_report(audit, tmp_path / "report.html").read_text()
    assert "left the domain" in page
    assert "counts are not negative" in page
    loaded = mn.Audit.load(audit.save(tmp_path / "audit"))
    assert loaded.starts.equals(audit.starts)


def test_bounds_are_recorded_and_starts_drawn_within(tmp_path):
    f = mn.SelfMap(lambda z: z / 2, (6,), domain=(0, None))
    audit = mn.audit(f, X, starts=20, trials=1)
    assert audit.summary.domain.model_dump() == {"low": 0, "high": None, "refused": None}
    assert audit.summary.left_domain.count == 0
    assert audit.starts["left_domain"].sum() == 0
    page = mn.write_report(audit, tmp_path / "report.html").read_text()
    assert "entries are at least 0" in page


def test_a_map_of_all_states_says_nothing_of_a_domain(tmp_path):
    audit = mn.audit(lambda z: z / 2, X, starts=20, trials=1)
    assert audit.summary.domain is None
    assert "domain" not in audit.verdict


def test_recall_counts_copies_that_left():
    """Copies that a mask carries below the bounds, which the map itself only knows, are lost."""
    data = 0.5 + 0.5 * drawn(4, 8)

    def f(z):
        if (z < 0.5).any():
            raise ValueError("too dark")
        nearest = torch.cdist(z, data).argmin(1)
        return data[nearest] + 0.5 * (z - data[nearest])

    audit = mn.audit(
        f, data, mn.AuditOptions.of(corruptions={"gaussian": [0.0, 0.4]}), starts=20, trials=8
    )
    assert audit.summary.stored.count == 4
    clean, noisy = audit.curves["rate"].to_list()
    assert clean == 1
    assert audit.curves["trials"].to_list() == [32, 32]
    left = audit.starts.filter(kind="corrupted")["left_domain"][0]
    assert left > 0
    assert noisy <= 1 - left / 32


def test_a_certificate_does_not_reach_beyond_the_bounds():
    net = mn.nets.FullyConnected(shape=(6,), width=16, depth=2, activation="tanh").build(seed=0)
    with pytest.raises(mn.MnemoscopeError, match="domain"):
        certify(mn.SelfMap(net, domain=(0, None)), torch.zeros(6))
    audit = mn.audit(mn.SelfMap(net, domain=(-9, 9)), X, starts=10, trials=1)
    assert "domain" in audit.summary.certified_missing


def test_the_untrained_control_takes_the_same_states():
    net = mn.nets.FullyConnected(shape=(6,), width=16, depth=2, activation="tanh").build(seed=0)
    bounded = controls(
        mn.SelfMap(net, domain=(0, None)), X, options=mn.AuditOptions.of(starts=20, trials=1)
    )
    free = controls(net, X, options=mn.AuditOptions.of(starts=20, trials=1))
    assert free.untrained.settled.count == free.untrained.settled.total
    assert bounded.untrained.settled.count < free.untrained.settled.count
