"""Many networks at once, compared with each of them trained alone."""

import math
from dataclasses import replace

import pytest
import torch

import mnemoscope as mn
from mnemoscope.training import group as group_module
from mnemoscope.training.options import FIRST_ORDER
from tests.known_maps import DTYPES

pytestmark = pytest.mark.usefixtures("global_generator_untouched")

SPEC = mn.nets.FullyConnected(shape=(1, 8, 8), width=24, depth=3)
SEEDS = [4, 0, 7]


def digits(n=5):
    return mn.load_data("digits", n=n)


def alone(spec, X, seed, *, dtype=torch.float32, targets=None, **options):
    """The same training by itself, by autograd."""
    net = spec.build(seed=seed, dtype=dtype)
    # A hook makes `train` take PyTorch's gradients: the plain way.
    net.register_forward_hook(lambda *_: None)
    return net, mn.train(net, X, mn.TrainingOptions(seed=seed, **options), targets=targets)


def held_against(replicas, r, net, fit, *, rel):
    """The same beginning but for rounding, and the same verdict."""
    records = replicas.fits[r].record, fit.record
    rows = list(zip(*(record.history[:5] for record in records), strict=True))
    for own, other in rows:
        assert own.step == other.step
        assert own.loss == pytest.approx(other.loss, rel=rel)
        assert own.lr == pytest.approx(other.lr)
    assert replicas.fits[r].converged == fit.converged
    assert replicas.fits[r].steps == pytest.approx(fit.steps, rel=0.05)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {"tol": 1e-5},
        {"batch_size": 2, "tol": 1e-5},
        {"schedule": "cosine", "max_steps": 300},
        {"schedule": "constant", "optimizer": "rmsprop", "max_steps": 200},
        {"optimizer": "gradient_descent", "momentum": 0.5, "max_steps": 200},
        {"weight_decay": 1e-3, "max_steps": 100},
    ],
    ids=str,
)
def test_each_comes_out_as_it_would_alone(options, dtype):
    X = digits().to(dtype)
    replicas = mn.train_replicas(
        SPEC, X, mn.TrainingOptions(dtype=str(dtype).removeprefix("torch."), **options), seeds=SEEDS
    )
    for r, seed in enumerate(SEEDS):
        net, fit = alone(SPEC, X, seed, dtype=dtype, **options)
        # Fifty steps, each of which may multiply a rounding a little.
        held_against(replicas, r, net, fit, rel=1e-3 if dtype == torch.float32 else 1e-9)
        output = replicas[r](X).detach()
        loss = float((output.double() - X.double()).square().mean())
        # The sum of squares in another order; in float32 outputs differ by a rounding as well.
        assert replicas.fits[r].loss == pytest.approx(loss, rel=1e-2, abs=1e-12)


CONVOLUTIONAL = [
    mn.nets.Convolutional(shape=(1, 8, 8), channels=4, depth=4, downsample=1),
    mn.nets.UNet(shape=(1, 8, 8), channels=4, levels=1),
]


@pytest.mark.parametrize("options", [{}, {"batch_size": 2}], ids=str)
@pytest.mark.parametrize("spec", CONVOLUTIONAL, ids=lambda s: s.kind)
def test_convolutional_ones_too(spec, options):
    X = digits(4)
    replicas = mn.train_replicas(spec, X, mn.TrainingOptions(max_steps=60, **options), seeds=SEEDS)
    for r, seed in enumerate(SEEDS):
        net, fit = alone(spec, X, seed, max_steps=60, **options)
        held_against(replicas, r, net, fit, rel=1e-3)


def test_each_may_have_its_own_rate_decay_and_scale():
    X = digits()
    own = {"lr": [1e-3, 3e-3, 5e-4], "weight_decay": [0.0, 0.01, 0.1], "init_scale": [1, 0.5, 1.5]}
    each = [dict(zip(own, values, strict=True)) for values in zip(*own.values(), strict=True)]
    options = [mn.TrainingOptions(max_steps=120, **settings) for settings in each]
    replicas = mn.train_replicas(SPEC, X, options, seeds=SEEDS)
    for r, (seed, settings) in enumerate(zip(SEEDS, each, strict=True)):
        net, fit = alone(SPEC, X, seed, max_steps=120, **settings)
        held_against(replicas, r, net, fit, rel=1e-3)
        record = replicas[r].training_record
        assert record is not None
        assert {**settings, "seed": seed}.items() <= record.options.items()


def test_each_may_have_its_own_examples_and_targets():
    X = torch.stack([digits(8)[i : i + 4] for i in range(3)])
    Y = X.roll(-1, 1)
    replicas = mn.train_replicas(SPEC, X, targets=Y, seeds=SEEDS, batch_size=3)
    assert bool(replicas.converged.all())
    checksums = set()
    for r, seed in enumerate(SEEDS):
        net, fit = alone(SPEC, X[r], seed, targets=Y[r], batch_size=3)
        held_against(replicas, r, net, fit, rel=1e-3)
        record = replicas.fits[r].record
        assert record.targets
        assert record.data_checksum == fit.record.data_checksum
        checksums.add(record.data_checksum)
    assert len(checksums) == 3


