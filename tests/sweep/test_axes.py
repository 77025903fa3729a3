"""What a design varies, and what is refused."""

import datetime
import math

import numpy as np
import pytest
import torch

from mnemoscope.sweep.axes import (
    VARIED,
    Axis,
    DesignError,
    PythonPlaces,
    Sample,
    check_fixed,
    check_plain,
    flattened,
    grid_axes,
    plain,
    sample_axis,
    zip_axis,
)
from mnemoscope.sweep.sobol import Choices, Range


def refused(function, *arguments):
    with pytest.raises(DesignError) as error:
        function(*arguments)
    assert "\n" not in str(error.value)
    return error.value


def test_all_fields_of_a_run_but_how_it_is_measured_can_be_varied():
    assert {"spec.depth", "data.n", "training.lr"} <= set(VARIED)
    assert not any(path.startswith("measure.") for path in VARIED)


def test_a_grid_has_an_axis_for_each_field():
    assert grid_axes({"spec.depth": [1, 2], "spec.width": [[3, 4]]}) == [
        Axis(("spec.depth",), ((1,), (2,))),
        Axis(("spec.width",), (([3, 4],),)),
    ]


def test_the_lists_of_a_zip_go_together():
    assert zip_axis({"training.optimizer": ["adam", "rmsprop"], "training.lr": [1, 2]}, 0) == Axis(
        ("training.optimizer", "training.lr"), (("adam", 1), ("rmsprop", 2))
    )


def test_a_sample_has_ranges_and_choices():
    table = {"count": 4, "training.lr": {"low": 1, "high": 2}, "spec.bias": {"choices": [True]}}
    assert sample_axis(table) == Sample(
        ("training.lr", "spec.bias"), (Range(low=1, high=2), Choices(choices=(True,))), 4, 0
    )


def test_no_sample_is_one_point_of_no_fields():
    assert sample_axis({}) == Sample((), (), 1, 0)


@pytest.mark.parametrize(
    "table",
    [
        {"spec.depth": [1], "training.lr": {"low": 1, "high": 2}},
        {"spec": {"depth": [1]}, "training": {"lr": {"low": 1, "high": 2}}},
        {"spec": {"depth": [1]}, "training.lr": {"low": 1, "high": 2}},
    ],
)
def test_nested_tables_and_dotted_keys_are_the_same(table):
    assert flattened(table) == [("spec.depth", [1]), ("training.lr", {"low": 1, "high": 2})]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, 2), [1, 2]),
        (range(2), [0, 1]),
        (np.array([1, 2]), [1, 2]),
        ([np.float64(0.5), np.int64(2)], [0.5, 2]),
        (torch.tensor([[1.0], [2.0]]), [[1.0], [2.0]]),
        ({"a": (np.bool_(True), None, "x")}, {"a": [True, None, "x"]}),
    ],
)
def test_arrays_and_tuples_become_lists(value, expected):
    assert plain(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        math.inf, math.nan, [1, [math.inf]], {"a": -math.inf}, datetime.date(2020, 1, 1), {1: 2},
        object(),
    ],
)  # fmt: skip
def test_what_json_does_not_have_is_refused(value):
    assert "spec.depth" in refused(check_plain, "spec.depth", value).at[0]


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("spec.dept", "did you mean `spec.depth`?"),
        ("depth", "did you mean `spec.depth`?"),
        ("lr", "did you mean `training.lr`?"),
        ("sepc.depth", "did you mean `spec.depth`?"),
        ("spec.lr", "did you mean `training.lr`?"),
        ("trainings.max_stepz", "did you mean `training.max_steps`?"),
        ("wholly.different", "choose one of spec.kind,"),
    ],
)
def test_a_misspelled_field_is_told_with_the_one_meant(field, meant):
    for error in (
        refused(grid_axes, {field: [1]}),
        refused(zip_axis, {field: [1]}, 0),
        refused(sample_axis, {"count": 1, field: {"low": 1, "high": 2}}),
    ):
        assert meant in str(error)


def test_a_misspelled_fixed_field_is_told_with_the_one_meant():
    error = refused(check_fixed, "spec", {"dept": 3})
    assert error.at == ("spec.dept",)
    assert "did you mean `spec.depth`?" in str(error)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (3, "write a single value as a list of one"),
        ("relu", "expected a list of at least one value"),
        ([], "spec.depth=[]; expected a list of at least one value"),
        ({"low": 1, "high": 2}, "move the range to `sample`"),
        (None, "expected a list of at least one value"),
    ],
)
def test_a_field_without_a_list_is_told(values, words):
    error = refused(grid_axes, {"spec.depth": values})
    assert error.at == ("grid.spec.depth",)
    assert words in str(error)
    assert words in str(refused(zip_axis, {"spec.depth": values}, 2))


