"""The minimum memory of training: counted, and refused where no machine has it."""

import pytest
import torch

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets import Convolutional, FullyConnected, UNet
from mnemoscope.sweep import needed_memory as module
from mnemoscope.sweep.needed_memory import (
    MAX_MEMORY,
    check_memory,
    machine_memory,
    memory_of_group,
    weights_count,
)
from mnemoscope.sweep.runs import planned_runs
from mnemoscope.training import TrainingOptions
from tests.sweep.designs import tiny


def runs(**fields):
    return [run.configuration for run in planned_runs(tiny(**fields), "code")]


def test_a_run_alone_by_hand():
    (run,) = runs(spec={"width": 4, "depth": 2}, seeds=1)
    weights = 16 * 4 + 4 + 4 * 16 + 16
    # Itself, its gradient, two running means, and itself once more when it has left.
    assert memory_of_group([run]) == 4 * (5 * weights + 2 * 2 * 16 + 3 * 2 * (4 + 16))


def test_float64_takes_twice_as_much():
    single, double = runs(grid={"training.dtype": ["float32", "float64"]}, seeds=1)
    assert memory_of_group([double]) == 2 * memory_of_group([single])


@pytest.mark.parametrize(("optimizer", "copies"), [("adam", 5), ("rmsprop", 4), ("lbfgs", 3)])
def test_an_optimizer_takes_what_it_keeps(optimizer, copies):
    (run,) = runs(
        spec={"width": 3000, "depth": 3},
        training={"optimizer": optimizer, "max_steps": 5},
        seeds=1,
    )
    assert memory_of_group([run]) == pytest.approx(copies * 4 * 9e6, rel=0.02)


def test_of_many_large_networks_two_are_trained_at_a_time():
    group = runs(spec={"width": 3000, "depth": 3}, seeds=10)
    assert memory_of_group(group) == pytest.approx((10 + 2 * 4) * 4 * 9e6, rel=0.02)


def test_examples_of_their_own_take_more_than_shared_ones():
    shared, own = runs(seeds=2), runs(grid={"data.offset": [0, 7]}, seeds=1)
    assert memory_of_group(own) - memory_of_group(shared) == 4 * 2 * 16


@pytest.mark.parametrize(
    "spec",
    [
        Convolutional(shape=(3, 8, 8), channels=5, depth=4, downsample=1),
        UNet(shape=(3, 8, 8), channels=2, levels=2),
        FullyConnected(shape=(3, 8, 8), width=(4, 9), depth=3),
    ],
    ids=lambda spec: spec.kind,
)
def test_what_a_pass_leaves_is_what_the_layers_give(spec):
    given = []
    network = spec.build()
    for layer in network.modules():
        if any(True for _ in layer.parameters(recurse=False)):
            layer.register_forward_hook(lambda _, __, output: given.append(output.numel()))
    network(torch.zeros(1, *spec.shape))
    assert module._outputs(spec) == sum(given)


def test_no_memory_is_taken_to_compute_it():
    spec = FullyConnected(shape=(64,), width=1_000_000, depth=3)
    assert weights_count(spec) == 10**12 + 2 * 64 * 10**6 + 2 * 10**6 + 64


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (FullyConnected(shape=(64,), width=1_000_000, depth=8), "96 TB"),
        (FullyConnected(shape=(64,), width=2_000_000, depth=3), "1.1e+12 weights"),
        (Convolutional(shape=(1, 8, 8), channels=300_000, depth=80), "`depth` or `channels`"),
        (UNet(shape=(1, 8, 8), channels=500_000), "`channels` or `levels`"),
    ],
    ids=["all layers", "a layer", "convolutions", "a U-Net"],
)
def test_what_no_machine_holds_is_refused(spec, words):
    with pytest.raises(MnemoscopeError) as error:
        check_memory(spec, TrainingOptions(), 4)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_what_another_machine_may_hold_is_not_refused():
    spec = FullyConnected(shape=(64,), width=1_000_000, depth=4)
    assert 16 * weights_count(spec) < MAX_MEMORY
    check_memory(spec, TrainingOptions(), 4)
    with pytest.raises(MnemoscopeError):
        check_memory(spec, TrainingOptions(dtype="float64"), 10**12)


def test_a_container_has_what_it_may_take(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(module, "_CGROUP", limit)
    whole = machine_memory()
    assert whole > 2**20
    limit.write_text("max\n")
    assert machine_memory() == whole
    limit.write_text("1000\n")
    assert machine_memory() == 1000
