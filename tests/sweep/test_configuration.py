"""The data of a run are read according to its fields, and its network's record has only these."""

import numpy as np
import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.sweep.configuration import Data, Measure, examples, held_out


@pytest.fixture
def source(tmp_path):
    grades = np.random.default_rng(0).integers(0, 17, (6, 1, 4, 4))
    np.savez(tmp_path / "x.npz", X=grades, y=grades[:, :, 0] / 16)
    return str(tmp_path / "x.npz")


@pytest.mark.parametrize(("scale", "top"), [(None, 16), ("keep", 16), ("divide", 16 / 255)])
def test_scale_by_their_rule(source, scale, top):
    X, _ = examples(Data(source=source, n=4, scale=scale))
    assert float(X.max()) == pytest.approx(top)


def test_held_out_examples_are_read_in_the_same_way(source):
    data = Data(source=source, n=4, scale="divide")
    fresh = held_out(data, Measure(take=(), held_out=2))
    assert fresh is not None
    assert 0 < float(fresh.max()) <= 16 / 255


def test_a_key(source):
    X, _ = examples(Data(source=source, key="y"))
    assert X.shape == (6, 1, 4)
    assert float(X.max()) <= 1


def test_the_record_has_what_was_said(source):
    plain = {"source": source, "n": 4, "offset": 0, "size": None, "gray": False}
    assert Data(source=source, n=4).record() == plain
    assert Data(source=source, n=4, key="y").record() == {**plain, "key": "y"}


@pytest.mark.parametrize("wrong", [{"scale": "halve"}, {"alpha": "black"}, {"column": 3}])
def test_what_is_no_such_choice(wrong):
    with pytest.raises(MnemoscopeError, match=next(iter(wrong))):
        Data(source="digits", **wrong)
