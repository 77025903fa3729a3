"""Convolutional networks and U-Nets come to interpolation unattended."""

import pytest

import mnemoscope as mn
from mnemoscope.nets import Convolutional, UNet


@pytest.mark.parametrize(
    ("spec", "finish"),
    [
        (Convolutional(shape=(1, 8, 8), channels=8, depth=4), "gauss_newton"),
        # Its last layer, of convolutions, cannot remove what descent leaves.
        (UNet(shape=(1, 8, 8), channels=4, levels=2), "least_squares"),
    ],
    ids=["convolutional", "unet"],
)
def test_they_interpolate_by_gauss_newton(spec, finish):
    X = mn.load_data("digits", n=2)
    fit = mn.train(spec.build(seed=0), X, mn.TrainingOptions(finish=finish, max_steps=3_000))
    assert fit.converged
    assert fit.loss <= 1e-8 < fit.loss_before_finish <= 1e-4
    assert fit.record.finish.method == "gauss_newton"
    assert len(fit.record.finish.radii_after) == len(X)
