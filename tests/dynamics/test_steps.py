"""Rates and attractors of maps whose values come in steps, against those of the maps they round."""

import numpy as np
import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.dynamics.contraction import contraction
from mnemoscope.maps import BlackBox, SelfMap


def drawn(*size, seed=0):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed))


def half(slope, shift):
    def f(z):
        return (np.float16(slope) * z.astype(np.float16) + np.float16(shift)).astype(np.float32)

    return BlackBox(f)


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 16), nn.Sigmoid()).eval()
    for parameter in net.parameters():
        parameter.data.mul_(4)
    return net


@pytest.mark.parametrize("slope", [1.5, 0.7])
def test_rates_of_half_precision(slope):
    found = contraction(SelfMap(half(slope, 0.1), (6,)), drawn(3, 6))
    assert found.rate.tolist() == pytest.approx([slope] * 3, rel=0.01)
    assert (found.low <= found.rate).all()
    assert (found.rate <= found.high).all()


@pytest.mark.parametrize("levels", [255, 127])
def test_rates_of_a_service_of_small_integers(levels):
    net = network()

    def service(z):
        given = np.round(z * levels).astype("f4") / levels
        return np.round(net(torch.from_numpy(given)).detach().numpy() * levels) / levels

    X = drawn(6, 16)
    exact = mn.spectral_radius(net, X)
    found = contraction(SelfMap(BlackBox(service), (16,)), X)
    assert torch.allclose(found.rate, exact, atol=0.05)
    assert ((found.low - 0.05 < exact) & (exact < found.high + 0.05)).all()


@pytest.mark.parametrize("growth", [0.6, 1.0, 2.0])
@pytest.mark.parametrize("levels", [6, 255])
def test_growth_over_visible_lengths(growth, levels):
    f = SelfMap(lambda z: growth * torch.round(levels * z) / levels, (16,))
    found = contraction(f, drawn(3, 16))
    assert found.rate.tolist() == pytest.approx([growth] * 3, rel=0.05)
    assert not found.reason


def test_a_rate_that_steps_hide_is_missing():
    found = contraction(SelfMap(lambda z: torch.round(0.01 * 255 * z) / 255, (16,)), drawn(3, 16))
    assert torch.isnan(found.rate).all()
    assert "not resolved" in found.reason
    assert (found.low == 0).all()
    assert ((found.high > 0.01) & (found.high < 0.1)).all()


def test_a_map_that_is_constant_nearby_has_rate_0():
    P = drawn(10, 16)
    nearest = lambda z: P[torch.cdist(z, P).argmin(1)]  # noqa: E731
    for f in (nearest, torch.round):
        found = contraction(SelfMap(f, (16,)), P.round() if f is torch.round else P)
        assert (found.rate == 0).all()
        assert (found.high < 0.05).all()
    census = mn.find_attractors(nearest, drawn(300, 16, seed=1), P)
    assert len(census.attractors) == len(census.nearest_example.unique()) >= 8
    assert census.distance.max() == 0


ONE = [
    ("float16", half(0.9, 0.05), 6, 0.5, 0.9),
    ("bytes", lambda z: torch.round(255 * (0.8 * z + 0.1)) / 255, 16, 0.5, 0.8),
    ("bytes, turning", lambda z: torch.round(255 * (0.9 - 0.8 * z)) / 255, 16, 0.5, 0.8),
    ("three decimals", lambda z: torch.round(1000 * (0.95 * z + 0.02)) / 1000, 8, 0.4, 0.95),
]


@pytest.mark.parametrize(("name", "f", "d", "at", "rate"), ONE, ids=[c[0] for c in ONE])
def test_what_rounding_keeps_apart_is_one_attractor(name, f, d, at, rate):
    census = mn.find_attractors(SelfMap(f, (d,)), mn.Starts("uniform", 100), drawn(3, d))
    assert len(census.attractors) == 1
    assert census.period.tolist() == [1]
    assert census.basin_fraction.tolist() == [1.0]
    assert torch.allclose(census.spectral_radius, torch.tensor(rate), atol=0.02)
    assert torch.allclose(census.attractors, torch.tensor(at), atol=0.02)
    found = mn.find_fixed_points(SelfMap(f, (d,)), drawn(50, d))
    assert len(found.points) == 1
    assert found.attracting.all()


def test_attractors_of_their_own_stay_apart():
    corners = lambda z: torch.round(127 * torch.tanh(2 * z)) / 127  # noqa: E731
    Z = 2 * drawn(200, 3) - 1
    assert len(mn.find_attractors(corners, Z).attractors) == 8


def test_fixed_points_that_do_not_attract_are_none():
    for growth in (1, 2):
        f = lambda z, growth=growth: torch.round(255 * growth * z) / 255  # noqa: E731
        assert len(mn.find_attractors(f, drawn(300, 16)).attractors) == 0


def test_audits_name_a_quantized_map(tmp_path):
    X = drawn(3, 16)
    coarse, fine = (lambda z: torch.round(6 * z) / 3), (lambda z: torch.round(510 * z) / 255)
    for f, step in ((coarse, 1 / 3), (fine, 1 / 255)):
        audit = mn.audit(f, X, mn.AuditOptions.of(certificates=0), starts=10, trials=1)
        assert audit.summary.contractive.count == 0
        assert audit.summary.contractive_in_norm.count == 0
        assert audit.examples["spectral_radius"].to_list() == pytest.approx([2] * 3, rel=0.05)
        assert audit.summary.resolution.kind == "quantized"
        assert audit.summary.resolution.entry == pytest.approx(step, rel=1e-3)
        assert "quantized" in audit.verdict
        mn.write_report(audit, tmp_path / "report.html")
        assert "The map is quantized" in (tmp_path / "report.html").read_text()
    smooth = mn.audit(lambda z: z / 2, X, mn.AuditOptions.of(certificates=0), starts=10, trials=1)
    assert "quantized" not in smooth.verdict
    assert smooth.summary.resolution.kind == "smooth"


def test_a_rate_that_is_missing_in_an_audit():
    f = lambda z: torch.round(0.01 * 255 * z) / 255  # noqa: E731
    audit = mn.audit(f, drawn(3, 16), mn.AuditOptions.of(certificates=0), starts=10, trials=1)
    assert audit.examples["spectral_radius"].to_list() == [None] * 3
    assert audit.summary.contractive.count == 3


def test_an_autoencoder_that_rounds_its_code_is_audited_by_its_values():
    diffusers = pytest.importorskip("diffusers")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = diffusers.AutoencoderTiny(
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            num_encoder_blocks=(1, 1),
            num_decoder_blocks=(1, 1),
            latent_channels=8,
        )
        X = drawn(2, 3, 16, 16)
        optimizer = torch.optim.Adam(net.parameters(), 5e-3)
        for _ in range(60):
            loss = (net.decode(net.encode(X).latents).sample - X).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    net.eval().requires_grad_(False)
    f = mn.Wrapped(net, output="sample")
    some = mn.AuditOptions.of(certificates=0, max_steps=300)
    audit = mn.audit(f, X, some, starts=10, trials=1)
    assert "quantized" in audit.verdict
    smooth = mn.spectral_radius(lambda z: net.decode(net.encode(z).latents).sample, X)
    low, high = (
        torch.tensor(audit.examples[f"spectral_radius_{end}"].to_list()) for end in ("low", "high")
    )
    assert ((low - 0.1 < smooth) & (smooth < high + 0.1)).all()
