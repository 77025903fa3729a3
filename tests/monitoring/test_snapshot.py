import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics import Atlas
from mnemoscope.dynamics.stored import match_radii
from mnemoscope.measure.examples import examine
from mnemoscope.measure.options import AuditOptions, Tolerances
from mnemoscope.measure.subject import Subject
from mnemoscope.monitoring.snapshot import snapshot


def seen(f, Z, max_steps=256):
    return snapshot(f, Z, match_radii(Z, unit=f.unit), max_steps=max_steps)


def test_it_sees_what_an_audit_sees(known, dtype):
    f = known.self_map(dtype)
    Z = torch.cat([known.at, *known.attractors]).to(dtype)
    if not torch.isfinite(f(Z)).all():
        pytest.skip("an audit refuses these")
    found = seen(f, Z)
    options = AuditOptions(spectrum_size=1, tolerances=Tolerances(max_steps=256, unit=f.unit))
    subject = Subject.of(f, Z, options=options, seed=0)
    _, examined = examine(subject, Atlas.empty(subject.f))
    certain = found.converged
    expected = examined.spectral_radius[certain].tolist()
    assert found.spectral_radius[certain].tolist() == pytest.approx(expected, rel=1e-2, abs=1e-2)
    assert torch.equal(found.stored, examined.stored)


@pytest.mark.parametrize("away", [0.0, 0.009, 0.011])
def test_an_attractor_within_the_tolerance_stores(away):
    f = mn.SelfMap(lambda z: 0.5 * z, shape=(4,))
    assert bool(seen(f, torch.full((1, 4), away)).stored[0]) is (away < 1e-2)


def test_what_stands_still_without_attracting_is_not_stored():
    found = seen(mn.SelfMap(lambda z: z.clone(), shape=(3,)), torch.rand(4, 3))
    assert not found.stored.any()


def test_a_cycle_stores_each_of_its_states():
    A = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    f = mn.SelfMap(lambda z: torch.where(z[:, :1] > z[:, 1:], A[1], A[0]), shape=(2,))
    found = seen(f, A)
    assert found.stored.tolist() == [True, True]


def test_an_orbit_that_settles_slowly_is_counted_and_not_stored():
    f = mn.SelfMap(lambda z: 0.999 * z, shape=(2,))
    found = seen(f, torch.full((1, 2), 0.05))
    assert (found.unsettled, found.stored.tolist()) == (1, [False])


def test_a_network_that_has_diverged_is_reported():
    found = seen(mn.SelfMap(lambda z: z / 0, shape=(2,)), torch.ones(3, 2))
    assert not found.loss < torch.inf
    assert torch.isnan(found.spectral_radius).all()
    assert not found.stored.any()
