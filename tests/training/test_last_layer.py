import math

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.training import finishing
from mnemoscope.training.finishing import (
    LARGEST_LAST_UPDATE,
    LARGEST_UPDATE,
    solve_last_layer,
)
from mnemoscope.training.last_layer import LastLayer, RidgePath, find_last_layer, ridge_path
from mnemoscope.training.networks import whole_loss

pytestmark = pytest.mark.usefixtures("global_generator_untouched")

FINISHED = 1e-13
"""What float32 ends below: the squared rounding of sums of some hundred products of order 1."""


def digits(n=5, dtype=torch.float32):
    return mn.load_data("digits", n=n).to(dtype)


def fully_connected(width=64, depth=3, dtype=torch.float64, **changes):
    return mn.nets.FullyConnected(
        shape=(1, 8, 8), width=width, depth=depth, **changes
    ).build(seed=0, dtype=dtype)  # fmt: skip


def convolutional(dtype=torch.float64, **changes):
    spec = mn.nets.Convolutional(shape=(1, 8, 8), **{"channels": 4, "depth": 3, **changes})
    return spec.build(seed=0, dtype=dtype)


def unet(dtype=torch.float64):
    return mn.nets.UNet(shape=(1, 8, 8), channels=4, levels=1).build(seed=0, dtype=dtype)


def path_of(net, X, Y=None):
    last = find_last_layer(net, X)
    assert last is not None
    return last, ridge_path(net, last, X, X if Y is None else Y)


