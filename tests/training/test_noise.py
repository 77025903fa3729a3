from dataclasses import replace

import pytest
import torch

import mnemoscope as mn
from mnemoscope.training.noise import InputNoise, input_noise

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def options(**changes):
    return mn.TrainingOptions(**{"noise": 0.3, "unit": 1.0, "max_steps": 200, **changes})


def drawn(noise, shape=(1, 3, 2), round=0):
    noise.begin(round)
    return noise.added(torch.zeros(shape))


def spec():
    return mn.nets.FullyConnected(shape=(1, 8, 8), width=64, depth=3)


def test_without_noise_there_is_none():
    assert input_noise([options(noise=0.0)]) is None


def test_widths_are_uniform_up_to_the_noise_in_units():
    # E[sigma^2] = s^2 / 3, and E[sigma^4] = s^4 / 5: over n examples of d entries the mean square
    # has a relative standard deviation of sqrt(0.8 / n) for large d.
    n, d, s = 4000, 100, 0.3 * 2
    squares = drawn(InputNoise([options(unit=2.0)]), (1, n, d))[0].square().mean(1)
    assert squares.mean() == pytest.approx(s**2 / 3, rel=4 * (0.8 / n) ** 0.5)
    # sigma uniform: a quarter of the examples lies below a quarter of s.
    below = (squares.sqrt() < s / 4).double().mean()
    assert below == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / n) ** 0.5 + 0.01)


def test_draws_follow_from_seed_and_round():
    one, other = InputNoise([options(seed=1)]), InputNoise([options(seed=1)])
    drawn(other)
    assert torch.equal(drawn(one, round=3), drawn(other, round=3))
    assert not torch.equal(drawn(one, round=3), drawn(one, round=4))
    assert not torch.equal(drawn(one), drawn(InputNoise([options(seed=2)])))


def test_each_of_many_has_the_noise_that_it_has_alone():
    many = InputNoise([options(seed=seed, noise=0.1 * (seed + 1)) for seed in range(3)])
    drawn(many, (3, 4, 2))
    rest = many.only([2, 0])
    next_two = rest.added(torch.zeros(2, 4, 2))
    for row, seed in enumerate((2, 0)):
        alone = InputNoise([options(seed=seed, noise=0.1 * (seed + 1))])
        drawn(alone, (1, 4, 2))
        assert torch.equal(next_two[row], alone.added(torch.zeros(1, 4, 2))[0])


@pytest.mark.parametrize("batch_size", [None, 2])
def test_linear_network_becomes_the_ridge_solution(batch_size):
    # Noise of covariance v I, v = s^2 / 3, adds v ||W||^2 to the loss (Bishop 1995), so that
    # W = C (C + v I)^-1 with C = X^T X / n.
    X = torch.tensor([[1.0, 0.0], [0.5, 1.0], [-0.5, 0.3], [0.2, -1.0]])
    net = mn.nets.FullyConnected(
        shape=(2,), depth=1, activation="identity", bias=False, init="zeros"
    ).build(seed=0)  # fmt: skip
    noise = 1.5
    mn.train(
        net,
        X,
        options(noise=noise, lr=1e-2, schedule="cosine", batch_size=batch_size, max_steps=20_000),
    )
    C = X.mT @ X / len(X)
    expected = C @ torch.linalg.inv(C + noise**2 / 3 * torch.eye(2))
    # Adam's weights fluctuate by about their last rate, 1e-4, and drift by more before.
    assert torch.allclose(net.body.linear_1.weight.detach(), expected, atol=0.03)


@pytest.mark.parametrize("batch_size", [None, 2])
def test_replicas_see_the_noise_that_they_would_alone(batch_size):
    X = mn.load_data("digits", n=5)
    common = options(unit=None, batch_size=batch_size, max_steps=50)
    replicas = mn.train_replicas(spec(), X, common, seeds=range(3))
    for seed in range(3):
        net = spec().build(seed=seed)
        fit = mn.train(net, X, replace(common, seed=seed))
        assert replicas.fits[seed].loss == pytest.approx(fit.loss, rel=1e-3)
        for mine, own in zip(replicas[seed].parameters(), net.parameters(), strict=True):
            # 50 steps of Adam amplify rounding, which differs between batched products.
            torch.testing.assert_close(mine, own, rtol=1e-3, atol=1e-3)


def test_resumed_training_sees_the_noise_that_it_would_have_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("mnemoscope.training.single.CHECKPOINT_SECONDS", 0)
    X, path = mn.load_data("digits", n=5), tmp_path / "checkpoint.safetensors"
    common = options(unit=None, batch_size=2, max_steps=60)

    def stop(progress):
        if progress.step >= 30:
            raise KeyboardInterrupt

    whole, net = spec().build(seed=0), spec().build(seed=0)
    mn.train(whole, X, common)
    with pytest.raises(KeyboardInterrupt):
        mn.train(net, X, common, checkpoint=path, on_progress=stop)
    net = spec().build(seed=0)
    mn.train(net, X, common, checkpoint=path)
    for mine, own in zip(net.parameters(), whole.parameters(), strict=True):
        assert torch.equal(mine, own)


@pytest.mark.parametrize("optimizer", ["lbfgs", "gauss_newton"])
def test_optimizer_that_compares_losses_takes_no_noise(optimizer):
    with pytest.raises(mn.MnemoscopeError) as refused:
        mn.TrainingOptions(optimizer=optimizer, noise=0.1)
    assert refused.value.field == "noise"


def test_finish_waits_for_the_last_step():
    X = mn.load_data("digits", n=5)
    common = mn.TrainingOptions(
        noise=0.1, schedule="cosine", max_steps=1500, finish="least_squares"
    )
    net = spec().build(seed=0)
    fit = mn.train(net, X, common)
    assert fit.steps == 1500
    assert fit.loss < 1e-13 < 1e-8 < fit.loss_before_finish
    replicas = mn.train_replicas(spec(), X, common, seeds=range(2))
    assert replicas.fits[0].loss_before_finish == pytest.approx(fit.loss_before_finish, rel=0.1)
    assert all(fit.converged and fit.steps == 1500 for fit in replicas.fits)


def test_a_network_that_interpolates_is_trained_on_with_noise():
    X = mn.load_data("digits", n=5)
    net = spec().build(seed=0)
    mn.train(net, X, mn.TrainingOptions(finish="least_squares"))
    before = [p.clone() for p in net.parameters()]
    fit = mn.train(net, X, mn.TrainingOptions(noise=0.1, max_steps=60, finish="least_squares"))
    # Its first loss is below every tolerance.
    assert (fit.steps, fit.converged) == (60, True)
    assert fit.loss < 1e-13 < fit.loss_before_finish
    assert not torch.equal(before[0], next(net.parameters()))