@pytest.mark.parametrize("optimizer", FIRST_ORDER)
def test_one_that_diverges_is_reported_and_does_the_others_no_harm(optimizer):
    X, usual = digits(), {"adam": 1e-3, "gradient_descent": 0.1, "rmsprop": 3e-4}[optimizer]
    options = mn.TrainingOptions(optimizer=optimizer, max_steps=300)
    each = [replace(options, lr=lr) for lr in (usual, 1e18, usual)]
    with pytest.warns(mn.DivergenceWarning, match=r"1 of 3 replicas .*: 1 \(seed 0, lr 1e\+18\)"):
        replicas = mn.train_replicas(SPEC, X, each, seeds=SEEDS)
    assert replicas.diverged.tolist() == [False, True, False]
    assert replicas.converged.tolist()[1] is False
    assert not replicas.fits[1].loss < 1e10
    undisturbed = mn.train_replicas(SPEC, X, options, seeds=[4, 7])
    for r, other in ((0, 0), (2, 1)):
        assert math.isfinite(replicas.fits[r].loss)
        pairs = zip(replicas[r].parameters(), undisturbed[other].parameters(), strict=True)
        for own, same in pairs:
            # Batches of other sizes round otherwise. Adam and RMSprop divide by the root of a mean
            # square and enlarge that: allowed is a tenth of a step, over 300 of them.
            assert torch.allclose(own, same, rtol=0, atol=1e-4)


def test_each_is_finished():
    X = digits()
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=48, depth=3)
    replicas = mn.train_replicas(spec, X, mn.TrainingOptions(finish="gauss_newton"), seeds=SEEDS)
    # Outputs within four roundings of the targets.
    assert bool((replicas.loss <= (4 * 2**-23) ** 2 * X.square().mean()).all())
    for r, seed in enumerate(SEEDS):
        _, fit = alone(spec, X, seed, finish="gauss_newton")
        held_against(replicas, r, None, fit, rel=1e-3)
        loss = float((replicas[r](X).detach() - X).square().mean())
        # At the floor of rounding, where the order of a sum matters.
        assert loss <= 1e-13
        steps = replicas.fits[r].history["step"].to_list()
        assert steps == sorted(set(steps))


def test_one_that_has_converged_changes_no_more():
    X = digits()
    alone_too = mn.train_replicas(SPEC, X, seeds=[0])
    # A rate so small that the other goes on for long after.
    each = [mn.TrainingOptions(lr=lr, max_steps=2000) for lr in (1e-3, 1e-5)]
    both = mn.train_replicas(SPEC, X, each, seeds=[0, 1])
    assert both.converged.tolist() == [True, False]
    # Rounding may decide in which look the loss is small enough.
    assert int(both.steps[0]) == pytest.approx(alone_too.fits[0].steps, rel=0.05)
    assert int(both.steps[1]) == 2000
    assert both.fits[0].loss <= 1e-8
    assert both.fits[0].history["step"][-1] == both.fits[0].steps


@pytest.mark.parametrize("step", [1, 10, 17])
def test_it_ends_after_exactly_max_steps(step):
    replicas = mn.train_replicas(
        SPEC, digits(), mn.TrainingOptions(max_steps=step, tol=1e-30), seeds=2
    )
    assert replicas.steps.tolist() == [step, step]
    assert not bool(replicas.converged.any())


def test_no_more_than_ten_steps_are_taken_beyond_tol():
    X = digits()
    replicas = mn.train_replicas(SPEC, X, mn.TrainingOptions(schedule="constant"), seeds=SEEDS)
    for r, seed in enumerate(SEEDS):
        net = SPEC.build(seed=seed)
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        step = 0
        while True:
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(net(X), X)
            if loss.item() <= 1e-8:
                break
            step += 1
            loss.backward()
            optimizer.step()
        # Rounding may move the crossing by a step or two.
        assert step - 3 <= replicas.steps[r] <= step + 10 + 3


@pytest.mark.parametrize(
    "options",
    [
        mn.TrainingOptions(),
        [mn.TrainingOptions(batch_size=2, lr=1e-3 * (1 + i / 7)) for i in range(7)],
    ],
    ids=["one for all", "one for each"],
)
def test_the_numbers_do_not_depend_on_the_groups(options, monkeypatch):
    X = digits(4)
    whole = mn.train_replicas(SPEC, X, options, seeds=7)
    # Two at a time: those that are left are put together anew, again and again.
    monkeypatch.setattr(group_module, "WORKING_SET", 1)
    small = mn.train_replicas(SPEC, X, options, seeds=7)
    assert bool(whole.converged.all())
    assert bool(small.converged.all())
    assert small.steps.tolist() == pytest.approx(whole.steps.tolist(), rel=0.05)
    for one, other in zip(whole.fits, small.fits, strict=True):
        first = [fit.history["loss"][:10].to_list() for fit in (one, other)]
        assert first[0] == pytest.approx(first[1], rel=1e-3)


