"""Runs of a group: trained as if each were alone, and measured."""

import numpy as np
import pytest
import torch

import mnemoscope as mn
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.sweep import train_again
from mnemoscope.sweep.configuration import examples
from mnemoscope.sweep.fitting import fit
from mnemoscope.sweep.runs import planned_runs
from tests.sweep.designs import diverging, tiny

ALONE = {"optimizer": "gauss_newton", "max_steps": 20}


def fitted(design):
    runs = planned_runs(design, "code")
    return [run.configuration for run in runs], fit(runs, say=lambda _: None)


@pytest.mark.parametrize("training", [{"max_steps": 40}, ALONE], ids=["replicas", "one by one"])
def test_each_run_is_trained_as_if_it_were_alone(training):
    design = tiny(training=training, grid={"data.offset": [0, 7]}, seeds=2)
    runs, found = fitted(design)
    for row, run in enumerate(runs):
        net = run.spec.build(seed=run.seed)
        how = {key: value for key, value in training.items() if key != "optimizer"}
        alone = mn.train(
            net,
            examples(run.data)[0],
            mn.TrainingOptions(optimizer=run.training.optimizer, seed=run.seed, **how),
        )
        assert found.table["loss"][row] == pytest.approx(alone.loss, rel=1e-3)
        mine = dict(found.replicas[row].named_parameters())
        for name, parameter in net.named_parameters():
            torch.testing.assert_close(mine[name], parameter, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("training", [{"max_steps": 9}, ALONE], ids=["replicas", "one by one"])
def test_the_scale_of_the_first_weights(training):
    design = tiny(training={**training, "init_scale": 0.5}, spec={"width": 4, "depth": 2}, seeds=1)
    _, found = fitted(design)
    first = next(iter(found.replicas[0].parameters()))
    _, other = fitted(design.model_copy(update={"training": training}))
    assert not torch.equal(first, next(iter(other.replicas[0].parameters())))


def test_a_run_that_diverges_leaves_the_others_alone():
    runs, found = fitted(diverging(seeds=2, measure={"take": ["stored"]}))
    assert [run.training.lr for run in runs] == [1e-3, 1e-3, 1e6, 1e6]
    assert found.table["status"].to_list() == ["not_interpolated"] * 2 + ["diverged"] * 2
    assert len(found.replicas) == 2
    assert found.table["stored"].is_null().to_list() == [False, False, True, True]
    assert found.table["loss"][:2].is_finite().all()


def test_a_group_that_diverges_whole_has_no_networks():
    design = diverging(grid={"training.lr": [1e6]}, measure={"take": ["stored"]})
    _, found = fitted(design)
    assert found.replicas is None
    assert found.table["stored"].to_list() == [None, None]


def test_what_interpolates_and_what_does_not():
    design = tiny(
        spec={"width": 32, "depth": 2},
        training={"max_steps": 3000, "tol": 1e-4},
        grid={"training.lr": [1e-2, 1e-9]},
        seeds=1,
    )
    _, found = fitted(design)
    assert found.table["status"].to_list() == ["interpolated", "not_interpolated"]
    assert found.table["steps"][0] < found.table["steps"][1] == 3000


def test_examples_that_are_not_those_that_were_planned(tmp_path):
    path = tmp_path / "data.npy"
    np.save(path, np.zeros((2, 1, 4, 4), dtype=np.float32))
    design = tiny(data={"source": str(path), "n": 2}, seeds=1)
    (run,) = planned_runs(design, "code")
    np.save(path, np.full((2, 1, 4, 4), 0.5, dtype=np.float32))
    examples.cache_clear()
    with pytest.raises(MnemoscopeError, match="planned"):
        fit([run], say=lambda _: None)


def test_examples_that_this_worker_has_read_before_they_changed(tmp_path):
    path = tmp_path / "data.npy"
    np.save(path, np.full((2, 1, 4, 4), 0.5, dtype=np.float32))
    design = tiny(data={"source": str(path), "n": 2}, seeds=1)
    (run,) = planned_runs(design, "code")
    np.save(path, np.zeros((2, 1, 4, 4), dtype=np.float32))
    examples.cache_clear()
    examples(run.configuration.data)
    np.save(path, np.full((2, 1, 4, 4), 0.5, dtype=np.float32))
    assert fit([run], say=lambda _: None).table["status"][0] != "diverged"


def test_a_network_is_trained_again():
    runs, found = fitted(tiny(training={"max_steps": 40}, measure={"take": ["stored"]}))
    again = train_again(runs[1].to_json())
    for mine, parameter in zip(again.parameters(), found.replicas[1].parameters(), strict=True):
        torch.testing.assert_close(mine, parameter, rtol=1e-3, atol=1e-4)


def test_with_its_group_it_is_the_same_network():
    runs, found = fitted(tiny(training={"max_steps": 40}, seeds=5))
    group = [run.to_json() for run in runs]
    again = train_again(runs[3].to_json(), group=group)
    for mine, parameter in zip(again.parameters(), found.replicas[3].parameters(), strict=True):
        assert torch.equal(mine, parameter)
    assert again.training_record.source == {
        "source": "digits", "n": 2, "offset": 0, "size": 4, "gray": False,
    }  # fmt: skip
    with pytest.raises(MnemoscopeError, match="not in its group"):
        train_again(runs[3].to_json(), group=group[:3])


def test_a_run_that_diverges_cannot_be_trained_again():
    runs, _ = fitted(diverging(grid={"training.lr": [1e6]}, seeds=1))
    with pytest.raises(MnemoscopeError, match="diverges"):
        train_again(runs[0])
