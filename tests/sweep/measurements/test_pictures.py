"""The picture of a run: six starts, and where they end."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

import mnemoscope as mn
from mnemoscope.sweep.measurements.pictures import strip, take
from tests.sweep.measurements.groups import contractions, group


def pixels(png):
    assert png.startswith(b"\x89PNG")
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.fixture(scope="module")
def replicas():
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=16, depth=3)
    return mn.train_replicas(
        spec, mn.load_data("digits", n=3), mn.TrainingOptions(max_steps=2000), seeds=range(3)
    )


def test_noise_above_and_its_ends_below(replicas):
    X = mn.load_data("digits", n=3)
    (png, *_) = take(group(replicas, X, seeds=(4, 5, 6)))["picture"]
    drawn = pixels(png)
    assert drawn.shape == (16, 48)
    (Z,) = mn.Starts("uniform", 6, seed=4).blocks((1, 8, 8), dtype=X.dtype, device=X.device)
    end = mn.iterate(replicas[0], Z).end
    for row, states in enumerate((Z, end)):
        for column, state in enumerate(states):
            part = drawn[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            assert np.abs(part / 255 - state[0].clamp(0, 1).numpy()).max() <= 0.51 / 255


def test_only_of_the_first_seed_of_a_setting(replicas):
    columns = take(group(replicas, mn.load_data("digits", n=3), first=(False, True, False)))
    assert [png is None for png in columns["picture"]] == [True, False, True]


def test_states_that_are_no_pictures_have_none():
    columns = take(group(contractions((0.5, 0.0)), torch.ones(1, 2)))
    assert columns == {"picture": [None]}


@pytest.mark.parametrize(
    ("shape", "expected"), [((5, 4), (10, 12)), ((1, 5, 4), (10, 12)), ((3, 5, 4), (10, 12, 3))]
)
def test_a_pixel_for_a_pixel(shape, expected):
    states = torch.zeros(2, 3, *shape)
    states[1, 2, ..., 4, 3] = 7.0
    states[0, 0] = torch.nan
    drawn = pixels(strip(states))
    assert drawn.shape == expected
    assert drawn[9, 11].min() == 255
    assert drawn.astype(int).sum() == drawn[9, 11].astype(int).sum()
