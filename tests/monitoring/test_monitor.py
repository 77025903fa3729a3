import math

import polars as pl
import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.base.unit import unit_of
from mnemoscope.monitoring import Monitor
from mnemoscope.monitoring.monitor import MONITOR


class Clock:
    """A clock that moves only when it is set: snapshots cost nothing, so all of them are taken."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def timed(clock, X, **options):
    monitor = Monitor(X, **options)
    monitor.clock = clock
    return monitor


def examples(n=12):
    return torch.rand(n, 6, generator=torch.Generator().manual_seed(0))


def network(*, dropout=0.0):
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Dropout(dropout), nn.Linear(32, 6))
    torch.random.set_rng_state(state)
    return net


def trained(net, X, steps, after_step, clock=None):
    """A plain loop; each step takes a second of the clock."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.mse_loss(net(X), X).backward()
        optimizer.step()
        if clock is not None:
            clock.now += 1
        after_step(net)
    return net


def test_it_counts_its_calls_and_records_every_so_many():
    clock = Clock()
    monitor = timed(clock, examples(), every=10)
    trained(network(), examples(), 35, monitor, clock)
    assert monitor.history["step"].to_list() == [10, 20, 30]
    # Since its first call, after the first step.
    assert monitor.history["seconds"].to_list() == [9, 19, 29]
    assert dict(monitor.history.schema) == MONITOR


def test_a_row_is_what_the_public_functions_give():
    X, net = examples(), network()
    monitor = timed(Clock(), X, every=1, states=8)
    trained(net, X, 300, lambda _: None).eval()
    monitor.record(net)
    row = monitor.history.row(0, named=True)
    rows = torch.randperm(len(X), generator=torch.Generator().manual_seed(0))[:8]
    radius = mn.spectral_radius(mn.SelfMap(net, (6,)), X[rows])
    residual = mn.SelfMap(net, (6,), unit=unit_of(X)).residual(X[rows])
    assert row["loss"] == pytest.approx(float(residual.square().mean()), rel=1e-4)
    assert row["spectral_radius_max"] == pytest.approx(float(radius.max()), rel=1e-2)
    assert row["spectral_radius_median"] == pytest.approx(float(radius.quantile(0.5)), rel=1e-2)
    for name in ("contractive", "stored"):
        low, high = mn.wilson(row[name], 8)
        assert (row[f"{name}_low"], row[f"{name}_high"]) == (float(low), float(high))
    assert row["contractive"] == int((radius < 1).sum())
    assert row["states"] == 8


def test_it_watches_a_network_memorize():
    X = mn.load_data("digits", n=5)
    net = mn.nets.FullyConnected(shape=(1, 8, 8), width=64, depth=4, activation="sigmoid").build()
    monitor = Monitor(X)
    monitor.record(net)
    mn.train(net, X)
    monitor.record(net)
    before, after = monitor.history["stored"]
    assert before == 0
    assert (
        after
        == mn.audit(net, X, mn.AuditOptions.of(corruptions={}), starts=10).summary.stored.count
    )
    assert after >= 3


@pytest.mark.usefixtures("global_generator_untouched")
def test_training_goes_on_as_if_nobody_watched():
    X = examples()

    def losses_with(after_step):
        state = torch.random.get_rng_state()
        torch.manual_seed(3)
        net = trained(network(dropout=0.2), X, 30, after_step)
        torch.random.set_rng_state(state)
        return net

    watched, alone = losses_with(timed(Clock(), X, every=1)), losses_with(lambda _: None)
    for one, other in zip(watched.parameters(), alone.parameters(), strict=True):
        assert torch.equal(one, other)
        assert torch.equal(one.grad, other.grad)
    assert watched.training
    assert all(module.training for module in watched)


def test_batch_norm_in_training_is_looked_at_in_eval_mode_and_learns_nothing():
    net = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6))
    mean = net[1].running_mean.clone()
    monitor = timed(Clock(), examples(), every=1)
    monitor.record(net)
    assert torch.equal(net[1].running_mean, mean)
    assert net.training


