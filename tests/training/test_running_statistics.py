"""Batch norm and its like: the network in eval mode converges, or training says why not."""

import math

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.base.unit import unit_of
from mnemoscope.training import single
from mnemoscope.training.running_statistics import CHUNK, called, following, set_exact
from mnemoscope.training.schedules import STALL_LOOKS, STALL_STEPS, Stall

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def made(make):
    """A module with weights of seed 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make()


def examples(n=8):
    return torch.rand(n, 6, generator=torch.Generator().manual_seed(0))


def normalized(*after, **options):
    return made(
        lambda: nn.Sequential(
            nn.Linear(6, 64), nn.BatchNorm1d(64, **options), nn.Tanh(), nn.Linear(64, 6), *after
        )
    )


def convolutional():
    def make():
        blocks = []
        for channels in (1, 12):
            blocks += [nn.Conv2d(channels, 12, 3, padding=1), nn.BatchNorm2d(12), nn.LeakyReLU()]
        return nn.Sequential(*blocks, nn.Conv2d(12, 1, 3, padding=1))

    return made(make)


def shared():
    """The same layer at two places: no statistics are right at both."""

    def make():
        norm = nn.BatchNorm1d(64)
        ends = nn.Linear(6, 64), nn.Linear(64, 6)
        return nn.Sequential(ends[0], norm, nn.Tanh(), nn.Linear(64, 64), norm, nn.Tanh(), ends[1])

    return made(make)


def eval_loss(net, X):
    net.eval()
    with torch.no_grad():
        return (net(X).double() - X.double()).square().mean().item() / unit_of(X) ** 2


@pytest.mark.parametrize(
    "options", [{}, {"momentum": None}, {"momentum": 1e-4}, {"affine": False}], ids=str
)
def test_what_is_small_in_training_mode_is_small_in_eval_mode(options):
    net, X = normalized(**options), examples()
    fit = mn.train(net, X, max_steps=3000)
    assert fit.converged
    assert (fit.frozen_at, fit.reason) == (None, "")
    # Another batch size rounds otherwise: the residual is about 1e-4, its error about 1e-6.
    assert eval_loss(net, X) == pytest.approx(fit.loss, rel=0.05)
    assert net[1].running_var is not None
    with torch.no_grad():
        hidden = net[0](X)
    # With the divisor of PyTorch's running variance it would be 8/7 of it.
    assert torch.allclose(net[1].running_var, hidden.var(0, correction=0), rtol=1e-4)
    assert torch.allclose(net[1].running_mean, hidden.mean(0), atol=1e-5)


@pytest.mark.parametrize("optimizer", ["lbfgs", "gradient_descent", "rmsprop", "gauss_newton"])
def test_with_every_optimizer(optimizer):
    net, X = normalized(), examples()
    fit = mn.train(net, X, mn.TrainingOptions(optimizer=optimizer))
    assert fit.converged
    assert eval_loss(net, X) <= 1.05e-8


def test_the_finish_goes_on_with_the_statistics_that_it_found():
    net, X = normalized(), examples()
    fit = mn.train(net, X, mn.TrainingOptions(finish="gauss_newton"))
    assert fit.loss <= 1e-13
    assert eval_loss(net, X) <= 1e-12


def test_the_audit_of_such_a_network():
    net, X = normalized(), examples()
    assert mn.train(net, X).converged
    audit = mn.audit(
        net.eval(), X, mn.AuditOptions.of(certificates=0, max_steps=500), starts=20, trials=1
    )
    # The residual is what training left: of a loss of 1e-8 no example has more than all.
    assert max(audit.examples["residual"]) <= math.sqrt(1e-8 * len(X))


def test_a_convolutional_network_with_two_of_them():
    net, X = convolutional(), mn.load_data("digits", n=4)
    fit = mn.train(net, X, mn.TrainingOptions(tol=1e-6, max_steps=5000))
    assert fit.converged
    assert fit.frozen_at is None
    assert eval_loss(net, X) <= 1.05e-6


@pytest.mark.parametrize("size", [4, 3])
def test_mini_batches_have_statistics_of_their_own_until_these_are_held_constant(size, caplog):
    caplog.set_level("INFO", logger="mnemoscope")
    net, X = normalized(), examples()
    fit = mn.train(net, X, batch_size=size, max_steps=30_000)
    assert fit.converged
    assert fit.frozen_at is not None
    assert 0 < fit.frozen_at < fit.steps
    assert fit.record.frozen_at == fit.frozen_at
    assert f"no longer falls at step {fit.frozen_at}" in caplog.text
    assert eval_loss(net, X) <= 1.05e-8
    # The caller's modes come back, as always.
    net, modes = normalized(), []
    net[1].eval()
    mn.train(net, X, batch_size=size, max_steps=10)
    modes = [module.training for module in net]
    assert modes == [True, False, True, True]


@pytest.mark.parametrize(
    "net",
    [normalized(nn.BatchNorm1d(6, affine=False)), shared()],
    ids=["outputs of variance 1", "shared"],
)
def test_what_no_statistics_of_batches_fit_converges_with_constant_ones(net):
    X = examples()
    fit = mn.train(net, X, max_steps=10_000)
    assert fit.converged
    assert fit.frozen_at is not None
    assert eval_loss(net, X) <= 1.05e-8


class Killed(Exception):
    pass


@pytest.mark.parametrize("round_", [20, 290], ids=["while they follow", "when they are constant"])
def test_killed_and_resumed_it_comes_to_the_same(round_, tmp_path, monkeypatch):
    monkeypatch.setattr(single, "CHECKPOINT_SECONDS", 0.0)
    X, options = examples(), {"max_steps": 4000, "tol": 1e-30}
    whole = normalized(nn.BatchNorm1d(6, affine=False))
    one = mn.train(whole, X, mn.TrainingOptions(**options))
    assert one.frozen_at is not None
    # The round of 10 steps in which it is killed lies on the side that the case is about.
    assert (10 * round_ > one.frozen_at + 100) == (round_ == 290)
    looks = []

    def kill(progress):
        looks.append(progress)
        if len(looks) == round_:
            raise Killed

    path = tmp_path / "checkpoint"
    with pytest.raises(Killed):
        mn.train(
            normalized(nn.BatchNorm1d(6, affine=False)),
            X,
            mn.TrainingOptions(**options),
            checkpoint=path,
            on_progress=kill,
        )
    net = normalized(nn.BatchNorm1d(6, affine=False))
    other = mn.train(net, X, mn.TrainingOptions(**options), checkpoint=path)
    assert (other.loss, other.steps, other.frozen_at) == (one.loss, one.steps, one.frozen_at)
    for name, value in whole.state_dict().items():
        assert torch.equal(net.state_dict()[name], value), name


class Apart(nn.Module):
    """One more in eval mode, by no layer that could be set right."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, z):
        return self.weight * z + float(not self.training)


