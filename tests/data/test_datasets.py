"""Datasets and data loaders are a source of examples."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from mnemoscope.data import load_data
from mnemoscope.data.load import read_examples
from mnemoscope.data.reading import Reading

X = torch.rand(7, 3, generator=torch.Generator().manual_seed(0))


class Items(Dataset):
    def __init__(self, make):
        self.make = make

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        return self.make(index)


class Stream(IterableDataset):
    def __iter__(self):
        yield from X


ITEMS = {
    "tensors": lambda i: X[i],
    "pairs": lambda i: (X[i], i),
    "arrays": lambda i: X[i].numpy(),
    "dictionaries": lambda i: {"label": i, "x": X[i], "mask": X[i] > 0},
    "lists": lambda i: [X[i].tolist(), 3],
}


@pytest.mark.parametrize("kind", ITEMS)
def test_the_first_part_of_an_item_is_the_example(kind):
    dataset = Items(ITEMS[kind])
    assert torch.equal(load_data(dataset), X)
    assert torch.equal(load_data(dataset, n=2, offset=3), X[3:5])


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_a_loader_gives_the_examples_of_its_dataset_in_order(shuffle, batch_size):
    dataset = TensorDataset(X, torch.arange(7))
    assert torch.equal(load_data(DataLoader(dataset, batch_size, shuffle=shuffle)), X)


def test_a_loader_with_a_collate_of_its_own_gives_what_it_collates():
    def collate(items):
        return torch.stack([item + 1 for item in items])

    loader = DataLoader(Items(ITEMS["tensors"]), 3, collate_fn=collate)
    assert torch.equal(load_data(loader), X + 1)


@pytest.mark.parametrize("batch_size", [None, 2])
def test_a_stream_is_read_as_far_as_needed(batch_size, refusal):
    source = DataLoader(Stream(), batch_size)
    assert torch.equal(load_data(source, n=3, offset=2), X[2:5])
    assert torch.equal(load_data(Stream()), X)
    assert "7 examples" in refusal(source, n=9)


def test_random_transforms_are_refused(refusal):
    dataset = Items(lambda i: X[i] + torch.rand(3))
    assert "differs when it is read again" in refusal(dataset)


def test_pictures_of_pillow():
    dataset = Items(lambda i: (Image.fromarray(np.full((2, 2), 51 * (i % 6), np.uint8)), i))
    found = read_examples(dataset)
    assert found.X.shape == (7, 1, 2, 2)
    assert found.X[1, 0, 0, 0].item() == pytest.approx(0.2)
    assert found.scale == "divide"


def test_items_that_are_no_examples(refusal):
    assert "items of type str" in refusal(Items(lambda i: "text"))
    assert "item 3 (4,)" in refusal(Items(lambda i: torch.zeros(4 if i == 3 else 3)))
    assert "column 'z'" in refusal(Items(ITEMS["dictionaries"]), reading=Reading(column="z"))
