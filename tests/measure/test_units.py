"""Scale and shift of data and map change no verdict, count or rate."""

import logging

import pytest
import torch

import mnemoscope as mn

OPTIONS = {"starts": 30, "trials": 2, "certificates": 0}


@pytest.fixture(scope="module")
def trained():
    X = mn.load_data("digits", n=6).double()
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=48, depth=4, activation="sigmoid")
    net = spec.build(seed=0).double()
    mn.train(net, X, mn.TrainingOptions(tol=1e-6, lr=3e-3))
    return net, X


def numbers(audit):
    """All counts and rates of a summary."""
    summary = audit.summary
    names = ("stored", "disclosed", "contractive", "contractive_in_norm", "recalled", "unsettled")
    counts = {name: (getattr(summary, name).count, getattr(summary, name).total) for name in names}
    whole = ("spurious", "cycles", "attractors", "indistinguishable")
    return counts | {name: getattr(summary, name) for name in whole}


def moved(net, factor, shift):
    return lambda z: factor * (net(z / factor - shift) + shift)


@pytest.mark.parametrize(("factor", "shift"), [(1e-3, 0.0), (255.0, 0.0), (2048.0, -0.5), (1, 7.0)])
def test_scale_and_shift_change_no_verdict_count_or_rate(trained, factor, shift):
    net, X = trained
    f = mn.SelfMap(lambda z: net(z), X.shape[1:], dtype=torch.float64)
    g = mn.SelfMap(moved(net, factor, shift), X.shape[1:], dtype=torch.float64)
    plain = mn.audit(f, X, mn.AuditOptions.of(**OPTIONS))
    other = mn.audit(g, factor * (X + shift), mn.AuditOptions.of(**OPTIONS))
    assert numbers(other) == numbers(plain)
    assert other.verdict == plain.verdict
    assert other.summary.unit == pytest.approx(factor * plain.summary.unit)
    for column in ("residual", "loss", "spectral_radius", "fixed_point_distance"):
        assert other.examples[column].to_list() == pytest.approx(
            plain.examples[column].to_list(), rel=1e-4, abs=1e-7
        )


def test_networks_trained_by_another_loss_are_judged_by_their_residual():
    X = mn.load_data("digits", n=4)
    spec = mn.nets.FullyConnected(
        shape=(1, 8, 8), width=64, depth=3, activation="tanh", output_activation="sigmoid"
    )
    net = spec.build(seed=0)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(1500):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy(net(X), X).backward()
        optimizer.step()
    audit = mn.audit(net, X, mn.AuditOptions.of(**OPTIONS))
    loss = float((net(X) - X).square().mean())
    assert audit.summary.loss == pytest.approx(loss, rel=1e-3)
    assert audit.summary.interpolated == (loss <= 1.01e-8)


def test_uneven_features_are_reported_and_may_have_units_of_their_own(caplog):
    units = torch.tensor([1.0, 50.0, 1e4])
    points = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))

    def f(z):
        w = z / units.to(z)
        own = points[torch.cdist(w, points.to(w)).argmin(1)].to(w)
        return (own + 0.5 * (w - own)) * units.to(z)

    X = points * units
    with caplog.at_level(logging.WARNING, logger="mnemoscope"):
        mn.audit(f, X, mn.AuditOptions.of(**OPTIONS))
    assert "per-feature" in caplog.text
    audit = mn.audit(f, X, mn.AuditOptions.of(**OPTIONS, unit="per_feature"))
    assert audit.summary.unit == 1.0
    assert audit.summary.stored.count == 5
    ranges = (X.amax(0) - X.amin(0)).tolist()
    assert audit.provenance["settings"]["feature_units"] == pytest.approx(ranges)
    # Pictures and states that are saved are in the scale of the data.
    assert torch.allclose(audit.pictures["examples"], X, rtol=1e-6)
    # The same as an audit of the conjugated map.
    u = torch.tensor(ranges)
    same = mn.audit(lambda z: f(z * u) / u, X / u, mn.AuditOptions.of(**OPTIONS, unit=1.0))
    assert numbers(same) == numbers(audit)


@pytest.mark.parametrize("unit", [0.0, float("nan"), "wide"])
def test_what_is_no_unit_is_refused(unit):
    with pytest.raises(mn.MnemoscopeError, match="number above 0"):
        mn.audit(lambda z: z / 2, torch.rand(3, 2), mn.AuditOptions.of(**OPTIONS, unit=unit))