def test_a_thousand_of_them_are_as_many_results():
    spec = mn.nets.FullyConnected(shape=(4,), width=8, depth=2)
    X = torch.rand(2, 4, generator=torch.Generator().manual_seed(0))
    replicas = mn.train_replicas(spec, X, mn.TrainingOptions(lr=1e-2), seeds=1000)
    assert len(replicas) == 1000
    assert int(replicas.converged.sum()) == 1000
    losses = torch.tensor(
        [float((net(X) - X).detach().square().mean()) for net in list(replicas)[::97]],
        dtype=torch.float64,
    )
    assert torch.allclose(losses, replicas.loss[::97], rtol=1e-2)
    assert bool((replicas.loss <= 1e-8).all())


def test_the_result_reads_like_a_list_of_networks():
    X = digits()
    replicas = mn.train_replicas(SPEC, X, seeds=SEEDS)
    assert len(replicas) == len(list(replicas)) == 3
    assert replicas[-1].training_record == replicas[2].training_record
    with pytest.raises(IndexError):
        replicas[3]
    assert replicas[0].spec == SPEC
    assert "3 converged, 0 diverged" in repr(replicas)
    radius = mn.replica_spectral_radius(replicas, X)
    assert radius.shape == (3, 5)
    for r in range(3):
        assert torch.allclose(radius[r], mn.spectral_radius(replicas[r], X), rtol=1e-4)
    own = mn.replica_spectral_radius(replicas, torch.stack([X, X, X.flip(0)]))
    assert torch.allclose(own[2], radius[2].flip(0), rtol=1e-4)
    with pytest.raises(mn.MnemoscopeError, match="states for 2 replicas; expected for 3"):
        mn.replica_spectral_radius(replicas, torch.stack([X, X]))
    with pytest.raises(mn.MnemoscopeError, match="states of shape"):
        mn.replica_spectral_radius(replicas, X.flatten(1))
    one_by_one = mn.replica_spectral_radius(replicas, X, tol=1e-6)
    assert torch.allclose(one_by_one, radius, rtol=1e-4)


@pytest.mark.slow
def test_all_are_audited():
    X = digits(3)
    replicas = mn.train_replicas(SPEC, X, seeds=2)
    audits = mn.audit_replicas(replicas, X, starts=20, trials=2)
    assert len(audits) == 2
    single = mn.audit(replicas[1], X, starts=20, trials=2)
    assert audits[1].examples.equals(single.examples)


def test_a_network_goes_through_a_file(tmp_path):
    options = [mn.TrainingOptions(init_scale=scale, max_steps=20) for scale in (1, 0.5)]
    replicas = mn.train_replicas(SPEC, digits(), options, seeds=2)
    path = tmp_path / "network.safetensors"
    mn.nets.save(replicas[1], path)
    loaded = mn.nets.load(path)
    pairs = zip(loaded.parameters(), replicas[1].parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert loaded.training_record == replicas[1].training_record


def test_progress_is_reported():
    seen = []
    replicas = mn.train_replicas(SPEC, digits(), seeds=SEEDS, on_progress=seen.append)
    assert [p.step for p in seen[:3]] == [10, 20, 30]
    assert all(p.running + p.converged + p.diverged == 3 for p in seen)
    assert (seen[-1].running, seen[-1].converged) == (0, 3)
    assert seen[-1].step == int(replicas.steps.max())


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"seeds": []}, "seeds"),
        ({"seeds": None}, "seeds"),
        ({"seeds": [0, -1]}, "seed"),
        ({"options": mn.TrainingOptions(optimizer="lbfgs")}, "optimizer"),
        ({"options": mn.TrainingOptions(optimizer="gauss_newton")}, "optimizer"),
        ({"options": [mn.TrainingOptions()]}, "options"),
        ({"options": [mn.TrainingOptions(tol=tol) for tol in (1e-8, 1e-8, 1e-6)]}, "tol"),
        ({"batch_size": 9}, "batch_size"),
        ({"spec": SPEC.build(seed=0)}, "spec"),
        ({"X": torch.rand(5, 8, 8)}, "X"),
        ({"X": torch.rand(2, 5, 1, 8, 8)}, "X"),
        ({"X": torch.full((5, 1, 8, 8), math.inf)}, "X"),
        ({"targets": torch.rand(4, 1, 8, 8)}, "targets"),
    ],
)
def test_wrong_arguments_are_refused(changed, field):
    arguments = {"spec": SPEC, "X": digits(), "options": None, "seeds": SEEDS} | changed
    with pytest.raises(mn.MnemoscopeError) as error:
        mn.train_replicas(**arguments)
    assert error.value.field == field
    assert "\n" not in str(error.value)


def test_the_seeds_of_options_serve_where_none_are_given():
    each = [mn.TrainingOptions(seed=seed, max_steps=10) for seed in SEEDS]
    options = mn.TrainingOptions(max_steps=10)
    one, other = (
        mn.train_replicas(SPEC, digits(), each),
        mn.train_replicas(SPEC, digits(), options, seeds=SEEDS),
    )
    assert torch.equal(one.loss, other.loss)
