"""Scikit-learn's digits, whole and in their order."""

import torch
from sklearn.datasets import load_digits

from mnemoscope.data import load_data


def test_they_are_scikit_learns():
    X = load_data("digits")
    assert X.shape == (1797, 1, 8, 8)
    assert X.dtype == torch.float32
    pixels, _ = load_digits(return_X_y=True)
    assert torch.equal((X * 16).flatten(1).double(), torch.as_tensor(pixels))
    assert X.unique().tolist() == [level / 16 for level in range(17)]


def test_size_resizes():
    X = load_data("digits", n=3, size=16)
    assert X.shape == (3, 1, 16, 16)
    assert float(X.min()) >= 0
    assert float(X.max()) <= 1


def test_n_and_offset_choose_a_part():
    assert torch.equal(load_data("digits", n=3, offset=1794), load_data("digits")[-3:])
