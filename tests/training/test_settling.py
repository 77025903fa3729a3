from dataclasses import replace

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.training.settling import (
    LARGEST_CHANGE,
    LARGEST_LOSS,
    PROBE_STEPS,
    PROBED,
    PROBES,
    SETTLED,
    Settling,
    probe,
    probed,
)

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def digits(n=5):
    return mn.load_data("digits", n=n)


def spec(**changes):
    return mn.nets.FullyConnected(shape=(1, 8, 8), **{"width": 64, "depth": 3, **changes})


def after(*radii):
    """The state after probes, each of one example."""
    state = Settling()
    for number, radius in enumerate(radii):
        state = state.after([radius], PROBE_STEPS * (number + 1))
    return state


def test_constant_radii_have_settled():
    assert not after(*[0.5] * PROBES).over
    assert after(*[0.5] * (PROBES + 1)).over


def test_small_changes_count_as_none():
    assert after(*[0.5, 0.52, 0.48, 0.5, 0.51][: PROBES + 1]).over
    assert after(*[0.99, 1.01, 0.99, 1.01, 0.99][: PROBES + 1]).over


def test_change_begins_anew():
    state = after(*[0.5] * PROBES, 0.54)
    assert (state.quiet, state.radii) == (0, (0.54,))


def test_drift_is_a_change():
    # Each probe within the tolerance of the one before, but not of the first.
    assert not after(*[0.5 + 0.02 * k for k in range(PROBES + 1)]).over


@pytest.mark.parametrize(("moving", "settles"), [(0, True), (1, True), (2, False)])
def test_a_quarter_may_cross_kinks(moving, settles):
    state = Settling()
    for number in range(PROBES + 1):
        radii = [0.9 + 0.2 * (number % 2)] * moving + [0.5] * (5 - moving)
        state = state.after(radii, PROBE_STEPS * (number + 1))
    assert state.over == settles


def test_probes_begin_once_the_loss_is_small():
    state = Settling()
    assert not state.due(PROBE_STEPS, 2 * LARGEST_LOSS)
    assert state.due(PROBE_STEPS, LARGEST_LOSS)
    assert not state.after([0.5], 100).due(100 + PROBE_STEPS - 1, LARGEST_LOSS)
    assert not after(*[0.5] * (PROBES + 1)).due(10**6, 0.0)


@pytest.mark.parametrize("count", [1, 2, PROBED, PROBED + 1, 1000])
def test_probed_examples_are_spread_over_all(count):
    rows = probed(count).tolist()
    assert len(rows) == min(count, PROBED)
    assert rows == sorted(set(rows))
    assert (rows[0], rows[-1]) == (0, count - 1)


@pytest.mark.parametrize(
    "net",
    [
        spec().build(seed=0),
        mn.nets.Convolutional(shape=(1, 8, 8), channels=2, depth=3).build(seed=0),
    ],
    ids=["fully connected", "convolutional"],
)
def test_probe_is_the_spectral_radius(net):
    net.train()
    X = digits(3)
    # Two methods in float32: both stop at a share of 1e-3 or better.
    assert probe(net, X) == pytest.approx(mn.spectral_radius(net, X).tolist(), rel=2e-3)
    assert net.training


def test_training_ends_when_contraction_has_settled():
    X, net = digits(), spec().build(seed=0)
    # A loss far below the one at which it settles, on any processor.
    fit = mn.train(net, X, mn.TrainingOptions(stop="contraction", lr=2e-4, tol=1e-11))
    assert not fit.converged
    assert fit.reason == SETTLED
    assert fit.loss <= LARGEST_LOSS
    whole = spec().build(seed=0)
    longer = mn.train(whole, X, mn.TrainingOptions(lr=2e-4, tol=1e-11))
    assert longer.steps > fit.steps
    # What it ended for: on the way to interpolation little more happens. Three quarters of them
    # were steady within 0.03 for 200 steps.
    changes = (mn.spectral_radius(net, X) - mn.spectral_radius(whole, X)).abs().sort().values
    assert changes[3] < 3 * LARGEST_CHANGE


@pytest.mark.parametrize("finish", ["least_squares", "gauss_newton"])
def test_settled_training_is_finished(finish):
    net = spec().build(seed=0)
    options = mn.TrainingOptions(stop="contraction", finish=finish)
    fit = mn.train(net, digits(), options)
    assert fit.converged
    assert fit.loss < 1e-13
    assert fit.record.finish.method == finish


@pytest.mark.parametrize("finish", ["none", "least_squares"])
def test_replicas_settle_as_they_would_alone(finish):
    options = mn.TrainingOptions(stop="contraction", batch_size=2, finish=finish, tol=1e-13)
    replicas = mn.train_replicas(spec(), digits(), options, seeds=range(3))
    for seed, fit in enumerate(replicas.fits):
        alone = mn.train(spec().build(seed=seed), digits(), replace(options, seed=seed))
        assert (fit.steps, fit.reason) == (alone.steps, alone.reason)
        if finish != "none":
            assert fit.loss_before_finish == pytest.approx(alone.loss_before_finish, rel=1e-3)


def test_resumed_training_settles_as_one_that_was_never_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("mnemoscope.training.single.CHECKPOINT_SECONDS", 0)
    options = mn.TrainingOptions(stop="contraction")
    whole = mn.train(spec().build(seed=0), digits(), options)

    def stop(progress):
        if progress.step >= whole.steps - 2 * PROBE_STEPS:
            raise KeyboardInterrupt

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(KeyboardInterrupt):
        mn.train(spec().build(seed=0), digits(), options, checkpoint=path, on_progress=stop)
    fit = mn.train(spec().build(seed=0), digits(), options, checkpoint=path)
    assert (fit.steps, fit.loss) == (whole.steps, whole.loss)


class Mixing(nn.Module):
    """Outputs that depend on the rest of the batch: no self-map, so without spectral radii."""

    def __init__(self):
        super().__init__()
        self.body = spec().build(seed=0)

    def forward(self, z):
        return self.body(z) + 0.1 * z.mean(0, keepdim=True)


def test_contraction_needs_a_self_map():
    with pytest.raises(mn.MnemoscopeError):
        mn.train(Mixing(), digits(), mn.TrainingOptions(stop="contraction"))


def test_finish_does_not():
    fit = mn.train(Mixing(), digits(), mn.TrainingOptions(finish="gauss_newton"))
    assert fit.record.finish.radii_after == ()
    assert torch.isfinite(torch.tensor(fit.finish_update))
