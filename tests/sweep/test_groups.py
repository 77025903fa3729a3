"""Groups: runs that can train as replicas, each run in one."""

import pytest

from mnemoscope.sweep.runs import FEWEST, GROUPS, MOST, ROOM, Group, groups, planned_runs
from tests.sweep.designs import tiny


def planned(**fields):
    return planned_runs(tiny(**fields), "code")


def names(cut):
    return [group.name for group in cut]


@pytest.mark.parametrize("most", [None, 1, 3, 1000])
def test_every_run_is_in_one_group(most):
    runs = planned(
        grid={"spec.depth": [1, 2], "training.lr": [1e-2, 1e-3], "data.n": [1, 2]}, seeds=5
    )
    cut = groups(runs, most)
    assert sorted(run.key for group in cut for run in group.runs) == sorted(r.key for r in runs)


@pytest.mark.parametrize(
    "field",
    ["training.lr", "training.weight_decay", "training.init_scale", "data.offset"],
)
def test_replicas_may_differ_in_these(field):
    values = [0, 1] if field == "data.offset" else [0.1, 0.2]
    assert len(groups(planned(grid={field: values}))) == 1


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("spec.depth", [1, 2]),
        ("spec.activation", ["tanh", "relu"]),
        ("data.n", [1, 2]),
        ("training.optimizer", ["adam", "gradient_descent"]),
        ("training.max_steps", [1, 2]),
        ("training.batch_size", [1, 2]),
        ("training.dtype", ["float32", "float64"]),
    ],
)
def test_replicas_may_not_differ_in_these(field, values):
    cut = groups(planned(grid={field: values}))
    assert len(cut) == 2
    assert all(len(group.runs) == 2 for group in cut)


@pytest.mark.parametrize("most", [1, 7, 64])
def test_no_group_is_larger_than_it_may_be(most):
    cut = groups(planned(seeds=100), most)
    sizes = [len(group.runs) for group in cut]
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1


def test_a_sweep_is_cut_for_many_workers():
    assert len(groups(planned(seeds=FEWEST * GROUPS))) == GROUPS
    assert [len(group.runs) for group in groups(planned(seeds=FEWEST))] == [FEWEST]


def test_a_group_fits_a_cache():
    runs = planned(seeds=10 * MOST)
    assert max(len(group.runs) for group in groups(runs)) <= MOST
    wide = planned(spec={"width": 4096, "depth": 3}, seeds=10 * FEWEST)
    assert max(len(group.runs) for group in groups(wide)) <= FEWEST


@pytest.mark.parametrize(("width", "size"), [(4096, FEWEST), (8_000, 4), (20_000, 1), (200_000, 1)])
def test_a_network_that_is_large_shares_its_memory_with_few(width, size):
    runs = planned(spec={"width": width, "depth": 3}, seeds=100 * FEWEST)
    cut = groups(runs)
    assert max(len(group.runs) for group in cut) == size
    assert max(group.memory for group in cut) <= max(2 * ROOM, Group(runs[:1]).memory)


def test_equal_groups_have_equal_names():
    assert names(groups(planned(seeds=9), 2)) == names(groups(planned(seeds=9), 2))
    assert len(set(names(groups(planned(seeds=9), 2)))) == 5
    assert set(names(groups(planned(seeds=9), 2))).isdisjoint(names(groups(planned(seeds=8), 9)))


def test_halves_are_the_group():
    (group,) = groups(planned(seeds=5))
    first, second = group.halves()
    assert first.runs + second.runs == group.runs
    assert (len(first.runs), len(second.runs)) == (2, 3)


def test_nothing_makes_no_group():
    assert groups([]) == []
