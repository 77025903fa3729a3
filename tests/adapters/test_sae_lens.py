"""SAELens: `make test-adapters NAME=sae_lens`."""

import logging

import pytest
import torch

pytest.importorskip(
    "sae_lens", reason="sae_lens is not installed: pip install 'mnemoscope[sae-lens]'"
)

import sae_lens

import mnemoscope as mn
from mnemoscope.maps.check import check_map
from tests.adapters.quotients import quotients

D, FEATURES = 16, 40

KINDS = {
    "StandardSAE": {},
    "GatedSAE": {},
    "JumpReLUSAE": {},
    "TopKSAE": {"k": 6},
    "MatchingPursuitSAE": {},
    "StandardTrainingSAE": {},
}


def made(kind, dtype="float32", **options):
    config = getattr(sae_lens, f"{kind}Config")(
        d_in=D, d_sae=FEATURES, dtype=dtype, device="cpu", **KINDS.get(kind, {}), **options
    )
    sae = getattr(sae_lens, kind)(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in sae.parameters():
            value += (0.1 * torch.randn(value.shape, generator=generator)).to(value.dtype)
    return sae


def states(n=6):
    return torch.randn(n, D, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("norm", ["none", "layer_norm", "constant_norm_rescale"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_reconstruction_and_its_derivative(kind, norm):
    sae = made(kind, normalize_activations=norm)
    f = mn.load_map(sae)
    assert f.shape == (D,)
    with torch.no_grad():
        assert torch.allclose(f(states()), sae(states()), atol=1e-5)
    assert sae.training  # the object itself is left as it was
    check_map(f, states())
    exact = f.to(torch.float64)
    z = states(1).double()
    J = exact.linearize(z).dense()[0]
    # Between its jumps and kinks; without rounding to float32 quotients are that accurate.
    assert torch.allclose(J, quotients(exact, z[0]), atol=1e-6)


def test_layer_norm_leaves_a_neutral_direction():
    f = mn.load_map(made("StandardSAE", normalize_activations="layer_norm"))
    ones = torch.ones(6, D)
    # What is subtracted before is added after.
    assert torch.allclose(f.jvp(states(), ones), ones, atol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_computed_in_single(dtype):
    sae = made("StandardSAE", dtype=dtype)
    f = mn.load_map(sae)
    assert f.dtype == torch.float32
    expected = sae.float()
    expected.dtype = torch.float32
    with torch.no_grad():
        assert torch.equal(f(states()), expected(states()))
    assert f.resolution.smooth


def test_an_error_term_is_left_out():
    sae = made("StandardSAE")
    plain = mn.load_map(sae)(states())
    with pytest.warns(DeprecationWarning, match="use_error_term"):
        sae.use_error_term = True
    with torch.no_grad():
        assert torch.allclose(sae(states()), states(), atol=1e-5)
    assert torch.equal(mn.load_map(sae)(states()), plain)


def test_heads_are_taken_flat():
    sae = made("StandardSAE", reshape_activations="hook_z")
    with torch.no_grad():
        expected = sae(states().reshape(-1, 4, D // 4)).flatten(1)
    assert torch.allclose(mn.load_map(sae)(states()), expected, atol=1e-6)
    assert sae.hook_z_reshaping_mode


def test_normalization_of_the_data_is_asked_for(caplog):
    sae = made("StandardSAE", normalize_activations="expected_average_only_in")
    with caplog.at_level(logging.WARNING, logger="mnemoscope"):
        mn.load_map(sae)
    assert "fold_activation_norm_scaling_factor" in caplog.text
    caplog.clear()
    sae.fold_activation_norm_scaling_factor(2.0)
    f = mn.load_map(sae)
    assert not caplog.text
    with torch.no_grad():
        assert torch.allclose(f(states()), sae(states()), atol=1e-5)


def test_a_sequence_is_reconstructed_whole():
    torch.manual_seed(0)
    sae = sae_lens.TemporalSAE(
        sae_lens.TemporalSAEConfig(d_in=256, d_sae=512, dtype="float32", device="cpu")
    ).eval()
    z = torch.randn(2, 3, 256, generator=torch.Generator().manual_seed(0))
    f = mn.load_map(sae, shape=(3, 256))
    with torch.no_grad():
        assert torch.allclose(f(z), sae(z), atol=1e-5)


def test_what_is_refused():
    config = sae_lens.TranscoderConfig(
        d_in=D, d_out=D, d_sae=FEATURES, dtype="float32", device="cpu", apply_b_dec_to_input=False
    )
    with pytest.raises(mn.MnemoscopeError, match="a transcoder"):
        mn.load_map(sae_lens.Transcoder(config))
    with pytest.raises(mn.MnemoscopeError, match="of the whole batch"):
        mn.load_map(made("BatchTopKTrainingSAE", k=6))


@pytest.mark.parametrize("kind", ["MatchingPursuitSAE", "TopKSAE", "JumpReLUSAE"])
def test_jumps_are_no_steps(kind, caplog):
    # Between jumps the map is linear, with derivatives that are its own.
    with caplog.at_level(logging.WARNING, logger="mnemoscope"):
        f = mn.load_map(made(kind))
        check_map(f, states(20))
    assert "quantized" not in caplog.text
    assert f.resolution.smooth
    assert not f.by_values
