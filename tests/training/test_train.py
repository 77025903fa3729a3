import math
import os
import signal
import subprocess
import sys
from dataclasses import replace

import polars as pl
import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.base.unit import unit_of
from mnemoscope.training import OPTIMIZERS, single
from mnemoscope.training import fit as fit_module

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def digits(n=5):
    return mn.load_data("digits", n=n)


def network(activation="sigmoid", depth=4, width=64, seed=0):
    return mn.nets.FullyConnected(
        shape=(1, 8, 8), width=width, depth=depth, activation=activation
    ).build(seed=seed)


def loss_of(net, X, Y=None):
    """The mean squared error, all of it in float64."""
    modes = [(m, m.training) for m in net.modules()]
    net.eval()
    with torch.no_grad():
        loss = (net(X).double() - (X if Y is None else Y).double()).square().mean().item()
    for module, mode in modes:
        module.training = mode
    return loss


def weights(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("activation", ["sigmoid", "leaky_relu"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_interpolates(optimizer, activation):
    net, X = network(activation, depth=3), digits()
    fit = mn.train(net, X, mn.TrainingOptions(optimizer=optimizer, tol=1e-8))
    assert fit.converged
    assert fit.loss <= 1e-8
    # The forward pass is the same; only the sum differs, by a few roundings of float32.
    assert fit.loss == pytest.approx(loss_of(net, X), rel=1e-5)


@pytest.mark.parametrize(("activation", "width"), [("sigmoid", 64), ("leaky_relu", 128)])
def test_adam_reaches_1e_12_in_float32(activation, width):
    net, X = network(activation, width=width), digits()
    assert mn.train(net, X, mn.TrainingOptions(tol=1e-12)).converged
    assert loss_of(net, X) <= 1e-12


def test_lbfgs_reaches_1e_12_in_float32():
    # On the loss as it is it has come to 8e-11 after 700 steps, and stalls.
    net, X = network("leaky_relu", width=128), digits(20)
    fit = mn.train(net, X, mn.TrainingOptions(optimizer="lbfgs", tol=1e-12, max_steps=700))
    assert fit.converged
    assert loss_of(net, X) <= 1e-12


@pytest.mark.parametrize("seed", [0, 1])
def test_one_linear_layer_from_zeros_ends_at_the_projection_on_the_span(seed):
    X = torch.randn(3, 8, generator=torch.Generator().manual_seed(seed))
    net = mn.nets.FullyConnected(
        shape=(8,), depth=1, activation="identity", bias=False, init="zeros"
    ).build(seed=0)
    fit = mn.train(net, X, mn.TrainingOptions(optimizer="gradient_descent", tol=1e-13, lr=0.5))
    assert fit.converged
    A = next(net.parameters()).detach().double()
    Q = torch.linalg.qr(X.double().T).Q
    # (A - P) x = r on the span, with r of about 1e-6, and A = P = 0 off it.
    assert torch.allclose(A, Q @ Q.T, atol=1e-5)


def test_the_finish_ends_at_the_rounding_of_large_outputs():
    # Values near 4 in float32 are 5e-7 apart: 1e-14 is out of reach.
    net, X = network("leaky_relu", width=128), digits() + 4
    fit = mn.train(net, X, mn.TrainingOptions(finish="gauss_newton"))
    rounding = (4 * 2**-23) ** 2 * float(X.square().mean())
    assert 1e-14 < fit.loss <= rounding
    assert fit.converged


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name != "gauss_newton"])
def test_the_finish_takes_over_and_ends_far_below(optimizer):
    net, X = network("leaky_relu", width=128), digits()
    fit = mn.train(net, X, mn.TrainingOptions(optimizer=optimizer, finish="gauss_newton"))
    assert fit.converged
    assert fit.record.options["finish"] == "gauss_newton"
    # Outputs within four roundings of the targets.
    assert fit.loss <= (4 * 2**-23) ** 2 * X.square().mean()
    # A few steps of Gauss-Newton, each with a row of its own, after the last look of the optimizer.
    above = fit.history.filter(pl.col("loss") > 1e-4)
    assert fit.steps - above["step"][-1] <= 10 + 12


def test_the_finish_begins_where_the_optimizer_ended():
    X = digits()
    plain, finished = network("leaky_relu"), network("leaky_relu")
    one = mn.train(plain, X, mn.TrainingOptions(tol=1e-4))
    other = mn.train(finished, X, mn.TrainingOptions(finish="gauss_newton"))
    own = other.history.filter(pl.col("step") <= one.steps)["loss"].to_list()
    assert own[:-1] == one.history["loss"].to_list()[:-1]


def test_gauss_newton_ends_at_the_floor_of_rounding_and_not_before():
    net, X = network("tanh"), digits()
    fit = mn.train(net, X, mn.TrainingOptions(optimizer="gauss_newton", tol=1e-30, max_steps=200))
    assert not fit.converged
    assert fit.steps < 200
    assert fit.loss < 1e-13


def test_a_sequence_is_stored_as_a_cycle():
    net, X = network("sigmoid"), digits(4)
    fit = mn.train(net, X, mn.TrainingOptions(tol=1e-8), targets=X.roll(-1, 0))
    assert fit.converged
    assert fit.loss == pytest.approx(loss_of(net, X, X.roll(-1, 0)), rel=1e-5)
    assert fit.record.targets
    census = mn.find_attractors(net, X, X)
    assert census.period.tolist() == [4]
    f = mn.SelfMap(net)
    state = census.attractors
    for step in range(4):
        example = X[(int(census.nearest_example[0]) + step) % 4]
        # The loss allows an RMS of 1e-4 a step; a contraction at most multiplies that a little.
        assert (state - example).square().mean().sqrt() < 1e-3
        state = f(state)


def test_the_same_seed_gives_the_same_numbers_and_another_one_others():
    X, found = digits(6), []
    for seed in (3, 3, 4):
        net = network("leaky_relu")
        mn.train(net, X, mn.TrainingOptions(batch_size=2, max_steps=30, seed=seed))
        found.append(weights(net))
    assert equal(found[0], found[1])
    assert not equal(found[0], found[2])


def test_the_batch_size_decides_the_steps_of_an_epoch_and_is_recorded():
    looks = []
    net, X = network(), digits(5)
    fit = mn.train(net, X, batch_size=2, max_steps=9, on_progress=lambda p: looks.append(p.step))
    assert looks == [3, 6, 9]
    assert fit.options.batch_size == 2
    assert mn.train(net, X, max_steps=1).options.batch_size == 5


def test_mini_batches_are_those_of_the_seed():
    # A layer that notes what it sees: each epoch every example once, in another order.
    seen = []

    class Noting(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(4))

        def forward(self, z):
            if self.training:
                seen.append(z.detach().clone())
            return self.weight * z

    X = torch.rand(6, 4, generator=torch.Generator().manual_seed(0))
    mn.train(Noting(), X, mn.TrainingOptions(batch_size=3, max_steps=6, seed=5))
    assert [len(batch) for batch in seen] == [3] * 6
    orders = []
    for epoch in range(3):
        batches = torch.cat(seen[2 * epoch : 2 * epoch + 2])
        orders.append([int((x == X).all(1).nonzero()) for x in batches])
        assert sorted(orders[-1]) == list(range(6))
    assert len(set(map(tuple, orders))) > 1


@pytest.mark.parametrize("max_steps", [1, 10, 13])
@pytest.mark.parametrize(
    "options",
    # Gauss-Newton ends before, at the floor of rounding.
    [{"optimizer": name} for name in OPTIMIZERS if name != "gauss_newton"] + [{"batch_size": 2}],
    ids=str,
)
def test_it_ends_after_exactly_max_steps(max_steps, options):
    fit = mn.train(
        network(), digits(), mn.TrainingOptions(max_steps=max_steps, tol=1e-30, **options)
    )
    assert fit.steps == fit.record.steps == max_steps
    assert not fit.converged
    assert fit.history["step"][-1] == max_steps


def test_a_network_that_interpolates_already_is_left_alone():
    net, X = network(), digits()
    mn.train(net, X)
    before = weights(net)
    fit = mn.train(net, X)
    assert (fit.steps, fit.converged) == (0, True)
    assert equal(before, weights(net))


def test_a_zero_gradient_is_no_error_and_ends():
    net = mn.nets.FullyConnected(shape=(4,), depth=1, activation="relu").build(seed=0)
    nn.init.constant_(net.body.linear_1.bias, -100.0)
    fit = mn.train(net, torch.ones(2, 4), mn.TrainingOptions(optimizer="lbfgs", max_steps=25))
    assert (fit.loss, fit.steps, fit.converged) == (1.0, 25, False)


@pytest.mark.parametrize(
    ("optimizer", "lr", "max_steps"),
    [
        ("gradient_descent", 1e30, 1000),
        ("gradient_descent", 300.0, 1000),
        ("adam", 1e6, 1000),
        ("rmsprop", 1e18, 1000),
        # The last step of all is the one that diverges.
        ("gradient_descent", 1e30, 1),
        ("adam", 1e6, 1),
    ],
)
def test_divergence_is_reported_in_one_line(optimizer, lr, max_steps):
    net = network("leaky_relu")
    net.train(False)
    with pytest.raises(mn.DivergenceError) as error:
        mn.train(net, digits(), mn.TrainingOptions(optimizer=optimizer, lr=lr, max_steps=max_steps))
    message = str(error.value)
    assert "at step " in message
    assert f"learning rate {lr:.3g}" in message
    # A third of the rate is no advice where the rate was far above the usual one.
    usual = OPTIMIZERS[optimizer].lr
    assert usual is not None
    assert f"try lr={min(lr / 3, usual):.1g}" in message
    assert "\n" not in message
    assert not any(m.training for m in net.modules())


class Flaky(nn.Module):
    """Dropout and batch norm around a layer; one submodule in eval mode of its own."""

    def __init__(self, d=6, dropped=0.1):
        super().__init__()
        # Made from a seed, so that the global generator is not asked.
        net = mn.nets.FullyConnected(shape=(d,), width=64, depth=2, activation="tanh").build(seed=0)
        self.first, self.last = net.body.linear_1, net.body.linear_2
        self.norm = nn.BatchNorm1d(64)
        self.drop = nn.Dropout(dropped)
        self.norm.eval()

    def forward(self, z):
        return self.last(self.drop(torch.tanh(self.norm(self.first(z)))))


@pytest.mark.parametrize("fails", [False, True])
def test_the_loss_is_that_of_eval_mode_and_modes_are_put_back(fails):
    net, X = Flaky(), torch.rand(5, 6, generator=torch.Generator().manual_seed(0))
    modes = [m.training for m in net.modules()]
    assert len(set(modes)) == 2

    def on_progress(progress):
        if fails and progress.step == 20:
            raise KeyError

    try:
        fit = mn.train(net, X, max_steps=50, on_progress=on_progress)
        assert fit.loss == pytest.approx(loss_of(net, X) / unit_of(X) ** 2, rel=1e-5)
        # In training mode a tenth of the units is missing.
        assert fit.loss != pytest.approx(fit.history["loss"][-2], rel=1e-5)
    except KeyError:
        assert fails
    assert modes == [m.training for m in net.modules()]
    assert all(p.grad is None for p in net.parameters())


def test_dropout_draws_from_the_seed_and_can_interpolate_in_eval_mode():
    X = torch.rand(2, 6, generator=torch.Generator().manual_seed(0))
    found = []
    for seed in (0, 0, 1):
        net = Flaky(dropped=0.5)
        fit = mn.train(net, X, mn.TrainingOptions(tol=1e-2, seed=seed, max_steps=5000))
        assert fit.converged
        # With half of the units missing it did not look like it: the mean of many draws, since a
        # single one may be lucky.
        assert fit.history["loss"][-21:-1].mean() > 1e-2
        found.append(weights(net))
    assert equal(found[0], found[1])
    assert not equal(found[0], found[2])


def test_it_trains_where_the_caller_has_switched_gradients_off():
    with torch.no_grad():
        assert mn.train(network("leaky_relu"), digits()).converged


def test_the_record_says_how_to_do_it_again():
    net, X = network(), digits()
    fit = mn.train(net, X, mn.TrainingOptions(lr=2e-3, schedule="constant", max_steps=30, seed=7))
    record = net.training_record
    assert record is fit.record
    assert record.options == {
        "tol": 1e-8, "optimizer": "adam", "lr": 2e-3, "schedule": "constant", "batch_size": 5,
        "max_steps": 30, "momentum": 0.9, "weight_decay": 0.0, "noise": 0.0,
        "init_scale": 1.0, "seed": 7,
        "unit": unit_of(X), "dtype": "float32", "finish": "none", "stop": "loss",
    }  # fmt: skip
    assert (record.steps, record.loss, record.converged) == (fit.steps, fit.loss, fit.converged)
    assert (record.examples, record.targets) == (5, False)
    assert record.data_checksum == mn.train(network(), X, max_steps=1).record.data_checksum
    assert [row.loss for row in record.history] == fit.history["loss"].to_list()
    again = network()
    mn.train(again, X, fit.options)
    assert equal(weights(again), weights(net))
    rates = {
        name: mn.train(network(), X, mn.TrainingOptions(optimizer=name, max_steps=1)).options.lr
        for name in OPTIMIZERS
    }
    assert rates == {
        "adam": 1e-3,
        "gradient_descent": 0.1,
        "rmsprop": 3e-4,
        "lbfgs": 1.0,
        "gauss_newton": None,
    }


def test_a_fit_can_be_read_as_a_table():
    fit = mn.train(network(), digits(), max_steps=20)
    assert fit.to_frame().equals(fit.history)
    assert fit.history.columns == ["step", "seconds", "loss", "lr"]
    assert fit.history["step"].to_list() == [10, 20]
    assert "steps=20, converged=False" in repr(fit)
    assert "<th>optimizer</th><td>adam</td>" in fit._repr_html_()


def test_the_rates_of_the_schedule_are_the_ones_used():
    rates = []
    mn.train(
        network(),
        digits(),
        mn.TrainingOptions(schedule="cosine", lr=1e-3, max_steps=40, tol=1e-30),
        on_progress=lambda p: rates.append(p.lr),
    )
    expected = [1e-3 * (0.01 + 0.99 * (1 + math.cos(math.pi * i / 4)) / 2) for i in range(4)]
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize("options", [{}, {"batch_size": 1}], ids=["full batch", "mini-batches"])
def test_the_history_is_thinned_and_its_steps_increase(options, monkeypatch):
    monkeypatch.setattr(fit_module, "HISTORY_ROWS", 20)
    looks = []
    fit = mn.train(
        network(),
        digits(2),
        mn.TrainingOptions(tol=1e-30, max_steps=1234, **options),
        on_progress=looks.append,
    )
    steps, losses = fit.history["step"].to_list(), fit.history["loss"].to_list()
    assert 10 <= len(steps) <= 21
    assert steps == sorted(set(steps))
    assert steps[-1] == 1234
    assert losses[-1] == fit.loss
    seen = {p.step: p.loss for p in looks}
    assert losses[:-1] == [seen[step] for step in steps[:-1]]
    assert fit.history["seconds"].is_sorted()


# Checkpoints. Those that go on must end with the same numbers, to the bit.

WAYS = {
    "adam, mini-batches": {"batch_size": 2},
    "adam, full batch": {},
    "adamw, cosine": {"weight_decay": 1e-4, "schedule": "cosine"},
    "gradient descent with momentum": {"optimizer": "gradient_descent", "momentum": 0.9},
    "rmsprop": {"optimizer": "rmsprop"},
    "lbfgs": {"optimizer": "lbfgs"},
    "gauss-newton": {"optimizer": "gauss_newton"},
    "finish": {"finish": "gauss_newton", "lr": 3e-3},
}


class Killed(Exception):
    pass


def at_round(number, act):
    """Does something at the given look at the loss."""
    looks = []

    def on_progress(progress):
        looks.append(progress)
        if len(looks) == number:
            act()

    return on_progress


def kill():
    raise Killed


@pytest.fixture
def every_round(monkeypatch):
    """A checkpoint after every round instead of every 20 seconds."""
    monkeypatch.setattr(single, "CHECKPOINT_SECONDS", 0.0)


@pytest.mark.usefixtures("every_round")
@pytest.mark.parametrize("way", WAYS)
def test_a_killed_training_goes_on_to_the_same_numbers(way, tmp_path):
    options = WAYS[way] | {"max_steps": 200, "tol": 1e-30}
    X = digits()
    whole = network("leaky_relu")
    undisturbed = []
    one = mn.train(whole, X, mn.TrainingOptions(**options), on_progress=undisturbed.append)
    for rounds in (2, 12):
        path = tmp_path / f"checkpoint {rounds}"
        net = network("leaky_relu")
        with pytest.raises(Killed):
            mn.train(
                net,
                X,
                mn.TrainingOptions(**options),
                checkpoint=path,
                on_progress=at_round(rounds, kill),
            )
        # Resumed in another process the weights at hand are the first ones.
        net = network("leaky_relu")
        looks = []
        other = mn.train(
            net, X, mn.TrainingOptions(**options), checkpoint=path, on_progress=looks.append
        )
        # The round that was killed is done again, those before it are not.
        assert looks[0].step == undisturbed[rounds - 1].step
        assert equal(weights(net), weights(whole))
        assert (one.loss, one.steps) == (other.loss, other.steps)
        assert one.history.drop("seconds").equals(other.history.drop("seconds"))


class OffByOne(nn.Module):
    """Off by one in training mode, so that only in eval mode its loss gets below 1."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, z):
        return self.weight * z + float(self.training)


@pytest.mark.usefixtures("every_round")
def test_a_resumed_training_looks_when_the_whole_one_does(tmp_path, monkeypatch):
    # Where it is killed it interpolates already. The whole training does not look there, so
    # neither may the resumed one.
    monkeypatch.setattr(single, "LOOK", 1000)
    X, path = torch.tensor([[1.0, -1.0], [2.0, -2.0]]), tmp_path / "checkpoint"
    whole, net, options = OffByOne(), OffByOne(), {"tol": 1e-2, "lr": 0.05, "max_steps": 200}
    assert mn.train(whole, X, mn.TrainingOptions(**options)).steps == 200
    with pytest.raises(Killed):
        mn.train(
            net, X, mn.TrainingOptions(**options), checkpoint=path, on_progress=at_round(18, kill)
        )
    assert loss_of(net, X) <= 1e-2
    net = OffByOne()
    assert mn.train(net, X, mn.TrainingOptions(**options), checkpoint=path).steps == 200
    assert equal(weights(net), weights(whole))


def test_the_loss_in_eval_mode_is_looked_at_now_and_then():
    fit = mn.train(OffByOne(), torch.tensor([[1.0, -1.0]]), mn.TrainingOptions(tol=1e-2, lr=0.05))
    assert fit.converged
    assert fit.steps % 100 == 0
    # Off by one in training mode, half a unit.
    assert fit.history["loss"][:-1].min() >= 1 / 4


@pytest.mark.usefixtures("every_round")
def test_dropout_and_running_statistics_go_on_too(tmp_path):
    X, path = torch.rand(5, 6, generator=torch.Generator().manual_seed(0)), tmp_path / "checkpoint"
    whole, net = Flaky(), Flaky()
    mn.train(whole, X, max_steps=100)
    with pytest.raises(Killed):
        mn.train(net, X, max_steps=100, checkpoint=path, on_progress=at_round(4, kill))
    net = Flaky()
    mn.train(net, X, max_steps=100, checkpoint=path)
    assert equal(weights(net), weights(whole))


@pytest.mark.parametrize("way", ["adam, mini-batches", "lbfgs"])
def test_ctrl_c_comes_after_the_checkpoint_was_written(way, tmp_path):
    options = WAYS[way] | {"max_steps": 100, "tol": 1e-30}
    X, path = digits(), tmp_path / "checkpoint"
    whole, net = network("leaky_relu"), network("leaky_relu")
    mn.train(whole, X, mn.TrainingOptions(**options))
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        mn.train(
            net,
            X,
            mn.TrainingOptions(**options),
            checkpoint=path,
            on_progress=at_round(3, lambda: signal.raise_signal(signal.SIGINT)),
        )
    assert signal.getsignal(signal.SIGINT) is handler
    looks = []
    mn.train(net, X, mn.TrainingOptions(**options), checkpoint=path, on_progress=looks.append)
    # No step is lost: it goes on with the fourth round.
    assert looks[0].step == (12 if "batch_size" in options else 40)
    assert equal(weights(net), weights(whole))


PROGRAM = """
import os, signal, sys
import mnemoscope as mn
from mnemoscope.base.unit import unit_of

X = mn.load_data("digits", n=5)
spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=64, depth=4, activation="leaky_relu")
try:
    mn.train(
        spec.build(seed=0), X, mn.TrainingOptions(batch_size=2, max_steps=90, tol=1e-30),
        checkpoint=sys.argv[1],
        on_progress=lambda p: p.step == 30 and os.kill(os.getpid(), signal.SIGINT),
    )