def test_where_the_modes_differ_otherwise_training_stops_early_and_says_why(tmp_path):
    X = torch.tensor([[1.0, -1.0], [2.0, -2.0]])
    fit = mn.train(Apart(), X, mn.TrainingOptions(lr=0.05, max_steps=20_000))
    assert not fit.converged
    # It reaches tol within some hundred steps, and then waits for `STALL_STEPS` more.
    assert STALL_STEPS < fit.steps < 5000
    # Off by 1 in a unit of 4.
    assert fit.loss == pytest.approx(1 / 16, rel=1e-3)
    assert "in training mode but 0.062 in eval mode" in fit.reason
    assert fit.record.reason == fit.reason
    assert "\n" not in fit.reason


def test_a_slow_training_is_not_stopped():
    X = torch.tensor([[1.0, -1.0]])
    fit = mn.train(Apart(), X, mn.TrainingOptions(lr=1e-5, schedule="constant", max_steps=1500))
    assert fit.steps == 1500
    assert fit.reason == "max_steps=1500 was reached"


def test_a_network_that_interpolates_already_stays_as_it_is():
    X = examples()
    net = normalized().eval()
    with torch.no_grad():
        X = X.new_zeros(8, 6) + net(X) * 0
        net[3].weight.zero_()
        net[3].bias.zero_()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    fit = mn.train(net, X, mn.TrainingOptions(unit=1.0))
    assert (fit.steps, fit.converged) == (0, True)
    assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())


@pytest.mark.parametrize("n", [5, CHUNK + 3], ids=["one pass", "a pass for each layer"])
def test_exact_statistics_make_eval_mode_what_training_mode_is(n):
    X = torch.randn(n, 1, 4, 4, generator=torch.Generator().manual_seed(1)).double()
    net = convolutional().double()
    with torch.no_grad():
        expected = net.train()(X)
        set_exact(net, following(net), X)
        # Sums of n * 16 squares in float64, in another order.
        assert torch.allclose(net.eval()(X), expected, atol=1e-12)


def test_layers_in_the_order_of_their_calls():
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.late, self.early, self.never = (nn.BatchNorm1d(6) for _ in range(3))

        def forward(self, z):
            return self.late(self.early(z))

    net, X = Turned(), examples()
    assert called(net, following(net), X) == [net.early, net.late]
    set_exact(net, following(net), X)
    assert net.never.running_mean is not None
    assert torch.equal(net.never.running_mean, torch.zeros(6))
    assert net.training


@pytest.mark.parametrize(
    ("n", "size"), [(1, None), (7, 3)], ids=["one example", "the last batch has one"]
)
def test_a_batch_without_a_variance_is_refused_in_one_line(n, size):
    net, X = normalized(), examples(n)
    with pytest.raises(
        mn.MnemoscopeError, match="a batch of 1 example for BatchNorm1d `1`"
    ) as message:
        mn.train(net, X, mn.TrainingOptions(unit=1.0, batch_size=size))
    assert "\n" not in str(message.value)
    # Gauss-Newton works in eval mode, where one is enough; pictures have many values of a channel.
    assert mn.train(
        normalized(), X, mn.TrainingOptions(unit=1.0, optimizer="gauss_newton")
    ).converged
    picture = mn.load_data("digits", n=1)
    assert mn.train(convolutional(), picture, max_steps=20).steps == 20


def test_batch_norm_without_running_statistics_is_refused():
    with pytest.raises(mn.MnemoscopeError, match="BatchNorm1d `1` without running statistics"):
        mn.train(normalized(track_running_stats=False), examples())


def test_a_stall_is_many_looks_and_many_steps_without_a_fall():
    stall = Stall().after(1.0, 10)
    for step in range(20, 20 + STALL_STEPS, 10):
        stall = stall.after(0.95, step)
    assert stall.over(10 + STALL_STEPS)
    assert not stall.over(9 + STALL_STEPS)
    # A fall of a tenth in all, however slow, begins anew.
    assert not stall.after(0.89, 10 + STALL_STEPS).over(10 + STALL_STEPS)
    few = Stall().after(1.0, 10)
    for look in range(1, STALL_LOOKS + 1):
        few = few.after(1.0, 10 + look * STALL_STEPS)
        assert few.over(10 + look * STALL_STEPS) == (look == STALL_LOOKS)