def test_autocast_outside_changes_nothing():
    net = network()
    histories = []
    for enabled in (False, True):
        monitor = timed(Clock(), examples())
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            monitor.record(net)
        histories.append(monitor.history)
    assert histories[0].equals(histories[1])


def test_where_time_is_short_the_history_counts_what_was_left_out():
    class Slow(Clock):
        """A second passes at each reading: a record takes one, a step nothing."""

        def __call__(self):
            self.now += 1
            return self.now

    clock = Slow()
    monitor = timed(clock, examples(20), every=1)
    net = network()
    for _ in range(200):
        monitor(net)
    history = monitor.history
    # Two seconds a record (its own and the call's), 5% of a second a call: one in tens of calls.
    assert 2 <= history.height <= 10
    assert history["left_out"].sum() + history.height == history["step"][-1]
    assert history["step"][-1] + monitor.left_out == 200
    assert set(history["states"]) == {8}
    assert history["cost"].to_list() == [1.0] * history.height
    assert history["share"][-1] < 0.06


def test_a_number_of_steps_that_does_not_rise_is_no_new_step():
    monitor = timed(Clock(), examples(), every=2)
    for step in (1, 1, 2, 2, 2, 3, 5, 5):
        monitor(network(), step=step)
    assert monitor.history["step"].to_list() == [2, 5]


def test_a_training_that_is_resumed_does_not_begin_with_a_record():
    monitor = timed(Clock(), examples(), every=100)
    for step in range(1050, 1101):
        monitor(network(), step=step)
    assert monitor.history["step"].to_list() == [1100]


def test_the_self_map_is_picked_out_of_a_module():
    outer = nn.ModuleDict({"autoencoder": network()})
    monitor = timed(Clock(), examples(), every=1, network=lambda m: m["autoencoder"])
    monitor(outer)
    assert monitor.history.height == 1


def test_a_network_that_has_diverged_gives_a_row():
    net = network()
    with torch.no_grad():
        net[0].weight.fill_(torch.nan)
    monitor = timed(Clock(), examples())
    monitor.record(net)
    row = monitor.history.row(0, named=True)
    assert math.isnan(row["loss"])
    assert row["spectral_radius_max"] is None
    assert (row["contractive"], row["stored"]) == (0, 0)


def test_the_examples_are_a_copy():
    X = examples()
    monitor = timed(Clock(), X)
    X.zero_()
    monitor.record(network())
    again = timed(Clock(), examples())
    again.record(network())
    assert monitor.history.select(pl.exclude("seconds")).equals(
        again.history.select(pl.exclude("seconds"))
    )


@pytest.mark.parametrize(
    "options",
    [{"every": 0}, {"states": 0}, {"share": 1.5}, {"match_tol": 0}, {"max_steps": 1}, {"seed": -1}],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(mn.MnemoscopeError) as refusal:
        Monitor(examples(), **options)
    assert [refusal.value.field] == list(options)


@pytest.mark.parametrize("X", [torch.zeros(3), torch.zeros(0, 3), [[0.0]]])
def test_what_is_no_batch_of_examples_is_refused(X):
    with pytest.raises(mn.MnemoscopeError) as refusal:
        Monitor(X)
    assert refusal.value.field == "X"


def test_a_network_of_other_states_is_refused_when_it_is_measured():
    with pytest.raises(mn.MnemoscopeError) as refusal:
        Monitor(torch.zeros(3, 5)).record(network())
    assert refusal.value.field == "network"


def test_what_cannot_be_measured_is_refused_at_the_first_call():
    class Pair(nn.Module):
        def forward(self, z):
            return z[:, :1], z

    X = torch.rand(4, 3)
    with pytest.raises(mn.MnemoscopeError) as refusal:
        Monitor(X, every=500)(Pair())
    assert refusal.value.field == "network"
    monitor = Monitor(X, every=1, network=lambda net: mn.Wrapped(net, output=1))
    monitor(Pair())
    assert monitor.history.height == 1
