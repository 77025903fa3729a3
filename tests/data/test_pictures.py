import pytest
import torch

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.pictures import as_colour, of_one_kind, shaped, squared


def test_a_wide_picture_keeps_its_middle_square():
    X = torch.arange(24.0).reshape(1, 1, 4, 6) / 24
    assert torch.equal(squared(X, 4), X[..., 1:5])


def test_halving_a_constant_picture_changes_nothing():
    assert torch.allclose(squared(torch.full((1, 3, 8, 8), 0.3), 4), torch.tensor(0.3))


def test_shrinking_does_not_alias_stripes():
    stripes = torch.tensor([0.0, 1.0]).repeat(32).expand(1, 1, 64, 64)
    inner = squared(stripes, 8)[..., 1:-1]
    assert (inner - 0.5).abs().max() < 0.05


def test_grey_of_pure_colours_is_their_luma():
    X = torch.eye(3)[:, :, None, None]
    assert torch.allclose(
        shaped(X, None, True, "it").flatten(), torch.tensor([0.299, 0.587, 0.114])
    )


def test_white_stays_within_one():
    assert shaped(torch.ones(1, 3, 2, 2), None, True, "it").max() <= 1


def test_grey_of_grey_is_itself():
    X = torch.rand(2, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(shaped(X, None, True, "it"), X)


@pytest.mark.parametrize(("size", "gray"), [(4, False), (None, True)])
@pytest.mark.parametrize("shape", [(5,), (2, 3, 4, 5), (7, 4, 4)])
def test_what_is_no_picture_has_neither_size_nor_grey(shape, size, gray):
    X = torch.zeros(2, *shape)
    with pytest.raises(MnemoscopeError, match="expected pictures"):
        shaped(X, size, gray, "it")
    assert shaped(X, None, False, "it") is X


def test_one_colour_picture_makes_all_colour():
    grey, colour = torch.full((1, 2, 2), 0.25), torch.eye(3)[:, :2, None].expand(3, 2, 2)
    both = of_one_kind([grey, colour], ["a", "b"])
    assert torch.equal(both[0], as_colour(grey))
    assert torch.equal(both[1], colour)


def test_different_sizes_are_reported_with_both_names_and_sizes():
    with pytest.raises(MnemoscopeError, match="a is 2 × 3, c is 2 × 4"):
        of_one_kind([torch.zeros(1, 2, 3), torch.zeros(1, 2, 3), torch.zeros(1, 2, 4)], list("abc"))


def test_every_pixel_counts_when_a_picture_shrinks():
    X = torch.eye(64).reshape(64, 1, 8, 8)
    assert (squared(X, 2).flatten(1).sum(1) > 0).all()
