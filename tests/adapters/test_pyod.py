"""PyOD's autoencoders: `make test-adapters NAME=pyod`."""

import numpy as np
import pytest
import torch

pyod = pytest.importorskip("pyod", reason="pyod is not installed: pip install 'mnemoscope[pyod]'")

from pyod.models.auto_encoder import AutoEncoder  # noqa: E402
from pyod.models.knn import KNN  # noqa: E402
from pyod.models.vae import VAE  # noqa: E402

import mnemoscope as mn  # noqa: E402
from mnemoscope.maps.check import check_map  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.normal(5, 3, (64, 6)) * np.array([1, 10, 100, 1, 1, 0.1])
ONCE = {"epoch_num": 3, "verbose": 0, "device": torch.device("cpu")}


def score(detector, states, images):
    """The library's score: the distance of a standardized state and its reconstruction."""
    scale = detector.X_std + 1e-8 if detector.preprocessing else 1
    return np.linalg.norm((states - images) / scale, axis=1)


@pytest.mark.parametrize("preprocessing", [True, False])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_an_autoencoder_gives_what_it_scores_by(preprocessing, batch_norm):
    detector = AutoEncoder(
        hidden_neuron_list=[16, 8], preprocessing=preprocessing, batch_norm=batch_norm, **ONCE
    ).fit(X)
    before = {name: value.clone() for name, value in detector.model.state_dict().items()}
    detector.model.train()
    f = mn.load_map(detector)
    states = torch.from_numpy(X).float()
    found = score(detector, states.double().numpy(), f(states).double().numpy())
    assert detector.model.training  # the detector itself is left as it was
    # The library's own distances are formed in float32.
    assert np.allclose(found, detector.decision_function(X), rtol=1e-4, atol=1e-4)
    assert f.shape == (6,)
    check_map(f, states)
    assert all(torch.equal(before[name], v) for name, v in detector.model.state_dict().items())


@pytest.mark.parametrize("preprocessing", [True, False])
def test_a_vae_gives_its_mean(preprocessing, monkeypatch):
    detector = VAE(
        encoder_neuron_list=[16], decoder_neuron_list=[16], preprocessing=preprocessing, **ONCE
    ).fit(X)
    f = mn.load_map(detector)
    states = torch.from_numpy(X).float()
    check_map(f, states)
    images = f(states).double().numpy()
    # Its scores are drawn; without what is drawn they are the mean's.
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    expected = detector.decision_function(X)
    assert np.allclose(score(detector, states.double().numpy(), images), expected, rtol=1e-4)


def test_units_of_the_data_do_not_matter():
    scaled = X * np.array([1e-3, 1, 1e3, 1, 1, 1])
    maps = [
        mn.load_map(AutoEncoder(hidden_neuron_list=[16, 8], batch_norm=False, **ONCE).fit(data))
        for data in (X, scaled)
    ]
    radii = [
        mn.spectral_radius(f, torch.from_numpy(data[:4]).float())
        for f, data in zip(maps, (X, scaled), strict=True)
    ]
    # Trained alike, up to rounding that a few steps of Adam amplify.
    assert torch.allclose(*radii, rtol=1e-2)


def test_what_is_refused():
    with pytest.raises(mn.MnemoscopeError, match="not fitted"):
        mn.load_map(VAE(**ONCE))
    with pytest.raises(mn.MnemoscopeError, match="gives no reconstruction"):
        mn.load_map(KNN().fit(X))
    with pytest.raises(mn.MnemoscopeError, match=r"AutoEncoder.*mn\.load_map"):
        mn.audit(AutoEncoder(**ONCE).fit(X), torch.from_numpy(X))