@pytest.mark.parametrize("values", [[1, 2, 1], ["relu", "relu"], [[8, 8], [8, 8]], [None, None]])
def test_a_value_that_comes_twice_is_told(values):
    error = refused(grid_axes, {"spec.width": values})
    assert error.at == ("grid.spec.width",)
    assert f"spec.width={values[0]!r} twice; expected each value once" in str(error)


def test_a_combination_that_comes_twice_is_told_and_a_value_may():
    lists = {"spec.depth": [1, 2, 1], "spec.width": [8, 8, 8]}
    error = refused(zip_axis, lists, 1)
    assert error.at == ("zip.1.spec.depth", "zip.1.spec.width")
    assert "Design.zip[1], spec.depth=1 with spec.width=8 twice; expected each comb" in str(error)
    axis = zip_axis({"spec.depth": [1, 2], "spec.width": [8, 8]}, 0)
    assert axis.points == ((1, 8), (2, 8))


def test_lists_of_different_lengths_are_told_with_their_lengths():
    error = refused(zip_axis, {"spec.depth": [1, 2, 3], "spec.width": [4]}, 1)
    assert error.at == ("zip.1.spec.depth", "zip.1.spec.width")
    assert "Design.zip[1], 3 values of spec.depth with 1 values of spec.width" in str(error)


def test_a_zip_of_nothing_is_told():
    assert refused(zip_axis, {}, 0).at == ("zip.0",)


def test_how_runs_are_measured_is_not_varied():
    assert "one way to measure all runs" in str(refused(grid_axes, {"measure.starts": [1, 2]}))


RANGE = {"low": 1, "high": 2}


@pytest.mark.parametrize(
    ("table", "at", "words"),
    [
        ({"spec.depth": RANGE}, "sample.count", "a sample without count"),
        ({"count": 0, "spec.depth": RANGE}, "sample.count", "count=0"),
        ({"count": "many", "spec.depth": RANGE}, "sample.count", "count='many'"),
        ({"count": True, "spec.depth": RANGE}, "sample.count", "count=True"),
        ({"count": 2**20 + 1, "spec.depth": RANGE}, "sample.count", "1 to 1048576"),
        ({"count": 4, "seed": -1, "spec.depth": RANGE}, "sample.seed", "seed=-1"),
        ({"count": 4, "seed": 1.5, "spec.depth": RANGE}, "sample.seed", "seed=1.5"),
        ({"count": 4}, "sample", "expected at least one field"),
        ({"count": 4, "spec.depth": [1, 2]}, "sample.spec.depth", "write { choices = [...] }"),
        ({"count": 4, "spec.depth": 3}, "sample.spec.depth", "expected a range such as"),
        ({"count": 4, "spec.depth": {"low": 3, "high": 1}}, "sample.spec.depth", "low=3 with"),
        ({"count": 4, "spec.depth": {"choices": []}}, "sample.spec.depth", "at least one value"),
        ({"count": 4, "spec.depth": {"choices": [1], "low": 2}}, "sample.spec.depth", "no field"),
        ({"count": 4, "spec.depth": {"low": 1, "high": 3}}, "sample.spec.depth", "whole = true"),
        ({"cuont": 4, "spec.depth": RANGE}, "sample.cuont", "did you mean `count`?"),
        ({"count": 4, "sede": 1, "spec.depth": RANGE}, "sample.sede", "did you mean `seed`?"),
    ],
)  # fmt: skip
def test_a_sample_that_is_none_is_told(table, at, words):
    error = refused(sample_axis, table)
    assert error.at == (at,)
    assert words in str(error)


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (["grid.spec.depth"], "Design.grid"),
        (["grid.spec.depth", "grid.spec.width"], "Design.grid"),
        (["spec.depth", "zip.2.a", "seeds"], "Design.spec, Design.zip[2] and Design.seeds"),
        (["zip"], "Design.zip"),
        ([], "Design"),
    ],
)  # fmt: skip
def test_places_in_python_are_arguments(paths, told):
    assert PythonPlaces().told(paths) == told