except KeyboardInterrupt:
    sys.exit(0 if os.path.exists(sys.argv[1]) else 3)
sys.exit(4)
"""


@pytest.mark.slow
def test_ctrl_c_in_another_process(tmp_path):
    path = tmp_path / "checkpoint"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0
    X, options = digits(), {"batch_size": 2, "max_steps": 90, "tol": 1e-30}
    whole, net = network("leaky_relu"), network("leaky_relu")
    mn.train(whole, X, mn.TrainingOptions(**options))
    looks = []
    mn.train(net, X, mn.TrainingOptions(**options), checkpoint=path, on_progress=looks.append)
    assert looks[0].step == 33
    # Another process may have another number of threads; nothing here is split among them.
    assert equal(weights(net), weights(whole))


@pytest.fixture
def checkpointed(tmp_path, every_round):
    """A checkpoint of a training, and its settings."""
    path = tmp_path / "checkpoint"
    options = mn.TrainingOptions(batch_size=2, max_steps=30)
    mn.train(network("leaky_relu"), digits(), options, checkpoint=path)
    return path, options


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lr": 0.02}, "lr 0.001, not 0.02"),
        ({"seed": 1}, "seed 0, not 1"),
        ({"batch_size": 3}, "batch_size 2, not 3"),
        ({"optimizer": "rmsprop"}, "optimizer adam, not rmsprop"),
        ({"schedule": "constant"}, "schedule plateau, not constant"),
        ({"weight_decay": 0.1}, "weight_decay 0.0, not 0.1"),
        ({"X": digits(6)[1:]}, "data_checksum "),
        ({"X": digits(4)}, "examples 5, not 4"),
        ({"targets": digits().roll(1, 0)}, "targets False, not True"),
        ({"net": network("leaky_relu", width=32)}, "width 64, not 32"),
        ({"net": network("sigmoid")}, "activation leaky_relu, not sigmoid"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_checkpoint_of_another_training_is_refused(changed, message, checkpointed):
    path, options = checkpointed
    changed = dict(changed)
    net, X = changed.pop("net", network("leaky_relu")), changed.pop("X", digits())
    targets = changed.pop("targets", None)
    before, content = weights(net), path.read_bytes()
    with pytest.raises(mn.MnemoscopeError, match=message) as error:
        mn.train(net, X, replace(options, **changed), targets=targets, checkpoint=path)
    assert error.value.field == "checkpoint"
    assert "is a checkpoint of another training" in str(error.value)
    assert "\n" not in str(error.value)
    assert equal(before, weights(net))
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", [lambda b: b[:-5], lambda b: b[:9], lambda b: b"notes"])
def test_a_damaged_checkpoint_is_refused_and_left_as_it_was(damage, checkpointed):
    path, options = checkpointed
    path.write_bytes(damage(path.read_bytes()))
    content = path.read_bytes()
    with pytest.raises(mn.MnemoscopeError, match="cannot be read as a checkpoint"):
        mn.train(network("leaky_relu"), digits(), options, checkpoint=path)
    assert path.read_bytes() == content


def test_when_to_stop_may_change_between_two_parts_of_a_training(checkpointed):
    path, options = checkpointed
    net = network("leaky_relu")
    fit = mn.train(net, digits(), replace(options, max_steps=60, tol=1e-6), checkpoint=path)
    whole = network("leaky_relu")
    mn.train(whole, digits(), mn.TrainingOptions(batch_size=2, max_steps=60, tol=1e-6))
    assert fit.steps == 60
    assert equal(weights(net), weights(whole))
    # Fewer steps than were taken: nothing is done, and the loss is that of the weights.
    net = network("leaky_relu")
    fit = mn.train(net, digits(), options, max_steps=3, checkpoint=path)
    assert fit.loss == pytest.approx(loss_of(net, digits()), rel=1e-5)