def weights(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def changed(net, before):
    return [
        name for name, value in net.state_dict().items() if not torch.equal(value, before[name])
    ]


def linear(weight, bias=None):
    """A layer with these weights, made without a draw."""
    rows, columns = len(weight), len(weight[0])
    layer = nn.utils.skip_init(nn.Linear, columns, rows, bias=bias is not None, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
        if bias is not None:
            layer.bias.copy_(torch.tensor(bias))
    return layer


class Wrapped(nn.Module):
    """What people write: flatten, layers, and the shape restored."""

    def __init__(self, last, between=None):
        super().__init__()
        self.first = nn.Linear(64, 32)
        self.last = last
        self.between = between or nn.Identity()

    def forward(self, z):
        return self.between(self.last(torch.relu(self.first(z.flatten(1))))).view_as(z)


class WithOwnRules(nn.Linear):
    def forward(self, input):
        return 2 * super().forward(input)


class Residual(Wrapped):
    def forward(self, z):
        return z + super().forward(z)


# The ridge path of one column, by hand: A = (1, 1)^T and R = (1, 3)^T have D = A^+ R = 2, and the
# ridge solution is 4 / (2 + lambda), which leaves 2 + 8 (lambda / (2 + lambda))^2.
BY_HAND = RidgePath(
    s=torch.tensor([2.0], dtype=torch.float64).sqrt(),
    V=torch.ones(1, 1, dtype=torch.float64),
    projected=torch.tensor([[4 / math.sqrt(2)]], dtype=torch.float64),
    beyond=2.0,
)


@pytest.mark.parametrize("damping", [0.0, 0.5, 2.0, 100.0])
def test_ridge_path_by_hand(damping):
    assert BY_HAND.update(damping).item() == pytest.approx(4 / (2 + damping), rel=1e-12)
    expected = 2 + 8 * (damping / (2 + damping)) ** 2
    assert BY_HAND.rest(damping) == pytest.approx(expected, rel=1e-12)


def test_largest_damping_by_hand():
    # 8 (lambda / (2 + lambda))^2 = 2 where lambda / (2 + lambda) = 1/2.
    assert BY_HAND.largest_damping(4.0) == pytest.approx(2.0, rel=1e-9)
    assert BY_HAND.largest_damping(1.9) == 0.0


def test_last_layer_whose_factors_are_known():
    layer = linear([[1.0]])
    X = torch.ones(2, 1, dtype=torch.float64)
    last, path = path_of(layer, X, X + torch.tensor([[1.0], [3.0]], dtype=torch.float64))
    assert path.update(0.0).item() == pytest.approx(2.0, rel=1e-12)
    assert path.beyond == pytest.approx(2.0, rel=1e-12)
    last.add(path.update(0.0))
    assert layer.weight.item() == pytest.approx(3.0, rel=1e-12)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("n", [5, 40, 100])
def test_undamped_update_is_the_pseudoinverse(n, bias):
    net, X = fully_connected(width=48, bias=bias), digits(n, torch.float64)
    last, path = path_of(net, X)
    hidden = net.body[:-3](X)
    rows = torch.cat([hidden, hidden.new_ones(n, 1)], 1) if bias else hidden
    with torch.no_grad():
        expected = torch.linalg.pinv(rows) @ (X - net(X)).flatten(1)
    # The product of both conditions bounds what two stable methods may differ by.
    torch.testing.assert_close(path.update(0.0), expected, rtol=1e-7, atol=1e-9)
    before = whole_loss(net, X, X)
    last.add(path.update(0.0))
    assert whole_loss(net, X, X) == pytest.approx(path.rest(0.0) / X.numel(), abs=1e-20, rel=1e-6)
    assert whole_loss(net, X, X) < before


def test_update_is_the_smallest_with_its_residual():
    net, X = fully_connected(), digits(8, torch.float64)
    _, path = path_of(net, X)
    damping = path.largest_damping(1e-4 * X.numel())
    update = path.update(damping)
    assert path.rest(damping) == pytest.approx(1e-4 * X.numel(), rel=1e-6)
    # Other updates with that residual: mixtures of the full one with none.
    full = path.update(0.0)
    share = 1 - (path.rest(damping) / path.rest(1e30)) ** 0.5
    assert update.norm() < (share * full).norm()


@pytest.mark.parametrize(
    "net",
    [
        fully_connected(),
        fully_connected(init="ntk"),
        fully_connected(depth=1, activation="identity"),
        convolutional(),
        convolutional(init="ntk", bias=False),
        unet(),
        Wrapped(nn.Linear(32, 64)).double(),
        nn.Sequential(nn.Conv2d(1, 3, 3, padding="same"), nn.ReLU(), nn.Conv2d(3, 1, 1)).double(),
        nn.Conv2d(1, 1, 3, padding=2, dilation=2, padding_mode="circular").double(),
        nn.Conv2d(1, 1, (3, 5), padding=(1, 2), padding_mode="reflect").double(),
    ],
    ids=lambda net: type(net).__name__,
)
def test_update_lowers_the_loss_to_what_the_path_predicts(net):
    X = digits(3, torch.float64)
    last, path = path_of(net, X)
    last.add(path.update(0.0))
    # float64: the residual's square is known to its rounding.
    assert whole_loss(net, X, X) == pytest.approx(path.rest(0.0) / X.numel(), rel=1e-6, abs=1e-22)


@pytest.mark.parametrize("size", [3, 64, 10_000])
def test_blocks_change_nothing(size, monkeypatch):
    net, X = convolutional(), digits(7, torch.float64)
    _, whole = path_of(net, X)
    monkeypatch.setattr("mnemoscope.training.last_layer.ROWS", size)
    _, path = path_of(net, X)
    assert path.beyond == pytest.approx(whole.beyond, rel=1e-9)
    torch.testing.assert_close(path.update(1e-3), whole.update(1e-3), rtol=1e-8, atol=1e-11)


def tied():
    net = Wrapped(nn.Linear(32, 64, bias=False))
    net.first = nn.Linear(64, 32, bias=False)
    net.first.weight = nn.Parameter(net.last.weight.T)
    other = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64))
    other[2].weight = other[0].weight
    return nn.Sequential(nn.Flatten(), *other, nn.Unflatten(1, (1, 8, 8)))


def frozen():
    net = Wrapped(nn.Linear(32, 64))
    net.last.weight.requires_grad_(False)
    return net


def called_twice():
    layer = nn.Linear(64, 64)
    return nn.Sequential(nn.Flatten(), layer, nn.Tanh(), layer, nn.Unflatten(1, (1, 8, 8)))


@pytest.mark.parametrize(
    "net",
    [
        tied(),
        frozen(),
        called_twice(),
        Residual(nn.Linear(32, 64)),
        Wrapped(nn.Linear(32, 64), nn.Sigmoid()),
        Wrapped(WithOwnRules(32, 64)),
        Wrapped(nn.utils.parametrizations.weight_norm(nn.Linear(32, 64))),
        nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ConvTranspose2d(4, 1, 3, padding=1)),
    ],
    ids=[
        "tied", "frozen", "called twice", "residual", "sigmoid", "own rules", "weight norm",
        "transposed",
    ],
)  # fmt: skip
def test_layers_that_cannot_be_solved(net):
    X = digits(3)
    before = weights(net)
    assert find_last_layer(net, X) is None
    assert solve_last_layer(net, X, X, tol=1e-8, aim=1e-14).outcome == "unable"
    assert not changed(net, before)


def test_solve_that_would_be_too_large_leaves_the_network_as_it_is():
    net, X = fully_connected(dtype=torch.float32), digits()
    before = weights(net)
    solved = solve_last_layer(net, X, X, tol=1e-8, aim=1e-14)
    assert solved.outcome == "early"
    assert solved.update > finishing.LARGEST_UPDATE
    assert not changed(net, before)


def test_more_examples_than_units_cannot_be_solved():
    net, X = fully_connected(width=8, dtype=torch.float32), digits(20)
    before = weights(net)
    assert solve_last_layer(net, X, X, tol=1e-8, aim=1e-14).outcome == "unable"
    assert not changed(net, before)


def finished(net, X, **options):
    return mn.train(net, X, mn.TrainingOptions(finish="least_squares", **options))


def test_training_ends_with_a_solve_of_the_last_layer():
    plain, net, X = (fully_connected(dtype=torch.float32) for _ in range(2)), None, digits()
    one, net = plain
    fit = finished(net, X)
    assert fit.converged
    assert fit.loss < FINISHED < 1e-8 < fit.loss_before_finish <= 1e-3
    assert 0 < fit.finish_update <= finishing.LARGEST_UPDATE
    assert fit.record.finish.method == "least_squares"
    # Descent alone, as long: all layers but the last are its.
    mn.train(one, X, mn.TrainingOptions(tol=1e-30), max_steps=fit.steps)
    assert changed(one, weights(net)) == ["body.linear_3.weight", "body.linear_3.bias"]


def test_record_of_a_finish():
    net, X = fully_connected(dtype=torch.float32), digits()
    record = finished(net, X).record.finish
    assert record.examples == (0, 1, 2, 3, 4)
    assert record.radii_after == pytest.approx(mn.spectral_radius(net, X).tolist(), rel=1e-3)
    # An update below a tenth of the last layer changes them by little.
    assert record.radii_before != record.radii_after
    assert record.radii_before == pytest.approx(record.radii_after, rel=0.3)


def test_record_travels_with_the_network(tmp_path):
    net, X = fully_connected(dtype=torch.float32), digits()
    fit = finished(net, X)
    mn.nets.save(net, tmp_path / "net.safetensors")
    assert mn.nets.load(tmp_path / "net.safetensors").training_record == fit.record


def test_gauss_newton_where_the_last_layer_cannot_interpolate():
    # Eight examples that span two dimensions: more than the four rows that four columns allow.
    generator = torch.Generator().manual_seed(0)
    X = torch.rand(8, 2, generator=generator) @ torch.rand(2, 6, generator=generator)
    spec = mn.nets.FullyConnected(shape=(6,), width=3, depth=2, activation="tanh")
    fit = finished(spec.build(seed=0), X, lr=1e-2, max_steps=30_000)
    assert fit.record.finish.method == "gauss_newton"
    assert fit.loss_before_finish <= 1e-4
    assert fit.converged
    assert fit.loss < fit.loss_before_finish / 1e4


def test_solve_that_comes_too_early_is_left_to_descent(monkeypatch):
    net, X = fully_connected(dtype=torch.float32), digits()
    at_once = finished(net, X)
    monkeypatch.setattr(finishing, "LARGEST_UPDATE", at_once.finish_update / 10)
    net = fully_connected(dtype=torch.float32)
    later = finished(net, X)
    assert later.loss_before_finish < at_once.loss_before_finish
    assert later.finish_update <= at_once.finish_update / 10
    assert later.steps > at_once.steps
    assert later.loss < FINISHED


def test_descent_that_interpolates_needs_no_finish(monkeypatch):
    net, X = fully_connected(dtype=torch.float32), digits()
    monkeypatch.setattr(finishing, "LARGEST_UPDATE", 0.0)
    fit = finished(net, X)
    assert fit.converged
    assert fit.record.finish is None


def test_replicas_end_as_they_would_alone():
    spec, X = mn.nets.FullyConnected(shape=(1, 8, 8), width=64, depth=3), digits()
    options = mn.TrainingOptions(finish="least_squares", batch_size=2)
    replicas = mn.train_replicas(spec, X, options, seeds=range(3))
    for seed, fit in enumerate(replicas.fits):
        net = spec.build(seed=seed)
        alone = finished(net, X, batch_size=2, seed=seed)
        assert fit.steps == alone.steps
        assert fit.loss < FINISHED
        assert fit.loss_before_finish == pytest.approx(alone.loss_before_finish, rel=1e-3)
        assert fit.finish_update == pytest.approx(alone.finish_update, rel=1e-3)


def test_replicas_whose_solve_comes_too_early_go_on(monkeypatch):
    spec, X = mn.nets.FullyConnected(shape=(1, 8, 8), width=64, depth=3), digits()
    options = mn.TrainingOptions(finish="least_squares")
    first = mn.train_replicas(spec, X, options, seeds=range(3))
    limit = min(fit.finish_update for fit in first.fits) / 10
    monkeypatch.setattr(finishing, "LARGEST_UPDATE", limit)
    for fit in mn.train_replicas(spec, X, options, seeds=range(3)).fits:
        assert fit.converged
        assert fit.finish_update <= limit


def test_resumed_training_finishes_as_one_that_was_never_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("mnemoscope.training.single.CHECKPOINT_SECONDS", 0)
    X, path = digits(), tmp_path / "checkpoint.safetensors"
    whole = fully_connected(dtype=torch.float32)
    fit = finished(whole, X)

    def stop(progress):
        if progress.step >= fit.steps // 2:
            raise KeyboardInterrupt

    net = fully_connected(dtype=torch.float32)
    options = mn.TrainingOptions(finish="least_squares")
    with pytest.raises(KeyboardInterrupt):
        mn.train(net, X, options, checkpoint=path, on_progress=stop)
    net = fully_connected(dtype=torch.float32)
    mn.train(net, X, options, checkpoint=path)
    assert not changed(net, weights(whole))


def test_last_layer_of_float64_is_solved_to_its_own_rounding():
    net, X = fully_connected(), digits(dtype=torch.float64)
    fit = finished(net, X)
    assert fit.loss <= 1e-14


def test_last_layer_with_rows_for_positions():
    layer = linear([[0.1, 0.2, 0.3], [0.4, 0.1, 0.0], [0.2, 0.2, 0.9]], [0.1, 0.0, -0.1])
    X = torch.rand(4, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    last = find_last_layer(layer, X)
    assert last == LastLayer(layer, 1.0, torch.Size([5, 3]))
    path = ridge_path(layer, last, X, X)
    last.add(path.update(0.0))
    assert whole_loss(layer, X, X) < 1e-25


STEPS = 150
"""Of full-batch Adam: the solve of the last layer is large then, and would be left to descent."""


def early(**options):
    """Ten digits, a network for them and a training that ends in a solve."""
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=64, depth=4)
    chosen = mn.TrainingOptions(finish="least_squares", **options)
    return spec, mn.load_data("digits", n=10), chosen


@pytest.mark.parametrize("replicas", [False, True])
def test_after_the_last_step_a_larger_update_is_made(replicas):
    spec, X, options = early(max_steps=STEPS)
    if replicas:
        fit = mn.train_replicas(spec, X, options, seeds=[0]).fits[0]
    else:
        fit = mn.train(spec.build(seed=0), X, options)
    assert fit.converged
    assert fit.steps == STEPS
    assert LARGEST_UPDATE < fit.finish_update <= LARGEST_LAST_UPDATE
    assert fit.record.finish.method == "least_squares"


def test_an_update_larger_than_the_weights_is_never_made():
    spec, X, options = early(max_steps=1)
    fit = mn.train(spec.build(seed=0), X, options)
    assert not fit.converged
    assert fit.finish_update is None
